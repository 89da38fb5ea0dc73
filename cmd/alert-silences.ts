/** Silences: asked for on the ALERTS stream, so that they outlive whoever watches. */
import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { jetstream } from "@nats-io/jetstream";
import { SILENCE_TYPE, silenceBody, UNSILENCE_TYPE } from "../lib/core/alert.ts";
import type { Silence } from "../lib/core/alert.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";
import { requireMoment } from "../lib/core/moment.ts";
import { RUNNER_KINDS } from "../lib/core/runner-id.ts";
import { subjectPrefix } from "../lib/core/subject.ts";
import { formatTime } from "../lib/core/time.ts";
import { connectNats } from "../lib/nats/connect.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

const ID_BYTES = 4;
const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_DURATION_MS = 366 * 86_400_000;
const PATTERN = new RegExp(`^(\\*|(${RUNNER_KINDS.join("|")}|\\*)(/[A-Za-z0-9_*-]{1,64}){0,2})$`);

export interface SilenceOptions {
  readonly for: string;
  readonly from?: string;
  readonly reason?: string;
}

/** Asks for one. @throws AppError `invalid` for a wrong pattern or time, `unavailable`. */
export async function addSilence(
  context: Context,
  pattern: string,
  options: SilenceOptions,
): Promise<Silence> {
  const silence = silenceOf(pattern, options, Date.now());
  await publish(context, SILENCE_TYPE, silenceBody(silence, Date.now()), silence.id);
  return silence;
}

/** Ends one. @throws AppError `unavailable`. */
export async function liftSilence(context: Context, id: string): Promise<void> {
  const body = { v: 1, at: formatTime(Date.now()), id, by: whoAmI() };
  await publish(context, UNSILENCE_TYPE, body, `${id} lifted`);
}

function silenceOf(pattern: string, options: SilenceOptions, nowMs: number): Silence {
  if (!PATTERN.test(pattern)) {
    throw new AppError(
      "invalid",
      `"${pattern}" is no pattern of runners: write kind/name/profile with * for any, such as ` +
        "camera/front-*/hd, or camera for all of a kind, or * for all",
    );
  }
  const from = options.from === undefined ? nowMs : requireMoment("--from", options.from, nowMs);
  const until = from + durationOf(options.for);
  const reason = options.reason ?? "";
  return { id: randomBytes(ID_BYTES).toString("hex"), pattern, from, until, reason, by: whoAmI() };
}

function durationOf(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit] ?? 0);
  if (ms > 0 && ms <= MAX_DURATION_MS) return ms;
  throw new AppError("invalid", `"${text}" is no duration: write 30m, 2h or 3d, at most 366d`);
}

function whoAmI(): string {
  return `${userInfo().username}@${hostname()}`;
}

async function publish(context: Context, type: string, body: object, msgID: string): Promise<void> {
  const nc = await connectNats(natsOptions(context, "runbeat alerts"));
  try {
    const subject = `${subjectPrefix(prefixesOf(context.settings), "alerts")}info.${type}`;
    await jetstream(nc).publish(subject, JSON.stringify(body), { msgID });
  } catch (error) {
    const why = messageOf(error);
    throw new AppError("unavailable", `It could not be stored: ${why}. Is runbeat up running?`);
  } finally {
    await nc.close();
  }
}

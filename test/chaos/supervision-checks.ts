/** Whether what is told of processes fits together, and with what lives. */
import type { NatsConnection } from "@nats-io/transport-node";
import type { Findings } from "./findings.ts";
import { RUNNERS, livingOf, runsByMark } from "./supervision-stage.ts";
import type { Living, SupervisionStage } from "./supervision-stage.ts";
import { readStream } from "./stream-reading.ts";

/** Two runs of one runner at the same moment, and what lives of a run that is said to be over. */
export function checkDoubles(stage: SupervisionStage, findings: Findings): void {
  const runs = runsByMark(stage);
  const all = livingOf(stage);
  const orphans = all.filter(({ mark }) => runs.get(mark)?.isOver === true);
  if (orphans.length > 0) findings.add("orphans of a run that is over", describe(orphans));
  for (const runner of RUNNERS) {
    const living = all.filter(({ mark }) => runs.get(mark)?.runner === runner);
    const marks = new Set(living.map(({ mark }) => mark));
    if (marks.size < 2) continue;
    // A look takes a moment: the one may have ended before the other was started.
    const still = livingOf(stage).filter((now) => living.some((then) => isSame(now, then)));
    const both = new Set(still.map(({ mark }) => mark));
    if (both.size > 1) findings.add("two runs of a runner", `${runner}: ${describe(still)}`);
  }
}

export function checkNothingLives(stage: SupervisionStage, findings: Findings): void {
  const living = livingOf(stage);
  if (living.length > 0) findings.add("processes that outlive the fleet", describe(living));
}

function isSame(one: Living, other: Living): boolean {
  return one.pid === other.pid && one.startTicks === other.startTicks;
}

function describe(living: readonly Living[]): string {
  return living.map(({ pid, mark, words }) => `${pid} [${mark}] ${words.join(" ")}`).join("; ");
}

interface Told {
  readonly type: string;
  readonly host: string;
  readonly pid: number;
  readonly started_at: number | string;
}

export interface EventFacts {
  /** Processes that were told of. */
  readonly processes: number;
  readonly ends: Readonly<Record<string, number>>;
}

/** After the fleet was stopped: each process began once and ended once, and none that nobody began. */
export async function checkEvents(nc: NatsConnection, findings: Findings): Promise<EventFacts> {
  const lives = new Map<string, string[]>();
  const ids = new Set<string>();
  await readStream(nc, "RUNBEAT_EVENTS", (message) => {
    const [, , kind, name, profile, type = ""] = message.subject.split(".");
    const runner = `${kind}/${name}/${profile}`;
    const id = message.headers?.get("Nats-Msg-Id") ?? "";
    if (ids.has(id)) findings.add("an event stored twice", `${runner} ${id}`);
    ids.add(id);
    if (!type.startsWith("process_") || !RUNNERS.includes(runner)) return;
    const { host, pid, started_at } = message.json<Told>();
    const process = `${runner} ${host} ${pid} ${started_at}`;
    lives.set(process, [...(lives.get(process) ?? []), type]);
  });
  const ends: Record<string, number> = {};
  for (const [process, types] of lives) {
    checkLife(process, types, findings);
    for (const type of types) ends[type] = (ends[type] ?? 0) + 1;
  }
  return { processes: lives.size, ends };
}

function checkLife(process: string, types: readonly string[], findings: Findings): void {
  const begins = types.filter((type) => type === "process_spawned").length;
  const ends = types.filter((type) => type === "process_exited" || type === "process_lost").length;
  const story = `${process}: ${types.join(", ")}`;
  if (begins !== 1) findings.add("a process that did not begin once", story);
  if (ends !== 1) findings.add("a process that did not end once", story);
  if (types[0] !== "process_spawned") findings.add("a process told of before it began", story);
}

/** The places where alerts are told: webhooks, Slack and what speaks like it, e-mail, the log. */
import { createHmac } from "node:crypto";
import { createTransport } from "nodemailer";
import type { Logger } from "pino";
import { alertBody } from "../core/alert.ts";
import type { Alert, Severity } from "../core/alert.ts";
import { AppError } from "../core/errors.ts";
import { headlineOf, MAX_SHOWN, textOf } from "./notice.ts";
import type { Notice, Sink } from "./notice.ts";

const TIMEOUT_MS = 10_000;

interface Common {
  readonly name: string;
  readonly min_severity: Severity;
}

/** A sink as it is configured. */
export type SinkSettings = Common &
  (
    | { readonly type: "log" }
    | { readonly type: "slack"; readonly url: string }
    | { readonly type: "webhook"; readonly url: string; readonly secret?: string | undefined }
    | {
        readonly type: "email";
        readonly host: string;
        readonly port: number;
        /** TLS from the first byte on; else it is begun where the server can. */
        readonly secure: boolean;
        readonly user?: string | undefined;
        readonly password?: string | undefined;
        readonly from: string;
        readonly to: readonly string[];
      }
  );

export interface SinkContext {
  readonly log: Pick<Logger, "warn" | "info">;
  /** Who sends, e.g. `sentinel@edge-1`. */
  readonly by: string;
}

export function openSink(settings: SinkSettings, context: SinkContext): Sink {
  const common = { name: settings.name, minSeverity: settings.min_severity };
  switch (settings.type) {
    case "log":
      return { ...common, deliver: async (notice) => await logNotice(notice, context) };
    case "slack": {
      const { url } = settings;
      return {
        ...common,
        deliver: async (notice, signal) =>
          await post(url, JSON.stringify({ text: slackText(notice) }), {}, signal),
      };
    }
    case "webhook":
      return {
        ...common,
        deliver: async (notice, signal) => await postSigned(settings, notice, context, signal),
      };
    case "email":
      return { ...common, deliver: mailer(settings, context) };
  }
}

async function logNotice(notice: Notice, { log }: SinkContext): Promise<void> {
  for (const alert of notice.alerts) {
    const line = headlineOf({ ...notice, alerts: [alert] });
    const fields = { alert: alert.id, members: alert.memberCount };
    if (alert.action === "resolved") log.info(fields, line);
    else log.warn(fields, line);
  }
}

/** Source: Slack's "Formatting text": these three characters are written as entities. */
function slackText(notice: Notice): string {
  const text = `*${headlineOf(notice)}*\n${textOf(notice)}`;
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/**
 * Signs `<time>.<body>`, so that a receiver knows who sent it and that it is not an old one sent
 * again: `Runbeat-Signature: t=<seconds>,v1=<hex HMAC-SHA256>`.
 */
async function postSigned(
  { url, secret }: { readonly url: string; readonly secret?: string | undefined },
  notice: Notice,
  { by }: SinkContext,
  signal: AbortSignal,
): Promise<void> {
  const now = Date.now();
  const body = JSON.stringify({
    v: 1,
    key: notice.key,
    headline: headlineOf(notice),
    alerts: notice.alerts.map((alert) => alertBody(shortened(alert, notice), by, now)),
  });
  const headers: Record<string, string> = { "idempotency-key": notice.key };
  if (secret !== undefined) headers["runbeat-signature"] = signatureOf(body, secret, now);
  await post(url, body, headers, signal);
}

/** After an outage many come in one piece: receivers have limits. */
function shortened(alert: Alert, { alerts }: Notice): Alert {
  return alerts.length === 1 ? alert : { ...alert, members: alert.members.slice(0, MAX_SHOWN) };
}

function signatureOf(body: string, secret: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1_000);
  const digest = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
  return `t=${seconds},v1=${digest}`;
}

async function post(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
    redirect: "error",
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  await response.body?.cancel();
  if (response.ok) return;
  throw new AppError("unavailable", `it was answered with status ${response.status}`);
}

function mailer(
  settings: Extract<SinkSettings, { type: "email" }>,
  { log }: SinkContext,
): Sink["deliver"] {
  const { host, port, secure, user, password, from, to } = settings;
  const transport = createTransport({
    host,
    port,
    secure,
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    ...(user === undefined ? {} : { auth: { user, pass: password ?? "" } }),
  });
  return async (notice) => {
    const { rejected } = await transport.sendMail({
      from,
      to: [...to],
      subject: headlineOf(notice),
      text: textOf(notice),
      // The same notice is the same mail, should it come twice.
      messageId: `<${notice.key}@runbeat>`,
    });
    if (rejected.length === 0) return;
    // Once more would tell the others twice.
    log.warn({ sink: settings.name }, `the mail server refused ${rejected.join(", ")}`);
  };
}

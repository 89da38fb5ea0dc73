/** Reads and writes alerts on the ALERTS stream; only the elected one writes. */
import { JetStreamApiCodes, JetStreamApiError, jetstream } from "@nats-io/jetstream";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { alertBody, parseAlertRecord, SUMMARY_TYPE } from "../core/alert.ts";
import type { Alert } from "../core/alert.ts";
import { AppError } from "../core/errors.ts";
import { streamName, subjectPrefix } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { readToEnd } from "../nats/read-to-end.ts";

const ACK_MS = 2_000;

export interface AlertStreamOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  /** Which component on which host. */
  readonly by: string;
}

/** Subjects of alerts proper: all but what is `info`. */
export function alertSubjects(prefixes: Prefixes): string[] {
  const prefix = subjectPrefix(prefixes, "alerts");
  return [`${prefix}critical.>`, `${prefix}warning.>`];
}

export class AlertStream {
  readonly #options: AlertStreamOptions;
  readonly #js: JetStreamClient;
  /** Last sequence of each subject, as we know it: another one means that somebody else writes. */
  readonly #lastSeqs = new Map<string, number>();

  constructor(options: AlertStreamOptions) {
    this.#options = options;
    this.#js = jetstream(options.nc, { timeout: ACK_MS });
  }

  /** Hands over every alert that the stream still holds, oldest first. */
  async read(take: (alert: Alert) => void): Promise<void> {
    const { nc, jsm, prefixes } = this.#options;
    await readToEnd({
      nc,
      jsm,
      stream: streamName(prefixes, "alerts"),
      start: { fromSeq: 1 },
      filterSubjects: alertSubjects(prefixes),
      onMessage: ({ subject, data, seq }) => {
        this.#lastSeqs.set(subject, seq);
        const record = parseAlertRecord(subject.slice(subject.lastIndexOf(".") + 1), data);
        if (record?.kind === "alert") take(record.alert);
      },
    });
  }

  /**
   * Stores one message of an alert, once however often it is tried.
   * @throws AppError `conflict` where another sentinel has written meanwhile.
   */
  async write(alert: Alert, atMs: number): Promise<void> {
    const { subject, body, msgID } = this.#messageOf(alert, atMs);
    const lastSubjectSequence = this.#lastSeqs.get(subject) ?? 0;
    try {
      const { seq } = await this.#js.publish(subject, body, {
        msgID,
        expect: { lastSubjectSequence },
      });
      this.#lastSeqs.set(subject, seq);
    } catch (error) {
      if (!isOvertaken(error)) throw error;
      throw new AppError("conflict", "Another sentinel has told of alerts meanwhile");
    }
  }

  /**
   * Stores messages of an alert that is no one's in the book, in order and once each, also by
   * whoever is not elected.
   */
  async writeOwn(alerts: readonly Alert[], atMs: number): Promise<void> {
    for (const alert of alerts) {
      const { subject, body, msgID } = this.#messageOf(alert, atMs);
      await this.#js.publish(subject, body, { msgID });
    }
  }

  /** Stores how the whole fleet is; once for each `period`. */
  async writeSummary(body: object, period: number): Promise<void> {
    const subject = `${subjectPrefix(this.#options.prefixes, "alerts")}info.${SUMMARY_TYPE}`;
    await this.#js.publish(subject, JSON.stringify(body), { msgID: `${SUMMARY_TYPE} ${period}` });
  }

  #messageOf(alert: Alert, atMs: number): { subject: string; body: string; msgID: string } {
    const { prefixes, by } = this.#options;
    return {
      subject: `${subjectPrefix(prefixes, "alerts")}${alert.severity}.${alert.type}`,
      body: JSON.stringify(alertBody(alert, by, atMs)),
      msgID: `${alert.id} ${alert.revision}`,
    };
  }
}

function isOvertaken(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
      error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)
  );
}

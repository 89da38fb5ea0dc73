/** One key of a bucket as a lease: who has it, and taking, renewing and giving it back. */
import { JetStreamApiCodes, JetStreamApiError, jetstream } from "@nats-io/jetstream";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { headers, nuid } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";

/** The server knows whole seconds and cuts the rest. Source: NATS ADR-43. */
const MS_PER_SEC = 1_000;

interface LeaseValue {
  readonly holder: string;
  /** Of one candidate; a holder's name may be used twice by mistake. */
  readonly nonce: string;
}

export interface Holding {
  /** Sequence of the key's last message; 0 where it has none. */
  readonly seq: number;
  /** Undefined: free. */
  readonly holder: string | undefined;
  readonly isOurs: boolean;
}

export interface LeaseRecordOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly bucket: string;
  readonly key: string;
  readonly holder: string;
  readonly ttlMs: number;
  /** For one request. */
  readonly timeoutMs: number;
}

/** Someone else wrote the key since we read it. */
export function isOvertaken(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
      error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)
  );
}

export class LeaseRecord {
  readonly subject: string;
  readonly #options: LeaseRecordOptions;
  readonly #js: JetStreamClient;
  readonly #nonce = nuid.next();
  readonly #ttl: string;

  constructor(options: LeaseRecordOptions) {
    this.#options = options;
    this.#js = jetstream(options.nc, { timeout: options.timeoutMs });
    this.subject = `$KV.${options.bucket}.${options.key}`;
    this.#ttl = `${Math.ceil(options.ttlMs / MS_PER_SEC)}s`;
  }

  async read(): Promise<Holding> {
    const { jsm, bucket } = this.#options;
    const message = await jsm.direct.getMessage(`KV_${bucket}`, { last_by_subj: this.subject });
    if (message === null) return { seq: 0, holder: undefined, isOurs: false };
    const isGone = message.header.has("KV-Operation") || message.header.has("Nats-Marker-Reason");
    const value = isGone ? undefined : message.json<LeaseValue>();
    return {
      seq: message.seq,
      holder: value?.holder,
      isOurs: value?.nonce === this.#nonce,
    };
  }

  /** Takes or renews it after `seq`; gives the new sequence. @throws where it was overtaken. */
  async write(seq: number): Promise<number> {
    const value: LeaseValue = { holder: this.#options.holder, nonce: this.#nonce };
    // Not kv.update(): that drops the time to live, and the lease would never end.
    const ack = await this.#js.publish(this.subject, JSON.stringify(value), {
      ttl: this.#ttl,
      expect: { lastSubjectSequence: seq },
    });
    return ack.seq;
  }

  /** Marks it as free, and wakes whoever listens on the subject. */
  async clear(seq: number): Promise<void> {
    const header = headers();
    header.set("KV-Operation", "DEL");
    await this.#js.publish(this.subject, "", {
      headers: header,
      ttl: this.#ttl,
      expect: { lastSubjectSequence: seq },
    });
  }
}

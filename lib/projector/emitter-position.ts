/** Where the emitter stands in a source stream, kept in the state bucket and nowhere else. */
import { JetStreamApiCodes, JetStreamApiError, jetstream } from "@nats-io/jetstream";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { z } from "zod";
import { AppError } from "../core/errors.ts";
import type { SourceKey } from "../core/judge-message.ts";

const markSchema = z.object({ seq: z.number().int().min(0), time: z.number() });
const outputSchema = z.object({ created: z.string(), last_seq: z.number().int().min(0) });
const positionSchema = z.object({
  v: z.literal(1),
  /** Creation time of the source stream, as the server writes it. */
  created: z.string(),
  /** Every snapshot of heartbeats up to here is stored. */
  judged: markSchema,
  /** Every bad message up to here is in quarantine. */
  rejected: markSchema,
  /** An older position, to go back to when the end of the source was lost. */
  anchor: markSchema,
  /** How far the streams published to had grown by then: shows when their ends were lost. */
  snapshots: outputSchema,
  quarantine: outputSchema,
});
export type SourcePosition = Readonly<z.infer<typeof positionSchema>>;

/** A position as read, with what writing the next one expects. */
export interface StoredPosition {
  readonly position: SourcePosition | undefined;
  /** Sequence of the key's last message; 0 for none. */
  readonly revision: number;
}

export interface PositionStoreOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly bucket: string;
}

export class PositionStore {
  readonly #options: PositionStoreOptions;
  readonly #js: JetStreamClient;

  constructor(options: PositionStoreOptions) {
    this.#options = options;
    this.#js = jetstream(options.nc);
  }

  /** Asks the stream's leader: a replica might be behind. */
  async read(source: SourceKey): Promise<StoredPosition> {
    const { jsm, bucket } = this.#options;
    const message = await jsm.streams.getMessage(`KV_${bucket}`, {
      last_by_subj: this.#subject(source),
    });
    if (message === null) return { position: undefined, revision: 0 };
    return { position: parsePosition(message.data), revision: message.seq };
  }

  /**
   * Writes a position after `revision`; gives the new revision.
   * @throws AppError `conflict` when another emitter has written since.
   */
  async write(source: SourceKey, position: SourcePosition, revision: number): Promise<number> {
    try {
      const ack = await this.#js.publish(this.#subject(source), JSON.stringify(position), {
        expect: { lastSubjectSequence: revision },
      });
      return ack.seq;
    } catch (error) {
      if (!isOvertaken(error)) throw error;
      throw new AppError("conflict", `another emitter has moved the position in ${source}`, {
        cause: error,
      });
    }
  }

  #subject(source: SourceKey): string {
    return `$KV.${this.#options.bucket}.emitter.${source}`;
  }
}

function isOvertaken(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
      error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)
  );
}

/** Undefined for what a later version wrote or what was damaged: the source is judged anew. */
export function parsePosition(data: Uint8Array): SourcePosition | undefined {
  if (data.length === 0) return undefined;
  try {
    return positionSchema.parse(JSON.parse(Buffer.from(data).toString("utf8")));
  } catch {
    return undefined;
  }
}

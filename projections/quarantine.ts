import type { Rejected } from "../lib/core/quarantine.ts";
import { quarantineTable } from "../lib/store/tables.ts";
import type { QuarantineRow } from "../lib/store/tables.ts";
import type { Projection, QuarantinedMessage } from "./projection.ts";

function rejected(message: QuarantinedMessage, rejection: Rejected): QuarantineRow {
  return {
    stream_seq: message.seq,
    time: message.time,
    reason: rejection.reason,
    source_stream: rejection.sourceStream,
    source_seq: rejection.sourceSeq,
    subject: rejection.subject,
    bytes: rejection.bytes,
    payload: Buffer.from(rejection.payload).toString("base64"),
    message: rejection.message,
    state: "open",
    resolved_by: null,
    resolved_at: null,
  };
}

/** The message that a record is about: itself, or the one that it resolves. */
function subjectSeq({ seq, quarantined }: QuarantinedMessage): number {
  return quarantined.kind === "rejected" ? seq : quarantined.seq;
}

/** One row per rejected message, with what became of it. */
export const quarantine: Projection<"quarantine", QuarantineRow> = {
  name: "quarantine",
  version: 1,
  stream: "quarantine",
  table: quarantineTable,
  tellsStatus: false,
  appends: false,
  partlyKnown: { given: [], always: [], whenSaid: [] },
  key: (message) => String(subjectSeq(message)),
  keyValues: (message) => [subjectSeq(message)],
  evolve: (row, message) => {
    const { quarantined } = message;
    if (quarantined.kind === "rejected") return rejected(message, quarantined);
    // What was retried or discarded once stays so; a record about nothing changes nothing.
    if (row === undefined || row.state !== "open") return undefined;
    const { action, by } = quarantined;
    return { ...row, state: action, resolved_by: by, resolved_at: message.time };
  },
};

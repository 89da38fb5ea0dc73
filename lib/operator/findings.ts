/** Differences as they are kept and told: values as text, secrets masked. */
import { redact } from "../core/redact.ts";
import { checkpointStore } from "../store/checkpoint.ts";
import { recordCheck } from "../store/findings.ts";
import type { Finding } from "../store/findings.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { Difference } from "./compare-rows.ts";
import type { VerifyReport } from "./verify.ts";

const MAX_VALUE_CHARS = 200;

export function findingOf(projection: string, stream: string, difference: Difference): Finding {
  const { row, column, runner, firstSeq, lastSeq, live, folded } = difference;
  const origin = { projection, stream, runner, firstSeq, lastSeq };
  return { ...origin, row, column, live: valueText(live), folded: valueText(folded) };
}

function valueText(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null);
  return redact(text).slice(0, MAX_VALUE_CHARS);
}

/** Writes down what a verification of all rows has found; a table exchanged meanwhile is left out. */
export function recordVerify(db: SqliteDatabase, { tables }: VerifyReport): void {
  const checkpoints = checkpointStore(db);
  const judged = tables.filter(
    ({ projection, generation, problem }) =>
      problem === undefined && checkpoints.readAny(projection, "main")?.generation === generation,
  );
  recordCheck(db, {
    scope: "all",
    rows: judged.reduce((sum, { compared }) => sum + compared, 0),
    unjudged: judged.reduce((sum, { unjudged }) => sum + unjudged, 0),
    judged: judged.map(({ projection }) => ({ projection })),
    findings: judged.flatMap(({ projection, stream, differences }) =>
      differences.map((difference) => findingOf(projection, stream, difference)),
    ),
  });
}

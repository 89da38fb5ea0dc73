/** Two tables of one projection, row beside row, in the order of their key. */
import type { SqliteDatabase } from "../store/open.ts";
import { tableName } from "../store/lanes.ts";
import type { Lane } from "../store/lanes.ts";
import type { TableShape } from "../store/tables.ts";
import type { AnyProjection } from "../../projections/projection.ts";
import type { Row } from "./compare-rows.ts";

/** All rows of a table in a lane, ordered by key. */
export function rowsOf(
  db: SqliteDatabase,
  table: TableShape<Row>,
  lane: Lane,
): IterableIterator<Row> {
  const columns = table.columns.map((column) => `"${column}"`).join(", ");
  const order = table.key.map((column) => `"${column}"`).join(", ");
  return db
    .prepare(`select ${columns} from ${tableName(table.name, lane)} order by ${order}`)
    .iterate() as IterableIterator<Row>;
}

/** The rows of both, those with the same key together; one side is undefined where it has none. */
export function* rowPairs(
  projection: AnyProjection,
  ours: Iterator<Row>,
  theirs: Iterator<Row>,
): Generator<readonly [Row | undefined, Row | undefined], void, void> {
  let [a, b] = [ours.next(), theirs.next()];
  while (a.done !== true || b.done !== true) {
    const order =
      a.done === true ? 1 : b.done === true ? -1 : orderOf(projection, a.value, b.value);
    yield [
      order <= 0 && a.done !== true ? a.value : undefined,
      order >= 0 && b.done !== true ? b.value : undefined,
    ];
    if (order <= 0) a = ours.next();
    if (order >= 0) b = theirs.next();
  }
}

/** SQLite orders text by its bytes, as Buffer does; numbers by value. */
function orderOf(projection: AnyProjection, a: Row, b: Row): number {
  for (const column of projection.table.key) {
    const [x, y] = [a[column], b[column]];
    if (x === y) continue;
    if (typeof x === "number" && typeof y === "number") return x - y;
    return Buffer.compare(Buffer.from(String(x)), Buffer.from(String(y)));
  }
  return 0;
}

/** Read models of a user's own: written down in one object, checked, and folded like ours. */
import { AppError } from "../lib/core/errors.ts";
import type { JsonObject } from "../lib/core/heartbeat.ts";
import type { KeyValues, TableShape } from "../lib/store/tables.ts";
import type { AnyProjection, FoldedStream, MessageOf, Projection } from "./projection.ts";

/** `json` takes objects and lists; a `?` allows null. */
export const COLUMN_TYPES = ["text", "integer", "real", "json"] as const;
type PlainType = (typeof COLUMN_TYPES)[number];
export type ColumnType = PlainType | `${PlainType}?`;

export type ColumnTypes = Readonly<Record<string, ColumnType>>;

interface ValueOfType {
  text: string;
  integer: number;
  real: number;
  json: JsonObject | readonly unknown[];
}

type ValueOf<T extends ColumnType> = T extends `${infer Plain extends PlainType}?`
  ? ValueOfType[Plain] | null
  : T extends PlainType
    ? ValueOfType[T]
    : never;

/** A row as its fold sees it. */
export type RowOf<Columns extends ColumnTypes> = {
  -readonly [Name in keyof Columns]: ValueOf<Columns[Name]>;
};

export interface ProjectionDefinition<
  Stream extends FoldedStream,
  Columns extends ColumnTypes,
  Key extends keyof Columns & string,
> {
  /** `a-z 0-9 _`; the rows are at `/api/v1/projections/NAME`. */
  readonly name: string;
  /** Raise it when the fold changes its meaning, or the columns change: it is then folded anew. */
  readonly version: number;
  readonly stream: Stream;
  readonly columns: Columns;
  /** Columns that name a row; `text` or `integer`. */
  readonly key: readonly Key[];
  /** Values of the key's columns, in their order; undefined for a message that changes nothing. */
  readonly keyOf: (message: MessageOf[Stream]) => KeyValues | undefined;
  /**
   * The row after a message: pure, so without clock and chance. Columns of the key are filled in.
   * Undefined leaves it as it is.
   */
  readonly evolve: (
    row: RowOf<Columns> | undefined,
    message: MessageOf[Stream],
  ) => NewRow<Columns, Key> | undefined;
}

type NewRow<Columns extends ColumnTypes, Key extends keyof Columns> = Omit<RowOf<Columns>, Key> &
  Partial<Pick<RowOf<Columns>, Key>>;

/** What makes a projection a user's: its columns by type, so that its table can be made. */
export interface UserProjection extends AnyProjection {
  readonly userColumns: ColumnTypes;
}

export function isUserProjection(projection: AnyProjection): projection is UserProjection {
  return "userColumns" in projection;
}

const NAME = /^[a-z][a-z0-9_]{0,47}$/;
const STREAMS: readonly string[] = ["heartbeats", "events", "snapshots", "quarantine", "alerts"];
/** Ours in every table, and parameters of every list. */
const RESERVED = new Set(["first_seq", "last_seq", "limit", "cursor", "at"]);

type StoredRow = Record<string, unknown> & { first_seq: number; last_seq: number };

/**
 * Makes a projection of a definition. Every row also has `first_seq` and `last_seq`, the sequences
 * of the first and last message that were folded into it.
 * @throws AppError `invalid` that says what is not right.
 */
export function defineProjection<
  Stream extends FoldedStream,
  const Columns extends ColumnTypes,
  Key extends keyof Columns & string,
>(definition: ProjectionDefinition<Stream, Columns, Key>): UserProjection {
  const checked = definition as unknown as AnyDefinition;
  check(checked);
  const { name, version, stream, columns, key, keyOf } = checked;
  const projection: Projection<FoldedStream, StoredRow> = {
    name,
    version,
    stream,
    table: shapeOf(checked),
    tellsStatus: false,
    appends: false,
    partlyKnown: { given: [], always: ["last_seq"], whenSaid: [] },
    key: (message) => {
      const values = keyOf(message);
      return values === undefined ? undefined : JSON.stringify(values);
    },
    keyValues: (message) => checkedKey(checked, keyOf(message)),
    evolve: (row, message) => evolved(checked, row, message),
  };
  return Object.assign(projection, { userColumns: columns, userKey: key });
}

/** A definition whose types are of no concern. */
interface AnyDefinition {
  readonly name: string;
  readonly version: number;
  readonly stream: FoldedStream;
  readonly columns: ColumnTypes;
  readonly key: readonly string[];
  readonly keyOf: (message: unknown) => KeyValues | undefined;
  readonly evolve: (row: unknown, message: unknown) => Record<string, unknown> | undefined;
}

function invalid(name: unknown, problem: string): AppError {
  return new AppError("invalid", `Projection ${JSON.stringify(name)}: ${problem}`);
}

function check(definition: AnyDefinition): void {
  const { name, version, stream, columns, key, keyOf, evolve } = definition;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw invalid(name, "its name must be 1-48 characters a-z 0-9 _, a letter first");
  }
  if (!Number.isSafeInteger(version) || version < 1) {
    throw invalid(name, `its version is ${String(version)}: use 1, and raise it by 1`);
  }
  if (!STREAMS.includes(stream)) {
    throw invalid(name, `there is no stream ${stream}: use one of ${STREAMS.join(", ")}`);
  }
  if (typeof keyOf !== "function" || typeof evolve !== "function") {
    throw invalid(name, "keyOf and evolve must be functions");
  }
  checkColumns(name, columns);
  checkKeyColumns(name, columns, key);
}

function checkColumns(name: string, columns: ColumnTypes | undefined): void {
  const entries = Object.entries(columns ?? {});
  if (entries.length === 0) throw invalid(name, "it has no columns");
  for (const [column, type] of entries) {
    if (!NAME.test(column)) {
      throw invalid(name, `column ${column}: a name is 1-48 characters a-z 0-9 _, a letter first`);
    }
    if (RESERVED.has(column)) throw invalid(name, `column ${column} is reserved: rename it`);
    const plain = typeof type === "string" ? type.replace(/\?$/, "") : "";
    if (!(COLUMN_TYPES as readonly string[]).includes(plain)) {
      const allowed = COLUMN_TYPES.join(", ");
      throw invalid(name, `column ${column} is of type ${type}: use ${allowed}, with ? for null`);
    }
  }
}

function checkKeyColumns(name: string, columns: ColumnTypes, key: readonly string[]): void {
  if (!Array.isArray(key) || key.length === 0) throw invalid(name, "its key names no column");
  for (const column of key) {
    const type = columns[column];
    if (type !== "text" && type !== "integer") {
      throw invalid(name, `column ${column} of its key must be a column of type text or integer`);
    }
  }
}

function shapeOf({ name, columns, key }: AnyDefinition): TableShape<StoredRow> {
  const names = Object.keys(columns);
  return {
    name: userTableName(name),
    key,
    columns: [...names, "first_seq", "last_seq"],
    json: names.filter((column) => isJson(columns[column])),
    often: [],
    sometimes: [],
  };
}

/** Apart from ours, whatever a user calls it. */
export function userTableName(name: string): string {
  return `user_${name}`;
}

function isJson(type: ColumnType | undefined): boolean {
  return type === "json" || type === "json?";
}

function checkedKey({ name, key, columns }: AnyDefinition, values: KeyValues | undefined) {
  if (values?.length !== key.length) {
    throw invalid(name, `keyOf gave ${JSON.stringify(values)} for its key ${key.join(", ")}`);
  }
  for (const [index, column] of key.entries()) {
    checkValue(name, column, columns[column], values[index]);
  }
  return values;
}

/** What the table holds as text is an object for the fold, and a copy, whatever it does to it. */
function evolved(
  definition: AnyDefinition,
  before: StoredRow | undefined,
  message: MessageOf[FoldedStream],
): StoredRow | undefined {
  const { name, columns, key, evolve, keyOf } = definition;
  const row = before === undefined ? undefined : rowOf(definition, before);
  const after = evolve(row, message);
  if (after === undefined) return undefined;
  const values = checkedKey(definition, keyOf(message));
  const stored: StoredRow = { first_seq: before?.first_seq ?? message.seq, last_seq: message.seq };
  for (const [column, type] of Object.entries(columns)) {
    const place = key.indexOf(column);
    const value = place < 0 ? after[column] : values[place];
    checkValue(name, column, type, value);
    stored[column] = isJson(type) && value !== null ? JSON.stringify(value) : value;
  }
  const extra = Object.keys(after).find((column) => !Object.hasOwn(columns, column));
  if (extra !== undefined)
    throw invalid(name, `its fold made a column ${extra} that is not declared`);
  return stored;
}

/** A stored row as users see it. */
export function rowOf(
  { columns }: Pick<AnyDefinition, "columns">,
  stored: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(columns).map(([column, type]) => {
      const value = stored[column];
      return [column, isJson(type) && typeof value === "string" ? JSON.parse(value) : value];
    }),
  );
}

function checkValue(name: string, column: string, type: ColumnType | undefined, value: unknown) {
  const allowsNull = type?.endsWith("?") === true;
  if (value === null && allowsNull) return;
  if (fits(type?.replace("?", ""), value)) return;
  const shown = value === undefined ? "nothing" : (JSON.stringify(value)?.slice(0, 100) ?? "that");
  const orNull = allowsNull ? " or null" : "";
  throw invalid(name, `column ${column} got ${shown}, but is ${type?.replace("?", "")}${orNull}`);
}

function fits(type: string | undefined, value: unknown): boolean {
  if (type === "text") return typeof value === "string";
  if (type === "integer") return Number.isSafeInteger(value);
  if (type === "real") return typeof value === "number" && Number.isFinite(value);
  return type === "json" && typeof value === "object" && value !== null;
}

/** Rows of a read model of the user's own. */
export interface UserRowQuery {
  readonly projection: string;
  readonly table: string;
  readonly columns: readonly string[];
  /** The order of the rows. */
  readonly key: readonly string[];
  /** Only rows that have these values. */
  readonly equals: Readonly<Record<string, string | number>>;
  readonly limit: number;
  /** The key that the page before ended with. */
  readonly after: readonly (string | number)[] | undefined;
}

/** A row as its table has it: JSON as text. */
export type UserRow = Readonly<Record<string, string | number | null>>;

import type { Moment } from "../core/read-models.ts";

/** The texts of what is sent, made where the routes make theirs. */
export interface LiveTexts {
  /** A runner's item; undefined for one that lists don't show. */
  runners(names: readonly string[], moment: Moment): readonly (string | undefined)[];
  /** Events behind a sequence, oldest first. */
  events(after: number, limit: number): readonly LiveEventText[];
  /** `same`: whatever lasts of it, to tell whether it changed. */
  summary(moment: Moment): { readonly text: string; readonly same: string };
  /** The moment of a snapshot. */
  asOf(moment: Moment, seq: number): string;
}

export interface LiveEventText {
  readonly seq: number;
  readonly runner: string;
  readonly text: string;
}

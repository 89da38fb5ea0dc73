import stringWidth from "string-width";

/** Our own mark: terminals draw it as a letter, in one column, where string-width counts two. */
const LETTER_LIKE = /✖(?!\uFE0F)/gu;

/** The columns that a text takes on a terminal; sequences for colours take none. */
export function textWidth(text: string): number {
  return stringWidth(text.replaceAll(LETTER_LIKE, "x"));
}

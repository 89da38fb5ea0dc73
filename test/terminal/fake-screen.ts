/** A terminal that does what it is told: what would be seen on it, as lines of text. */
import textWidth from "fast-string-width";
import type { ScreenOutput } from "../../lib/terminal/screen-writer.ts";

const SEQUENCE = /\u001B\[([?\d;]*)([A-Za-z])/y;

export interface Cell {
  readonly char: string;
  /** The numbers of the colours and such that it was written with; empty: plain. */
  readonly style: string;
}

export class FakeScreen implements ScreenOutput {
  writableNeedDrain = false;
  isOther = false;
  hasCursor = true;
  /** Everything that was written. */
  written = "";
  readonly #columns: number;
  #rows: Cell[][] = [];
  #style = "";
  #row = 0;
  #column = 0;

  constructor(columns = 80) {
    this.#columns = columns;
  }

  write(text: string): boolean {
    this.written += text;
    for (let at = 0; at < text.length;) {
      SEQUENCE.lastIndex = at;
      const match = SEQUENCE.exec(text);
      if (match === null) {
        this.#put(text[at] ?? "");
        at += 1;
      } else {
        this.#obey(match[1] ?? "", match[2] ?? "");
        at += match[0].length;
      }
    }
    return true;
  }

  /** Without the blank lines at the end. */
  text(): string {
    return this.#rows
      .map((row) =>
        row
          .map(({ char }) => char)
          .join("")
          .trimEnd(),
      )
      .join("\n")
      .trimEnd();
  }

  cells(): readonly (readonly Cell[])[] {
    return this.#rows;
  }

  /** Without wrapping, the cursor stays on the last column. */
  #put(char: string): void {
    if (char === "\n") throw new Error("a line feed would scroll the screen");
    const row = this.#rowAt(this.#row);
    while (row.length < this.#column) row.push({ char: " ", style: "" });
    row[this.#column] = { char, style: this.#style };
    this.#column = Math.min(this.#column + 1, this.#columns - 1);
  }

  #rowAt(row: number): Cell[] {
    for (let at = this.#rows.length; at <= row; at++) this.#rows.push([]);
    return this.#rows[row] ?? [];
  }

  #obey(numbers: string, letter: string): void {
    if (letter === "H") {
      const [row = 1, column = 1] = numbers.split(";").map(Number);
      [this.#row, this.#column] = [row - 1, column - 1];
    } else if (letter === "K") this.#rowAt(this.#row).splice(this.#column);
    else if (letter === "J") this.#rows = [];
    else if (letter === "m")
      this.#style = numbers === "0" ? "" : `${this.#style} ${numbers}`.trim();
    else if (numbers === "?1049") this.isOther = letter === "h";
    else if (numbers === "?25") this.hasCursor = letter === "h";
    else if (numbers !== "?7") throw new Error(`nobody knows ${numbers}${letter}`);
  }
}

/** The columns that a line takes. */
export function widthOf(line: string): number {
  return textWidth(line);
}

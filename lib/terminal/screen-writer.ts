/** A whole screen of text on a terminal: only lines that changed are written. */

/** Where the screen goes: a terminal, or what stands for one. */
export interface ScreenOutput {
  write(text: string): boolean;
  /** Whether it has more to swallow than it should. */
  readonly writableNeedDrain: boolean;
}

const CSI = "\u001B[";
/** The other screen, no cursor, lines that end where the screen ends, nothing on it. */
const ENTER = `${CSI}?1049h${CSI}?25l${CSI}?7l${CSI}2J`;
/** Everything as it was, whatever had been begun. */
export const LEAVE_SCREEN = `${CSI}0m${CSI}?7h${CSI}?25h${CSI}?1049l`;

export class ScreenWriter {
  readonly #out: ScreenOutput;
  #shown: readonly string[] = [];

  constructor(out: ScreenOutput) {
    this.#out = out;
  }

  enter(): void {
    this.#shown = [];
    this.#out.write(ENTER);
  }

  leave(): void {
    this.#out.write(LEAVE_SCREEN);
  }

  /** What is on the screen is not known any more: after a resize, or because somebody asks. */
  forget(): void {
    this.#shown = [];
    this.#out.write(`${CSI}2J`);
  }

  /**
   * Shows these lines from the top. A slow line gets fewer pictures, not a queue of them.
   * @returns whether it was shown.
   */
  show(lines: readonly string[]): boolean {
    if (this.#out.writableNeedDrain) return false;
    const rows = Math.max(lines.length, this.#shown.length);
    let text = "";
    for (let row = 0; row < rows; row++) {
      const line = lines[row] ?? "";
      if (line === this.#shown[row]) continue;
      if (this.#shown[row] === undefined && line === "") continue;
      // Erased before: afterwards the cursor may stand on the last letter of a full line.
      text += `${CSI}${row + 1};1H${CSI}K${line}${CSI}0m`;
    }
    this.#shown = [...lines];
    if (text !== "") this.#out.write(text);
    return true;
  }
}

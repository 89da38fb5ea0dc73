/** One line on the terminal that says how far long work is; nothing where nobody looks. */
export interface ProgressLine {
  show(text: string): void;
  /** Takes the line away. */
  clear(): void;
}

/** What changes faster can't be read. */
const EVERY_MS = 100;

function write(text: string): void {
  process.stderr.write(`\r\u001B[K${text}`);
}

export function progressLine(): ProgressLine {
  const isSeen = process.stderr.isTTY;
  let shownAt = 0;
  return {
    show: (text) => {
      if (!isSeen || performance.now() - shownAt < EVERY_MS) return;
      shownAt = performance.now();
      write(text);
    },
    clear: () => {
      if (isSeen) write("");
    },
  };
}

/** `42 %` */
export function percentText(part: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, part)) * 100)} %`;
}

/** Figures of one run, printed as they come and kept for the JSON form. */
import { cpus } from "node:os";

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Against a bare limit of the same run. */
  readonly ratio?: number;
  readonly of?: string;
}

export class Figures {
  readonly all: Figure[] = [];
  readonly #print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  add(name: string, value: number, unit: string, base?: Figure): Figure {
    const figure: Figure =
      base === undefined
        ? { name, value, unit }
        : { name, value, unit, ratio: value / base.value, of: base.name };
    this.all.push(figure);
    this.#print(lineOf(figure));
    return figure;
  }

  heading(text: string): void {
    this.#print(`\n${text}`);
  }
}

function lineOf({ name, value, unit, ratio, of }: Figure): string {
  const digits = value >= 100 ? 0 : 2;
  const number = value.toLocaleString("en-US", { maximumFractionDigits: digits });
  const against = ratio === undefined ? "" : `   ${ratio.toFixed(2)} of ${of ?? ""}`;
  return `  ${name.padEnd(52)} ${number.padStart(12)} ${unit}${against}`;
}

export function machine(): string {
  const [first] = cpus();
  return `${cpus().length} × ${first?.model ?? "unknown processor"}, Node ${process.version}`;
}

/** The value below which a share of the sorted samples lies. */
export function quantile(sorted: Float64Array, share: number): number {
  const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return sorted[index] ?? Number.NaN;
}

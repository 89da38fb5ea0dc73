/**
 * Prometheus text, format 0.0.4.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 */

export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type Labels = Readonly<Record<string, string | number>>;
export type Sample = readonly [labels: Labels, value: number];

/** Counts of a histogram, all of one set of labels. */
export interface HistogramSample {
  readonly labels: Labels;
  /** Upper bound, and how many were no greater; the last bound is `+Inf`. */
  readonly upTo: readonly (readonly [bound: string, count: number])[];
  readonly sum: number;
  readonly count: number;
}

function escaped(value: string | number): string {
  return String(value).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function sampleText(name: string, [labels, value]: Sample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

function headText(name: string, type: string, help: string): string[] {
  const text = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return [`# HELP ${name} ${text}`, `# TYPE ${name} ${type}`];
}

/** One family of samples with its help and type. */
export function family(
  name: string,
  type: "gauge" | "counter",
  help: string,
  samples: readonly Sample[],
): string {
  const lines = samples.map((sample) => sampleText(name, sample));
  return [...headText(name, type, help), ...lines].join("\n");
}

export function histogram(name: string, help: string, samples: readonly HistogramSample[]): string {
  const lines = samples.flatMap(({ labels, upTo, sum, count }) => [
    ...upTo.map(([le, value]) => sampleText(`${name}_bucket`, [{ ...labels, le }, value])),
    sampleText(`${name}_sum`, [labels, sum]),
    sampleText(`${name}_count`, [labels, count]),
  ]);
  return [...headText(name, "histogram", help), ...lines].join("\n");
}

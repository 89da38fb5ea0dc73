/**
 * A strict reader of Prometheus text, format 0.0.4: what it takes, every scraper takes.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 */

const METRIC_NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL_NAME = "[a-zA-Z_][a-zA-Z0-9_]*";
const VALUE = String.raw`[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN`;
const LABEL = `${LABEL_NAME}="(?:[^"\\\\\\n]|\\\\["\\\\n])*"`;
const SAMPLE = new RegExp(`^(${METRIC_NAME})(?:\\{((?:${LABEL})(?:,${LABEL})*)\\})? (${VALUE})$`);
const TYPES = ["counter", "gauge", "histogram"];

export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: MetricSample[];
}

/** @throws Error that names the line, for anything that the format or its naming rules forbid. */
export function parseMetrics(text: string): ReadonlyMap<string, MetricFamily> {
  if (!text.endsWith("\n")) throw new Error("the last line does not end with a line feed");
  const families = new Map<string, MetricFamily>();
  const series = new Set<string>();
  let current: MetricFamily | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === "HELP") {
      help = { name, text: helpText(rest, line) };
    } else if (kind === "TYPE") {
      if (help?.name !== name) throw new Error(`no HELP right before: ${line}`);
      if (families.has(name)) throw new Error(`a second time: ${line}`);
      current = familyOf(name, rest, help.text);
      families.set(name, current);
    } else {
      const sample = sampleOf(line);
      const key = JSON.stringify([sample.name, labelPairs(sample)]);
      if (series.has(key)) throw new Error(`a second time: ${line}`);
      series.add(key);
      if (current === undefined || !belongs(sample, current)) throw new Error(`stray: ${line}`);
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return families;
}

/** Two samples with the same labels in another order are one series. */
function labelPairs({ labels }: MetricSample): string[] {
  const pairs = Object.entries(labels).map(([name, text]) => `${name}=${text}`);
  return pairs.toSorted((a, b) => (a < b ? -1 : 1));
}

function helpText(text: string, line: string): string {
  if (text === "" || /(?<!\\)(?:\\\\)*\\(?![\\n])/.test(text)) throw new Error(`bad HELP: ${line}`);
  return text;
}

function familyOf(name: string, type: string, help: string): MetricFamily {
  if (!new RegExp(`^${METRIC_NAME}$`).test(name)) throw new Error(`bad name ${name}`);
  if (!TYPES.includes(type)) throw new Error(`bad type ${type} of ${name}`);
  const isCounter = type === "counter";
  if (name.endsWith("_total") !== isCounter) throw new Error(`${type} ${name} is badly named`);
  if (/_(?:ms|milliseconds|minutes|mb|percent|bucket|sum|count)(?:_|$)/.test(name)) {
    throw new Error(`${name} is not in a base unit, or ends like a part of a histogram`);
  }
  return { name, type, help, samples: [] };
}

function sampleOf(line: string): MetricSample {
  const match = SAMPLE.exec(line);
  if (match === null) throw new Error(`no sample: ${line}`);
  const [, name = "", pairs = "", value = ""] = match;
  const labels: Record<string, string> = {};
  for (const [, label = "", text = ""] of pairs.matchAll(
    new RegExp(`(${LABEL_NAME})="((?:[^"\\\\]|\\\\.)*)"`, "g"),
  )) {
    if (label in labels || label.startsWith("__")) throw new Error(`bad label ${label}: ${line}`);
    labels[label] = text.replaceAll(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
  }
  return { name, labels, value: Number(value.replace("Inf", "Infinity")) };
}

function belongs({ name, labels, value }: MetricSample, family: MetricFamily): boolean {
  if (family.type === "counter" && !(value >= 0)) return false;
  if (family.type !== "histogram") return name === family.name && !("le" in labels);
  const part = name.startsWith(family.name) ? name.slice(family.name.length) : "";
  return part === "_bucket" ? "le" in labels : part === "_sum" || part === "_count";
}

/** Every set of labels has rising buckets up to `+Inf`, a sum, and a count that is the last of them. */
function checkHistogram({ name, samples }: MetricFamily): void {
  const sets = new Map<string, MetricSample[]>();
  for (const sample of samples) {
    const { le: _le, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    sets.set(key, [...(sets.get(key) ?? []), sample]);
  }
  for (const [labels, set] of sets) {
    const buckets = set.filter((sample) => sample.name.endsWith("_bucket"));
    const bounds = buckets.map(({ labels }) => Number(labels["le"]?.replace("Inf", "Infinity")));
    const counts = buckets.map(({ value }) => value);
    const isRising = (values: readonly number[], least: number) =>
      values.every((value, at) => at === 0 || value - (values[at - 1] ?? 0) >= least);
    const count = set.find((sample) => sample.name === `${name}_count`)?.value;
    const sum = set.find((sample) => sample.name === `${name}_sum`)?.value;
    const isWhole = bounds.at(-1) === Infinity && count === counts.at(-1) && sum !== undefined;
    if (!isWhole || !isRising(bounds, Number.MIN_VALUE) || !isRising(counts, 0)) {
      throw new Error(`the histogram ${name} of ${labels} is not whole`);
    }
  }
}

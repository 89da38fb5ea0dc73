/** Numbers, sizes and durations as people read them. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
const STEP = 1_024;
const SECOND_MS = 1_000;
const DURATIONS: readonly [name: string, ms: number][] = [
  ["d", 86_400 * SECOND_MS],
  ["h", 3_600 * SECOND_MS],
  ["min", 60 * SECOND_MS],
  ["s", SECOND_MS],
];

/** `1,234,567` */
export function countText(count: number): string {
  return count.toLocaleString("en-US");
}

/** `0 B`, `3.1 MiB`, `8 GiB` */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= STEP && unit < UNITS.length - 1) {
    value /= STEP;
    unit += 1;
  }
  const digits = unit === 0 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** In the largest unit that it is whole in, from two of it on: `36 h`, `30 d`, `90 s`. */
export function spanText(ms: number): string {
  for (const [name, size] of DURATIONS) {
    if (ms >= 2 * size && ms % size === 0) return `${ms / size} ${name}`;
  }
  return `${ms / SECOND_MS} s`;
}

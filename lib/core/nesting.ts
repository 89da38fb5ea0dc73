/** Objects nested deeper are refused: they could not be written out again safely. */
export const MAX_NESTING = 256;

/** Whether a JSON value has more levels of objects and lists than these. */
export function isNestedDeeper(value: unknown, levels = MAX_NESTING): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isNestedDeeper(inner, levels - 1));
}

/** Levenshtein's distance, two rows at a time. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const change = a[row - 1] === b[column - 1] ? 0 : 1;
      current[column] = Math.min(
        (above[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (above[column - 1] ?? 0) + change,
      );
    }
    above = current;
  }
  return above[b.length] ?? 0;
}

/** What somebody may have meant: the nearest of the words, undefined where none is near. */
export function nearestWord(word: string, words: readonly string[]): string | undefined {
  const wanted = word.slice(0, 100).toLowerCase();
  const ranked = words
    .map((candidate) => ({ candidate, edits: distance(wanted, candidate.toLowerCase()) }))
    .toSorted((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(2, wanted.length / 3)
    ? best.candidate
    : undefined;
}

/** `" Did you mean "port"?"`, or nothing. */
export function didYouMean(word: string, words: readonly string[]): string {
  const nearest = nearestWord(word, words);
  return nearest === undefined ? "" : ` Did you mean "${nearest}"?`;
}

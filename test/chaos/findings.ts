/** What a run found wrong: counted by kind, the first few with their details. */
const MAX_DETAILS = 10;

export class Findings {
  readonly #byKind = new Map<string, { count: number; details: string[] }>();

  add(kind: string, detail: string): void {
    let entry = this.#byKind.get(kind);
    if (entry === undefined) {
      entry = { count: 0, details: [] };
      this.#byKind.set(kind, entry);
    }
    entry.count += 1;
    if (entry.details.length < MAX_DETAILS) entry.details.push(detail);
  }

  expectEqual(kind: string, actual: unknown, expected: unknown): void {
    if (actual !== expected) this.add(kind, `${String(actual)}, expected ${String(expected)}`);
  }

  list(): string[] {
    return [...this.#byKind].map(
      ([kind, { count, details }]) => `${kind}: ${count} (${details.join("; ")})`,
    );
  }
}

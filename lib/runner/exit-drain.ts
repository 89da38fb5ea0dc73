/** Gives what is on its way a moment when the process has nothing left to do. */

type Drain = () => Promise<void>;

const drains = new Set<Drain>();

// One listener for all, however many heartbeats a process sends: Node warns of leaks at eleven.
function onBeforeExit(): void {
  for (const drain of drains) {
    drains.delete(drain);
    void drain();
  }
}

/** Runs it once before a natural exit; not on a signal and not on `process.exit`. */
export function addExitDrain(drain: Drain): void {
  if (drains.size === 0) process.on("beforeExit", onBeforeExit);
  drains.add(drain);
}

export function removeExitDrain(drain: Drain): void {
  drains.delete(drain);
  if (drains.size === 0) process.off("beforeExit", onBeforeExit);
}

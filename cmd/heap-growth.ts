import { setFlagsFromString } from "node:v8";

/**
 * How much the heap may grow beyond what is in use before it is cleaned up, percent. V8's own rule
 * goes by how fast a program makes garbage, and errs both ways: it lets a large fleet's rows in
 * memory grow to several times that, and where ten thousand heartbeats a second are told to many
 * clients it cleans up every two seconds, on all cores at once.
 */
const HEAP_GROWTH_PERCENT = 100;

/** For a program that keeps a fleet in memory. Holds for all its threads, from now on. */
export function setHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
}

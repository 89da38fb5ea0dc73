import { decodeHeartbeat } from "./decode-heartbeat.ts";
import type { Decoded } from "./decode-heartbeat.ts";
import { scanHeartbeat } from "./scan-heartbeat.ts";

/**
 * Reads one heartbeat, as `decodeHeartbeat` does: most are simple, and those are only scanned.
 * @param runner `kind/name/profile` of its subject.
 * @param knownHost the host that this runner named last: the same text is used again.
 */
export function readHeartbeat(runner: string, data: Uint8Array, knownHost: string): Decoded {
  const scanned = scanHeartbeat(runner, data, knownHost);
  return scanned === undefined ? decodeHeartbeat(runner, data) : { ok: true, heartbeat: scanned };
}

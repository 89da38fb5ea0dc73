import { decodeHeartbeat } from "./decode-heartbeat.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { scanHeartbeat } from "./scan-heartbeat.ts";

/**
 * Reads one heartbeat; undefined for a bad one, of which `decodeHeartbeat` tells why. Most are
 * simple, and those are only scanned. No object around it: it runs with every message.
 * @param runner `kind/name/profile` of its subject.
 * @param knownHost the host that this runner named last: the same text is used again.
 */
export function readHeartbeat(
  runner: string,
  data: Uint8Array,
  knownHost: string,
): Heartbeat | undefined {
  const scanned = scanHeartbeat(runner, data, knownHost);
  if (scanned !== undefined) return scanned;
  const decoded = decodeHeartbeat(runner, data);
  return decoded.ok ? decoded.heartbeat : undefined;
}

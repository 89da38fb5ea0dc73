import { describe, expect, it } from "vitest";
import { FAULT_TABLE } from "../../lib/ffmpeg/errors.ts";
import type { FaultRow } from "../../lib/ffmpeg/errors.ts";
import { createTroubleMeter } from "../../lib/ffmpeg/trouble-meter.ts";

function row(name: string): FaultRow {
  const found = FAULT_TABLE.find((fault) => fault.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

describe("warnings of FFmpeg", () => {
  it("are trouble from the fifth within half a minute on, and no longer when they stop", () => {
    const meter = createTroubleMeter();
    for (const atMs of [0, 5_000, 10_000, 15_000]) meter.add(row("packet_loss"), atMs);
    expect(meter.current(15_000)).toBeNull();
    meter.add(row("packet_loss"), 20_000);
    expect(meter.current(29_999)).toBe("Packets are being lost; use TCP. Set transport to tcp");
    expect(meter.current(30_000)).toBeNull();
  });

  it("are life where they are rare, or of different kinds", () => {
    const meter = createTroubleMeter();
    for (let at = 0; at < 20; at++) meter.add(row("packet_loss"), at * 10_000);
    expect(meter.current(200_000)).toBeNull();
    for (let at = 0; at < 4; at++) meter.add(row("slow_host"), 200_000);
    expect(meter.current(200_000)).toBeNull();
  });
});

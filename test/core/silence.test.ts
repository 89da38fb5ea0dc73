import { describe, expect, it } from "vitest";
import { coversMember } from "../../lib/core/silence.ts";

const MEMBER = { name: "camera/front-door/hd", host: "edge-1", alertId: "runner_offline-1-a" };

describe("a silence", () => {
  it.each([
    ["*", true],
    ["camera", true],
    ["camera/front-*", true],
    ["camera/*/sd", false],
    ["worker", false],
    ["host:edge-1", true],
    ["host:edge-*", true],
    ["host:edge", false],
    ["alert:runner_offline-1-a", true],
    ["alert:runner_offline-1-b", false],
  ])("of %s covers a camera of edge-1 in an alert: %s", (pattern, covers) => {
    expect(coversMember(pattern, MEMBER)).toBe(covers);
  });

  it("of a host covers nothing of which no host is known", () => {
    expect(coversMember("host:*", { name: "nats", alertId: "pipeline_down-1-a" })).toBe(false);
  });
});

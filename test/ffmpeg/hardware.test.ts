import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { backendFor } from "../../lib/ffmpeg/hardware.ts";

describe("the hardware that decodes", () => {
  it("is the CPU unless other is asked for, and then what is asked for", () => {
    expect(
      [undefined, "none", "cuda", "vaapi"].map((wanted) => backendFor(wanted as never)),
    ).toEqual(["cpu", "cpu", "cuda", "vaapi"]);
  });

  it("is what this host has where it may be anything", () => {
    const here = backendFor("auto");
    expect(here === "cuda").toBe(existsSync("/dev/nvidiactl"));
    expect(["cpu", "cuda", "vaapi"]).toContain(here);
  });
});

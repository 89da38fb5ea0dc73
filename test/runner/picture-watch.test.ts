import { describe, expect, it } from "vitest";
import type { Frame } from "../../lib/core/camera-session.ts";
import { createPictureWatch, pictureLimits } from "../../lib/runner/picture-watch.ts";
import type { PictureTrouble } from "../../lib/runner/picture-watch.ts";

const WIDTH = 64;
const HEIGHT = 36;

function frame(second: number, level: (at: number) => number): Frame {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, at) => level(at));
  return { data, width: WIDTH, height: HEIGHT, atMs: second * 1000 };
}

/** What is said of one picture a second. */
function looks(seconds: number, level: (second: number, at: number) => number, limits = {}) {
  const watch = createPictureWatch(pictureLimits({ blackSec: 3, frozenSec: 5, ...limits }));
  return Array.from({ length: seconds }, (_, second) =>
    watch.look(frame(second, (at) => level(second, at))),
  );
}

/** What a sensor adds: a little, everywhere, never twice the same. */
function noise(second: number, at: number): number {
  return (second * 31 + at * 17) % 3;
}

describe("the picture watch", () => {
  it("has nothing against a scene in which only the sensor's noise moves", () => {
    expect(new Set(looks(100, (second, at) => 100 + noise(second, at)))).toEqual(new Set([null]));
  });

  it("finds a picture black after its time, noise or not, and good again at once", () => {
    const level = (second: number, at: number) => (second < 6 ? 4 : 90) + noise(second, at);
    expect(looks(8, level)).toEqual([null, null, null, "black", "black", "black", null, null]);
  });

  it("lets a camera write the time on a black picture", () => {
    const level = (second: number, at: number) => (at < 40 ? 200 : 3) + noise(second, at);
    expect(looks(4, level).at(-1)).toBe("black");
  });

  it("finds a picture frozen after its time, although a few points of it change", () => {
    const said = looks(10, (second, at) => (at < 3 ? second : at % 200));
    expect(said.indexOf("frozen")).toBe(6);
    expect(said.at(-1)).toBe("frozen");
  });

  it("finds it good again when it changes", () => {
    const said = looks(9, (second, at) => (second < 7 ? 100 : 100 + noise(second, at)));
    expect(said.slice(-3)).toEqual(["frozen", null, null]);
  });

  it("looks for neither where neither is wanted", () => {
    const none: PictureTrouble[] = looks(100, () => 0, { blackSec: 0, frozenSec: 0 });
    expect(new Set(none)).toEqual(new Set([null]));
  });

  it("looks at one picture a second, however many come", () => {
    const watch = createPictureWatch(pictureLimits({ blackSec: 1 }));
    const said = Array.from({ length: 10 }, (_, tenth) => watch.look(frame(tenth / 10, () => 0)));
    expect(new Set(said)).toEqual(new Set([null]));
    expect(watch.look(frame(1.8, () => 0))).toBe("black");
  });

  it("forgets what it has seen when the stream is another one", () => {
    const watch = createPictureWatch(pictureLimits({ blackSec: 1 }));
    watch.look(frame(0, () => 0));
    watch.reset();
    expect(watch.look(frame(1, () => 0))).toBeNull();
  });
});

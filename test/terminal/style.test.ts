import { describe, expect, it } from "vitest";
import { STATUSES } from "../../lib/core/status.ts";
import { paint, statusText, terminalLooks } from "../../lib/terminal/style.ts";

function looks(
  isTTY: boolean,
  environment: Record<string, string>,
): ReturnType<typeof terminalLooks> {
  return terminalLooks({ isTTY, columns: 100, environment });
}

describe("the looks", () => {
  it.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: "1" }, false],
    [true, { NO_COLOR: "" }, true],
    [true, { TERM: "dumb" }, false],
    [false, { FORCE_COLOR: "1" }, true],
    [false, { FORCE_COLOR: "0" }, false],
    [true, { FORCE_COLOR: "1", NO_COLOR: "1" }, false],
  ])("on a terminal: %s with %j have colours: %s", (isTTY, environment, colour) => {
    expect(looks(isTTY, environment as Record<string, string>).colour).toBe(colour);
  });

  it("are cut to the terminal's width, and to nothing where output is piped", () => {
    expect(looks(true, {}).width).toBe(100);
    expect(looks(false, {}).width).toBe(Infinity);
    expect(terminalLooks({ isTTY: true, columns: undefined, environment: {} }).width).toBe(80);
  });

  it.each([
    [{}, true],
    [{ LANG: "en_GB.UTF-8" }, true],
    [{ LANG: "C.utf8" }, true],
    [{ LANG: "C" }, false],
    [{ LC_ALL: "POSIX", LANG: "en_GB.UTF-8" }, false],
  ])("with the locale %j are beyond ASCII: %s", (environment, unicode) => {
    expect(looks(true, environment as Record<string, string>).unicode).toBe(unicode);
  });
});

describe("a status", () => {
  it.each([true, false])(
    "is told by its shape too, never by colour alone (unicode: %s)",
    (unicode) => {
      const plain = { colour: false, unicode, width: 80 };
      const shapes = STATUSES.map((status) => statusText(status, plain)[0]);
      expect(new Set(shapes).size).toBe(STATUSES.length);
    },
  );

  it("has no escape sequences without colours", () => {
    expect(paint("x", "red", { colour: false, unicode: true, width: 80 })).toBe("x");
    expect(paint("x", "red", { colour: true, unicode: true, width: 80 })).toBe(
      "\u001B[31mx\u001B[0m",
    );
  });
});

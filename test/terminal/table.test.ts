import * as fc from "fast-check";

import { describe, expect, it } from "vitest";
import { fit, harmless, tableLines } from "../../lib/terminal/table.ts";
import textWidth from "fast-string-width";

const wide = { colour: true, unicode: true, width: Infinity };
const ascii = { colour: false, unicode: false, width: Infinity };

function atWidth(width: number): typeof wide {
  return { ...wide, width };
}

describe("fitting text", () => {
  it.each([
    ["short", 10, "short"],
    ["exact", 5, "exact"],
    ["too long", 5, "too …"],
    ["摄像头入口", 6, "摄像…"],
    ["👩‍👩‍👧‍👦 family", 4, "👩‍👩‍👧‍👦 …"],
    ["a", 0, ""],
  ])("%s to %d columns gives %s", (text, width, expected) => {
    expect(fit(text, width, wide)).toBe(expected);
  });

  it("uses three dots where there is ASCII only", () => {
    expect(fit("too long", 6, ascii)).toBe("too...");
  });

  it("keeps a colour and closes it", () => {
    expect(fit("\u001B[31mfar too long\u001B[0m", 4, wide)).toBe("\u001B[31mfar…\u001B[0m");
  });

  it("never takes more columns than it may, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (text, width) => {
        expect(textWidth(fit(harmless(text), width, wide))).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe("text from elsewhere", () => {
  it("can't move the cursor, ring, or turn the line around", () => {
    expect(harmless("a\u001B[2Jb\u0007c\nd\u202Ee\te")).toBe("a [2Jb c d e e");
  });
});

describe("a table", () => {
  const columns = [
    { title: "NAME", min: 6 },
    { title: "N", align: "right" as const },
    { title: "X", min: 3 },
  ];

  it("lines columns up by what characters take on the screen", () => {
    const lines = tableLines(
      columns,
      [
        ["入口", "1", "ab"],
        ["yard", "22", "c"],
      ],
      wide,
    );
    expect(lines).toEqual(["NAME   N  X", "入口   1  ab", "yard  22  c"]);
  });

  it("lets the last columns give way first, each down to its least width", () => {
    const rows = [["front-door", "1", "abcdefghij"]];
    expect(tableLines(columns, rows, atWidth(20))[1]).toBe("front-door  1  abcd…");
    expect(tableLines(columns, rows, atWidth(14))[1]).toBe("front…  1  ab…");
  });

  it("does not cut what is piped", () => {
    const long = "x".repeat(500);
    expect(tableLines(columns, [[long, "1", "a"]], wide)[1]).toContain(long);
  });
});

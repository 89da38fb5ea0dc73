import { describe, expect, it } from "vitest";
import { ScreenWriter } from "../../lib/terminal/screen-writer.ts";
import { FakeScreen } from "./fake-screen.ts";

function open() {
  const screen = new FakeScreen(10);
  const writer = new ScreenWriter(screen);
  writer.enter();
  return { screen, writer };
}

describe("writing a screen", () => {
  it("shows the lines, and writes again only those that changed", () => {
    const { screen, writer } = open();
    writer.show(["one", "", "three"]);
    expect(screen.text()).toBe("one\n\nthree");
    screen.written = "";
    writer.show(["one", "two", "three"]);
    expect(screen.text()).toBe("one\ntwo\nthree");
    expect(screen.written).toContain("two");
    expect(screen.written).not.toMatch(/one|three/);
    screen.written = "";
    writer.show(["one", "two", "three"]);
    expect(screen.written).toBe("");
  });

  it("leaves nothing of a longer line, of more lines, or of the last letter of a full one", () => {
    const { screen, writer } = open();
    writer.show(["long line", "second", "third"]);
    writer.show(["0123456789", "2nd"]);
    expect(screen.text()).toBe("0123456789\n2nd");
  });

  it("shows nothing to a terminal that is still busy, and the newest to one that is not", () => {
    const { screen, writer } = open();
    screen.writableNeedDrain = true;
    expect(writer.show(["old"])).toBe(false);
    screen.writableNeedDrain = false;
    expect(writer.show(["new"])).toBe(true);
    expect(screen.text()).toBe("new");
  });

  it("draws everything anew when asked, and gives the terminal back as it was", () => {
    const { screen, writer } = open();
    expect(screen).toMatchObject({ isOther: true, hasCursor: false });
    writer.show(["one"]);
    writer.forget();
    expect(screen.text()).toBe("");
    writer.show(["one"]);
    expect(screen.text()).toBe("one");
    writer.leave();
    expect(screen).toMatchObject({ isOther: false, hasCursor: true });
  });
});

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_RULES } from "../../lib/core/alert-rules.ts";
import type { Alert } from "../../lib/core/alert.ts";
import type { Notice, Sink } from "../../lib/sentinel/notice.ts";
import { OutageFile } from "../../lib/sentinel/outage-file.ts";
import { OutageTeller } from "../../lib/sentinel/outage-teller.ts";
import { makeLog } from "../support/log-lines.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

/** No process has this id: more than there can be. */
const NOBODY = 2 ** 30;

/** A place that keeps what it is told, unless it is away. */
class KeepingSink implements Sink {
  readonly minSeverity = "warning";
  readonly told: Notice[] = [];
  readonly name: string;
  isAway = false;

  constructor(name: string) {
    this.name = name;
  }

  async deliver(notice: Notice): Promise<void> {
    if (this.isAway) throw new Error("away");
    this.told.push(notice);
  }
}

describe("an outage of NATS", { timeout: 30_000 }, () => {
  const { log } = makeLog();
  const tellers: OutageTeller[] = [];
  let why: string | undefined;
  let stored: Alert[];
  let sinks: readonly [KeepingSink, KeepingSink];

  beforeEach(() => {
    why = undefined;
    stored = [];
    sinks = [new KeepingSink("one"), new KeepingSink("other")];
  });

  afterEach(() => {
    for (const teller of tellers.splice(0)) teller.close();
  });

  function open(file: string): OutageTeller {
    const teller = new OutageTeller({
      outage: () => why,
      rule: { ...DEFAULT_RULES.pipeline_down, forSec: 0 },
      sinks,
      file: new OutageFile(file),
      store: async (alerts) => void stored.push(...alerts),
      log,
    });
    tellers.push(teller);
    return teller;
  }

  const newFile = () => join(makeTempDir("outage"), "sentinel.json");
  const briefly = () => stored.map(({ action, notify }) => `${action} ${notify}`);

  it("is told by the one that watched, and its end is stored by it whoever watches then", async () => {
    const watching = open(newFile());
    open(newFile());
    watching.elected();
    why = "gone";
    await waitFor(() => sinks.every(({ told }) => told.length > 0), { what: "it is told" });
    // Another one is elected first when NATS is back.
    watching.follow(() => true);
    why = undefined;
    await waitFor(() => stored.length > 0, { what: "its end is stored" });
    expect(briefly()).toEqual(["raised false", "resolved true"]);
    expect(sinks.map(({ told }) => told.length)).toEqual([1, 1]);
  });

  it("is told to those who were not reached by whoever comes after a sentinel that was killed", async () => {
    const file = newFile();
    const [one, other] = sinks;
    other.isAway = true;
    const killed = open(file);
    killed.elected();
    why = "gone";
    await waitFor(() => one.told.length > 0, { what: "one is told" });
    await waitFor(() => new OutageFile(file).takeOver()?.reached.includes("one"), {
      what: "that is on disk",
    });
    const left = new OutageFile(file).takeOver();
    if (left === undefined) throw new Error("nothing is on disk");
    killed.close();
    // As a killed one leaves it: of a process that is no more.
    const next = newFile();
    new OutageFile(next).write(left);
    writeFileSync(next, readFileSync(next, "utf8").replace(/"pid":\d+/, `"pid":${NOBODY}`));
    other.isAway = false;
    open(next);
    await waitFor(() => other.told.length > 0, { what: "the other is told" });
    why = undefined;
    await waitFor(() => stored.length > 0, { what: "its end is stored" });
    expect(sinks.map((sink) => sink.told.length)).toEqual([1, 1]);
    expect(new Set([...stored, ...(one.told[0]?.alerts ?? [])].map(({ id }) => id)).size).toBe(1);
  });
});

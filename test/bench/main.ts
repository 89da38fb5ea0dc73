/**
 * `npm run bench`: the bare limits of this machine beside ours, in one run. To be started with
 * `--no-memory-reducer`: what it no longer needs may lie, since collecting it a while after the
 * streams were filled would take both cores from whatever is measured at that moment.
 */
import { parseArgs } from "node:util";
import { Command } from "commander";
import { openContext } from "../../cmd/context.ts";
import { findNatsServer } from "../../cmd/programs.ts";
import { measureApi } from "./api.ts";
import { measureBare } from "./bare.ts";
import { measureClients } from "./clients.ts";
import { measureColdStart } from "./cold-start.ts";
import { Figures, machine } from "./figures.ts";
import { measureLive } from "./live.ts";
import { measurePage } from "./page.ts";
import { measurePast } from "./past.ts";
import { measureRebuild } from "./rebuild.ts";
import { measureSentinel } from "./sentinel.ts";
import { fill, openStage } from "./stage.ts";

const PARTS = ["rebuild", "live", "clients", "cold", "api", "page"];
const RUNNERS = 10_000;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    messages: { type: "string", default: "1000000" },
    hours: { type: "string", default: "24" },
    part: { type: "string", multiple: true, default: PARTS },
    "nats-server": { type: "string" },
  },
});
const print = (line: string): void => void process.stderr.write(`${line}\n`);
const figures = new Figures(print);
const wants = (part: string): boolean => values.part.includes(part);

print(`Runbeat bench on ${machine()}`);
const found = values["nats-server"] ?? (await findNatsServer(openContext(new Command()))).path;
const stage = await openStage(found);
try {
  if (wants("rebuild")) {
    const count = await fill(stage, RUNNERS, Math.ceil(Number(values.messages) / RUNNERS));
    await measureRebuild(stage, figures, count, await measureBare(stage, figures, count));
  }
  if (wants("live")) await measureLive(stage, figures);
  if (wants("clients")) await measureClients(stage, figures);
  if (wants("cold")) await measureColdStart(stage, figures);
  if (wants("api")) await measureApi(stage, figures);
  if (wants("sentinel")) await measureSentinel(stage, figures);
  if (wants("page")) await measurePage(stage, figures);
  // A day takes its time: only where it is asked for.
  if (wants("past")) await measurePast(stage, figures, Number(values.hours));
} finally {
  await stage.close();
}
if (values.json) {
  const report = { machine: machine(), at: new Date().toISOString(), figures: figures.all };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}

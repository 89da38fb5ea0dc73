/**
 * A process of its own: publishes heartbeats at a steady rate and watches the database for their
 * commit. Both times are taken here, on one clock. Prints one JSON line.
 */
import { connect } from "@nats-io/transport-node";
import { Database } from "../../lib/store/sqlite.ts";
import { quantile } from "./figures.ts";
import { bodyOf, subjectOf } from "./fleet-load.ts";

const [url = "", file = "", rateText = "", secondsText = "", runnersText = "", baseText = ""] =
  process.argv.slice(2);
const rate = Number(rateText);
const total = rate * Number(secondsText);
const runners = Number(runnersText);
/** Sequence of the stream before the first of ours. */
const base = Number(baseText);
/** The first part warms up and is not counted. */
const WARM_UP = 0.25;
const DRAIN_MS = 20_000;

const nc = await connect({ servers: url });
const db = new Database(file, { readonly: true });
const committed = db
  .prepare("select seq from checkpoint where projection = 'latest_heartbeat' and lane = 'main'")
  .pluck();
const published = new Float64Array(total);
const latency = new Float64Array(total);
let sent = 0;
let seen = 0;

function publishDue(now: number): void {
  const due = Math.min(total, Math.floor(((now - begin) / 1000) * rate));
  for (; sent < due; sent++) {
    published[sent] = performance.now();
    nc.publish(subjectOf(sent % runners), bodyOf(sent % runners, sent));
  }
}

function lookForCommits(): void {
  const folded = Number(committed.get() ?? 0) - base;
  const now = performance.now();
  for (; seen < folded && seen < sent; seen++) latency[seen] = now - (published[seen] ?? 0);
}

const begin = performance.now();
const end = begin + Number(secondsText) * 1000 + DRAIN_MS;
while (seen < total && performance.now() < end) {
  publishDue(performance.now());
  lookForCommits();
  await new Promise((resolve) => setTimeout(resolve, 1));
}
const counted = latency.slice(Math.floor(total * WARM_UP), seen).toSorted();
process.stdout.write(
  `${JSON.stringify({
    lost: total - seen,
    p50: quantile(counted, 0.5),
    p99: quantile(counted, 0.99),
    rate: total / ((performance.now() - begin) / 1000),
  })}\n`,
);
db.close();
await nc.close();

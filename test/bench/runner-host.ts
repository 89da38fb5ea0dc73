/**
 * A process of its own that is many runners: each beats by itself, over a connection of its own,
 * with the library that users have. Beats until it is killed.
 */
import { startHeartbeat } from "../../lib/runner/client.ts";

const [url = "", firstText = "", countText = "", everyText = ""] = process.argv.slice(2);
const first = Number(firstText);

for (let index = first; index < first + Number(countText); index++) {
  startHeartbeat({
    url,
    runner: `process/p${index}/default`,
    // More than one host, or all of it would be one host that is down.
    host: `edge-${index % 10}`,
    intervalSec: Number(everyText),
  });
}
// A heartbeat keeps no process alive.
setInterval(() => undefined, 60_000);

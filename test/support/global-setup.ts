import { existsSync } from "node:fs";

/** Finds the nats-server that the tests run against; without one nothing is tested. */
export default async function setup(): Promise<void> {
  const path = process.env["RUNBEAT_NATS_SERVER"] ?? "/tmp/tools/nats-server";
  if (!existsSync(path)) throw new Error(`there is no nats-server at ${path}`);
  process.env["RUNBEAT_TEST_NATS_SERVER"] = path;
}

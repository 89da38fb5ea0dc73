/** An emitter in a process of its own, to be killed. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { pathToFileURL } from "node:url";
import { builtFile } from "../runner/built-program.ts";
import { BUCKET } from "./emitter-rig.ts";

export interface EmitterProcess {
  readonly child: ChildProcess;
  /** Resolves once it has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

const SCRIPT = `
  const [, emitterUrl, servers, everySec, holder] = process.argv;
  const { startEmitter } = await import(emitterUrl);
  const { connect } = await import(process.env.TRANSPORT);
  const nc = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const log = Object.fromEntries(["debug", "info", "warn"].map((level) => [level, () => {}]));
  const prefixes = { subject: "runbeat", stream: "RUNBEAT" };
  const bucket = ${JSON.stringify(BUCKET)};
  const options = { nc, prefixes, bucket, holder, everySec: Number(everySec), log };
  await startEmitter({ ...options, leaseTtlMs: 1000 });
  process.disconnect ??= () => {};
  process.on("disconnect", () => process.exit());
`;

/** Starts one; it ends with this process. */
export async function spawnEmitter(
  servers: string,
  everySec: number,
  holder: string,
): Promise<EmitterProcess> {
  const file = pathToFileURL(await builtFile("lib/projector/emitter.ts")).href;
  const args = ["--input-type=module", "-e", SCRIPT, file, servers, String(everySec), holder];
  const child = spawn(process.execPath, args, {
    env: { TRANSPORT: import.meta.resolve("@nats-io/transport-node") },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    child,
    kill: async (signal) => {
      child.kill(signal);
      await gone;
    },
  };
}

/** Units by name, through systemctl. */
import { execFile } from "node:child_process";
import { constants } from "node:os";
import { AppError } from "../core/errors.ts";
import type { Driver } from "./driver.ts";
import type { UnitBackend, UnitState } from "./unit-backend.ts";
import { createUnitDriver } from "./unit-driver.ts";
import type { UnitDriverOptions } from "./unit-driver.ts";

const SHOW_MS = 10_000;
/** A unit's own stop time-out is 90 s unless it says otherwise. */
const CHANGE_MS = 100_000;
const PROPERTIES = [
  "LoadState",
  "ActiveState",
  "SubState",
  "Result",
  "MainPID",
  "ExecMainCode",
  "ExecMainStatus",
  "ExecMainStartTimestamp",
  "ExecMainExitTimestamp",
];
/** Its times are in the local zone else, and its words in the local language. */
const ENV = "/usr/bin/env";
const PLAIN = ["TZ=UTC", "LC_ALL=C"];
const NO_SUCH_PROGRAM = 127;
/** ExecMainCode, as wait(2) has it in `si_code`. */
const EXITED = "1";

export interface SystemdOptions extends Omit<UnitDriverOptions, "backend" | "nameOf"> {
  /** The program; found on the path unless it is one. */
  readonly systemctl?: string;
}

export function createSystemdDriver(options: SystemdOptions): Driver {
  return createUnitDriver({
    ...options,
    backend: createSystemdBackend(options.systemctl ?? "systemctl"),
    nameOf: ({ driver }) => (driver.kind === "systemd" ? driver.unit : undefined),
  });
}

function createSystemdBackend(systemctl: string): UnitBackend {
  return {
    async inspect(name) {
      const args = ["show", `--property=${PROPERTIES.join(",")}`, "--", name];
      return stateOf(name, propertiesOf(await run(systemctl, args, SHOW_MS)));
    },
    async start(name) {
      await run(systemctl, ["start", "--no-ask-password", "--", name], CHANGE_MS);
    },
    async stop(name) {
      await run(systemctl, ["stop", "--no-ask-password", "--", name], CHANGE_MS);
    },
  };
}

type Properties = ReadonlyMap<string, string>;

function propertiesOf(text: string): Properties {
  return new Map(
    text.split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1).trim()];
    }),
  );
}

/** Source: systemctl(1) and org.freedesktop.systemd1(5). */
function stateOf(name: string, properties: Properties): UnitState {
  const get = (property: string) => properties.get(property) ?? "";
  if (get("LoadState") === "not-found") {
    throw new AppError(
      "not_found",
      `systemd has no unit "${name}": install it, or correct its name in the fleet file`,
    );
  }
  if (!properties.has("ActiveState")) {
    // Half an answer is no answer: it must not pass for the end of the unit.
    throw new AppError(
      "unavailable",
      `systemctl show tells no ActiveState of "${name}": try systemctl show ${name} by hand`,
    );
  }
  switch (get("ActiveState")) {
    case "active":
    case "reloading":
      return runningState(get);
    case "activating":
    case "deactivating":
    case "refreshing":
    case "maintenance":
      return { kind: "changing" };
    default:
      return stoppedState(get);
  }
}

function runningState(get: (property: string) => string): UnitState {
  const pid = Number(get("MainPID"));
  return {
    kind: "running",
    pid: pid >= 1 ? pid : null,
    startedAt: timeOf(get("ExecMainStartTimestamp")),
    health: "healthy",
    message: "",
    isFrozen: false,
  };
}

function stoppedState(get: (property: string) => string): UnitState {
  const status = Number(get("ExecMainStatus"));
  const isExit = get("ExecMainCode") === EXITED || get("ExecMainCode") === "0";
  const result = get("Result");
  return {
    kind: "stopped",
    exitCode: isExit ? status : null,
    signal: isExit ? null : signalName(status),
    at: timeOf(get("ExecMainExitTimestamp")),
    lines: result === "" || result === "success" ? [] : [`systemd says: ${result}`],
  };
}

function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `signal ${number}`;
}

/** `Sun 2026-11-22 08:50:35 UTC`; a zone that JavaScript does not know gives 0. */
function timeOf(text: string): number {
  const time = Date.parse(text.replace(/^\w{3} (\d{4}-\d\d-\d\d) /, "$1T").replace(/ UTC$/, "Z"));
  return Number.isFinite(time) ? time : 0;
}

async function run(file: string, args: readonly string[], timeout: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const options = { timeout, encoding: "utf8", maxBuffer: 1_048_576 } as const;
    execFile(ENV, [...PLAIN, file, ...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(failure(file, args[0] ?? "", error, `${stderr}${stdout}`.trim()));
    });
  });
}

function failure(
  file: string,
  what: string,
  error: Error & { readonly code?: unknown; readonly killed?: boolean },
  said: string,
): AppError {
  const cause = { cause: error };
  if (error.code === NO_SUCH_PROGRAM) {
    const text = `There is no ${file} on this host: run the unit where systemd is, or use another driver`;
    return new AppError("unavailable", text, cause);
  }
  if (/not been booted with systemd|Failed to connect to bus|Host is down/i.test(said)) {
    const text = "systemd does not run on this host: use another driver for its runners";
    return new AppError("unavailable", text, cause);
  }
  if (/access denied|authentication required|not permitted/i.test(said)) {
    const text = `systemctl ${what} is not allowed to this user: run the enforcer as root, or allow it with polkit`;
    return new AppError("forbidden", text, cause);
  }
  const why = error.killed === true ? "it does not end in time" : said.split("\n")[0];
  return new AppError("unavailable", `systemctl ${what} fails: ${why ?? ""}`, cause);
}

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import { serveApi } from "../../lib/api/server.ts";
import { LEAVE_SCREEN } from "../../lib/terminal/screen-writer.ts";
import { apiFixture } from "../api/api-fixture.ts";
import type { ApiFixture } from "../api/api-fixture.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { FakeScreen } from "../terminal/fake-screen.ts";
import { bareEnvironment, programArguments, runCommand } from "./command-line.ts";
import { processesOf } from "./running-up.ts";

/** Gives a program a terminal of its own. */
const SCRIPT = "/usr/bin/script";

const opened: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

interface Served extends ApiFixture {
  readonly url: string;
  stop(): Promise<void>;
}

/** A real API on a real socket. */
async function served(): Promise<Served> {
  const stopping = new AbortController();
  const api = await apiFixture({ stopping: stopping.signal });
  api.rows.beat({ runner: "camera/day/hd", fps: 25 });
  const server = await serveApi(api.app, { host: "127.0.0.1", port: 0 });
  let isOpen = true;
  const stop = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    stopping.abort();
    await server.close();
  };
  opened.push(() => api.close(), stop);
  return { ...api, url: server.url, stop };
}

interface Terminal {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  /** Everything that the terminal was sent. */
  output(): string;
  /** What stands on it. */
  screen(): string;
  type(keys: string): void;
  /** Of the program itself. */
  pid(): Promise<number>;
}

/** The program on a pseudo-terminal of 80 columns and 24 rows, and what `stty` says afterwards. */
function onTerminal(url: string): Terminal {
  const words = [process.execPath, ...programArguments(["top", "--url", url])];
  const line = `stty cols 80 rows 24; ${words.map((word) => `'${word}'`).join(" ")}; echo "code $?"; stty -a`;
  const child = spawn(SCRIPT, ["-qfec", line, "/dev/null"], {
    cwd: makeTempDir("top"),
    env: bareEnvironment({ TERM: "xterm-256color", LANG: "C.UTF-8", SHELL: "/bin/sh" }),
    stdio: ["pipe", "pipe", "ignore"],
  });
  let output = "";
  child.stdout?.setEncoding("utf8");
  child.stdout?.on("data", (text: string) => (output += text));
  opened.push(() => child.kill("SIGKILL"));
  return {
    child,
    ended: new Promise((resolve) => child.once("exit", resolve)),
    output: () => output,
    screen: () => {
      const screen = new FakeScreen();
      const [text = ""] = output
        .slice(Math.max(0, output.indexOf("\u001B[?1049h")))
        .split(LEAVE_SCREEN);
      // A sequence that has come only in part is none yet.
      screen.write(text.replace(/\u001B[^A-Za-z]*$/, ""));
      return screen.text();
    },
    type: (keys) => child.stdin?.write(keys),
    pid: async () =>
      await waitFor(
        () => processesOf(url).find(({ command }) => command.startsWith(process.execPath))?.pid,
      ),
  };
}

async function untilShown(terminal: Terminal, text: string | RegExp): Promise<void> {
  try {
    await waitFor(() => terminal.screen().match(text) !== null);
  } catch (error) {
    throw new Error(`${String(text)} is not on the screen:\n${terminal.screen()}`, {
      cause: error,
    });
  }
}

/** Line editing, echo and line feeds work again, on the screen that was there before. */
function expectGivenBack(terminal: Terminal): void {
  const [, after = ""] = terminal.output().split(LEAVE_SCREEN);
  expect(after).toMatch(/\bcode \d+\r\n/);
  expect(after).toMatch(/(?<!-)\bicanon\b/);
  expect(after).toMatch(/(?<!-)\becho\b/);
  expect(after).toMatch(/(?<!-)\bopost\b/);
}

describe("runbeat top", { timeout: 60_000 }, () => {
  it("shows what changes as it changes, filters, and ends with q", async () => {
    const { url, rows } = await served();
    const terminal = onTerminal(url);
    await untilShown(terminal, /● live[^]*› camera\/day\/hd +● online .* 25\.0 fps/);
    rows.beat({ runner: "worker/gpu-0/default", health: "unhealthy" });
    await untilShown(terminal, /^2 runners:[^]*worker\/gpu-0\/default +● online .* unhealthy/m);
    terminal.type("/gpu");
    await untilShown(terminal, "Filter: gpu");
    expect(terminal.screen()).not.toContain("camera/day/hd");
    terminal.type("\r\r");
    await untilShown(terminal, /^worker\/gpu-0\/default {2}● online\n/m);
    terminal.type("qq");
    await terminal.ended;
    expect(terminal.output()).toContain("code 0");
    expectGivenBack(terminal);
  });

  it("gives the terminal back when it is told to end", async () => {
    const { url } = await served();
    for (const signal of ["SIGTERM", "SIGHUP"] as const) {
      const terminal = onTerminal(url);
      await untilShown(terminal, "camera/day/hd");
      process.kill(await terminal.pid(), signal);
      await terminal.ended;
      expectGivenBack(terminal);
    }
  });

  it("says that its data is old once the API is gone, and still ends", async () => {
    const { url, stop } = await served();
    const terminal = onTerminal(url);
    await untilShown(terminal, "● live");
    await stop();
    await untilShown(terminal, /OLD: .*from \d+s ago/);
    expect(terminal.screen()).toContain("camera/day/hd");
    terminal.type("\u0003");
    await terminal.ended;
    expectGivenBack(terminal);
  });

  it("writes the fleet once for scripts, and says what it needs else", async () => {
    const { url, rows } = await served();
    rows.beat({ runner: "worker/gpu-0/default", last_error: 'say "no", twice' });
    const cwd = makeTempDir("top");
    const csv = await runCommand(["top", "-o", "csv", "--sort", "runner", "--url", url], { cwd });
    const [titles, day, worker] = csv.stdout.split("\n");
    expect(titles).toMatch(/^runner,status,status_since,health,host,pid,/);
    expect(day).toMatch(/^camera\/day\/hd,online,\d{4}-/);
    expect(worker).toMatch(/^worker\/gpu-0\/default,.*,"say ""no"", twice"$/);
    const json = await runCommand(["top", "-o", "json", "-q", "gpu", "--url", url], { cwd });
    expect(JSON.parse(json.stdout)).toMatchObject({
      items: [{ runner: "worker/gpu-0/default" }],
      summary: { total: 2 },
      alerts: { open: 0, critical: 0 },
    });
    const bare = await runCommand(["top", "--url", url], { cwd });
    expect(bare).toMatchObject({ code: 2, stdout: "" });
    expect(bare.stderr).toContain("runbeat top needs a terminal: use -o json or -o csv");
  });
});

/** `runbeat top` on a pseudo-terminal of its own, and what stands on it as a page. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../../config/project-root.ts";
import { FakeScreen } from "../terminal/fake-screen.ts";
import type { Cell } from "../terminal/fake-screen.ts";

const SCRIPT = "/usr/bin/script";
const COLUMNS = 96;
const ROWS = 26;

/** @returns the screen as it is after so long. */
export async function topScreen(url: string, afterMs: number): Promise<FakeScreen> {
  const program = join(projectRoot(), "dist", "cmd", "runbeat.js");
  const line = `stty cols ${COLUMNS} rows ${ROWS}; '${process.execPath}' '${program}' top --url ${url}`;
  const child = spawn(SCRIPT, ["-qfec", line, "/dev/null"], {
    env: { TERM: "xterm-256color", LANG: "C.UTF-8", SHELL: "/bin/sh", PATH: "/usr/bin:/bin" },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const screen = new FakeScreen(COLUMNS);
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (text: string) => screen.write(text));
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  child.stdout.removeAllListeners("data").resume();
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.stdin.write("q");
  await ended;
  return screen;
}

/** By the numbers of ECMA-48, as terminals show them. */
const STYLES: Readonly<Record<string, string>> = {
  "1": "font-weight:700;color:#fff",
  "2": "color:#8b98a5",
  "31": "color:#ff7b72",
  "32": "color:#56d364",
  "33": "color:#e3b341",
  "35": "color:#d2a8ff",
  "36": "color:#76e3ea",
  "7": "background:#30475e",
};

export function terminalPage(screen: FakeScreen): string {
  const lines = screen.cells().map((row) => row.map(cellHtml).join(""));
  return `<body style="margin:0;background:#0d1117"><pre style="margin:0;padding:14px 16px;color:#d5dde5;
    font:15px/1.3 'DejaVu Sans Mono',monospace;width:max-content">${lines.join("\n")}</pre></body>`;
}

function cellHtml({ char, style }: Cell): string {
  const text = char.replace("&", "&amp;").replace("<", "&lt;");
  const css = style.split(" ").flatMap((number) => STYLES[number] ?? []);
  return css.length === 0 ? text : `<span style="${css.join(";")}">${text}</span>`;
}

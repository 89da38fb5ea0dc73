/** Says who has a port that we wanted. */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";

const GREETING_MS = 1_000;
const MAX_GREETING_CHARS = 65_536;
const LISTEN_STATE = "0A";

interface Greeting {
  readonly server_name?: string;
  readonly version?: string;
  readonly jetstream?: boolean;
}

/** E.g. `a nats-server 2.12.0 named "ops" (process 812)`. */
export async function describePortHolder(port: number): Promise<string> {
  const pid = listenerOf(port);
  const by = pid === undefined ? "" : ` (process ${pid.pid}, ${pid.name})`;
  const greeting = await greetingOf(port);
  if (greeting === undefined) return `another program${by}`;
  const name = greeting.server_name === undefined ? "" : ` named "${greeting.server_name}"`;
  return `a nats-server ${greeting.version ?? ""}${name}${by}`;
}

/** What a NATS server says first; undefined where it is none. */
export async function greetingOf(port: number): Promise<Greeting | undefined> {
  return await new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    let text = "";
    const done = (greeting: Greeting | undefined): void => {
      socket.destroy();
      resolve(greeting);
    };
    socket.setTimeout(GREETING_MS, () => done(undefined));
    socket.once("error", () => done(undefined));
    socket.once("close", () => done(undefined));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (text.includes("\r\n") || text.length > MAX_GREETING_CHARS) done(parseGreeting(text));
    });
  });
}

function parseGreeting(text: string): Greeting | undefined {
  const json = /^INFO (\{.*\})\s*\r\n/.exec(text)?.[1];
  try {
    return json === undefined ? undefined : (JSON.parse(json) as Greeting);
  } catch {
    return undefined;
  }
}

/** Source: proc(5), /proc/net/tcp. Undefined where it can't be told, e.g. another user's process. */
function listenerOf(port: number): { pid: number; name: string } | undefined {
  const inode = inodeOf(port);
  if (inode === undefined) return undefined;
  const wanted = `socket:[${inode}]`;
  for (const entry of list("/proc").filter((name) => /^\d+$/.test(name))) {
    const isHolder = list(`/proc/${entry}/fd`).some(
      (fd) => link(`/proc/${entry}/fd/${fd}`) === wanted,
    );
    if (isHolder) return { pid: Number(entry), name: text(`/proc/${entry}/comm`).trim() };
  }
  return undefined;
}

function inodeOf(port: number): string | undefined {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  for (const line of `${text("/proc/net/tcp")}\n${text("/proc/net/tcp6")}`.split("\n")) {
    const fields = line.trim().split(/\s+/);
    if (fields[3] === LISTEN_STATE && fields[1]?.endsWith(`:${hexPort}`) === true) return fields[9];
  }
  return undefined;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

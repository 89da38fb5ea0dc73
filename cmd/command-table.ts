/** Every command by name. A module is loaded only when its command is used: starting is quick. */
import type { Command } from "commander";

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ command: () => Command }>;
}

export const COMMAND_TABLE: readonly CommandEntry[] = [
  {
    name: "up",
    summary: "run everything on this machine",
    load: async () => await import("./up.ts"),
  },
  {
    name: "status",
    summary: "show what is alive and what is wrong",
    load: async () => await import("./status.ts"),
  },
  {
    name: "top",
    summary: "show the fleet as it changes, on the whole screen",
    load: async () => await import("./top.ts"),
  },
  {
    name: "explain",
    summary: "say why a runner is in its state, and what happens next",
    load: async () => await import("./explain.ts"),
  },
  {
    name: "state",
    summary: "show the fleet as it was at a moment",
    load: async () => await import("./state.ts"),
  },
  {
    name: "diff",
    summary: "show what changed between two moments",
    load: async () => await import("./diff.ts"),
  },
  {
    name: "runner",
    summary: "watch one camera, or give orders to any runner",
    load: async () => await import("./runner.ts"),
  },
  {
    name: "run",
    summary: "run any command and beat for it",
    load: async () => await import("./run.ts"),
  },
  {
    name: "logs",
    summary: "show what a runner of this host has written",
    load: async () => await import("./logs.ts"),
  },
  {
    name: "projector",
    summary: "fold the streams into the read models",
    load: async () => await import("./projector.ts"),
  },
  {
    name: "api",
    summary: "answer over HTTP, and take heartbeats",
    load: async () => await import("./api.ts"),
  },
  {
    name: "sentinel",
    summary: "tell when a runner falls silent or comes back",
    load: async () => await import("./sentinel.ts"),
  },
  {
    name: "enforcer",
    summary: "keep the fleet's runners running on this host",
    load: async () => await import("./enforcer.ts"),
  },
  {
    name: "alerts",
    summary: "show alerts, silence some, and try the sinks",
    load: async () => await import("./alerts.ts"),
  },
  {
    name: "streams",
    summary: "show every stream, its limits and its readers",
    load: async () => await import("./streams.ts"),
  },
  {
    name: "prune",
    summary: "keep only the newest messages of the streams",
    load: async () => await import("./prune.ts"),
  },
  {
    name: "quarantine",
    summary: "look at messages that could not be folded, put them back or discard them",
    load: async () => await import("./quarantine.ts"),
  },
  {
    name: "replay",
    summary: "show what happened, from all streams in the order of time",
    load: async () => await import("./replay.ts"),
  },
  {
    name: "verify",
    summary: "fold the streams again and compare: are the read models right?",
    load: async () => await import("./verify.ts"),
  },
  {
    name: "rebuild",
    summary: "fold the read models anew beside the live ones, and exchange them",
    load: async () => await import("./rebuild.ts"),
  },
  {
    name: "export",
    summary: "write a range of the streams to one file",
    load: async () => await import("./export.ts"),
  },
  {
    name: "import",
    summary: "put such a file into an empty installation",
    load: async () => await import("./import.ts"),
  },
  {
    name: "config",
    summary: "show every setting, its value and where it comes from",
    load: async () => await import("./config.ts"),
  },
  {
    name: "doctor",
    summary: "check this machine and say what to do",
    load: async () => await import("./doctor.ts"),
  },
];

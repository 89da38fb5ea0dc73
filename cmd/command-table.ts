/** Every command by name. A module is loaded only when its command is used: starting is quick. */
import type { Command } from "commander";

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ command: () => Command }>;
}

export const COMMAND_TABLE: readonly CommandEntry[] = [
  {
    name: "projector",
    summary: "fold the streams into the read models",
    load: async () => await import("./projector.ts"),
  },
  {
    name: "verify",
    summary: "fold the streams again and compare: are the read models right?",
    load: async () => await import("./verify.ts"),
  },
  {
    name: "runner",
    summary: "watch one camera: decode it, analyse it, beat for it",
    load: async () => await import("./runner.ts"),
  },
  {
    name: "run",
    summary: "run any command and beat for it",
    load: async () => await import("./run.ts"),
  },
  {
    name: "config",
    summary: "show every setting, its value and where it comes from",
    load: async () => await import("./config.ts"),
  },
];

/** What the enforcer and the runners that it starts tell each other, over the channel between them. */
import type { CameraState } from "./heartbeat.ts";
import type { RunnerId } from "./runner-id.ts";

/** A check of a command from outside: an address that must answer, or a program that must succeed. */
export interface ProbeSpec {
  readonly http: string | undefined;
  readonly command: readonly string[] | undefined;
  readonly everySec: number;
  readonly timeoutSec: number;
}

/** A command to wrap. */
export interface CommandSpec {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string | undefined;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly probe: ProbeSpec | undefined;
}

/** A camera to watch. */
export interface CameraSpec {
  readonly url: string;
  readonly inputFormat: string | undefined;
  readonly transport: "tcp" | "udp" | "udp_multicast" | "http" | undefined;
  readonly analyse: string;
  readonly lowLatency: boolean;
  readonly stallSec: number;
  /** 0: tried for ever. */
  readonly maxFailures: number;
}

/** The first message to a supervised runner: so no password stands in an argument list. */
export interface RunOrder {
  readonly order: "run";
  readonly runner: RunnerId;
  readonly intervalSec: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly camera?: CameraSpec;
  readonly command?: CommandSpec;
}

/** What a supervised runner reports; the enforcer makes events of it. */
export type Report =
  | { readonly event: "spawned"; readonly pid: number; readonly started_at: number }
  | {
      readonly event: "exited";
      readonly exit_code: number | null;
      readonly signal: string | null;
      readonly ran_sec: number;
      readonly stderr: readonly string[];
    }
  | { readonly event: "failed"; readonly message: string }
  | {
      readonly event: "camera";
      readonly from: CameraState;
      readonly to: CameraState;
      readonly reason: string;
    };

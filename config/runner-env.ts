/** What a process that beats for itself finds in its environment; see the fleet file's `beats`. */
import { readEnvironment } from "./environment.ts";
import type { Environment } from "./environment.ts";

export interface RunnerEnvironment {
  readonly runner: string | undefined;
  readonly natsUrl: string | undefined;
  readonly natsCreds: string | undefined;
  readonly natsToken: string | undefined;
  readonly natsUser: string | undefined;
  readonly natsPassword: string | undefined;
  readonly subjectPrefix: string | undefined;
  readonly heartbeatUrl: string | undefined;
  readonly heartbeatKey: string | undefined;
  /** Undefined where it is not a number above 0. */
  readonly intervalSec: number | undefined;
  readonly snapshotEverySec: number | undefined;
}

/** Small on purpose: it is loaded into other people's programs. */
export function readRunnerEnvironment(env: Environment = readEnvironment()): RunnerEnvironment {
  const first = (...names: string[]) => names.map((name) => env[name]).find((text) => text);
  return {
    runner: first("RUNBEAT_RUNNER"),
    natsUrl: first("NATS_URL"),
    natsCreds: first("RUNBEAT_NATS_CREDS", "NATS_CREDS"),
    natsToken: first("RUNBEAT_NATS_TOKEN", "NATS_TOKEN"),
    natsUser: first("RUNBEAT_NATS_USER", "NATS_USER"),
    natsPassword: first("RUNBEAT_NATS_PASSWORD", "NATS_PASSWORD"),
    subjectPrefix: first("RUNBEAT_SUBJECT_PREFIX"),
    heartbeatUrl: first("RUNNER_HEARTBEAT_URL"),
    heartbeatKey: first("RUNNER_HEARTBEAT_KEY"),
    intervalSec: seconds(first("HEARTBEAT_INTERVAL_SEC", "HEARTBEAT_INTERVAL_SECS"), 0.1),
    snapshotEverySec: seconds(first("HEARTBEAT_SNAPSHOT_EVERY"), 0),
  };
}

function seconds(text: string | undefined, min: number): number | undefined {
  const value = Number(text);
  return text !== undefined && Number.isFinite(value) && value >= min ? value : undefined;
}

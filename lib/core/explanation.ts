/**
 * Why a runner is in its state, in words and figures, each with the message that it follows from,
 * so that everything can be checked.
 */
import type { DecideSettings } from "./decide-action.ts";
import type { EnforcerMemory } from "./decide-memory.ts";
import type { Fleet } from "./fleet.ts";
import type { Health, Heartbeat } from "./heartbeat.ts";
import type { Moment, ProcessView, RunnerView, TimelineView } from "./read-models.ts";
import type { RunnerId } from "./runner-id.ts";
import type { Cause, Status } from "./status.ts";

/** The message that says so. */
export interface Evidence {
  readonly stream: string;
  readonly seq: number;
  /** When the stream stored it, epoch ms. */
  readonly time: number;
}

export const TONES = ["plain", "good", "warn", "bad"] as const;
export type Tone = (typeof TONES)[number];

export interface Fact {
  readonly text: string;
  readonly tone: Tone;
  readonly evidence: Evidence | null;
}

export const SECTION_KEYS = [
  "status",
  "process",
  "heartbeats",
  "health",
  "life_cycle",
  "restarts",
  "enforcer",
  "pipeline",
] as const;
export type SectionKey = (typeof SECTION_KEYS)[number];

export interface Section {
  readonly key: SectionKey;
  readonly title: string;
  readonly facts: readonly Fact[];
}

/** One of the last heartbeats, and how it stands to the one before. */
export interface BeatLine extends Evidence {
  /** Since the one before of the same process; null where that is not known. */
  readonly gapMs: number | null;
  /** Whether it came later than promised. */
  readonly isLate: boolean;
  /** Of the runner's own count, between it and the one before. */
  readonly lost: number;
  /** The runner's own counter. */
  readonly count: number | null;
  readonly host: string;
  readonly pid: number;
  readonly isCurrent: boolean;
  readonly health: Health | null;
  /** The runner's clock minus the stream's. */
  readonly skewMs: number | null;
  readonly error: string;
}

export interface NextStatus {
  readonly status: Status;
  /** Epoch ms. */
  readonly at: number;
}

/** What the enforcer does next if nothing else happens. */
export interface NextStep {
  /** Epoch ms; not after `now` where it is due already. */
  readonly at: number;
  readonly text: string;
}

export interface Explanation {
  readonly runner: RunnerId;
  readonly status: Status;
  readonly since: number;
  readonly cause: Cause;
  readonly health: Health | null;
  readonly headline: string;
  /** The next status if nothing more is heard; null where it stays. */
  readonly change: NextStatus | null;
  readonly next: NextStep | null;
  readonly heartbeats: readonly BeatLine[];
  readonly sections: readonly Section[];
}

/** A heartbeat of the stream that could be read. */
export interface BeatSeen extends Evidence {
  readonly heartbeat: Heartbeat;
}

/** What the enforcer of a fleet file goes by. */
export interface FleetRules {
  /** Undefined where no fleet file is known. */
  readonly fleet: Fleet | undefined;
  readonly settings: DecideSettings;
  /** What the enforcer of this host remembers; undefined where that is not known. */
  readonly memory: EnforcerMemory | undefined;
}

export interface PipelineFacts {
  readonly lagMs: number | null;
  /** Why NATS did not answer last; undefined where it did. */
  readonly trouble: string | undefined;
  readonly folded: readonly {
    readonly stream: string;
    readonly seq: number;
    readonly time: number;
  }[];
}

/** Everything that an explanation is made of. */
export interface ExplainFacts {
  readonly runner: RunnerId;
  readonly moment: Moment;
  readonly view: RunnerView;
  /** Newest first. */
  readonly processes: readonly ProcessView[];
  /** Oldest first; undefined where the stream could not be read. */
  readonly beats: readonly BeatSeen[] | undefined;
  /** Oldest first. */
  readonly events: readonly TimelineView[];
  /** Of these only what an enforcer remembers by, but further back. Oldest first. */
  readonly deeds: readonly TimelineView[];
  readonly eventStream: string;
  readonly rules: FleetRules | undefined;
  /** Of the runner's host; its status is undefined where none was ever heard of there. */
  readonly enforcer: { readonly runner: RunnerId; readonly status: Status | undefined } | undefined;
  readonly pipeline: PipelineFacts;
}

/** A fact without a message of its own, or with one. */
export function fact(text: string, tone: Tone = "plain", evidence: Evidence | null = null): Fact {
  return { text, tone, evidence };
}

/** What the enforcer does after a look: small, and all of it can be printed. */
import type { EventData, EventType } from "./event.ts";
import type { FleetEntry } from "./fleet.ts";
import type { RunnerId } from "./runner-id.ts";
import type { RestartSettings } from "./restart-policy.ts";

export type EventAction = {
  [T in EventType]: {
    readonly kind: "event";
    readonly runner: RunnerId;
    readonly type: T;
    readonly data: EventData<T>;
    /** The same event twice is stored once. */
    readonly msgId: string;
  };
}[EventType];

export type Action =
  | {
      readonly kind: "start";
      readonly runner: RunnerId;
      readonly entry: FleetEntry;
      /** 0 for a first start, else which restart in a row it is. */
      readonly attempt: number;
    }
  | { readonly kind: "stop"; readonly runner: RunnerId; readonly reason: string }
  /** The end of its last run was decided on. */
  | { readonly kind: "settle"; readonly runner: RunnerId }
  /** A line for the log. */
  | {
      readonly kind: "note";
      readonly runner: RunnerId;
      readonly level: "info" | "warn" | "error";
      readonly text: string;
    }
  | EventAction;

export interface DecideSettings {
  /** As configured; the fleet and its runners may say otherwise. */
  readonly restart: RestartSettings;
  /** Missed checks in a row before a silent runner is restarted. */
  readonly missThreshold: number;
  readonly checkEverySec: number;
  /** How often runners beat unless the fleet says otherwise. */
  readonly intervalSec: number;
  /** For so long after the pipeline was away nothing is restarted for silence. */
  readonly outageGraceSec: number;
  /** Of the fleet, 0–1: so many fell silent at the same moment, and at least `hushMin`. */
  readonly hushShare: number;
  readonly hushMin: number;
  /** The enforcer's own runner: what concerns all runners is told of it. */
  readonly self: RunnerId;
}

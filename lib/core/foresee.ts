/** What the enforcer will do if nothing else happens: `decide` itself, run ahead of time. */
import { decide } from "./decide.ts";
import type { Action, DecideSettings } from "./decide-action.ts";
import type { EnforcerMemory } from "./decide-memory.ts";
import type { Fleet } from "./fleet.ts";
import type { Observed } from "./observed.ts";
import type { RunnerId } from "./runner-id.ts";

/** Looks that are tried; more would be hours, and nothing is known for so long. */
const MAX_LOOKS = 2_000;

export interface Foresight {
  readonly fleet: Fleet;
  readonly settings: DecideSettings;
  readonly runner: RunnerId;
  /** From its `at` on. */
  readonly memory: EnforcerMemory;
  /** No further than that, epoch ms. */
  readonly until: number;
  /** What an enforcer would see then, if nothing but time changes. */
  readonly seenAt: (time: number) => Observed;
}

export interface Foreseen {
  /** Epoch ms. */
  readonly at: number;
  /** Of this runner, all of one look. */
  readonly actions: readonly Action[];
}

/** The first thing that is done about the runner; undefined where nothing is. */
export function foresee(foresight: Foresight): Foreseen | undefined {
  const { fleet, settings, until, seenAt } = foresight;
  let { memory } = foresight;
  let time = memory.at;
  for (let looks = 0; looks < MAX_LOOKS && time <= until; looks++) {
    const decision = decide(fleet, settings, seenAt(time), memory, time);
    const actions = decision.actions.filter((action) => isDeed(action, foresight));
    if (actions.length > 0) return { at: time, actions };
    memory = decision.memory;
    const nextCheckAt = memory.checkedAt + settings.checkEverySec * 1_000;
    time = Math.max(time + 1, Math.min(decision.wakeAt ?? Infinity, nextCheckAt));
  }
  return undefined;
}

/** To forget failures that there are none of is nothing to tell. */
function isDeed(action: Action, { runner, memory }: Foresight): boolean {
  if (action.runner !== runner || action.kind === "note" || action.kind === "settle") return false;
  const isReset = action.kind === "event" && action.type === "restart_reset";
  return !isReset || (memory.runners[runner]?.attempts ?? 0) > 0;
}

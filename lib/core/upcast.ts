/**
 * The one place where messages of older versions become those of today. A fold only ever sees the
 * newest version; what was stored long ago is lifted when it is read, and never rewritten.
 */
import type { JsonObject } from "./heartbeat.ts";

/** Lifts a body by one version; it gets a body of its own and may change it. */
export type Upcast = (body: JsonObject) => JsonObject;

export type Upcasted =
  | { readonly ok: true; readonly body: JsonObject }
  /** `message` is for people. */
  | { readonly ok: false; readonly message: string };

/**
 * What lifts bodies of one kind. The first step takes version 1 to 2, the next 2 to 3, and so on:
 * whoever changes the meaning of a field adds a step, a recording and nothing else.
 */
export class Upcaster {
  /** The newest version, which is what is published. */
  readonly version: number;
  readonly #steps: readonly Upcast[];

  constructor(steps: readonly Upcast[]) {
    this.#steps = steps;
    this.version = steps.length + 1;
  }

  /** @param body whose `v`, 1 where it is absent, says which version it is. */
  lift(body: JsonObject): Upcasted {
    const v = body["v"] ?? 1;
    if (v === this.version) return { ok: true, body };
    if (!Number.isSafeInteger(v) || (v as number) < 1) {
      const shown = JSON.stringify(v).slice(0, 80);
      return { ok: false, message: `v is ${shown}, but must be an integer of at least 1` };
    }
    if ((v as number) > this.version)
      return { ok: false, message: tooNew(v as number, this.version) };
    let lifted: JsonObject = { ...body };
    for (const step of this.#steps.slice((v as number) - 1)) lifted = step(lifted);
    return { ok: true, body: { ...lifted, v: this.version } };
  }
}

function tooNew(v: number, version: number): string {
  return (
    `v is ${v}, and this Runbeat knows versions up to ${version}: update Runbeat, ` +
    "then put the message back with `runbeat quarantine retry`"
  );
}

/** Version 1 is the only one so far, of both. */
export const HEARTBEAT_UPCASTER = new Upcaster([]);
export const EVENT_UPCASTER = new Upcaster([]);

/** Asks the API to change something. The operate key and one's name live as long as the tab. */
import { ApiProblem, KeyNeeded } from "./api-client.ts";

const KEY_ITEM = "runbeat.operate-key";
const NAME_ITEM = "runbeat.operator";
const ID_BYTES = 16;

export function operateKey(): string {
  return sessionStorage.getItem(KEY_ITEM) ?? "";
}

/** An empty one forgets it. */
export function setOperateKey(key: string): void {
  if (key === "") sessionStorage.removeItem(KEY_ITEM);
  else sessionStorage.setItem(KEY_ITEM, key);
}

export function operatorName(): string {
  return sessionStorage.getItem(NAME_ITEM) ?? "";
}

export function setOperatorName(name: string): void {
  sessionStorage.setItem(NAME_ITEM, name);
}

/** One thing that is asked for. */
export interface Step {
  /** Of whom, for people. */
  readonly name: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A step under a key of its own: sent again, it does nothing twice. */
export interface KeyedStep extends Step {
  readonly idempotencyKey: string;
}

export function keyed(step: Step): KeyedStep {
  // randomUUID() is there on HTTPS and on this machine only.
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES));
  const idempotencyKey = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { ...step, idempotencyKey };
}

interface Said {
  readonly said?: string;
  readonly detail?: string;
  readonly title?: string;
}

/**
 * @returns what was done, in words; empty where the API has none.
 * @throws KeyNeeded, ApiProblem; TypeError where nothing answers.
 */
export async function askFor({ path, body, idempotencyKey }: KeyedStep): Promise<string> {
  const name = operatorName();
  const response = await fetch(path, {
    method: "POST",
    headers: {
      authorization: `Bearer ${operateKey()}`,
      "content-type": "application/json",
      "idempotency-key": idempotencyKey,
    },
    body: JSON.stringify(name === "" ? body : { ...body, by: name }),
  });
  const answer = (await response.json().catch(() => ({}))) as Said;
  if (response.ok) return answer.said ?? "";
  const why = answer.detail ?? answer.title ?? `The API answered ${response.status}`;
  if (response.status === 401 || response.status === 403) throw new KeyNeeded(why);
  throw new ApiProblem(response.status, why);
}

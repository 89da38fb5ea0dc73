/** Orders for runners: pause, resume, restart, reset. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ActionDialog } from "./action-dialog.tsx";
import type { RunnerItem } from "./items.ts";

export const PAGE_ORDERS = ["pause", "resume", "restart", "reset"] as const;
export type PageOrder = (typeof PAGE_ORDERS)[number];

export const ORDER_WORDS: Readonly<Record<PageOrder, string>> = {
  pause: "Pause",
  resume: "Resume",
  restart: "Restart",
  reset: "Reset",
};

const EFFECTS: Readonly<Record<PageOrder, string>> = {
  pause:
    "The process is left alone: whether it ends or falls silent, it is not restarted and nobody is alerted, until it is resumed.",
  resume: "It is looked after again. What ended meanwhile is started at once.",
  restart:
    "The process is ended and started again at once, whatever its back-off, its count of restarts and the deny list say.",
  reset:
    "Its failures are forgotten and a cooldown ends. What waits for its next start is started now.",
};

const SHOWN_NAMES = 10;

/** Whether an enforcer may have it: others can be silenced only. */
export function takesOrders({ desired, managed }: RunnerItem): boolean {
  return desired === null ? managed : desired.driver !== "external";
}

interface OrderProps {
  readonly order: PageOrder;
  readonly items: readonly RunnerItem[];
  onClose(): void;
}

export function OrderDialog({ order, items, onClose }: OrderProps): JSX.Element {
  const [reason, setReason] = useState("");
  const able = items.filter(takesOrders);
  const [only] = able;
  const who = able.length === 1 ? (only?.runner ?? "") : `${able.length} runners`;
  const body = reason.trim() === "" ? { order } : { order, reason: reason.trim() };
  return (
    <ActionDialog
      title={`${ORDER_WORDS[order]} ${who}?`}
      about={
        <>
          <p>{EFFECTS[order]}</p>
          {able.length > 1 && <Names names={able.map(({ runner }) => runner)} />}
          {able.length < items.length && (
            <p class="dim">
              {items.length - able.length} of the {items.length} have no enforcer and are left out.
            </p>
          )}
        </>
      }
      word={ORDER_WORDS[order]}
      steps={() =>
        able.map(({ runner }) => ({
          name: runner,
          path: `/api/v1/runners/${runner}/orders`,
          body,
        }))
      }
      onClose={onClose}
    >
      <label>
        <span>Reason</span>
        <input
          value={reason}
          maxLength={500}
          placeholder="for its timeline"
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
    </ActionDialog>
  );
}

export function Names({ names }: { readonly names: readonly string[] }): JSX.Element {
  return (
    <ul class="names">
      {names.slice(0, SHOWN_NAMES).map((name) => (
        <li key={name}>{name}</li>
      ))}
      {names.length > SHOWN_NAMES && <li>and {names.length - SHOWN_NAMES} more</li>}
    </ul>
  );
}

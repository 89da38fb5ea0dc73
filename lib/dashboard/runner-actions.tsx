/** What an operator can do with one runner, or with those that are selected in the table. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { RunnerItem } from "./items.ts";
import { ORDER_WORDS, OrderDialog, takesOrders } from "./order-dialog.tsx";
import type { PageOrder } from "./order-dialog.tsx";
import { SilenceDialog } from "./silence-dialog.tsx";
import type { SilenceTarget } from "./silence-dialog.tsx";
import { SilenceList, silencesOf, useCanOperate, useSilences } from "./silence-list.tsx";

type Asked = { readonly order: PageOrder } | "silence";

interface ButtonsProps {
  readonly items: readonly RunnerItem[];
}

/** Buttons, and the dialog of the one that was pressed. */
export function ActionButtons({ items }: ButtonsProps): JSX.Element {
  // Those of the moment at which one asks: rows that change meanwhile don't change the question.
  const [asked, ask] = useState<{ what: Asked; items: readonly RunnerItem[] } | undefined>();
  const able = items.filter(takesOrders);
  const orders: readonly PageOrder[] = [
    ...(able.some(({ paused }) => !paused) ? (["pause"] as const) : []),
    ...(able.some(({ paused }) => paused) ? (["resume"] as const) : []),
    ...(able.length > 0 ? (["restart", "reset"] as const) : []),
  ];
  const close = (): void => ask(undefined);
  return (
    <>
      {orders.map((order) => (
        <button key={order} type="button" onClick={() => ask({ what: { order }, items })}>
          {ORDER_WORDS[order]}
        </button>
      ))}
      <button type="button" onClick={() => ask({ what: "silence", items })}>
        Silence
      </button>
      {asked?.what === "silence" && (
        <SilenceDialog targets={targetsOf(asked.items)} onClose={close} />
      )}
      {asked !== undefined && asked.what !== "silence" && (
        <OrderDialog order={asked.what.order} items={asked.items} onClose={close} />
      )}
    </>
  );
}

/** Themselves, and their host where they have one in common. */
export function targetsOf(items: readonly RunnerItem[]): SilenceTarget[] {
  const hosts = new Set(items.map(({ process }) => process?.host ?? ""));
  const [host = ""] = hosts;
  const [only] = items;
  const label = items.length === 1 ? (only?.runner ?? "") : `these ${items.length} runners`;
  return [
    { label, patterns: items.map(({ runner }) => runner) },
    ...(hosts.size === 1 && host !== ""
      ? [{ label: `every runner on ${host}`, patterns: [`host:${host}`] }]
      : []),
  ];
}

export function RunnerActions({ item }: { readonly item: RunnerItem }): JSX.Element | null {
  const canOperate = useCanOperate();
  const silences = silencesOf(useSilences(), { name: item.runner, host: item.process?.host });
  return (
    <>
      {canOperate && (
        <div class="actions" role="group" aria-label="Orders">
          <ActionButtons items={[item]} />
          {!takesOrders(item) && (
            <span class="dim">No enforcer has it: it can't be paused or restarted from here.</span>
          )}
        </div>
      )}
      {silences.length > 0 && (
        <div class="card" role="note" aria-label="Silenced">
          Nobody is told of its alerts:
          <SilenceList silences={silences} />
        </div>
      )}
    </>
  );
}

/** What can be done with the rows that are selected. */
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Line } from "./fleet-view.ts";
import { useShared } from "./hooks.ts";
import { ActionButtons } from "./runner-actions.tsx";
import { useCanOperate } from "./silence-list.tsx";

/** More than that at once is better said by a pattern. */
export const MAX_SELECTED = 200;

/** Runners that are selected. */
export interface Selection {
  has(runner: string): boolean;
  toggle(runner: string): void;
}

interface Selected extends Selection {
  readonly names: ReadonlySet<string>;
  set(names: Iterable<string>): void;
}

/** Undefined where there is nothing to do with it: in the past. */
export function useSelection(): Selected | undefined {
  const canOperate = useCanOperate();
  const [names, setNames] = useState<ReadonlySet<string>>(new Set());
  const change = useMemo(() => {
    const limited = (wanted: Iterable<string>) => new Set([...wanted].slice(0, MAX_SELECTED));
    const without = (all: ReadonlySet<string>, runner: string) =>
      [...all].filter((name) => name !== runner);
    return {
      set: (wanted: Iterable<string>) => setNames(limited(wanted)),
      // Always the same function, so that no row is made anew for a choice that is not its own.
      toggle: (runner: string) =>
        setNames((all) => limited(all.has(runner) ? without(all, runner) : [...all, runner])),
    };
  }, []);
  const selection = { names, ...change, has: (runner: string) => names.has(runner) };
  return canOperate ? selection : undefined;
}

interface BarProps {
  readonly selection: Selected;
  /** Those that fit the filters. */
  readonly lines: readonly Line[];
}

export function SelectionBar({ selection, lines }: BarProps): JSX.Element | null {
  const { fleet } = useShared();
  const { names, set } = selection;
  if (names.size === 0) return null;
  const items = [...names].flatMap((name) => fleet.runners.get(name) ?? []);
  const shown = lines.flatMap((line) => (line.type === "runner" ? [line.item.runner] : []));
  const missing = shown.filter((name) => !names.has(name)).length;
  return (
    <div class="actions selection" role="group" aria-label="With the selected runners">
      <span role="status">
        <b>{names.size}</b> selected
        {names.size >= MAX_SELECTED && `, the most at once: a silence by pattern covers more`}
      </span>
      <ActionButtons items={items} />
      {missing > 0 && names.size < MAX_SELECTED && (
        <button type="button" onClick={() => set([...names, ...shown])}>
          Select all {shown.length} shown
        </button>
      )}
      <button type="button" onClick={() => set([])}>
        Select none
      </button>
    </div>
  );
}

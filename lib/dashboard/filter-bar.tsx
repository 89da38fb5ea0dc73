/** Search, kinds, order and groups of the table. */
import type { JSX } from "preact";
import { RUNNER_KINDS } from "../core/runner-id.ts";
import { HostAndLabel } from "./host-and-label.tsx";
import { useShared } from "./hooks.ts";
import { GROUPS, PLAIN_QUERY, SORTS } from "./place.ts";
import type { FleetQuery, Group, Sort } from "./place.ts";

export const SEARCH_ID = "search";

const SORT_WORDS: Readonly<Record<Sort, string>> = {
  worst: "worst first",
  runner: "name",
  silence: "longest silence",
  restarts: "most restarts",
};

interface ChoiceProps<Value extends string> {
  readonly label: string;
  readonly value: Value;
  readonly values: readonly Value[];
  readonly words?: Readonly<Record<Value, string>>;
  onChoose(value: Value): void;
}

function Choice<Value extends string>(props: ChoiceProps<Value>): JSX.Element {
  const { label, value, values, words, onChoose } = props;
  return (
    <label class="choice">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChoose(event.currentTarget.value as Value)}>
        {values.map((one) => (
          <option key={one} value={one}>
            {words?.[one] ?? one}
          </option>
        ))}
      </select>
    </label>
  );
}

/** @param shown how many runners fit. */
export function FilterBar({ shown }: { readonly shown: number }): JSX.Element {
  const { place, fleet, go } = useShared();
  const { query } = place;
  const change = (part: Partial<FleetQuery>, replace = false): void =>
    go({ query: { ...query, ...part } }, replace);
  const { text, statuses, kinds, healths, hosts, labels } = query;
  const isFiltered = text !== "" || [statuses, kinds, healths, hosts, labels].flat().length > 0;
  return (
    <div class="filters">
      <input
        id={SEARCH_ID}
        type="search"
        placeholder="Search: name, host, label, error  ( / )"
        aria-label="Search runners by name, host, label or error"
        value={query.text}
        onInput={(event) => change({ text: event.currentTarget.value }, true)}
      />
      <div class="kinds" role="group" aria-label="Kinds">
        {RUNNER_KINDS.map((kind) => (
          <button
            key={kind}
            type="button"
            aria-pressed={query.kinds.includes(kind)}
            onClick={() =>
              change({
                kinds: query.kinds.includes(kind)
                  ? query.kinds.filter((other) => other !== kind)
                  : [...query.kinds, kind],
              })
            }
          >
            {kind} <span class="dim">{fleet.summary?.kinds[kind].total ?? ""}</span>
          </button>
        ))}
      </div>
      <Choice<Sort>
        label="Sort"
        value={query.sort}
        values={SORTS}
        words={SORT_WORDS}
        onChoose={(sort) => change({ sort })}
      />
      <Choice<Group>
        label="Group"
        value={query.group}
        values={GROUPS}
        onChoose={(group) => change({ group })}
      />
      <HostAndLabel query={query} change={change} />
      <p class="shown" role="status">
        {shown} of {fleet.runners.size} runners
      </p>
      {isFiltered && (
        <button
          type="button"
          onClick={() => change({ ...PLAIN_QUERY, sort: query.sort, group: query.group })}
        >
          Clear filters
        </button>
      )}
    </div>
  );
}

/** Narrows the table to hosts and labels: one field that proposes what there is. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useShared } from "./hooks.ts";
import type { RunnerItem } from "./items.ts";
import type { FleetQuery } from "./place.ts";

const LIST_ID = "hosts-and-labels";
const HOST_WORD = "host:";
/** More are found by typing. */
const MAX_PROPOSED = 500;

interface Props {
  readonly query: FleetQuery;
  change(part: Partial<FleetQuery>): void;
}

export function HostAndLabel({ query, change }: Props): JSX.Element {
  const { fleet } = useShared();
  const [typed, type] = useState("");
  const [proposed, propose] = useState<readonly string[]>([]);
  const { hosts, labels } = query;
  const add = (text: string): void => {
    type("");
    if (text === "") return;
    if (text.includes(":") && !text.startsWith(HOST_WORD))
      return change({ labels: [...new Set([...labels, text])] });
    const host = text.startsWith(HOST_WORD) ? text.slice(HOST_WORD.length) : text;
    change({ hosts: [...new Set([...hosts, host])] });
  };
  const onInput = (text: string): void => {
    // What was typed in one go may be there before the proposals are.
    const known = proposed.length > 0 ? proposed : proposalsOf(fleet.runners.values());
    if (known.includes(text)) add(text);
    else type(text);
  };
  return (
    <>
      <input
        class="host-and-label"
        list={LIST_ID}
        aria-label="Filter by host:name, or label key:value"
        placeholder="host: or label key:value"
        value={typed}
        onFocus={() => propose(proposalsOf(fleet.runners.values()))}
        onInput={(event) => onInput(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") add(event.currentTarget.value.trim());
        }}
      />
      <datalist id={LIST_ID}>
        {proposed.map((text) => (
          <option key={text} value={text} />
        ))}
      </datalist>
      {hosts.map((host) => (
        <Chip
          key={HOST_WORD + host}
          text={HOST_WORD + host}
          remove={() => change({ hosts: hosts.filter((other) => other !== host) })}
        />
      ))}
      {labels.map((label) => (
        <Chip
          key={label}
          text={label}
          remove={() => change({ labels: labels.filter((other) => other !== label) })}
        />
      ))}
    </>
  );
}

function Chip({ text, remove }: { readonly text: string; remove(): void }): JSX.Element {
  return (
    <button type="button" class="chip" aria-label={`Remove the filter ${text}`} onClick={remove}>
      {text} <span aria-hidden="true">✕</span>
    </button>
  );
}

/** Every host and every label that a runner has, in order. */
function proposalsOf(items: Iterable<RunnerItem>): string[] {
  const found = new Set<string>();
  for (const { process, heartbeat } of items) {
    if (process !== null) found.add(HOST_WORD + process.host);
    for (const [key, value] of Object.entries(heartbeat?.labels ?? {}))
      found.add(`${key}:${value}`);
    if (found.size >= MAX_PROPOSED) break;
  }
  return [...found].toSorted();
}

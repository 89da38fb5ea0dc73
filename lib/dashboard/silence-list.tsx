/** Silences that are not over: whom they cover, how long yet, and how to end one. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { coversMember } from "../core/silence.ts";
import type { SilencedMember } from "../core/silence.ts";
import { ActionDialog } from "./action-dialog.tsx";
import { useAnswer, useShared } from "./hooks.ts";
import type { ListAnswer } from "./items.ts";
import { ageText, clockText } from "./text.ts";

export interface SilenceItem {
  readonly id: string;
  readonly pattern: string;
  readonly from: string;
  readonly until: string;
  readonly reason: string;
  readonly by: string;
}

const ASK_EVERY_MS = 3_000;
const SHOWN = 100;

/** Those that are not over at the moment that is shown. */
export function useSilences(): readonly SilenceItem[] {
  const { place } = useShared();
  const at = place.at === undefined ? undefined : new Date(place.at).toISOString();
  const every = at === undefined ? ASK_EVERY_MS : undefined;
  const { answer } = useAnswer<ListAnswer<SilenceItem>>(
    "/api/v1/silences",
    { limit: SHOWN, at },
    every,
  );
  return answer?.items ?? [];
}

/** Of those, the ones that cover a runner. */
export function silencesOf(
  silences: readonly SilenceItem[],
  member: SilencedMember,
): readonly SilenceItem[] {
  return silences.filter(({ pattern }) => coversMember(pattern, member));
}

/** Whether anything can be changed from here: not in the past, nor in an export. */
export function useCanOperate(): boolean {
  const { place, live } = useShared();
  return place.at === undefined && !live.isPast;
}

interface ListProps {
  readonly silences: readonly SilenceItem[];
  /** What a pattern stands for, where that says more. */
  readonly names?: ReadonlyMap<string, string>;
}

export function SilenceList({ silences, names = new Map() }: ListProps): JSX.Element {
  const [lifted, lift] = useState<SilenceItem | undefined>();
  const nameOf = ({ pattern }: SilenceItem): string => names.get(pattern) ?? pattern;
  return (
    <>
      <ul class="silences">
        {silences.map((silence) => (
          <SilenceLine key={silence.id} silence={silence} name={nameOf(silence)} lift={lift} />
        ))}
      </ul>
      {lifted !== undefined && (
        <ActionDialog
          title={`Lift the silence of ${nameOf(lifted)}?`}
          about={<p>From now on people are told again of what goes wrong there.</p>}
          word="Lift"
          steps={() => [
            {
              name: `the silence of ${nameOf(lifted)}`,
              path: `/api/v1/silences/${lifted.id}/lift`,
              body: {},
            },
          ]}
          onClose={() => lift(undefined)}
        />
      )}
    </>
  );
}

function SilenceLine(props: {
  readonly silence: SilenceItem;
  readonly name: string;
  lift(silence: SilenceItem): void;
}): JSX.Element {
  const { fleet } = useShared();
  const canOperate = useCanOperate();
  const { name } = props;
  const { from, until, reason, by } = props.silence;
  const now = fleet.now();
  const isPlanned = Date.parse(from) > now;
  return (
    <li>
      <span>
        <b>{name}</b>{" "}
        {isPlanned
          ? `planned from ${clockText(from, now)} to ${clockText(until, now)}, begins in ${ageText(Date.parse(from) - now)}`
          : `until ${clockText(until, now)}, for another ${ageText(Date.parse(until) - now)}`}{" "}
        <span class="dim">
          {reason === "" ? "" : `${reason} `}({by})
        </span>
      </span>
      {canOperate && (
        <button
          type="button"
          aria-label={`Lift the silence of ${name}`}
          onClick={() => props.lift(props.silence)}
        >
          Lift
        </button>
      )}
    </li>
  );
}

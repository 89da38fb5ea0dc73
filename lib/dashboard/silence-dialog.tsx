/** Asks for a silence: of what, from when, for how long. */
import type { JSX } from "preact";
import { useId, useMemo, useState } from "preact/hooks";
import { coversMember } from "../core/silence.ts";
import { ActionDialog } from "./action-dialog.tsx";
import { useShared } from "./hooks.ts";

/** What may be silenced, as far as the place suggests it. */
export interface SilenceTarget {
  readonly label: string;
  readonly patterns: readonly string[];
}

const DURATIONS = [
  ["30m", "30 minutes"],
  ["1h", "1 hour"],
  ["2h", "2 hours"],
  ["8h", "8 hours"],
  ["1d", "1 day"],
  ["7d", "7 days"],
  ["", "until a time"],
] as const;
const FIRST_DURATION = "2h";
const OTHER = -1;

interface SilenceProps {
  readonly targets: readonly SilenceTarget[];
  onClose(): void;
}

export function SilenceDialog({ targets, onClose }: SilenceProps): JSX.Element {
  const [chosen, choose] = useState(targets.length === 0 ? OTHER : 0);
  const [pattern, setPattern] = useState("");
  const [time, setTime] = useState<SilenceTime>({ for: FIRST_DURATION, until: "", from: "" });
  const [reason, setReason] = useState("");
  const patterns = targets[chosen]?.patterns ?? [pattern.trim()];
  return (
    <ActionDialog
      title="Silence alerts"
      about={
        <p>Alerts are kept and shown, but nobody is told of them until the silence is over.</p>
      }
      word="Silence"
      steps={() =>
        patterns.map((one) => ({
          name: one,
          path: "/api/v1/silences",
          body: { pattern: one, ...bodyOf(time), ...(reason === "" ? {} : { reason }) },
        }))
      }
      onClose={onClose}
    >
      <TargetFields {...{ targets, chosen, choose, pattern, setPattern }} />
      <Covered patterns={patterns} />
      <TimeFields time={time} setTime={setTime} />
      <label>
        <span>Reason</span>
        <input
          value={reason}
          maxLength={500}
          placeholder="for whoever wonders"
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
    </ActionDialog>
  );
}

interface TargetProps extends Pick<SilenceProps, "targets"> {
  readonly chosen: number;
  choose(index: number): void;
  readonly pattern: string;
  setPattern(pattern: string): void;
}

function TargetFields({ targets, chosen, choose, pattern, setPattern }: TargetProps): JSX.Element {
  const name = useId();
  return (
    <>
      {targets.length > 0 && (
        <fieldset>
          <legend>What</legend>
          {[...targets.map(({ label }) => label), "a pattern of runners"].map((label, index) => {
            const value = index < targets.length ? index : OTHER;
            return (
              <label key={label} class="radio">
                <input
                  type="radio"
                  name={name}
                  checked={chosen === value}
                  onChange={() => choose(value)}
                />
                <span>{label}</span>
              </label>
            );
          })}
        </fieldset>
      )}
      {chosen === OTHER && (
        <label>
          <span>Pattern</span>
          <input
            required
            value={pattern}
            placeholder="camera/front-*/hd, camera, host:edge-1, *"
            onInput={(event) => setPattern(event.currentTarget.value)}
          />
        </label>
      )}
    </>
  );
}

/** How many that would be, so that nobody silences more than they mean. */
function Covered({ patterns }: { readonly patterns: readonly string[] }): JSX.Element | null {
  const { fleet } = useShared();
  const asked = patterns.join(" ");
  const count = useMemo(
    () =>
      [...fleet.runners.values()].filter(({ runner, process }) =>
        patterns.some((one) => coversMember(one, { name: runner, host: process?.host })),
      ).length,
    [asked],
  );
  if (patterns.some((one) => one === "" || one.startsWith("alert:"))) return null;
  return (
    <p class="dim" role="status">
      That covers {count} of {fleet.runners.size} runners at present.
    </p>
  );
}

interface SilenceTime {
  /** Empty: until a time. */
  readonly for: string;
  readonly until: string;
  /** Empty: from now on. */
  readonly from: string;
}

function TimeFields(props: {
  readonly time: SilenceTime;
  setTime(time: SilenceTime): void;
}): JSX.Element {
  const { time, setTime } = props;
  const [isLater, setLater] = useState(false);
  return (
    <>
      <label>
        <span>How long</span>
        <select
          value={time.for}
          onChange={(event) => setTime({ ...time, for: event.currentTarget.value })}
        >
          {DURATIONS.map(([value, word]) => (
            <option key={word} value={value}>
              {word}
            </option>
          ))}
        </select>
      </label>
      {time.for === "" && (
        <MomentInput
          label="Ends, in UTC"
          value={time.until}
          onChange={(until) => setTime({ ...time, until })}
        />
      )}
      <label class="radio">
        <input
          type="checkbox"
          checked={isLater}
          onChange={() => {
            setLater(!isLater);
            setTime({ ...time, from: "" });
          }}
        />
        <span>It begins later: a maintenance window</span>
      </label>
      {isLater && (
        <MomentInput
          label="Begins, in UTC"
          value={time.from}
          onChange={(from) => setTime({ ...time, from })}
        />
      )}
    </>
  );
}

function MomentInput(props: {
  readonly label: string;
  readonly value: string;
  onChange(value: string): void;
}): JSX.Element {
  return (
    <label>
      <span>{props.label}</span>
      <input
        type="datetime-local"
        required
        value={props.value}
        onInput={(event) => props.onChange(event.currentTarget.value)}
      />
    </label>
  );
}

function bodyOf(time: SilenceTime): Record<string, string> {
  return {
    ...(time.for === "" ? { until: `${time.until}Z` } : { for: time.for }),
    ...(time.from === "" ? {} : { from: `${time.from}Z` }),
  };
}

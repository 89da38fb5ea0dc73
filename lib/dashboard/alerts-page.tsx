import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { placeOf, useAnswer, useShared, useTick } from "./hooks.ts";
import type { FleetData, ListAnswer } from "./items.ts";
import { Link } from "./marks.tsx";
import { targetsOf } from "./runner-actions.tsx";
import { SilenceDialog } from "./silence-dialog.tsx";
import type { SilenceTarget } from "./silence-dialog.tsx";
import { SilenceList, silencesOf, useCanOperate, useSilences } from "./silence-list.tsx";
import type { SilenceItem } from "./silence-list.tsx";
import { ageText, clockText, sinceText } from "./text.ts";

interface AlertItem {
  readonly id: string;
  readonly type: string;
  readonly severity: string;
  readonly state: string;
  readonly title: string;
  readonly group: string;
  readonly opened_at: string;
  readonly resolved_at: string | null;
  readonly silenced: boolean;
  readonly members: readonly { readonly name: string; readonly detail: string }[];
  readonly member_count: number;
}

const ASK_EVERY_MS = 3_000;
const SHOWN = 100;
const SHOWN_MEMBERS = 50;

export function AlertsPage(): JSX.Element {
  useTick(1_000);
  const { place, fleet } = useShared();
  const at = place.at === undefined ? undefined : new Date(place.at).toISOString();
  const every = at === undefined ? ASK_EVERY_MS : undefined;
  const alerts = useAnswer<ListAnswer<AlertItem>>("/api/v1/alerts", { limit: SHOWN, at }, every);
  const silences = useSilences();
  const items = alerts.answer?.items ?? [];
  const titles = new Map(items.map(({ id, title }) => [`alert:${id}`, `the alert “${title}”`]));
  const open = items.filter(({ resolved_at }) => resolved_at === null);
  const over = items.filter(({ resolved_at }) => resolved_at !== null);
  return (
    <main>
      <h1>Alerts</h1>
      {alerts.trouble !== "" && <p class="trouble">{alerts.trouble}</p>}
      {alerts.answer !== undefined && open.length === 0 && <p class="empty">No alert is open.</p>}
      {open.map((alert) => (
        <AlertCard key={alert.id} alert={alert} silences={silences} now={fleet.now()} />
      ))}
      <h2>Silences</h2>
      {silences.length === 0 && <p class="empty">Nothing is silenced.</p>}
      <SilenceList silences={silences} names={titles} />
      <SilenceButton word="New silence" targets={[]} />
      {over.length > 0 && <h2>Resolved</h2>}
      {over.map((alert) => (
        <AlertCard key={alert.id} alert={alert} silences={[]} now={fleet.now()} />
      ))}
    </main>
  );
}

interface CardProps {
  readonly alert: AlertItem;
  readonly silences: readonly SilenceItem[];
  readonly now: number;
}

function AlertCard({ alert, silences, now }: CardProps): JSX.Element {
  const { fleet } = useShared();
  const isOpen = alert.resolved_at === null;
  const isSilenced = alert.silenced || isCovered(alert, silences, fleet);
  const lasted = Date.parse(alert.resolved_at ?? "") - Date.parse(alert.opened_at);
  return (
    <section class={`card alert ${isOpen ? alert.severity : "over"}`} aria-label={alert.title}>
      <p>
        <b class="severity">{isOpen ? alert.severity : "resolved"}</b> {alert.title}
        {isSilenced && <em class="flag">silenced</em>}
      </p>
      <p class="dim">
        {alert.type.replaceAll("_", " ")} · since {clockText(alert.opened_at, now)},{" "}
        {isOpen ? `${sinceText(alert.opened_at, now)} ago` : `for ${ageText(lasted)}`}
      </p>
      <details>
        <summary>
          {alert.member_count} {alert.member_count === 1 ? "member" : "members"}
        </summary>
        <ul>
          {alert.members.slice(0, SHOWN_MEMBERS).map((member) => (
            <li key={member.name}>
              <MemberName name={member.name} /> <span class="dim">{member.detail}</span>
            </li>
          ))}
          {alert.member_count > SHOWN_MEMBERS && (
            <li>and {alert.member_count - SHOWN_MEMBERS} more</li>
          )}
        </ul>
      </details>
      {isOpen && !isSilenced && (
        <SilenceButton
          word="Silence"
          label={`Silence: ${alert.title}`}
          targets={targetsOfAlert(alert, fleet)}
        />
      )}
    </section>
  );
}

/** Whether a silence covers all of it by now: the sentinel says so with the alert's next message. */
function isCovered(
  { id, members }: AlertItem,
  silences: readonly SilenceItem[],
  fleet: FleetData,
): boolean {
  const begun = silences.filter(({ from }) => Date.parse(from) <= fleet.now());
  if (members.length === 0) return false;
  return members.every(({ name }) => {
    const member = { name, host: fleet.runners.get(name)?.process?.host, alertId: id };
    return silencesOf(begun, member).length > 0;
  });
}

/** Members are runners, or parts of Runbeat. */
function MemberName({ name }: { readonly name: string }): JSX.Element {
  const shared = useShared();
  if (name.split("/").length !== 3) return <>{name}</>;
  return <Link to={placeOf(shared, { name: "runner", runner: name })}>{name}</Link>;
}

/** A button that asks what to silence; there is none in the past. */
function SilenceButton(props: {
  readonly word: string;
  readonly label?: string;
  readonly targets: readonly SilenceTarget[];
}): JSX.Element | null {
  const [targets, ask] = useState<readonly SilenceTarget[] | undefined>();
  if (!useCanOperate()) return null;
  return (
    <div class="actions">
      <button type="button" aria-label={props.label} onClick={() => ask(props.targets)}>
        {props.word}
      </button>
      {targets !== undefined && <SilenceDialog targets={targets} onClose={() => ask(undefined)} />}
    </div>
  );
}

/** The alert itself; its runner, where it has but one; and their host. */
function targetsOfAlert({ id, members }: AlertItem, fleet: FleetData): SilenceTarget[] {
  const runners = members.flatMap(({ name }) => fleet.runners.get(name) ?? []);
  const own = runners.length === 0 ? [] : targetsOf(runners);
  const wanted = runners.length === 1 ? own : own.slice(1);
  return [{ label: "this alert, whoever joins it", patterns: [`alert:${id}`] }, ...wanted];
}

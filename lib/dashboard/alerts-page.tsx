import type { JSX } from "preact";
import { placeOf, useAnswer, useShared, useTick } from "./hooks.ts";
import type { ListAnswer } from "./items.ts";
import { Link } from "./marks.tsx";
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

interface SilenceItem {
  readonly id: string;
  readonly pattern: string;
  readonly until: string;
  readonly reason: string;
  readonly by: string;
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
  const silences = useAnswer<ListAnswer<SilenceItem>>(
    "/api/v1/silences",
    { limit: SHOWN, at },
    every,
  );
  const items = alerts.answer?.items ?? [];
  const open = items.filter(({ resolved_at }) => resolved_at === null);
  const over = items.filter(({ resolved_at }) => resolved_at !== null);
  return (
    <main>
      <h1>Alerts</h1>
      {alerts.trouble !== "" && <p class="trouble">{alerts.trouble}</p>}
      {alerts.answer !== undefined && open.length === 0 && <p class="empty">No alert is open.</p>}
      {open.map((alert) => (
        <AlertCard key={alert.id} alert={alert} now={fleet.now()} />
      ))}
      <h2>Silences</h2>
      <SilenceList silences={silences.answer?.items ?? []} now={fleet.now()} />
      {over.length > 0 && <h2>Resolved</h2>}
      {over.map((alert) => (
        <AlertCard key={alert.id} alert={alert} now={fleet.now()} />
      ))}
    </main>
  );
}

interface CardProps {
  readonly alert: AlertItem;
  readonly now: number;
}

function AlertCard({ alert, now }: CardProps): JSX.Element {
  const isOpen = alert.resolved_at === null;
  const lasted = Date.parse(alert.resolved_at ?? "") - Date.parse(alert.opened_at);
  return (
    <section class={`card alert ${isOpen ? alert.severity : "over"}`} aria-label={alert.title}>
      <p>
        <b class="severity">{isOpen ? alert.severity : "resolved"}</b> {alert.title}
        {alert.silenced && <em class="flag">silenced</em>}
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
    </section>
  );
}

/** Members are runners, or parts of Runbeat. */
function MemberName({ name }: { readonly name: string }): JSX.Element {
  const shared = useShared();
  if (name.split("/").length !== 3) return <>{name}</>;
  return <Link to={placeOf(shared, { name: "runner", runner: name })}>{name}</Link>;
}

interface SilencesProps {
  readonly silences: readonly SilenceItem[];
  readonly now: number;
}

function SilenceList({ silences, now }: SilencesProps): JSX.Element {
  if (silences.length === 0) return <p class="empty">Nothing is silenced.</p>;
  return (
    <ul>
      {silences.map(({ id, pattern, until, reason, by }) => (
        <li key={id}>
          <b>{pattern}</b> until {clockText(until, now)}, for another{" "}
          {ageText(Date.parse(until) - now)}
          <span class="dim">
            {" "}
            {reason} ({by})
          </span>
        </li>
      ))}
    </ul>
  );
}

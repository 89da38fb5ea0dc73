/** Whether Runbeat itself is well, and how much goes through it. */
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { useAnswer, useShared, useTick } from "./hooks.ts";
import type { ProjectionItem, SummaryItem } from "./items.ts";
import { ratesOf } from "./rates.ts";
import type { Sample } from "./rates.ts";
import { StreamTable } from "./stream-table.tsx";
import { ageText, figureText } from "./text.ts";

interface HealthAnswer {
  readonly status: "pass" | "warn" | "fail";
  readonly version: string;
  readonly checks: Readonly<
    Record<
      string,
      readonly {
        readonly status: "pass" | "warn" | "fail";
        readonly observedValue: number | string | null;
        readonly observedUnit?: string;
        readonly output?: string;
      }[]
    >
  >;
}

const ASK_EVERY_MS = 2_000;

export function PipelinePage(): JSX.Element {
  useTick(1_000);
  const { place, fleet, live } = useShared();
  const rates = useRates(live.summary);
  const health = useAnswer<HealthAnswer>("/healthz", {}, ASK_EVERY_MS);
  const now = fleet.now();
  return (
    <main>
      <h1>Pipeline</h1>
      <p class="dim">
        {place.at === undefined
          ? `Runbeat ${health.answer?.version ?? ""}`
          : "The read models are those of then; streams, parts and rates are those of now."}
      </p>
      <h2>Streams</h2>
      <StreamTable />
      <h2>Read models</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Read models">
        <table>
          <thead>
            <tr>
              <th>Projection</th>
              <th>State</th>
              <th class="number">Message</th>
              <th class="number">Behind</th>
              <th class="number">Per second</th>
              <th class="number">Last change</th>
            </tr>
          </thead>
          <tbody>
            {(fleet.summary?.projections ?? []).map((projection) => (
              <ProjectionRow
                key={`${projection.name} ${projection.partition}`}
                projection={projection}
                rate={rates.get(projection.name)}
                now={now}
              />
            ))}
          </tbody>
        </table>
      </div>
      <h2>Parts</h2>
      {health.trouble !== "" && <p class="trouble">{health.trouble}</p>}
      <Parts checks={health.answer?.checks ?? {}} />
    </main>
  );
}

interface ProjectionProps {
  readonly projection: ProjectionItem;
  readonly rate: number | undefined;
  readonly now: number;
}

function ProjectionRow({ projection, rate, now }: ProjectionProps): JSX.Element {
  const { name, version, state, seq, lag, updated_at } = projection;
  return (
    <tr>
      <th scope="row">
        {name} <span class="dim">v{version}</span>
      </th>
      <td class={state === "running" ? "" : "bad"}>{state}</td>
      <td class="number">{seq.toLocaleString("en")}</td>
      <td class="number">{lag?.toLocaleString("en") ?? "not known"}</td>
      <td class="number">{rate === undefined ? "…" : figureText(rate)}</td>
      <td class="number">{ageText(now - Date.parse(updated_at))} ago</td>
    </tr>
  );
}

const CHECK_WORDS = { pass: "✓ well", warn: "! look", fail: "✖\uFE0E fails" } as const;

function Parts({ checks }: { readonly checks: HealthAnswer["checks"] }): JSX.Element {
  // A projection that is well has its row above.
  const rows = Object.entries(checks)
    .flatMap(([name, parts]) => parts.map((part) => ({ name, ...part })))
    .filter(({ name, status, output }) => !(isProjection(name) && status === "pass" && !output));
  return (
    <table>
      <thead>
        <tr>
          <th>Part</th>
          <th>State</th>
          <th>Observed</th>
          <th>What to do</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ name, status, observedValue, observedUnit, output }) => (
          <tr key={name}>
            <th scope="row">{name.replaceAll(/[:_]/g, " ")}</th>
            <td class={`check-${status}`}>{CHECK_WORDS[status]}</td>
            <td>
              {typeof observedValue === "number"
                ? observedValue.toLocaleString("en")
                : (observedValue ?? "–")}{" "}
              {observedUnit ?? ""}
            </td>
            <td>{output ?? ""}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function isProjection(name: string): boolean {
  return name.startsWith("projection:");
}

/** Messages a second of each projection. */
function useRates(summary: SummaryItem | undefined): ReadonlyMap<string, number> {
  const samples = useRef<readonly Sample[]>([]);
  const seqs = new Map(summary?.projections.map(({ name, seq }) => [name, seq]));
  const [rates, kept] = ratesOf(samples.current, summary?.as_of.time, seqs);
  samples.current = kept;
  return rates;
}

import type { ComponentChildren, JSX } from "preact";
import type { Status } from "../core/status.ts";
import { useAnswer, useShared } from "./hooks.ts";
import type { ListAnswer } from "./items.ts";
import { StatusMark } from "./marks.tsx";
import { clockText, figureText } from "./text.ts";

const ASK_EVERY_MS = 5_000;
const SHOWN = 25;

interface BeatItem {
  readonly seq: number;
  readonly time: string;
  readonly heartbeat: {
    readonly pid: number;
    readonly seq: number | null;
    readonly health: string | null;
    readonly fps: number | null;
    readonly latency_ms: number | null;
    readonly last_error: string;
  } | null;
  readonly rejection: { readonly message: string } | null;
}

interface ProcessItem {
  readonly host: string;
  readonly pid: number;
  readonly started_at: string | null;
  readonly state: string;
  readonly status: Status;
  readonly effective_args: readonly string[] | null;
  readonly last_error: string;
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly ended_at: string | null;
  readonly heartbeat_count: number;
}

interface Shown<Item> {
  readonly items: readonly Item[] | undefined;
  readonly trouble: string;
  readonly now: number;
}

function useList<Item>(
  path: string,
  query: Readonly<Record<string, string | number>>,
): Shown<Item> {
  const { place, fleet } = useShared();
  const at = place.at === undefined ? undefined : new Date(place.at).toISOString();
  const every = at === undefined ? ASK_EVERY_MS : undefined;
  const { answer, trouble } = useAnswer<ListAnswer<Item>>(
    path,
    { ...query, limit: SHOWN, at },
    every,
  );
  return { items: answer?.items, trouble, now: fleet.now() };
}

interface TableProps {
  readonly name: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly ComponentChildren[])[];
}

function Table({ name, head, rows }: TableProps): JSX.Element {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Table of ${name}`}>
      <table>
        <thead>
          <tr>
            {head.map((word) => (
              <th key={word}>{word}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={row}>
              {cells.map((cell, column) => (
                <td key={head[column]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function plain(value: unknown): string {
  return typeof value === "number" ? String(value) : typeof value === "string" ? value : "–";
}

function figure(value: number | null | undefined): string {
  return value == null ? "–" : figureText(value);
}

export function BeatTable({ runner }: { readonly runner: string }): JSX.Element {
  const { items, trouble, now } = useList<BeatItem>(`/api/v1/runners/${runner}/heartbeats`, {
    all: 1,
  });
  if (items === undefined) return <p class="empty">{trouble === "" ? "…" : trouble}</p>;
  if (items.length === 0) return <p class="empty">None is kept.</p>;
  const rows = items.map(({ time, heartbeat, rejection }) => [
    clockText(time, now),
    plain(heartbeat?.seq),
    plain(heartbeat?.pid),
    plain(heartbeat?.health),
    figure(heartbeat?.fps),
    figure(heartbeat?.latency_ms),
    rejection?.message ?? plain(heartbeat?.last_error),
  ]);
  const head = ["Stored (UTC)", "Its number", "Pid", "Health", "Fps", "Latency ms", "Error"];
  return <Table name="heartbeats" head={head} rows={rows} />;
}

function endOf({ ended_at, exit_code, signal }: ProcessItem, now: number): string {
  if (ended_at === null) return "–";
  const how = signal ?? (exit_code === null ? "" : `code ${exit_code}`);
  return `${clockText(ended_at, now)} ${how}`;
}

export function ProcessTable({ runner }: { readonly runner: string }): JSX.Element {
  const { items, trouble, now } = useList<ProcessItem>("/api/v1/processes", { runner });
  if (items === undefined) return <p class="empty">{trouble === "" ? "…" : trouble}</p>;
  if (items.length === 0) return <p class="empty">None was ever heard of.</p>;
  const rows = items.map((process) => [
    `${process.pid} on ${process.host}`,
    clockText(process.started_at, now),
    process.state,
    <StatusMark status={process.status} />,
    endOf(process, now),
    process.heartbeat_count.toLocaleString("en"),
    process.effective_args?.join(" ") ?? "–",
  ]);
  const head = [
    "Process",
    "Started (UTC)",
    "State",
    "Status",
    "Ended (UTC)",
    "Heartbeats",
    "Command",
  ];
  return <Table name="processes" head={head} rows={rows} />;
}

/**
 * The fleet as the live stream tells it. It is read with fetch and not with EventSource, which can
 * send no key. A tab that nobody looks at lets its connection go: browsers have six for a server.
 */
import { checkAnswer, keyHeaders, KeyNeeded } from "./api-client.ts";
import { EventStreamReader } from "./event-stream.ts";
import type { StreamEvent } from "./event-stream.ts";
import type { AsOf, EventItem, FleetData, RunnerItem, SnapshotPart, SummaryItem } from "./items.ts";

/** A keep-alive comes every 15 s: a stream that is silent for longer is dead. */
const SILENCE_MS = 20_000;
const BACKOFF_MS = [300, 1_000, 2_000, 5_000];
const HIDDEN_MS = 30_000;
const KEPT_EVENTS = 2_000;

export type Connection = "connecting" | "live" | "reconnecting" | "hidden" | "key_needed";

export class LiveFleet implements FleetData {
  readonly runners = new Map<string, RunnerItem>();
  summary: SummaryItem | undefined;
  events: EventItem[] = [];
  connection: Connection = "connecting";
  /** Why there is no connection. */
  trouble = "";
  /** Rises with every change. */
  version = 0;
  private heardAt = performance.now();
  private told:
    { readonly time: number; readonly at: number; readonly isPast: boolean } | undefined;
  private lastId = "";
  private failures = 0;
  private snapshot: RunnerItem[] | undefined;
  private abort = new AbortController();
  private retry: ReturnType<typeof setTimeout> | undefined;
  private watch: ReturnType<typeof setInterval> | undefined;

  start(): void {
    void this.connect();
    this.watch = setInterval(() => {
      if (this.connection === "live" && this.silenceMs() > SILENCE_MS) this.abort.abort();
    }, 1_000);
    let hiding: ReturnType<typeof setTimeout> | undefined;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hiding);
      if (document.hidden) hiding = setTimeout(() => this.hide(), HIDDEN_MS);
      else if (this.connection === "hidden") void this.connect();
    });
  }

  stop(): void {
    clearInterval(this.watch);
    clearTimeout(this.retry);
    this.abort.abort();
  }

  /** Tries again now, for example with another key. */
  async connect(): Promise<void> {
    clearTimeout(this.retry);
    this.abort.abort();
    const abort = new AbortController();
    this.abort = abort;
    try {
      await this.follow(abort.signal);
      this.lost("the stream ended");
    } catch (error) {
      if (this.abort !== abort || this.connection === "hidden") return;
      if (error instanceof KeyNeeded) this.becomes("key_needed", error.message);
      else this.lost(abort.signal.aborted ? "nothing came for too long" : String(error));
    }
  }

  /** How long ago anything was heard, ms. */
  silenceMs(): number {
    return performance.now() - this.heardAt;
  }

  now(): number {
    if (this.told === undefined) return Date.now();
    if (this.told.isPast) return this.told.time;
    // Without news the clock stands still: ages that grow would say more than is known.
    const until = this.connection === "live" ? performance.now() : this.heardAt;
    return this.told.time + Math.max(0, until - this.told.at);
  }

  /** Whether time stands still: an export is shown as it stood at its end. */
  get isPast(): boolean {
    return this.told?.isPast ?? false;
  }

  private hide(): void {
    this.becomes("hidden", "");
    this.abort.abort();
  }

  private becomes(connection: Connection, trouble: string): void {
    this.connection = connection;
    this.trouble = trouble;
    this.version += 1;
  }

  private lost(why: string): void {
    this.becomes("reconnecting", why);
    const waitMs = BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length - 1)] ?? 0;
    this.failures += 1;
    this.retry = setTimeout(() => void this.connect(), waitMs * (0.75 + Math.random() / 2));
  }

  private async follow(signal: AbortSignal): Promise<void> {
    const returning = this.lastId === "" ? {} : { "last-event-id": this.lastId };
    const headers = { ...keyHeaders(), ...returning, accept: "text/event-stream" };
    const response = await checkAnswer(await fetch("/api/v1/live", { headers, signal }));
    if (response.body === null) throw new Error("the answer is empty");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const events = new EventStreamReader();
    // A snapshot that was cut off begins again.
    this.snapshot = undefined;
    if (this.summary === undefined) this.runners.clear();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.heardAt = performance.now();
      this.failures = 0;
      for (const event of events.take(value)) this.take(event);
      if (this.connection !== "live") this.becomes("live", "");
    }
  }

  private take({ id, event, data }: StreamEvent): void {
    const value: unknown = JSON.parse(data);
    if (event === "runner") this.put(value as RunnerItem);
    else if (event === "gone") this.runners.delete((value as { runner: string }).runner);
    else if (event === "event") this.addEvent(value as EventItem);
    else if (event === "summary") this.takeSummary(value as SummaryItem);
    else if (event === "snapshot") this.takeSnapshot(value as SnapshotPart);
    this.lastId = id;
    this.version += 1;
  }

  private put(item: RunnerItem): void {
    this.runners.set(item.runner, item);
  }

  /** The first fleet is shown as it comes; a later one replaces what is there when it is whole. */
  private takeSnapshot({ items, more, as_of }: SnapshotPart): void {
    this.setClock(as_of);
    this.snapshot ??= [];
    const isFirst = this.summary === undefined;
    if (isFirst) for (const item of items) this.put(item);
    else this.snapshot.push(...items);
    if (more) return;
    if (!isFirst) {
      this.runners.clear();
      for (const item of this.snapshot) this.put(item);
    }
    this.snapshot = undefined;
  }

  private takeSummary(summary: SummaryItem): void {
    this.summary = summary;
    this.setClock(summary.as_of);
  }

  private addEvent(event: EventItem): void {
    this.events.push(event);
    if (this.events.length > KEPT_EVENTS * 2) this.events = this.events.slice(-KEPT_EVENTS);
  }

  private setClock({ time, is_past }: AsOf): void {
    this.told = { time: Date.parse(time), at: performance.now(), isPast: is_past === true };
  }
}

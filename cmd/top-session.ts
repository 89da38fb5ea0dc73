/** `runbeat top` at work: what comes in, which keys are pressed, and what is drawn. */
import type { ReadStream, WriteStream } from "node:tty";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../lib/core/errors.ts";
import { parseMoment } from "../lib/core/moment.ts";
import { redact } from "../lib/core/redact.ts";
import type { Key } from "../lib/terminal/key-parser.ts";
import type { TerminalLooks } from "../lib/terminal/style.ts";
import { TopFleet } from "../lib/terminal/top-fleet.ts";
import type { TopAlerts, TopLink } from "../lib/terminal/top-header.ts";
import type { TopDetails } from "../lib/terminal/top-pages.ts";
import { pageRows, topScreen } from "../lib/terminal/top-screen.ts";
import type { TopModel } from "../lib/terminal/top-screen.ts";
import { inSight, press, rowsOf } from "../lib/terminal/top-view.ts";
import type { TopView } from "../lib/terminal/top-view.ts";
import { FullScreen } from "./full-screen.ts";
import { followLive } from "./live-feed.ts";
import type { ReadApi } from "./read-api.ts";
import { addHistory, readAlerts, readDetails, readFleet } from "./top-source.ts";

export interface TopOptions {
  readonly api: ReadApi;
  /** Where the live stream is; undefined where there is only a database. */
  readonly live: { readonly url: string; readonly readKey: string | null } | undefined;
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly looks: TerminalLooks;
  readonly view: TopView;
  readonly signal: AbortSignal;
}

const DRAW_EVERY_MS = 250;
/** Sorting a large fleet takes its time. */
const LARGE_FLEET = 2_000;
const DRAW_LARGE_EVERY_MS = 1_000;
const ASK_EVERY_MS = 2_000;
const ASK_ALERTS_EVERY_MS = 5_000;
/** Unbroken, the live stream is never silent for so long; asking is answered much sooner. */
const OLD_MS = { live: 20_000, asked: 8_000, database: 8_000 } as const;
/** An interruption that is over at once is not worth a word. */
const BLINK_MS = 1_500;

/** Shows the fleet until somebody quits, or the signal. @throws AppError for a wrong key. */
export async function runTop(options: TopOptions): Promise<void> {
  await new TopSession(options).run();
}

class TopSession {
  readonly #options: TopOptions;
  readonly #screen: FullScreen;
  readonly #stop = new AbortController();
  readonly #fleet = new TopFleet();
  #view: TopView;
  #way: TopLink["way"];
  #trouble = "";
  #heardAt = Date.now();
  #alerts: TopAlerts | undefined;
  #details: TopDetails | undefined;
  #detailsFor = "";
  /** The fleet at a moment, and the moment; what is asked for may be another by now. */
  #past: { readonly at: number; readonly fleet: TopFleet } | undefined;
  /** The fleet as it was when somebody paused, and when that was on the server's clock. */
  #paused: { readonly nowMs: number; readonly fleet: TopFleet } | undefined;
  #drawnAt = 0;

  constructor(options: TopOptions) {
    this.#options = options;
    this.#view = options.view;
    this.#way = options.live === undefined ? "database" : "live";
    options.signal.addEventListener("abort", () => this.#stop.abort());
    if (options.signal.aborted) this.#stop.abort();
    this.#screen = new FullScreen(options.input, options.output, {
      onKey: (key) => this.#onKey(key),
      onResize: () => {
        this.#screen.writer.forget();
        this.#draw();
      },
      onGone: () => this.#stop.abort(),
    });
  }

  async run(): Promise<void> {
    const { signal } = this.#stop;
    this.#screen.open();
    const timer = setInterval(() => this.#drawWhenDue(), DRAW_EVERY_MS);
    try {
      this.#draw();
      if (this.#view.at !== undefined) void this.#travel(this.#view.at);
      const history = addHistory(this.#options.api, this.#fleet, undefined).catch(() => undefined);
      const alerts = this.#followAlerts(signal);
      await this.#followFleet(signal);
      await Promise.all([history, alerts]);
    } finally {
      this.#stop.abort();
      clearInterval(timer);
      this.#screen.close();
    }
  }

  async #followFleet(signal: AbortSignal): Promise<void> {
    const { live } = this.#options;
    if (live !== undefined && (await this.#followLive(live, signal))) return;
    while (!signal.aborted) {
      await readFleet(this.#options.api, undefined, this.#fleet).then(
        () => this.#heard(),
        (error: unknown) => this.#lost(messageOf(error)),
      );
      await delay(ASK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** @returns false where there is no live stream: then one has to ask. */
  async #followLive(live: { url: string; readKey: string | null }, signal: AbortSignal) {
    try {
      await followLive({
        ...live,
        signal,
        onBegin: () => this.#fleet.begin(),
        onHeard: () => this.#heard(),
        onEvent: (event, data) => this.#fleet.take(event, data, Date.now()),
        onTrouble: (why) => this.#lost(why),
      });
      return true;
    } catch (error) {
      if ((error as { code?: string }).code !== "not_found") throw error;
      this.#way = "asked";
      return false;
    }
  }

  async #followAlerts(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#alerts = await readAlerts(this.#options.api);
      await this.#refreshDetails();
      await delay(ASK_ALERTS_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #heard(): void {
    this.#heardAt = Date.now();
    this.#trouble = "";
  }

  #lost(why: string): void {
    this.#trouble = redact(why);
  }

  #onKey(key: Key): void {
    const model = this.#model();
    const before = this.#view;
    const { view, act } = press(before, key, {
      rows: model.rows.map(({ runner }) => runner),
      pageRows: pageRows(model, this.#screen.size, this.#options.looks),
      shownMs: before.at ?? this.#fleet.serverMs(Date.now()),
      nowMs: this.#fleet.serverMs(Date.now()),
      parseMoment,
    });
    this.#view = view;
    if (act === "quit") return this.#stop.abort();
    if (act === "suspend") return this.#screen.suspend();
    if (act === "redraw") this.#screen.writer.forget();
    if (view.isPaused !== before.isPaused) this.#pauseOrGoOn();
    if (view.at !== before.at) void this.#travel(view.at);
    void this.#refreshDetails(true);
    this.#draw();
  }

  #pauseOrGoOn(): void {
    const fleet = this.#fleet;
    this.#paused = this.#view.isPaused
      ? { nowMs: fleet.serverMs(Date.now()), fleet: fleet.frozen() }
      : undefined;
  }

  /** Only the last of several moments that were asked for is shown. */
  async #travel(at: number | undefined): Promise<void> {
    if (at === undefined) {
      this.#past = undefined;
      return;
    }
    this.#view = { ...this.#view, message: "Reading the past ..." };
    try {
      const fleet = await readFleet(this.#options.api, at);
      await addHistory(this.#options.api, fleet, at).catch(() => undefined);
      if (this.#view.at !== at) return;
      this.#past = { at, fleet };
      this.#view = { ...this.#view, message: "" };
      void this.#refreshDetails(true);
    } catch (error) {
      if (this.#view.at !== at) return;
      // What is shown stays shown.
      this.#view = { ...this.#view, at: this.#past?.at, message: redact(messageOf(error)) };
    }
    this.#draw();
  }

  /** @param onlyNew leaves what is shown already. */
  async #refreshDetails(onlyNew = false): Promise<void> {
    const { page, selected } = this.#view;
    if (page !== "runner" || selected === undefined) return;
    const at = this.#past?.at;
    const wanted = `${selected} ${at ?? ""}`;
    if (onlyNew && wanted === this.#detailsFor) return;
    this.#detailsFor = wanted;
    const now = at ?? this.#fleet.serverMs(Date.now());
    const details = await readDetails(this.#options.api, selected, { at, now });
    if (this.#detailsFor === wanted) this.#details = details;
    this.#draw();
  }

  #link(): TopLink {
    const { place } = this.#options.api;
    const silentMs = Date.now() - this.#heardAt;
    const isBroken = this.#trouble !== "" && silentMs > BLINK_MS;
    const isOld = isBroken || silentMs > OLD_MS[this.#way];
    return { place, way: this.#way, trouble: this.#trouble, silentMs, isOld };
  }

  #model(): TopModel {
    const link = this.#link();
    const shown = this.#shown(link);
    // The header tells of the moment that is shown, while another one is on its way.
    const view = { ...this.#view, at: this.#past?.at };
    const rows = rowsOf(view, shown.fleet.runners.values());
    const { rows: lines, columns } = this.#screen.size;
    const common = { ...shown, rows, presentMs: Date.now(), link, details: this.#details };
    const model = { ...common, view, alerts: view.at === undefined ? this.#alerts : undefined };
    const room = pageRows(model, { rows: lines, columns }, this.#options.looks);
    const names = rows.map(({ runner }) => runner);
    return { ...model, view: inSight(view, names, room) };
  }

  #shown(link: TopLink): { readonly fleet: TopFleet; readonly nowMs: number } {
    if (this.#past !== undefined) return { fleet: this.#past.fleet, nowMs: this.#past.at };
    if (this.#paused !== undefined) return this.#paused;
    // Ages of what may be over do not grow: nobody knows them.
    const localMs = link.isOld ? this.#heardAt : Date.now();
    return { fleet: this.#fleet, nowMs: this.#fleet.serverMs(localMs) };
  }

  #drawWhenDue(): void {
    const isLarge = this.#fleet.runners.size > LARGE_FLEET;
    const pause = isLarge ? DRAW_LARGE_EVERY_MS : DRAW_EVERY_MS;
    // A timer comes a little early at times.
    if (performance.now() - this.#drawnAt > pause - 20) this.#draw();
  }

  #draw(): void {
    if (this.#stop.signal.aborted) return;
    const model = this.#model();
    this.#view = { ...this.#view, top: model.view.top };
    this.#screen.writer.show(topScreen(model, this.#screen.size, this.#options.looks));
    this.#drawnAt = performance.now();
  }
}

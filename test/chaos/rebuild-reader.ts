/** Looks at the tables and the API all the time: they must never be empty, half or of an earlier moment. */
import { setTimeout as delay } from "node:timers/promises";
import { Database } from "../../lib/store/sqlite.ts";
import type { SqliteDatabase } from "../../lib/store/sqlite.ts";
import type { Findings } from "./findings.ts";
import type { Stage } from "./stage.ts";

const LOOK_EVERY_MS = 10;
const ASK_EVERY_MS = 50;

/** Of which none may ever fall: nothing is removed from the streams meanwhile. */
const FIGURES = `select
  (select count(*) from latest_heartbeat) as runners,
  (select count(*) from running_process) as processes,
  (select sum(heartbeat_count) from process_heartbeat) as heartbeats,
  (select sum(spawn_count) from restart_state) as spawns,
  (select count(*) from timeline) as events,
  (select count(*) from runner_heartbeat) as snapshots,
  (select min(seq) from checkpoint where lane = 'main' and stream like '%HEARTBEATS') as position`;

type Figures = Readonly<Record<string, number>>;

export class TableReader {
  readonly #findings: Findings;
  readonly #apiUrl: string;
  /** One connection and one statement for all the time, as readers have them. */
  readonly #db: SqliteDatabase;
  readonly #work: Promise<unknown>;
  #isOver = false;
  #looks = 0;
  #answers = 0;

  constructor(stage: Stage, findings: Findings) {
    this.#findings = findings;
    this.#apiUrl = stage.apiUrl;
    this.#db = new Database(stage.databaseFile, { readonly: true });
    this.#work = Promise.all([this.#look(), this.#ask()]);
  }

  async stop(): Promise<{ tables: number; api: number }> {
    this.#isOver = true;
    await this.#work;
    this.#db.close();
    return { tables: this.#looks, api: this.#answers };
  }

  async #look(): Promise<void> {
    const statement = this.#db.prepare(FIGURES);
    let before: Figures = {};
    while (!this.#isOver) {
      const now = statement.get() as Figures;
      this.#expectNoneFell("tables", before, now);
      before = now;
      this.#looks += 1;
      await delay(LOOK_EVERY_MS);
    }
  }

  async #ask(): Promise<void> {
    let before: Figures = {};
    while (!this.#isOver) {
      const response = await fetch(`${this.#apiUrl}/api/v1/summary`).catch((error: Error) => error);
      if (response instanceof Error) {
        if (!this.#isOver) this.#findings.add("summary", response.message);
      } else if (response.status !== 200) {
        this.#findings.add("summary", `${response.status} ${await response.text()}`);
      } else {
        const { total, as_of } = (await response.json()) as {
          total: number;
          as_of: { seq: number };
        };
        const now = { total, seq: as_of.seq };
        this.#expectNoneFell("the API", before, now);
        before = now;
        this.#answers += 1;
      }
      await delay(ASK_EVERY_MS);
    }
  }

  #expectNoneFell(where: string, before: Figures, now: Figures): void {
    for (const [name, value] of Object.entries(before)) {
      if ((now[name] ?? 0) < value)
        this.#findings.add(`${name} in ${where} fell`, `${value} → ${now[name] ?? "nothing"}`);
    }
  }
}

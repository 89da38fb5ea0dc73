import type { Moment } from "../core/read-models.ts";
import type { FleetRecord, FleetTable } from "./read-fleet-table.ts";

/** What is another than when it was asked for last. */
export interface SlotChanges {
  readonly slots: readonly number[];
  /** Runners that the table before held and this one does not. */
  readonly vanished: readonly string[];
}

/**
 * Tells one listener which runners changed: those of which something was heard, and those whose
 * status became another by the mere passing of time.
 */
export class FleetFeed {
  private table: FleetTable | undefined;
  private origin = "";
  /** Statuses as they were told last. */
  private told = new Uint8Array(0);

  /**
   * @param origin what the table's rows are made by and from.
   * @param withStatuses whether all statuses are looked at too, which costs a pass over the fleet.
   */
  poll(table: FleetTable, origin: string, moment: Moment, withStatuses: boolean): SlotChanges {
    table.useView(moment);
    if (table !== this.table) return this.begin(table, origin, moment);
    const touched = table.takeTouched();
    this.grow(table);
    for (const slot of touched) this.told[slot] = table.statusAt(slot, moment.now);
    const passed = withStatuses ? this.passed(table, moment) : [];
    return { slots: [...touched, ...passed], vanished: [] };
  }

  /** The tables were read anew, mostly for a few rows: only what differs is told. */
  private begin(table: FleetTable, origin: string, moment: Moment): SlotChanges {
    const { table: before, told } = this;
    const isComparable = this.origin === origin;
    this.table = table;
    this.origin = origin;
    this.told = new Uint8Array(table.columns.status.length);
    table.track();
    const slots: number[] = [];
    for (const [slot, record] of table.records.entries()) {
      const status = table.statusAt(slot, moment.now);
      this.told[slot] = status;
      const old = before?.slotOf(record.runner);
      const isSame =
        isComparable &&
        before !== undefined &&
        old !== undefined &&
        told[old] === status &&
        saysTheSame(before.record(old), record);
      if (!isSame) slots.push(slot);
    }
    const names = before?.records.map(({ runner }) => runner) ?? [];
    return { slots, vanished: names.filter((runner) => table.slotOf(runner) === undefined) };
  }

  private grow(table: FleetTable): void {
    if (this.told.length >= table.records.length) return;
    const larger = new Uint8Array(table.columns.status.length);
    larger.set(this.told);
    this.told = larger;
  }

  /** Those whose time has come. */
  private passed(table: FleetTable, { now }: Moment): number[] {
    const slots: number[] = [];
    for (let slot = 0; slot < table.records.length; slot++) {
      const status = table.statusAt(slot, now);
      if (status === this.told[slot]) continue;
      this.told[slot] = status;
      slots.push(slot);
    }
    return slots;
  }
}

/** Every row carries the sequence of the message that changed it last. */
function saysTheSame(one: FleetRecord, other: FleetRecord): boolean {
  return (
    one.beat?.last_seq === other.beat?.last_seq &&
    one.restart?.last_seq === other.restart?.last_seq &&
    one.declared === other.declared &&
    one.announced.length === other.announced.length &&
    one.announced.every((row, index) => row.last_seq === other.announced[index]?.last_seq)
  );
}

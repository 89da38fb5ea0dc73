/**
 * The alerts that are open, and what is to be told of them next. It has no clock of its own: the
 * same looks at the same times give the same messages.
 */
import type { Alert, AlertAction, AlertMember, AlertType } from "./alert.ts";
import type { AlertRules } from "./alert-rules.ts";
import { grouped, titleOf } from "./alert-troubles.ts";
import type { Trouble } from "./alert-troubles.ts";
import { coversMember } from "./silence.ts";
import type { Silence, SilencedMember } from "./silence.ts";

export interface BookSettings {
  readonly rules: AlertRules;
  /** A new alert waits so long for more members before it is told. */
  readonly groupWaitSec: number;
  /** Members that come later are told at most so often. */
  readonly growEverySec: number;
  /** An alert is over once it has had no members for so long. */
  readonly resolveAfterSec: number;
}

export interface Look {
  /** Epoch ms on the NATS server's clock. */
  readonly now: number;
  readonly troubles: readonly Trouble[];
  readonly silences: readonly Silence[];
  /** Members of which nothing can be said now: they stay as they were. */
  readonly unsure: ReadonlySet<string>;
  /** Types that can't be judged now: their alerts stay as they were. */
  readonly frozen: (type: AlertType) => boolean;
}

interface OpenAlert {
  readonly id: string;
  readonly type: AlertType;
  readonly about: readonly string[];
  readonly group: string;
  readonly openedAt: number;
  members: Map<string, AlertMember>;
  /** Whom people were told of. */
  readonly notified: Set<string>;
  revision: number;
  toldAt: number;
  emptySince: number | null;
  /** As last told, to see that something changed. */
  toldNames: string;
  /** Members of whom people were told, but the message that we took over did not name them. */
  unnamed: number;
}

/** What stands between the parts of a group's name. */
const GROUP_MARK = ", ";

export class AlertBook {
  readonly #settings: BookSettings;
  readonly #open = new Map<string, OpenAlert>();
  /** When a trouble was first seen, for those that do not say since when they are. */
  #seen = new Map<string, number>();

  constructor(settings: BookSettings) {
    this.#settings = settings;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Takes over what another told last. Resolved alerts are over. */
  restore(alert: Alert): void {
    const key = `${alert.type} ${alert.group}`;
    if (alert.action === "resolved") {
      if (this.#open.get(key)?.id === alert.id) this.#open.delete(key);
      return;
    }
    const before = this.#open.get(key);
    const named = alert.members.filter(({ silenced }) => !silenced).map(({ name }) => name);
    this.#open.set(key, {
      id: alert.id,
      type: alert.type,
      about: alert.group.split(GROUP_MARK),
      group: alert.group,
      openedAt: alert.openedAt,
      members: new Map(alert.members.map((member) => [member.name, member])),
      notified: new Set([...(before?.notified ?? []), ...named]),
      revision: alert.revision,
      toldAt: alert.openedAt,
      emptySince: null,
      toldNames: namesOf(alert.members),
      unnamed: alert.memberCount - alert.members.length,
    });
  }

  /** Looks at everything once. @returns what is to be told, in order. */
  look(look: Look): readonly Alert[] {
    const lasting = this.#lasting(look);
    const groups = grouped(lasting, ({ type, about }) => `${type} ${about.join(GROUP_MARK)}`);
    for (const [key, troubles] of groups) this.#setMembers(key, troubles, look);
    return [...this.#open].flatMap(([key, alert]) => {
      if (look.frozen(alert.type)) return [];
      if (!groups.has(key)) this.#keepUnsure(alert, look);
      return this.#next(key, alert, look) ?? [];
    });
  }

  /** Troubles that have lasted long enough to count. */
  #lasting({ troubles, now, frozen }: Look): readonly Trouble[] {
    const seen = new Map<string, number>();
    const lasting = troubles.filter((trouble) => {
      if (frozen(trouble.type)) return false;
      const key = `${trouble.type} ${trouble.member}`;
      const since = trouble.since ?? this.#seen.get(key) ?? now;
      seen.set(key, since);
      return now - since >= this.#settings.rules[trouble.type].forSec * 1_000;
    });
    for (const [key, since] of this.#seen) {
      const type = key.slice(0, key.indexOf(" ")) as AlertType;
      if (frozen(type)) seen.set(key, since);
    }
    this.#seen = seen;
    return lasting;
  }

  #setMembers(key: string, troubles: readonly Trouble[], look: Look): void {
    const [first] = troubles;
    if (first === undefined) return;
    const alert = this.#open.get(key) ?? openAlert(first, look.now);
    this.#open.set(key, alert);
    const members = troubles.map((trouble) => memberOf(trouble, alert, look));
    const unsure = [...alert.members.values()].filter(({ name }) => look.unsure.has(name));
    alert.members = new Map([...unsure, ...members].map((member) => [member.name, member]));
    alert.emptySince = null;
    for (const { name, silenced } of members) {
      if (alert.unnamed === 0) break;
      if (silenced || alert.notified.has(name)) continue;
      alert.notified.add(name);
      alert.unnamed -= 1;
    }
  }

  #keepUnsure(alert: OpenAlert, { unsure, now }: Look): void {
    const kept = [...alert.members].filter(([name]) => unsure.has(name));
    if (kept.length > 0) {
      alert.members = new Map(kept);
      alert.emptySince = null;
    } else alert.emptySince ??= now;
  }

  #next(key: string, alert: OpenAlert, look: Look): Alert | undefined {
    const { groupWaitSec, growEverySec, resolveAfterSec } = this.#settings;
    const { now } = look;
    if (alert.emptySince !== null) {
      const isOver = now - alert.emptySince >= resolveAfterSec * 1_000;
      // Over before anybody was told of it.
      if (alert.revision === 0) this.#open.delete(key);
      if (alert.revision === 0 || !isOver) return undefined;
      this.#open.delete(key);
      return this.#tell(alert, "resolved", alert.notified.size > 0, now);
    }
    if (alert.revision === 0) {
      const hasWaited = now - alert.toldAt >= groupWaitSec * 1_000;
      return hasWaited ? this.#tell(alert, "raised", hasNews(alert), now) : undefined;
    }
    if (now - alert.toldAt < growEverySec * 1_000) return undefined;
    if (hasNews(alert)) return this.#tell(alert, "updated", true, now);
    const members = [...alert.members.values()];
    return namesOf(members) === alert.toldNames
      ? undefined
      : this.#tell(alert, "updated", false, now);
  }

  #tell(alert: OpenAlert, action: AlertAction, notify: boolean, now: number): Alert {
    const members = [...alert.members.values()];
    alert.revision += 1;
    alert.toldAt = now;
    alert.toldNames = namesOf(members);
    for (const { name, silenced } of members) if (!silenced) alert.notified.add(name);
    return {
      id: alert.id,
      type: alert.type,
      severity: this.#settings.rules[alert.type].severity,
      action,
      revision: alert.revision,
      notify,
      group: alert.group,
      title: titleOf(
        alert.type,
        alert.about,
        members.map(({ name }) => name),
      ),
      openedAt: alert.openedAt,
      resolvedAt: action === "resolved" ? now : null,
      members,
      memberCount: members.length,
    };
  }
}

/** Somebody is in it of whom nobody was told and may be told. */
function hasNews({ members, notified }: OpenAlert): boolean {
  return [...members.values()].some(({ name, silenced }) => !silenced && !notified.has(name));
}

function namesOf(members: readonly AlertMember[]): string {
  return members
    .map(({ name, silenced }) => `${name}${silenced ? " silenced" : ""}`)
    .toSorted()
    .join();
}

function openAlert({ type, about }: Trouble, now: number): OpenAlert {
  const group = about.join(GROUP_MARK);
  return {
    id: `${type}-${now.toString(36)}-${hashOf(group)}`,
    type,
    about,
    group,
    openedAt: now,
    members: new Map(),
    notified: new Set(),
    revision: 0,
    toldAt: now,
    emptySince: null,
    toldNames: "",
    unnamed: 0,
  };
}

/** Source: the FNV-1a hash, 32 bits. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash.toString(36);
}

function memberOf(trouble: Trouble, alert: OpenAlert, { now, silences }: Look): AlertMember {
  const { member: name, host, detail } = trouble;
  const member = { name, host, alertId: alert.id };
  return {
    name,
    since: trouble.since ?? alert.members.get(name)?.since ?? now,
    detail,
    silenced: silences.some((silence) => isSilencing(silence, member, now)),
  };
}

function isSilencing(silence: Silence, member: SilencedMember, now: number): boolean {
  return now >= silence.from && now < silence.until && coversMember(silence.pattern, member);
}

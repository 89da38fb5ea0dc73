import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { jetstreamManager } from "@nats-io/jetstream";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { StatusTeller } from "../../lib/sentinel/status-teller.ts";
import { emptyServer } from "../projector/emitter-rig.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";
import { chains, sentinelRig, toldChanges } from "./sentinel-rig.ts";
import type { SentinelRig } from "./sentinel-rig.ts";

const server = await startNatsServer();
const MANY = Array.from({ length: 1_000 }, (_, index) => `process/p${index}/default`);
const FEW = MANY.slice(0, 20);

describe("the sentinel", { timeout: 60_000 }, () => {
  let rig: SentinelRig;

  beforeEach(async () => {
    const nc = await connect({ servers: server.url });
    await emptyServer(nc);
    await nc.close();
    rig = await sentinelRig(server);
  });

  afterEach(async () => {
    await rig.close();
  });

  it("tells a thousand runners that fall silent at once through to the end, each change once and in order", async () => {
    await rig.sentinel();
    const beating = rig.keepBeating(() => MANY);
    await rig.untilTold(MANY, "online");
    beating.stop();
    await rig.untilTold(MANY, "offline");
    const again = rig.keepBeating(() => MANY);
    const changes = await rig.untilTold(MANY, "online");
    again.stop();
    // A machine that is slower than these thresholds follow each other may leave one out.
    for (const chain of new Set(chains(changes).values())) {
      expect(chain).toMatch(/^unknown online( stale)?( missing)? offline online$/);
    }
    const silences = changes.filter(({ cause }) => cause === "silence");
    expect(silences.filter(({ storedAt, since }) => storedAt <= since)).toEqual([]);
  });

  it("goes on in one chain where the one that watches vanishes", async () => {
    const first = await rig.sentinel();
    const second = await rig.sentinel();
    await waitFor(() => first.sentinel.isElected(), { what: "the first one is elected" });
    const beating = rig.keepBeating(() => FEW);
    await rig.untilTold(FEW, "online");
    beating.stop();
    await rig.untilTold(FEW, "stale");
    await first.nc.close();
    await waitFor(() => second.sentinel.isElected(), { what: "the second one is elected" });
    const changes = await rig.untilTold(FEW, "offline");
    for (const chain of new Set(chains(changes).values())) {
      expect(chain).toMatch(/^unknown online stale( missing)? offline$/);
    }
  });

  it("tells a change once where two believe to be elected", async () => {
    rig.beat(FEW);
    await waitFor(() => rig.models.runner(FEW[19] ?? "", rig.monitor.moment()).view !== undefined, {
      what: "they are folded",
    });
    const jsm = await jetstreamManager(rig.nc);
    const options = {
      nc: rig.nc,
      jsm,
      prefixes: DEFAULT_PREFIXES,
      by: "sentinel@one",
      log: { warn: () => undefined, debug: () => undefined },
      onTold: () => undefined,
    };
    const one = await StatusTeller.open(options);
    const other = await StatusTeller.open({ ...options, by: "sentinel@other" });
    const { now, view } = rig.monitor.moment();
    for (const afterMs of [0, 1_500, 2_500, 4_000]) {
      const moment = { now: now + afterMs, view };
      await waitFor(
        async () => {
          for (const teller of [one, other]) {
            rig.models.watch(moment, (facts, status) => teller.look(facts, status, moment));
          }
          const seen: string[] = [];
          rig.models.watch(moment, (_, status) => seen.push(status));
          const last = new Map((await toldChanges(rig.nc)).map(({ runner, to }) => [runner, to]));
          return last.size === FEW.length && [...last.values()].every((to) => to === seen[0]);
        },
        { what: `every runner is told of after ${afterMs} ms` },
      );
    }
    one.close();
    other.close();
    expect(new Set(chains(await toldChanges(rig.nc)).values())).toEqual(
      new Set(["unknown online stale missing offline"]),
    );
  });

  it("tells nothing of the runners while nats-server is away, nor when it is back", async () => {
    await rig.sentinel();
    const beating = rig.keepBeating(() => FEW);
    const before = await rig.untilTold(FEW, "online");
    await server.stop();
    await waitFor(() => rig.monitor.moment().view.blindSince !== null, { what: "it is blind" });
    await server.restart();
    await waitFor(() => rig.monitor.moment().view.blindSince === null, { what: "it sees again" });
    // The next change that is told shows that it watches again.
    beating.stop();
    const changes = await rig.untilTold(FEW, "offline");
    expect(before).toHaveLength(FEW.length);
    for (const chain of new Set(chains(changes).values())) {
      expect(chain).toMatch(/^unknown online( stale)?( missing)? offline$/);
    }
  });

  it("takes off the lists whom nobody declared and nobody has heard for long, until it beats again", async () => {
    const [gone = "", registered = "", sold = ""] = FEW;
    await rig.sentinel({ retireAfterSec: 1 });
    await rig.tell(registered, "worker_registered", { host: "edge-1", labels: {} });
    await rig.tell(sold, "runner_retired", {}, "operator@desk");
    const beating = rig.keepBeating(() => [gone, registered, sold]);
    await rig.untilTold([gone, registered], "online");
    beating.stop();
    const listed = () => rig.models.runnersNamed([gone], rig.monitor.moment())[0] !== undefined;
    await waitFor(() => !listed(), { what: "it is retired" });
    const again = rig.keepBeating(() => [gone, registered, sold]);
    await waitFor(() => listed(), { what: "it is back" });
    await rig.untilTold([gone], "online");
    again.stop();
    const ofTypes = (runner: string) => {
      const query = { runner, types: ["runner_retired", "runner_resumed"], limit: 10 };
      const span = { from: undefined, to: undefined, after: undefined };
      return rig.models.timeline({ ...query, ...span }).items.map(({ type }) => type);
    };
    expect(ofTypes(gone)).toEqual(["runner_resumed", "runner_retired"]);
    expect(ofTypes(registered)).toEqual([]);
    expect(ofTypes(sold)).toEqual(["runner_retired"]);
  });
});

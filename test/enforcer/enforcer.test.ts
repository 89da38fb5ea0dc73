import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import { isProcessAlive, startedAtOf } from "../../lib/runner/process-identity.ts";
import { waitFor } from "../support/wait-for.ts";
import { abandon, openEnforcer } from "./enforcer-rig.ts";
import type { EnforcerRig } from "./enforcer-rig.ts";

const ID = "process/a/default";
const SLEEP = `runners: { ${ID}: { command: [sleep, "100"] } }`;

async function pidOf(rig: EnforcerRig, runner = ID): Promise<number> {
  return await waitFor(
    () => rig.enforcer.describe().find((view) => view.runner === runner)?.pid ?? null,
  );
}

describe("the enforcer", () => {
  it("starts a command under its wrapper and announces the command itself, secrets masked", async () => {
    const { of, enforcer } = await openEnforcer(`
runners:
  ${ID}:
    command: [sh, -c, "exec sleep 100", "\${API_TOKEN}"]
    env: { MODE: live, EXTRA: "\${API_TOKEN}" }
`);
    const [spawned] = await waitFor(() => (of(ID).length > 0 ? of(ID) : undefined));
    expect(spawned).toMatchObject({
      by: "enforcer@test",
      host: "edge-1",
      attempt: 0,
      argv: ["sh", "-c", "exec sleep 100", "***"],
      env: { MODE: "live", EXTRA: "***" },
    });
    const pid = Number(spawned?.["pid"]);
    expect(startedAtOf(pid)).toBe(
      Date.parse(String(spawned?.["started_at"])) || spawned?.["started_at"],
    );
    await waitFor(() => enforcer.describe()[0]?.pid === pid);
    expect(enforcer.describe()).toMatchObject([
      { runner: ID, driver: "command", state: "running", attempts: 0, nextStartAt: null },
    ]);
  });

  it("ends everything when it is stopped, deaf commands included, all at once", async () => {
    const { of, enforcer, types } = await openEnforcer(`
runners:
  ${ID}: { command: [sh, -c, "trap '' TERM; sleep 100 & wait; wait"] }
  process/b/default: { command: [sleep, "100"] }
  process/c/default: { command: [sleep, "100"], beats: self }
`);
    const ids = [ID, "process/b/default", "process/c/default"];
    await waitFor(() => ids.every((id) => of(id, "process_spawned").length === 1));
    await enforcer.stop();
    for (const id of ids) {
      expect(types(id)).toEqual(["process_spawned", "process_stopping", "process_exited"]);
      expect(isProcessAlive(Number(of(id)[0]?.["pid"]))).toBe(false);
    }
  });

  it("restarts a failing command with growing pauses, then cools down", async () => {
    const { of, types, enforcer } = await openEnforcer(`
runners:
  ${ID}: { command: [sh, -c, "echo no database >&2; exit 4"] }
`);
    const [exhausted] = await waitFor(() => {
      const found = of(ID, "restart_exhausted");
      return found.length > 0 ? found : undefined;
    });
    expect(types(ID).filter((type) => type.startsWith("restart"))).toEqual([
      "restart_scheduled",
      "restart_scheduled",
      "restart_scheduled",
      "restart_exhausted",
    ]);
    expect(of(ID, "restart_scheduled")).toMatchObject([
      { attempt: 1, delay_sec: 0.1, reason: "exit code 4" },
      { attempt: 2, delay_sec: 0.2 },
      { attempt: 3, delay_sec: 0.3 },
    ]);
    expect(of(ID, "process_spawned").map(({ attempt }) => attempt)).toEqual([0, 1, 2, 3]);
    expect(of(ID, "process_exited")[0]).toMatchObject({ exit_code: 4, stderr: ["no database"] });
    const until = Date.parse(String(exhausted?.["cooldown_until"]));
    expect(until - Date.now()).toBeGreaterThan(500_000);
    expect(enforcer.describe()).toMatchObject([{ state: "cooling", nextStartAt: until }]);
  });

  it.each([
    [`restart_deny: ["process/*/*"]`, {}, /^unhealthy but in deny list/],
    ["", { maxAttempts: 0 }, /MAX_RESTART_ATTEMPTS is 0/],
  ])("starts, but does not restart, where that is denied: %s %o", async (lists, restart, why) => {
    const fleet = `${lists}\nrunners: { ${ID}: { command: ["true"] } }`;
    const { of, types, enforcer } = await openEnforcer(fleet, { restart });
    await waitFor(() => types(ID).includes("restart_denied"));
    expect(types(ID)).toEqual(["process_spawned", "process_exited", "restart_denied"]);
    expect(of(ID, "restart_denied")[0]?.["why"]).toMatch(why);
    expect(enforcer.describe()).toMatchObject([{ state: "ended", pid: null }]);
  });

  it("forgets failures once a run was long enough", async () => {
    const { types, enforcer, folder } = await openEnforcer(`
runners:
  ${ID}:
    command: [sh, -c, "test -e $FOLDER/again && exec sleep 100; touch $FOLDER/again; exit 1"]
    env: { FOLDER: "\${FOLDER}" }
    restart: { stable_sec: 1 }
`);
    await waitFor(() => existsSync(join(folder, "again")));
    // A shell that takes a second to fail was stable before: what counts comes after the restart.
    await waitFor(() => types(ID).includes("restart_scheduled"));
    await waitFor(() => {
      const again = types(ID).indexOf("process_spawned", 1);
      return again > 0 && types(ID).lastIndexOf("restart_reset") > again;
    });
    expect(enforcer.describe()).toMatchObject([{ state: "running", attempts: 0 }]);
  });

  it("follows the fleet file: ends what is gone, restarts what has changed, starts what is new", async () => {
    const rig = await openEnforcer(`
runners: { ${ID}: { command: [sleep, "100"] }, process/b/default: { command: [sleep, "100"] } }`);
    const [a, b] = [await pidOf(rig), await pidOf(rig, "process/b/default")];
    rig.enforcer.setFleet(
      rig.parse(`
runners: { ${ID}: { command: [sleep, "101"] }, process/c/default: { command: [sleep, "100"] } }`),
    );
    await waitFor(() => !isProcessAlive(a) && !isProcessAlive(b));
    await waitFor(() => rig.of(ID, "process_spawned").length === 2);
    await waitFor(() => rig.types("process/c/default").includes("process_spawned"));
    expect(rig.types(ID)).not.toContain("restart_scheduled");
    expect(rig.types("process/b/default")).toEqual([
      "process_spawned",
      "process_stopping",
      "process_exited",
    ]);
  });

  it("only watches what it can't start", async () => {
    const { enforcer, told } = await openEnforcer(`
runners:
  service/api/main: { docker: { container: api-1 } }
  service/vpn/main: { external: true }
`);
    expect(enforcer.describe().map(({ driver, state }) => [driver, state])).toEqual([
      ["docker", "watched"],
      ["external", "watched"],
    ]);
    expect(() =>
      enforcer.order(parseRunnerId("service/vpn/main"), { order: "stop", reason: undefined }),
    ).toThrow(/watched only/);
    await enforcer.stop();
    expect(told.map(({ runner, type }) => `${runner} ${type}`)).toEqual([
      "service/enforcer/edge-1 enforcer_started",
      "service/enforcer/edge-1 enforcer_stopped",
    ]);
  });
});

describe("the next enforcer on a host", () => {
  it("takes over what lives, with its count, and doubles nothing", async () => {
    const fleet = `
runners:
  ${ID}:
    command: [sh, -c, "test -e $FOLDER/again && exec sleep 100; touch $FOLDER/again; exit 1"]
    env: { FOLDER: "\${FOLDER}" }
`;
    const before = await openEnforcer(fleet);
    await waitFor(() => before.of(ID, "process_spawned").length === 2);
    const pid = await pidOf(before);
    await abandon(before);
    expect(isProcessAlive(pid)).toBe(true);
    const rig = await openEnforcer(fleet, { before });
    expect(await pidOf(rig)).toBe(pid);
    expect(rig.enforcer.describe()).toMatchObject([{ attempts: 1 }]);
    expect(rig.types(ID)[0]).toBe("process_adopted");
  });

  it("starts nothing that was denied or stopped while it was away", async () => {
    const before = await openEnforcer(`
restart_deny: ["${ID}"]
runners: { ${ID}: { command: ["true"] }, process/b/default: { command: [sleep, "100"] } }`);
    const b = parseRunnerId("process/b/default");
    await waitFor(() => before.types(ID).includes("restart_denied"));
    await pidOf(before, b);
    before.enforcer.order(b, { order: "stop", reason: undefined });
    await waitFor(() => before.types(b).includes("process_exited"));
    await abandon(before);
    const rig = await openEnforcer(
      `
restart_deny: ["${ID}"]
runners: { ${ID}: { command: ["true"] }, process/b/default: { command: [sleep, "100"] } }`,
      { before },
    );
    expect(rig.enforcer.describe().map(({ state }) => state)).toEqual(["ended", "stopped"]);
    expect(rig.told.map(({ type }) => type)).not.toContain("process_spawned");
  });

  it("ends what an earlier one has left and no fleet file has any more", async () => {
    const before = await openEnforcer(SLEEP);
    const pid = await pidOf(before);
    await abandon(before);
    writeFileSync(join(before.folder, "enforcer-state.json"), "nonsense");
    const rig = await openEnforcer("runners: {}", { before });
    await waitFor(() => !isProcessAlive(pid));
    expect(rig.lines.join("\n")).toContain("is not what an enforcer has written");
  });

  it("tells again what the stream had not taken", async () => {
    const before = await openEnforcer(SLEEP, {
      options: { publish: async () => await new Promise<void>(() => {}) },
    });
    await pidOf(before);
    before.enforcer.order(parseRunnerId(ID), { order: "pause", reason: "repairs" });
    await abandon(before);
    const rig = await openEnforcer(SLEEP, { before });
    await waitFor(() => rig.types(ID).includes("runner_paused"));
    expect(rig.enforcer.describe()).toMatchObject([{ paused: true }]);
  });

  it("keeps its memory readable by the owner only, without a secret", async () => {
    const { folder, enforcer } = await openEnforcer(`
runners: { ${ID}: { command: [sleep, "100"], env: { TOKEN: "\${API_TOKEN}" } } }`);
    const file = join(folder, "enforcer-state.json");
    await waitFor(() => enforcer.describe()[0]?.pid ?? null);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).not.toContain("s3cret");
  });
});

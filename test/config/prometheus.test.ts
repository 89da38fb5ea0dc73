import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../../config/project-root.ts";
import { apiFixture } from "../api/api-fixture.ts";
import { parseMetrics } from "../api/prometheus-text.ts";
import { startUp } from "../cmd/running-up.ts";
import { promtool, startPrometheus } from "../support/prometheus.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const configFile = (name: string): string => join(projectRoot(), "config", name);
const textOf = (name: string): string => readFileSync(configFile(name), "utf8");

interface Alerts {
  readonly data: {
    readonly alerts: readonly {
      readonly state: string;
      readonly labels: Readonly<Record<string, string>>;
    }[];
  };
}

interface Runner {
  readonly status: string;
  readonly process: { readonly pid: number } | null;
}

describe("the files for Prometheus", { timeout: 300_000 }, () => {
  it("are what promtool takes, and their rules do what their tests say", async () => {
    expect(await promtool("check", "config", configFile("prometheus.yaml"))).toContain("SUCCESS");
    const rules = configFile("prometheus-rules.yaml");
    expect(await promtool("check", "rules", rules)).toMatch(/SUCCESS: 1\d rules found/);
    const tests = configFile("prometheus-rules-test.yaml");
    expect(await promtool("test", "rules", tests)).toContain("SUCCESS");
  });

  it.each(["prometheus-rules.yaml", "grafana-dashboard.json"])(
    "ask in %s for nothing that is not measured",
    async (name) => {
      const api = await apiFixture();
      api.rows.beat({ runner: "camera/day/hd" });
      api.rows.checkpoint({ projection: "latest_heartbeat", seq: 10 });
      const { body } = await api.ask("/metrics");
      api.close();
      const families = parseMetrics(body as string);
      const asked = textOf(name).match(/\brunbeat_[a-z_]+/g) ?? [];
      const unknown = asked
        .map((metric) => metric.replace(/_(?:bucket|sum|count)$/, ""))
        .filter((metric) => !families.has(metric));
      expect(asked.length).toBeGreaterThan(5);
      expect(unknown).toEqual([]);
    },
  );

  it("make a real Prometheus call a killed runner first pending, then firing", async () => {
    const folder = makeTempDir("prometheus-config");
    const fleet = join(folder, "fleet.yaml");
    writeFileSync(fleet, "runners:\n  process/steady/default: { command: [sleep, '1000'] }\n");
    const up = startUp({ env: { RUNBEAT_FLEET: fleet, SUPERVISOR_ENABLED: "false" } });
    const { apiUrl } = await up.record();
    const pid = await waitFor(async () => {
      const answer = await fetch(`${apiUrl}/api/v1/runners/process/steady/default`);
      const { status, process } = (await answer.json()) as Runner;
      return status === "online" && process?.pid;
    });
    // The project's own files, in a hurry.
    const rules = textOf("prometheus-rules.yaml").replaceAll(/for: \d+m/g, "for: 2s");
    writeFileSync(join(folder, "prometheus-rules.yaml"), rules);
    const config = textOf("prometheus.yaml")
      .replaceAll(/: \d+s/g, ": 500ms")
      .replaceAll("127.0.0.1:8080", new URL(apiUrl).host);
    writeFileSync(join(folder, "prometheus.yaml"), config);
    const url = await startPrometheus(join(folder, "prometheus.yaml"));
    const states = async (): Promise<string[]> => {
      const { data } = (await (await fetch(`${url}/api/v1/alerts`)).json()) as Alerts;
      return data.alerts
        .filter(({ labels }) => labels["alertname"] === "RunbeatRunnersOffline")
        .map(({ state, labels }) => `${labels["kind"]} ${state}`);
    };
    const online = `${url}/api/v1/query?query=runbeat:runners:by_status{status="online"}`;
    const recorded = await waitFor(async () => {
      const { data } = (await (await fetch(online)).json()) as {
        data: { result: { value: [number, string] }[] };
      };
      return data.result[0]?.value[1];
    });
    expect(Number(recorded)).toBeGreaterThan(0);
    expect(await states()).toEqual([]);
    process.kill(pid, "SIGKILL");
    await waitFor(async () => (await states()).includes("process pending"), { what: "pending" });
    await waitFor(async () => (await states()).includes("process firing"), { what: "firing" });
  });
});

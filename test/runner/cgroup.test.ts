import { describe, expect, it } from "vitest";
import { openCgroup } from "../../lib/runner/cgroup.ts";
import { openHostMeter } from "../../lib/runner/host-usage.ts";
import { MEMINFO, UNIFIED, makeHost, write } from "./fake-host.ts";

const GIB = 2 ** 30;
const SLICE = "sys/fs/cgroup/system.slice";
const OWN = `${SLICE}/runbeat.service`;

/** Version 1, as under an older Docker: the path is the host's, the mount shows our own group. */
const OLD = {
  ...MEMINFO,
  "proc/self/cgroup":
    "12:memory:/docker/abc\n5:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n",
  "proc/self/mountinfo":
    "40 30 0:33 /docker/abc /sys/fs/cgroup/memory ro master:17 - cgroup cgroup rw,memory\n" +
    "41 30 0:34 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n",
};

describe("the memory that we may have", () => {
  it("is the host's where the group says max", () => {
    const root = makeHost({ ...UNIFIED, [`${OWN}/memory.max`]: "max\n" });
    expect(openCgroup(root).memory()).toBeUndefined();
    expect(openHostMeter(root).memory()).toEqual({ usedBytes: 8 * GIB, limitBytes: 16 * GIB });
  });

  it("is the group's where it has less, files that can be dropped not counted", () => {
    const root = makeHost({
      ...UNIFIED,
      [`${OWN}/memory.max`]: `${2 * GIB}\n`,
      [`${OWN}/memory.current`]: `${1.5 * GIB}\n`,
      [`${OWN}/memory.stat`]: `anon 5\nactive_file 7\ninactive_file ${GIB / 2}\n`,
    });
    expect(openHostMeter(root).memory()).toEqual({ usedBytes: GIB, limitBytes: 2 * GIB });
  });

  it("is the tightest of all groups above us", () => {
    const root = makeHost({
      ...UNIFIED,
      [`${OWN}/memory.max`]: `${4 * GIB}\n`,
      [`${OWN}/memory.current`]: "1\n",
      [`${SLICE}/memory.max`]: `${3 * GIB}\n`,
      [`${SLICE}/memory.current`]: `${2 * GIB}\n`,
    });
    expect(openCgroup(root).memory()).toEqual({ usedBytes: 2 * GIB, limitBytes: 3 * GIB });
  });

  it("is the host's where the group may have more than there is", () => {
    const root = makeHost({
      ...UNIFIED,
      [`${OWN}/memory.max`]: `${64 * GIB}\n`,
      [`${OWN}/memory.current`]: "1\n",
    });
    expect(openHostMeter(root).memory().limitBytes).toBe(16 * GIB);
  });

  it("is that of our own group where version 1 shows only that", () => {
    const root = makeHost({
      ...OLD,
      "sys/fs/cgroup/memory/memory.limit_in_bytes": `${GIB}\n`,
      "sys/fs/cgroup/memory/memory.usage_in_bytes": `${GIB / 2}\n`,
      "sys/fs/cgroup/memory/memory.stat": "inactive_file 0\ntotal_inactive_file 1024\n",
    });
    expect(openCgroup(root).memory()).toEqual({ limitBytes: GIB, usedBytes: GIB / 2 - 1024 });
  });

  it("has no limit where version 1 writes its largest number", () => {
    const limit = { "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n" };
    expect(openCgroup(makeHost({ ...OLD, ...limit })).memory()).toBeUndefined();
  });

  it("is told of the real host too", () => {
    const { usedBytes, limitBytes } = openHostMeter().memory();
    expect(usedBytes).toBeGreaterThan(0);
    expect(usedBytes).toBeLessThan(limitBytes);
  });
});

describe("the processor time that we may have", () => {
  it("is measured against the quota of the group", () => {
    const root = makeHost({
      ...UNIFIED,
      [`${OWN}/cpu.max`]: "50000 100000\n",
      [`${OWN}/cpu.stat`]: "usage_usec 1000000\nuser_usec 1\n",
    });
    let now = 0;
    const meter = openHostMeter(root, () => now);
    expect(meter.cpuPercent()).toBeNull();
    now = 10_000;
    write(root, { [`${OWN}/cpu.stat`]: "usage_usec 5000000\n" });
    expect(meter.cpuPercent()).toBeCloseTo(80);
  });

  it("is measured against the quota of version 1", () => {
    const folder = "sys/fs/cgroup/cpu,cpuacct";
    const root = makeHost({
      ...OLD,
      [`${folder}/cpu.cfs_quota_us`]: "25000\n",
      [`${folder}/cpu.cfs_period_us`]: "100000\n",
      [`${folder}/cpuacct.usage`]: "2000000000\n",
    });
    expect(openCgroup(root).cpu()).toEqual({ cores: 0.25, usedMs: 2_000 });
    write(root, { [`${folder}/cpu.cfs_quota_us`]: "-1\n" });
    expect(openCgroup(root).cpu()).toBeUndefined();
  });

  it("is the host's without a quota: waiting for a disk is no work", () => {
    const root = makeHost({
      ...UNIFIED,
      [`${OWN}/cpu.max`]: "max 100000\n",
      "proc/stat": "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n",
    });
    const meter = openHostMeter(root);
    expect(meter.cpuPercent()).toBeNull();
    write(root, { "proc/stat": "cpu  150 0 150 750 150 0 0 0 0 0\n" });
    expect(meter.cpuPercent()).toBeCloseTo(50);
  });
});

import { chmodSync, closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { spawnGroup } from "../../lib/runner/child-group.ts";
import { openGpuMemory, parseGpuLine } from "../../lib/runner/gpu-memory.ts";
import type { GpuMemory } from "../../lib/runner/gpu-memory.ts";
import { createUsageMeter } from "../../lib/runner/process-usage.ts";
import { usageFields } from "../../lib/runner/usage-fields.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const opened: GpuMemory[] = [];
const descriptors: number[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((gpu) => gpu.stop()));
  for (const descriptor of descriptors.splice(0)) closeSync(descriptor);
});

/** A host with a GPU whose `nvidia-smi` is the shell script. */
function makeGpu(script: string, options: { readonly nowMs?: () => number } = {}) {
  const folder = makeTempDir("gpu");
  const program = join(folder, "nvidia-smi");
  const starts = join(folder, "starts");
  writeFileSync(starts, "");
  writeFileSync(program, `#!/bin/sh\necho "$@" >> ${starts}\n${script}\n`);
  chmodSync(program, 0o755);
  writeFileSync(join(folder, "nvidiactl"), "");
  const gpu = openGpuMemory({
    spawn: spawnGroup,
    path: `/nowhere:${folder}:/bin`,
    env: { PATH: "/usr/bin:/bin" },
    devices: folder,
    firstPauseMs: 10,
    ...options,
  });
  opened.push(gpu);
  return {
    gpu,
    starts: () => readFileSync(starts, "utf8").split("\n").slice(0, -1),
    /** As CUDA does when it begins. */
    useDevice: () => descriptors.push(openSync(join(folder, "nvidiactl"), "r")),
  };
}

/** Prints lines and stays, as nvidia-smi does. */
function printing(...lines: string[]): string {
  return `${lines.map((line) => `echo '${line}'`).join("\n")}\nexec sleep 60`;
}

describe("a line of nvidia-smi", () => {
  it.each([
    ["GPU-8f6e1d2c-0a1b, 4711, 1024", { gpu: "GPU-8f6e1d2c-0a1b", pid: 4711, mb: 1024 }],
    ["GPU-8f6e1d2c-0a1b, 4711, 1024 MiB", { gpu: "GPU-8f6e1d2c-0a1b", pid: 4711, mb: 1024 }],
    ["GPU-8f6e1d2c-0a1b, 4711, [N/A]", undefined],
    ["GPU-8f6e1d2c-0a1b, [Not Found], 12", undefined],
    ["No running processes found", undefined],
    ["NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", undefined],
    ["Unable to determine the device handle for GPU0: 0000:01:00.0: Unknown Error", undefined],
    ["", undefined],
  ])("%j is read", (line, expected) => {
    expect(parseGpuLine(line)).toEqual(expected);
  });
});

describe("the memory of GPUs", () => {
  it("is told of the processes that use them, over all GPUs", async () => {
    const pid = process.pid;
    const lines = [`GPU-a, ${pid}, 1000`, `GPU-b, ${pid}, 24`, "GPU-a, 1, 5000"];
    const { gpu, useDevice, starts } = makeGpu(printing(...lines));
    useDevice();
    const measure = createUsageMeter(pid, { gpu });
    const usage = await waitFor(() => {
      const usage = measure();
      return usage?.vramMb === 1024 ? usage : undefined;
    });
    expect(usageFields(usage)).toMatchObject({ vram_mb: 1024 });
    expect(gpu.usedMb([pid, 1])).toBe(6024);
    expect(gpu.usedMb([2])).toBeNull();
    expect(starts()).toEqual([
      "--query-compute-apps=gpu_uuid,pid,used_memory --format=csv,noheader,nounits -l 5",
    ]);
  });

  it("is not asked for before a process uses one", () => {
    const { gpu, starts } = makeGpu(printing(`GPU-a, ${process.pid}, 10`));
    expect(gpu.usedMb([process.pid])).toBeNull();
    expect(starts()).toEqual([]);
  });

  it("is forgotten when it is not printed again", async () => {
    let now = 0;
    const { gpu, useDevice } = makeGpu(printing(`GPU-a, ${process.pid}, 10`), { nowMs: () => now });
    useDevice();
    await waitFor(() => gpu.usedMb([process.pid]) === 10);
    now = 15_001;
    expect(gpu.usedMb([process.pid])).toBeNull();
  });

  it("is asked for again when nvidia-smi has ended", async () => {
    const { gpu, useDevice, starts } = makeGpu("exit 9");
    useDevice();
    await waitFor(() => {
      gpu.usedMb([process.pid]);
      return starts().length >= 3;
    });
    expect(gpu.usedMb([process.pid])).toBeNull();
  });

  it("is never asked for on a host without such a GPU, or without nvidia-smi", () => {
    const folder = makeTempDir("no-gpu");
    const spawn = () => {
      throw new Error("nothing is to be started");
    };
    const common = { spawn, env: {}, path: "/nowhere" };
    expect(openGpuMemory({ ...common, devices: folder }).usedMb([process.pid])).toBeNull();
    writeFileSync(join(folder, "nvidiactl"), "");
    expect(openGpuMemory({ ...common, devices: folder }).usedMb([process.pid])).toBeNull();
  });
});

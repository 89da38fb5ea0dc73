import { defineConfig } from "vitest/config";

const HOUR_MS = 3_600_000;

export default defineConfig({
  test: {
    include: ["test/chaos/*.chaos.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 3 * HOUR_MS,
    hookTimeout: 60_000,
  },
});

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants, getPriority } from "node:os";
import { afterEach, expect, test, vi } from "vitest";
import { stepBack } from "../../cmd/step-back.ts";

/** Source: sched(7), SCHED_OTHER and SCHED_IDLE. */
const OTHER = 0;
const IDLE = 5;

const started: (() => void)[] = [];

afterEach(() => {
  vi.unstubAllEnvs();
  for (const end of started.splice(0)) end();
});

function startSleeper(): number {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  started.push(() => child.kill("SIGKILL"));
  if (child.pid === undefined) throw new Error("sleep did not start");
  return child.pid;
}

/** Source: proc_pid_stat(5), field 41; the second one may have spaces. */
function policyOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fromThird = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fromThird[41 - 3]);
}

test("what steps back runs on idle cores only", () => {
  const pid = startSleeper();
  expect(policyOf(pid)).toBe(OTHER);
  stepBack(pid);
  expect(policyOf(pid)).toBe(IDLE);
});

test("where the class can't be had it has the lowest priority", () => {
  const pid = startSleeper();
  vi.stubEnv("PATH", "");
  stepBack(pid);
  expect(policyOf(pid)).toBe(OTHER);
  expect(getPriority(pid)).toBe(constants.priority.PRIORITY_LOW);
});

test("what has ended is left alone", () => {
  expect(() => stepBack(2 ** 30)).not.toThrow();
});

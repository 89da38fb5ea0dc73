import type { Analysis } from "./analyser.ts";

/**
 * Checks what an analyser from outside answered; other fields are its own.
 * @throws Error that says what an answer must look like.
 */
export function parseAnswer(answer: unknown): Analysis {
  if (typeof answer === "object" && answer !== null) {
    const { detected = 0, matched = 0 } = answer as Record<string, unknown>;
    if (isCount(detected) && isCount(matched)) return { detected, matched };
  }
  throw new Error('an answer must be like {"detected": 2, "matched": 1}, with numbers from 0 on');
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

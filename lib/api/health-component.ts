import { z } from "@hono/zod-openapi";
import { timeSchema } from "./runner-item.ts";

export const STATES = ["pass", "warn", "fail"] as const;
export type State = (typeof STATES)[number];

/** One part of Runbeat. */
export const componentSchema = z.object({
  componentType: z.string(),
  status: z.enum(STATES),
  observedValue: z.union([z.number(), z.string()]).nullable(),
  observedUnit: z.string().optional(),
  output: z.string().optional().describe("What is wrong, and what to do"),
  time: timeSchema,
});
export type Component = z.input<typeof componentSchema>;

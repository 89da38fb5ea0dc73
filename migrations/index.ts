import type { Migration } from "kysely";
import * as readModels from "./0001-read-models.ts";

/** Every migration by name, in order; forward only. */
export const migrations: Record<string, Migration> = {
  "0001-read-models": readModels,
};

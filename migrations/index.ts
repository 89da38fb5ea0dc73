import type { Migration } from "kysely";
import * as readModels from "./0001-read-models.ts";
import * as generations from "./0002-generations.ts";
import * as alerts from "./0003-alerts.ts";
import * as userProjections from "./0006-user-projections.ts";

/** Every migration by name, in order; forward only. */
export const migrations: Record<string, Migration> = {
  "0001-read-models": readModels,
  "0002-generations": generations,
  "0003-alerts": alerts,
  "0006-user-projections": userProjections,
};

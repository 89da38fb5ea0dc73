/** Every projection that is folded: ours, and those of the modules that the settings name. */
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { ApiOptions } from "../lib/api/app.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";
import type { SqliteDatabase } from "../lib/store/open.ts";
import { reconcileUserTables } from "../lib/store/user-tables.ts";
import { defineProjection, isUserProjection } from "../projections/define.ts";
import type { UserProjection } from "../projections/define.ts";
import { projections } from "../projections/index.ts";
import type { AnyProjection } from "../projections/projection.ts";
import type { Context } from "./context.ts";

type Origins = Pick<Context, "settings" | "origins" | "file" | "log">;

/** One that is missing, and why. */
export interface ProjectionProblem {
  /** Its name, or its module where that is all there is. */
  readonly name: string;
  readonly problem: string;
}

export interface UserProjections {
  readonly projections: readonly UserProjection[];
  readonly problems: readonly ProjectionProblem[];
}

/**
 * Ours and the user's. One that can't be loaded is told of in the log and left out: the others go
 * on without it.
 */
export async function loadProjections(context: Origins): Promise<readonly AnyProjection[]> {
  const loaded = await loadUserProjections(context);
  for (const { name, problem } of loaded.problems) {
    context.log.error({ projection: name }, `projection ${name} is left out: ${problem}`);
  }
  return [...projections, ...loaded.projections];
}

/** The same, less those whose rows can't be folded into; their tables are made. */
export async function foldableProjections(
  context: Origins,
  db: SqliteDatabase,
): Promise<readonly AnyProjection[]> {
  const all = await loadProjections(context);
  const problems = reconcileUserTables(db, all);
  for (const [name, problem] of problems) {
    context.log.error({ projection: name }, `projection ${name} is left out: ${problem}`);
  }
  return all.filter(({ name }) => !problems.has(name));
}

/** Those of the modules in the setting `projections`. */
export async function loadUserProjections(context: Origins): Promise<UserProjections> {
  const found: UserProjection[] = [];
  const problems: ProjectionProblem[] = [];
  for (const path of context.settings.projections) {
    const file = resolve(folderOf(context), path);
    try {
      for (const projection of await projectionsOf(file)) {
        const problem = clashOf(projection, found);
        if (problem === undefined) found.push(projection);
        else problems.push({ name: projection.name, problem });
      }
    } catch (error) {
      problems.push({ name: path, problem: `${file} can't be loaded: ${messageOf(error)}` });
    }
  }
  return { projections: found, problems };
}

/** Paths in the settings file count from its folder, others from the current one. */
function folderOf({ origins, file }: Origins): string {
  const isFromFile = origins.get("projections")?.source === "file";
  return isFromFile && file !== undefined ? dirname(resolve(file)) : process.cwd();
}

/**
 * A module exports one projection, or a list of them, as `projections` or by default. A mere
 * definition will do: a module that can't import us is welcome too.
 */
async function projectionsOf(file: string): Promise<UserProjection[]> {
  const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  const exported = module["projections"] ?? module["default"];
  const list: unknown[] = Array.isArray(exported) ? exported : [exported];
  return list.map((one) => {
    if (isMade(one)) return one;
    if (isDefinition(one)) return defineProjection(one);
    throw new AppError(
      "invalid",
      "it must export `projections`, a list of definitions, each with name, version, stream, columns, key, keyOf and evolve",
    );
  });
}

function isMade(value: unknown): value is UserProjection {
  return isObject(value) && isUserProjection(value as AnyProjection);
}

type Definition = Parameters<typeof defineProjection>[0];

/** Whether it is meant as one; what is wrong in it is said by `defineProjection`. */
function isDefinition(value: unknown): value is Definition {
  return isObject(value) && "name" in value && "evolve" in value;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function clashOf({ name }: UserProjection, others: readonly AnyProjection[]): string | undefined {
  if (projections.some((ours) => ours.name === name)) {
    return `the name ${name} is one of Runbeat's own projections: choose another`;
  }
  if (others.some((other) => other.name === name)) {
    return `two projections are called ${name}: rename one`;
  }
  return undefined;
}

/** What the API lists, and what it says is missing. */
export async function listedProjections(
  context: Origins,
): Promise<Required<Pick<ApiOptions, "userProjections" | "missingProjections">>> {
  const { projections, problems } = await loadUserProjections(context);
  return {
    userProjections: projections.map(({ name, stream, table, userColumns }) => ({
      name,
      stream,
      table: table.name,
      key: table.key,
      columns: userColumns,
    })),
    missingProjections: problems,
  };
}

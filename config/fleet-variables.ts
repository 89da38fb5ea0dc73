import { AppError } from "../lib/core/errors.ts";
import { isSecretName } from "../lib/core/redact.ts";
import type { Environment } from "./environment.ts";
import { shownPlace } from "./fleet-refusal.ts";
import type { Place } from "./fleet-refusal.ts";

const VARIABLE = /\$(\$)?\{([^}]*)\}/g;

/**
 * Replaces `${NAME}` by the variable's value in every text of a fleet file, keys excepted.
 * @param name of the file, for messages. @param secrets takes values of secret variables.
 * @throws AppError `invalid` for a variable that is not set.
 */
export function expandVariables(
  node: unknown,
  env: Environment,
  name: string,
  secrets: Set<string>,
  place: Place = [],
): unknown {
  const inner = (value: unknown, key: PropertyKey) =>
    expandVariables(value, env, name, secrets, [...place, key]);
  if (typeof node === "string") return expandText(node, env, place, name, secrets);
  if (Array.isArray(node)) return node.map(inner);
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, inner(value, key)]));
}

function expandText(
  text: string,
  env: Environment,
  place: Place,
  name: string,
  secrets: Set<string>,
): string {
  return text.replaceAll(VARIABLE, (whole, escape: string | undefined, variable: string) => {
    if (escape !== undefined) return whole.slice(1);
    const value = env[variable];
    if (value === undefined) {
      const message = `needs the variable ${variable}, which the environment does not have: set it`;
      throw new AppError("invalid", `${name}: ${shownPlace(place)} ${message}`);
    }
    if (isSecretName(variable) && value !== "") secrets.add(value);
    return value;
  });
}

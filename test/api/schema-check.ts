/**
 * Checks answers against the API's own description: as much of JSON Schema 2020-12 as OpenAPI 3.1
 * uses here, and stricter in one thing: a field that the description does not know is a fault.
 */
import { parseTime } from "../../lib/core/time.ts";

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}

export interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface Described {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly mediaType: string;
  readonly body: unknown;
}

/** Throws, saying where, unless the answer is as described. Unknown paths need no description. */
export function assertFits(document: OpenApiDocument, answer: Described): void {
  const operations = pathOf(document, answer.path);
  const operation = operations?.[answer.method.toLowerCase()];
  if (operation === undefined) return;
  const name = `${answer.method} ${answer.path} ${answer.status}`;
  const response = operation.responses[String(answer.status)];
  if (response === undefined) throw new Error(`${name} is not described`);
  const mediaType = answer.mediaType.split(";")[0]?.trim() ?? "";
  const content = response.content?.[mediaType];
  if (content === undefined) throw new Error(`${name} is not described as ${mediaType}`);
  const faults = check(document, content.schema, answer.body, "");
  if (faults.length > 0) throw new Error(`${name} is not as described: ${faults.join("; ")}`);
}

function pathOf(document: OpenApiDocument, path: string) {
  const plain = path.replace(/(.)\/$/, "$1");
  const found = Object.entries(document.paths).find(([template]) =>
    new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(plain),
  );
  return found?.[1];
}

function check(document: OpenApiDocument, given: Schema, value: unknown, at: string): string[] {
  if (given.$ref !== undefined) {
    const name = given.$ref.replace("#/components/schemas/", "");
    const schema = document.components.schemas[name];
    return schema === undefined ? [`${at}: no schema ${name}`] : check(document, schema, value, at);
  }
  const union = given.anyOf ?? given.oneOf;
  if (union !== undefined) return checkUnion(document, union, value, at);
  if (given.allOf !== undefined) {
    return check(document, merged(document, given.allOf), value, at);
  }
  if (given.const !== undefined && value !== given.const)
    return [`${at} is not ${JSON.stringify(given.const)}`];
  if (given.enum !== undefined && !given.enum.includes(value)) {
    return [`${at} is ${JSON.stringify(value)}, not one of ${given.enum.join(", ")}`];
  }
  if (given.type !== undefined && ![given.type].flat().includes(typeOf(value, given))) {
    return [`${at} is ${JSON.stringify(value)?.slice(0, 80)}, not ${String(given.type)}`];
  }
  return checkValue(document, given, value, at);
}

function checkUnion(
  document: OpenApiDocument,
  union: readonly Schema[],
  value: unknown,
  at: string,
): string[] {
  const faults = union.map((schema) => check(document, schema, value, at));
  return faults.some((list) => list.length === 0) ? [] : faults.flat();
}

/** Several schemas that hold at once are one with all of their fields. */
function merged(document: OpenApiDocument, all: readonly Schema[]): Schema {
  const resolved = all.map((schema) =>
    schema.$ref === undefined
      ? schema
      : (document.components.schemas[schema.$ref.replace("#/components/schemas/", "")] ?? {}),
  );
  return {
    ...Object.assign({}, ...resolved),
    properties: Object.assign({}, ...resolved.map(({ properties }) => properties)),
    required: resolved.flatMap(({ required }) => required ?? []),
  } as Schema;
}

function typeOf(value: unknown, schema: Schema): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  const wanted = [schema.type ?? ""].flat();
  if (typeof value === "number") {
    return Number.isInteger(value) && wanted.includes("integer") ? "integer" : "number";
  }
  return typeof value;
}

function checkValue(
  document: OpenApiDocument,
  schema: Schema,
  value: unknown,
  at: string,
): string[] {
  if (typeof value === "number") {
    if (schema.minimum !== undefined && value < schema.minimum) return [`${at} is too small`];
    return schema.maximum !== undefined && value > schema.maximum ? [`${at} is too large`] : [];
  }
  if (typeof value === "string") {
    const isTime = schema.format !== "date-time" || parseTime(value) !== undefined;
    return isTime ? [] : [`${at} is no time`];
  }
  if (Array.isArray(value)) {
    return value.flatMap((item, index) =>
      check(document, schema.items ?? {}, item, `${at}[${index}]`),
    );
  }
  return typeof value === "object" && value !== null
    ? checkObject(document, schema, value as Record<string, unknown>, at)
    : [];
}

function checkObject(
  document: OpenApiDocument,
  schema: Schema,
  value: Record<string, unknown>,
  at: string,
): string[] {
  const { properties = {}, required = [], additionalProperties: more } = schema;
  const missing = required
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => `${at}.${name} is missing`);
  const inner = Object.entries(value).flatMap(([name, item]) => {
    const own = properties[name];
    if (own !== undefined) return check(document, own, item, `${at}.${name}`);
    if (typeof more === "object") return check(document, more, item, `${at}.${name}`);
    const isFree = more === true || schema.type === undefined;
    return isFree ? [] : [`${at}.${name} is not described`];
  });
  return [...missing, ...inner];
}

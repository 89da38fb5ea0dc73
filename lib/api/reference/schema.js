// What a JSON schema says, as lists of fields and as examples.

import { el, inline } from "./elements.js";

const MAX_DEPTH = 6;

/** Follows a reference within the description. */
export function resolve(api, schema) {
  let found = schema ?? {};
  for (let step = 0; found.$ref !== undefined && step < MAX_DEPTH; step++) {
    const path = found.$ref.replace("#/", "").split("/");
    found = path.reduce((node, part) => node?.[part], api) ?? {};
  }
  return found;
}

export function typeText(api, given) {
  const schema = resolve(api, given);
  const union = schema.anyOf ?? schema.oneOf;
  if (union !== undefined) return union.map((one) => typeText(api, one)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined && schema.enum.length <= 12) {
    return schema.enum.map((value) => (value === null ? "null" : value)).join(" | ");
  }
  const types = [schema.type ?? "any"].flat();
  return types
    .map((type) => {
      if (type === "array") return listText(typeText(api, schema.items));
      return schema.format === undefined || type === "null" ? type : `${type}, ${schema.format}`;
    })
    .join(" | ");
}

function listText(items) {
  return items.includes(" | ") ? `(${items})[]` : `${items}[]`;
}

/** The objects within a schema that are worth unfolding. */
export function parts(api, given) {
  const schema = resolve(api, given);
  const union = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (union !== undefined) return union.flatMap((one) => parts(api, one));
  if (schema.items !== undefined) return parts(api, schema.items);
  return schema.properties === undefined ? [] : [schema];
}

export function fields(api, schema, depth = 0) {
  const list = el("dl", { class: "fields" });
  for (const [name, property] of Object.entries(schema.properties)) {
    const isRequired = schema.required?.includes(name) === true;
    const inner = resolve(api, property);
    const about = property.description ?? inner.description;
    const within = depth < MAX_DEPTH ? parts(api, property) : [];
    list.append(
      el("dt", {}, name, isRequired ? "" : el("span", { class: "type", title: "optional" }, " ?")),
      el(
        "dd",
        {},
        el("span", { class: "type" }, typeText(api, property)),
        about === undefined ? null : el("div", {}, ...inline(about)),
        ...within.map((part) =>
          el("details", {}, el("summary", {}, "fields"), fields(api, part, depth + 1)),
        ),
      ),
    );
  }
  return list;
}

/** A value that fits a schema, for examples. */
export function example(api, given, depth = 0) {
  const schema = resolve(api, given);
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  const union = schema.anyOf ?? schema.oneOf;
  if (union !== undefined) return example(api, union[0], depth);
  const type = [schema.type].flat().find((one) => one !== "null");
  if (type === "array") return depth > MAX_DEPTH ? [] : [example(api, schema.items, depth + 1)];
  if (type === "object" || schema.properties !== undefined) {
    if (depth > MAX_DEPTH) return {};
    const entries = Object.entries(schema.properties ?? {});
    return Object.fromEntries(
      entries.map(([name, property]) => [name, example(api, property, depth + 1)]),
    );
  }
  const plain = { string: "text", integer: schema.minimum ?? 1, number: 1, boolean: true };
  return plain[type] ?? null;
}

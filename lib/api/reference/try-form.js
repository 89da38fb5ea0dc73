// Asks the API from the page. Keys live in this memory and nowhere else.

import { el } from "./elements.js";
import { example, resolve } from "./schema.js";

export const keys = { read: "", ingest: "" };
/** More than this of an answer is not shown. */
const MAX_SHOWN_CHARS = 200_000;

function input(api, { name, schema = {}, required, in: place }) {
  const resolved = resolve(api, schema);
  const id = `${place}:${name}`;
  if (resolved.type === "boolean" || (resolved.enum !== undefined && resolved.type === "string")) {
    const values = resolved.type === "boolean" ? ["true", "false"] : resolved.enum;
    const options = values.map((value) => el("option", { value }, value));
    const none = required === true ? [] : [el("option", { value: "" }, "")];
    return el("label", {}, name, el("select", { name: id }, ...none, ...options));
  }
  const preset = place === "path" ? (resolved.example ?? "") : "";
  const hint = resolved.example ?? (resolved.default === undefined ? "" : String(resolved.default));
  return el(
    "label",
    {},
    name,
    el("input", { name: id, value: preset, placeholder: hint, required, spellcheck: "false" }),
  );
}

function bodyInput(api, operation) {
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  if (schema === undefined) return null;
  const area = el("textarea", { name: "body", spellcheck: "false" });
  area.value = JSON.stringify(example(api, schema), null, 2);
  return el("label", {}, "body", area);
}

function textOf(data, name) {
  const value = data.get(name);
  return typeof value === "string" ? value.trim() : "";
}

/** The request that a form describes. */
function requestOf(path, method, operation, form) {
  const data = new FormData(form);
  let target = path;
  const query = new URLSearchParams();
  for (const { name, in: place, schema } of operation.parameters ?? []) {
    const value = textOf(data, `${place}:${name}`);
    if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(value));
    else if (value !== "" && schema?.type === "array" && name === "label") {
      for (const one of value.split(" ")) query.append(name, one);
    } else if (value !== "") query.set(name, value);
  }
  const schemes = (operation.security ?? []).flatMap((scheme) => Object.keys(scheme));
  const headers = {};
  if (schemes[0] === "readKey" && keys.read !== "") headers.Authorization = `Bearer ${keys.read}`;
  if (schemes[0] === "ingestKey") headers.Authorization = `Bearer ${keys.ingest}`;
  if (schemes[0] === "cameraKey") headers["X-BISK-KEY"] = keys.ingest;
  const body = data.get("body");
  if (body !== null) headers["Content-Type"] = "application/json";
  const search = query.size === 0 ? "" : `?${query}`;
  return { url: target + search, method: method.toUpperCase(), headers, body };
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function curlOf({ url, method, headers, body }) {
  const shown = Object.entries(headers).map(([name, value]) => {
    const safe = value === keys.read || value === keys.ingest ? "$KEY" : value;
    return `-H ${JSON.stringify(`${name}: ${safe.replace(/^Bearer .*/, "Bearer $KEY")}`).replaceAll("\\$", "$")}`;
  });
  const verb = method === "GET" ? [] : [`-X ${method}`];
  const data = body === null ? [] : [`-d ${quoted(body)}`];
  return ["curl", ...verb, quoted(location.origin + url), ...shown, ...data].join(" ");
}

async function send(request, output) {
  output.replaceChildren(el("p", {}, "Asking …"));
  const startedAt = performance.now();
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers: request.headers,
      ...(request.body === null ? {} : { body: request.body }),
    });
    const text = await response.text();
    const ms = (performance.now() - startedAt).toFixed(0);
    const type = response.headers.get("content-type") ?? "";
    const kind = response.ok ? "good" : "bad";
    const title = el("p", {}, el("span", { class: `status ${kind}` }, String(response.status)));
    title.append(` ${type}, ${ms} ms, ${text.length} characters`);
    const headers = ["etag", "retry-after", "allow"]
      .filter((name) => response.headers.has(name))
      .map((name) => el("p", { class: "type" }, `${name}: ${response.headers.get(name)}`));
    output.replaceChildren(
      el("pre", { tabindex: "0" }, curlOf(request)),
      title,
      ...headers,
      el("pre", { tabindex: "0" }, readable(text, type)),
    );
  } catch (error) {
    output.replaceChildren(el("p", {}, `No answer: ${error.message}`));
  }
}

function readable(text, type) {
  const whole =
    type.includes("json") && text !== "" ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return whole.length > MAX_SHOWN_CHARS ? `${whole.slice(0, MAX_SHOWN_CHARS)}\n… cut here` : whole;
}

export function tryForm(api, path, method, operation) {
  const output = el("div", { "aria-live": "polite" });
  const inputs = (operation.parameters ?? []).map((parameter) => input(api, parameter));
  const form = el(
    "form",
    { class: "try", "aria-label": `Try ${method.toUpperCase()} ${path}` },
    el("div", { class: "inputs" }, ...inputs),
    bodyInput(api, operation),
    el("button", { class: "send", type: "submit" }, "Send"),
    output,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send(requestOf(path, method, operation, form), output);
  });
  return form;
}

/** Renders the OpenAPI document of this server: no library, no network but this server. */

const METHODS = ["get", "post", "put", "delete", "patch"];
const main = document.querySelector("#operations");
const index = document.querySelector("#index");
const keyInput = document.querySelector("#key");
const filterInput = document.querySelector("#filter");

/** Makes an element; strings among the children become text, so nothing is ever read as HTML. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

function headers() {
  return keyInput.value === "" ? {} : { authorization: `Bearer ${keyInput.value}` };
}

let api;

/** Follows `$ref` within the document. */
function resolve(node) {
  if (node?.$ref === undefined) return node ?? {};
  const found = node.$ref
    .replace("#/", "")
    .split("/")
    .reduce((inner, part) => inner?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], api);
  return found ?? {};
}

function typeText(raw) {
  const schema = resolve(raw);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.map(typeText).join(" | ");
  if (schema.type === "array") return `${typeText(schema.items)}[]`;
  if (Array.isArray(schema.type)) return schema.type.join(" | ");
  return [schema.type ?? "any", schema.format].filter(Boolean).join(" ");
}

/** A small example of what a schema takes; cut where it repeats itself. */
function exampleOf(raw, depth = 0) {
  const schema = resolve(raw);
  if (schema.example !== undefined) return schema.example;
  if (schema.examples?.length > 0) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (depth > 6) return null;
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return exampleOf(options[0], depth + 1);
  if (schema.allOf) {
    return Object.assign({}, ...schema.allOf.map((part) => exampleOf(part, depth + 1)));
  }
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "object" || schema.properties) {
    return Object.fromEntries(
      Object.entries(schema.properties ?? {}).map(([key, part]) => [
        key,
        exampleOf(part, depth + 1),
      ]),
    );
  }
  if (type === "array") return schema.items ? [exampleOf(schema.items, depth + 1)] : [];
  if (type === "integer" || type === "number") return schema.minimum ?? 0;
  if (type === "boolean") return false;
  return type === "string" ? "" : null;
}

function parameterTable(parameters) {
  const rows = parameters.map((parameter) => {
    const { name, in: place, required, description, schema } = resolve(parameter);
    const fallback = resolve(schema).default;
    return el(
      "tr",
      {},
      el("td", {}, el("code", {}, name), required ? " (required)" : ""),
      el("td", {}, place),
      el("td", {}, el("code", {}, typeText(schema))),
      el("td", {}, description ?? "", fallback === undefined ? "" : ` Default ${fallback}.`),
    );
  });
  const head = el(
    "tr",
    {},
    ...["Name", "In", "Type", "Meaning"].map((text) => el("th", { scope: "col" }, text)),
  );
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}

function jsonContent(content) {
  return Object.entries(content ?? {}).find(([type]) => type.includes("json"));
}

function responseList(responses) {
  return Object.entries(responses ?? {}).map(([status, raw]) => {
    const response = resolve(raw);
    const json = jsonContent(response.content);
    const label = el("summary", {}, el("strong", {}, status), ` ${response.description ?? ""}`);
    if (json === undefined)
      return el("p", {}, el("strong", {}, status), ` ${response.description ?? ""}`);
    const example = json[1].example ?? exampleOf(json[1].schema);
    return el("details", {}, label, el("pre", { tabindex: "0" }, JSON.stringify(example, null, 2)));
  });
}

/** Asks this very server and shows the answer. */
function tryForm(method, path, operation, id) {
  const fields = (operation.parameters ?? [])
    .map(resolve)
    .filter(({ in: place }) => place !== "header");
  const inputs = fields.map(({ name, in: place, required }) => {
    const inputId = `${id}-${place}-${name}`;
    const input = el("input", { id: inputId, name, ...(required ? { required: "" } : {}) });
    return { place, name, input, row: [el("label", { for: inputId }, name), input] };
  });
  const body = jsonContent(resolve(operation.requestBody).content);
  const bodyText =
    body === undefined
      ? undefined
      : JSON.stringify(body[1].example ?? exampleOf(body[1].schema), null, 2);
  const area =
    bodyText === undefined
      ? undefined
      : el("textarea", { "aria-label": "Body", spellcheck: "false" }, bodyText);
  const answer = el("pre", { hidden: "", tabindex: "0", "aria-live": "polite" });
  const send = async (event) => {
    event.preventDefault();
    let target = path;
    const query = new URLSearchParams();
    for (const { place, name, input } of inputs) {
      if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value !== "") query.append(name, input.value);
    }
    const text = query.toString();
    const type = area === undefined ? {} : { "content-type": "application/json" };
    answer.hidden = false;
    answer.textContent = "…";
    try {
      const response = await fetch(text === "" ? target : `${target}?${text}`, {
        method: method.toUpperCase(),
        headers: { ...headers(), ...type },
        ...(area === undefined ? {} : { body: area.value }),
      });
      const raw = await response.text();
      answer.textContent = `${response.status} ${response.statusText}\n\n${pretty(raw)}`;
    } catch (error) {
      answer.textContent = `No answer: ${error.message}`;
    }
  };
  const rows = inputs.flatMap(({ row }) => row);
  return el("form", { onsubmit: send }, ...rows, area, el("button", {}, "Send"), answer);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function operationView(path, method, operation) {
  const id = `${method}${path}`.replaceAll(/[^a-zA-Z0-9]+/g, "-");
  const summary = el(
    "summary",
    {},
    el("span", { class: `method ${method}` }, method.toUpperCase()),
    el("code", {}, path),
    el("span", { class: "muted" }, ` ${operation.summary ?? ""}`),
  );
  const parameters = operation.parameters ?? [];
  const body = jsonContent(resolve(operation.requestBody).content);
  const content = el(
    "div",
    {},
    operation.description ? el("p", {}, operation.description) : undefined,
    parameters.length > 0 ? el("h3", {}, "Parameters") : undefined,
    parameters.length > 0 ? parameterTable(parameters) : undefined,
    body ? el("h3", {}, "Body") : undefined,
    body
      ? el(
          "pre",
          { tabindex: "0" },
          JSON.stringify(body[1].example ?? exampleOf(body[1].schema), null, 2),
        )
      : undefined,
    el("h3", {}, "Answers"),
    ...responseList(operation.responses),
    el("h3", {}, "Try it"),
    tryForm(method, path, operation, id),
  );
  const view = el(
    "details",
    {
      class: "operation",
      id,
      "data-text": `${method} ${path} ${operation.summary ?? ""}`.toLowerCase(),
    },
    summary,
    content,
  );
  const link = el(
    "a",
    { href: `#${id}`, onclick: () => (view.open = true) },
    `${method.toUpperCase()} ${path}`,
  );
  return { tag: operation.tags?.[0] ?? "Other", view, link };
}

function render() {
  document.querySelector("#version").textContent = api.info?.version ?? "";
  document.querySelector("#description").textContent = api.info?.description ?? "";
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths ?? {})) {
    for (const method of METHODS.filter((name) => item[name])) {
      const shown = operationView(path, method, item[method]);
      groups.set(shown.tag, [...(groups.get(shown.tag) ?? []), shown]);
    }
  }
  const sections = [...groups].map(([tag, list]) =>
    el("section", {}, el("h2", {}, tag), ...list.map(({ view }) => view)),
  );
  main.replaceChildren(...sections);
  index.replaceChildren(
    ...[...groups].flatMap(([tag, list]) => [el("h2", {}, tag), ...list.map(({ link }) => link)]),
  );
  openTarget();
}

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target?.tagName !== "DETAILS") return;
  target.open = true;
  target.scrollIntoView();
}

function applyFilter() {
  const wanted = filterInput.value.trim().toLowerCase();
  for (const view of main.querySelectorAll("details.operation")) {
    view.hidden = !view.dataset.text.includes(wanted);
  }
}

async function load() {
  const response = await fetch("/openapi.json", { headers: headers() });
  if (response.status === 401 || response.status === 403) {
    main.replaceChildren(
      el("p", { role: "status" }, "This server asks for its read key: enter it above."),
    );
    return;
  }
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  api = await response.json();
  render();
}

function loadOrSay() {
  load().catch((error) =>
    main.replaceChildren(
      el("p", { role: "alert" }, `/openapi.json could not be read: ${error.message}`),
    ),
  );
}

document.querySelector("#key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  loadOrSay();
});
keyInput.addEventListener("change", loadOrSay);
filterInput.addEventListener("input", applyFilter);
addEventListener("hashchange", openTarget);
loadOrSay();

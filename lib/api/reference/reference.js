// Renders /openapi.json as a page to read and to try. Nothing is loaded from anywhere else.

import { el, inline, prose } from "./elements.js";
import { example, fields, parts, resolve, typeText } from "./schema.js";
import { keys, tryForm } from "./try-form.js";

function rangeText({ minimum, maximum }) {
  return minimum === undefined || maximum === undefined ? "" : `, ${minimum} to ${maximum}`;
}

function parameterFields(api, parameters) {
  const list = el("dl", { class: "fields" });
  for (const { name, schema = {}, description, required } of parameters) {
    const resolved = resolve(api, schema);
    const about = description ?? resolved.description;
    const preset = resolved.default;
    const shownPreset =
      preset === undefined || preset?.length === 0 ? null : JSON.stringify(preset);
    list.append(
      el("dt", {}, name),
      el(
        "dd",
        {},
        el("span", { class: "type" }, typeText(api, schema)),
        required === true ? el("span", { class: "required" }, " required") : null,
        el("span", { class: "type" }, rangeText(resolved)),
        shownPreset === null
          ? null
          : el("span", { class: "type" }, `, ${shownPreset} unless given`),
        about === undefined ? null : el("div", {}, ...inline(about)),
      ),
    );
  }
  return list;
}

function answers(api, responses) {
  return Object.entries(responses).map(([status, { description, content = {} }]) => {
    const kind = Number(status) < 400 ? "good" : "bad";
    const body = Object.entries(content).flatMap(([mediaType, { schema }]) => {
      const isPlain = !mediaType.includes("json");
      return [
        el("p", { class: "type" }, mediaType),
        ...parts(api, schema).map((part) => fields(api, part)),
        isPlain
          ? null
          : el("pre", { tabindex: "0" }, JSON.stringify(example(api, schema), null, 2)),
      ];
    });
    const summary = el(
      "summary",
      {},
      el("span", { class: `status ${kind}` }, status),
      " ",
      ...inline(description),
    );
    return el("details", { class: "answer" }, summary, ...body.filter((part) => part !== null));
  });
}

function idOf(method, path) {
  return `${method}${path}`.replaceAll(/[^a-z0-9]+/gi, "-").replace(/-$/, "");
}

function article(api, path, method, operation) {
  const { parameters = [], requestBody, responses, summary, description } = operation;
  const bodySchema = requestBody?.content?.["application/json"]?.schema;
  const inside = el("div", { class: "inside" });
  if (description !== undefined) inside.append(prose(description));
  if (parameters.length > 0) {
    inside.append(el("h4", {}, "Parameters"), parameterFields(api, parameters));
  }
  if (bodySchema !== undefined) {
    const [first] = parts(api, bodySchema);
    inside.append(el("h4", {}, "Body"), first === undefined ? "" : fields(api, first));
  }
  inside.append(el("h4", {}, "Answers"), ...answers(api, responses));
  inside.append(el("h4", {}, "Try it"), tryForm(api, path, method, operation));
  const heading = el(
    "summary",
    {},
    el("span", { class: `method ${method}` }, method.toUpperCase()),
    el("h3", { class: "path" }, path),
    el("p", {}, summary ?? ""),
  );
  return el("article", { id: idOf(method, path) }, el("details", {}, heading, inside));
}

/** Routes by tag, in the order of the tags. */
function groups(api) {
  const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  return api.tags.map((tag) => ({
    tag,
    routes: routes.filter(({ operation }) => operation.tags?.includes(tag.name)),
  }));
}

function problemTable(problems) {
  const rows = problems.map(({ code, status, title }) =>
    el(
      "tr",
      { id: `problem-${code}` },
      el("td", {}, el("span", { class: "status bad" }, String(status))),
      el("td", {}, el("code", {}, code)),
      el("td", {}, title),
    ),
  );
  const head = ["Status", "Code", "Meaning"].map((text) => el("th", { scope: "col" }, text));
  return el(
    "section",
    { id: "problems" },
    el("h2", {}, "Problems"),
    el("p", { class: "lead" }, "Every error is one of these, as application/problem+json."),
    el(
      "table",
      { class: "problems" },
      el("thead", {}, el("tr", {}, ...head)),
      el("tbody", {}, ...rows),
    ),
  );
}

function navigation(grouped) {
  const sections = grouped.map(({ tag, routes }) => [
    el("h2", {}, tag.name),
    el(
      "ul",
      {},
      ...routes.map(({ path, method, operation }) =>
        el(
          "li",
          { "data-find": `${method} ${path} ${operation.summary ?? ""}`.toLowerCase() },
          el(
            "a",
            { href: `#${idOf(method, path)}`, title: operation.summary ?? "" },
            el("span", { class: `method ${method}` }, method.toUpperCase()),
            el("span", {}, path.replace("/api/v1", "").replace("/{kind}/{name}/{profile}", "/…")),
          ),
        ),
      ),
    ),
  ]);
  return [...sections.flat(), el("p", {}, el("a", { href: "#problems" }, "", "Problems"))];
}

function render(api) {
  const grouped = groups(api).filter(({ routes }) => routes.length > 0);
  const intro = el("section", {}, el("h1", {}, `${api.info.title} ${api.info.version}`));
  intro.append(prose(api.info.description ?? ""));
  const sections = grouped.map(({ tag, routes }) =>
    el(
      "section",
      {},
      el("h2", {}, tag.name),
      el("p", { class: "lead" }, tag.description ?? ""),
      ...routes.map(({ path, method, operation }) => article(api, path, method, operation)),
    ),
  );
  document.querySelector("#routes").replaceChildren(...navigation(grouped));
  document
    .querySelector("#reference")
    .replaceChildren(intro, ...sections, problemTable(api["x-problems"] ?? []));
}

/** Opens and shows what the address names. */
function follow() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target?.querySelector("details");
  if (details != null) details.open = true;
  target?.scrollIntoView({ behavior: "instant" });
  for (const link of document.querySelectorAll("nav a")) {
    link.setAttribute("aria-current", String(link.getAttribute("href") === location.hash));
  }
}

function filter(text) {
  const words = text.toLowerCase().split(/\s+/);
  for (const item of document.querySelectorAll("nav li")) {
    item.hidden = !words.every((word) => item.dataset.find.includes(word));
  }
}

function notice(text) {
  document
    .querySelector("#reference")
    .replaceChildren(el("p", { id: "notice", role: "status" }, text));
}

async function load() {
  const headers = keys.read === "" ? {} : { Authorization: `Bearer ${keys.read}` };
  try {
    const response = await fetch("/openapi.json", { headers });
    if (response.ok) {
      render(await response.json());
      return follow();
    }
    const asksForKey = response.status === 401 || response.status === 403;
    if (asksForKey) document.querySelector("#read-key").focus();
    return notice(
      asksForKey
        ? "Reading needs the read key (RUNBEAT_READ_KEY): put it in above. It stays in this page."
        : `The description of the API could not be read: ${response.status}`,
    );
  } catch (error) {
    return notice(`The API does not answer: ${error.message}`);
  }
}

document.querySelector("#keys").addEventListener("submit", (event) => {
  event.preventDefault();
  keys.read = document.querySelector("#read-key").value.trim();
  keys.ingest = document.querySelector("#ingest-key").value.trim();
  void load();
});
document.querySelector("#ingest-key").addEventListener("input", (event) => {
  keys.ingest = event.target.value.trim();
});
document.querySelector("#find").addEventListener("input", (event) => filter(event.target.value));
addEventListener("hashchange", follow);
void load();

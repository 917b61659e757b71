// Shows the OpenAPI document and sends requests. Whatever it shows is text: nothing of the document
// or of an answer is ever markup.
// @ts-check

/** @typedef {Record<string, any>} Any */

const DEEP = 6;
const SHOWN = 200_000;
const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** @param {Any} api @param {Any | undefined} schema @returns {Any} */
function resolved(api, schema) {
  let at = schema ?? {};
  for (let i = 0; i < 20 && at.$ref; i++) {
    at = at.$ref.replace(/^#\//, "").split("/").reduce((/** @type {any} */ o, /** @type {string} */ k) => o?.[k.replaceAll("~1", "/").replaceAll("~0", "~")], api) ?? {};
  }
  return at;
}

/** A schema in words, an indented line for each field. @param {Any} api @param {Any | undefined} schema @returns {string} */
function inWords(api, schema, depth = 0) {
  const at = resolved(api, schema);
  const pad = "  ".repeat(depth + 1);
  const types = [at.type ?? []].flat();
  const or = at.oneOf ?? at.anyOf;
  if (depth > DEEP) return "…";
  if (at.allOf) {
    return at.allOf.map((/** @type {Any} */ part) => inWords(api, part, depth)).join("\n" + "  ".repeat(depth) + "and ");
  }
  if (or) return or.map((/** @type {Any} */ part) => inWords(api, part, depth)).join(" | ");
  if (at.enum) return at.enum.map((/** @type {unknown} */ v) => JSON.stringify(v)).join(" | ");
  if (at.const !== undefined) return JSON.stringify(at.const);
  const none = types.includes("null") ? " | null" : "";
  if (types.includes("array")) return `[${inWords(api, at.items, depth)}]${none}`;
  if (at.properties) {
    const lines = Object.entries(at.properties).map(([name, value]) => {
      const optional = at.required?.includes(name) ? "" : "?";
      const about = resolved(api, value).description ?? /** @type {Any} */ (value).description ?? "";
      const note = about ? `   // ${about.split("\n")[0]}` : "";
      return `${pad}${name}${optional}: ${inWords(api, value, depth + 1)}${note}`;
    });
    return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}${none}`;
  }
  return types.filter((t) => t !== "null").join(" | ").concat(none) || "anything";
}

/** An example of a schema. @param {Any} api @param {Any | undefined} schema @returns {any} */
function example(api, schema, depth = 0) {
  const at = resolved(api, schema);
  if (at.example !== undefined) return at.example;
  if (at.default !== undefined) return at.default;
  if (at.enum) return at.enum[0];
  if (depth > DEEP) return null;
  if (at.allOf) return Object.assign({}, ...at.allOf.map((/** @type {Any} */ part) => example(api, part, depth + 1)));
  if (at.oneOf ?? at.anyOf) return example(api, (at.oneOf ?? at.anyOf)[0], depth + 1);
  const type = [at.type ?? []].flat()[0];
  if (type === "array") return [example(api, at.items, depth + 1)];
  if (type === "object") {
    const needed = Object.entries(at.properties ?? {}).filter(([name]) => at.required?.includes(name) || ["query", "text", "title"].includes(name));
    return Object.fromEntries(needed.map(([name, value]) => [name, example(api, value, depth + 1)]));
  }
  return type === "integer" || type === "number" ? at.minimum ?? 0 : type === "boolean" ? false : type === "string" ? "text" : null;
}

/** @param {Any} api @param {Any} parameter */
function inputOf(api, parameter) {
  const schema = resolved(api, parameter.schema);
  const name = `${parameter.in} ${parameter.name}`;
  const values = schema.enum ?? (schema.oneOf ?? []).flatMap((/** @type {Any} */ s) => resolved(api, s).enum ?? []);
  if ([schema.type ?? []].flat().includes("boolean")) values.push("true", "false");
  if (values.length === 0) {
    const numbers = [schema.type ?? []].flat().some((t) => t === "integer" || t === "number");
    const hint = schema.example ?? parameter.example ?? "";
    return make("input", { name, "aria-label": parameter.name, placeholder: String(hint), inputmode: numbers ? "decimal" : "text", autocomplete: "off" });
  }
  const select = make("select", { name, "aria-label": parameter.name }, make("option", { value: "" }, ""));
  for (const value of values) if (value !== null) select.append(make("option", { value: String(value) }, String(value)));
  return select;
}

/** @param {Any} api @param {string} path @param {string} method @param {Any} operation */
function form(api, path, method, operation) {
  const parameters = operation.parameters ?? [];
  const body = make("div");
  if (operation.description) body.append(make("p", {}, operation.description));
  const inputs = make("form");
  if (parameters.length > 0) {
    const rows = parameters.map((/** @type {Any} */ p) => {
      const about = make("td", {}, p.description ?? resolved(api, p.schema).description ?? "");
      return make("tr", {}, make("td", {}, make("code", {}, p.name + (p.required ? "" : "?"))), make("td", {}, inputOf(api, p)), about);
    });
    inputs.append(make("table", {}, make("tbody", {}, ...rows)));
  }
  const content = Object.entries(operation.requestBody?.content ?? {});
  if (content.length > 0) {
    const [kind, media] = content[0];
    const text = /** @type {HTMLTextAreaElement} */ (make("textarea", { name: "body", "aria-label": "body", spellcheck: "false" }));
    text.value = JSON.stringify(example(api, /** @type {Any} */ (media).schema), null, 2);
    inputs.append(make("h3", {}, `Body (${content.map((c) => c[0]).join(", ")})`), text);
    inputs.append(make("details", {}, make("summary", {}, "What it may hold"), make("div", {}, make("pre", {}, inWords(api, /** @type {Any} */ (media).schema)))));
    inputs.dataset.kind = kind;
  }
  const result = make("pre", { hidden: "", "aria-live": "polite" });
  inputs.append(make("p", {}, make("button", { type: "submit" }, "Send")));
  inputs.addEventListener("submit", (event) => {
    event.preventDefault();
    send(path, method, /** @type {HTMLFormElement} */ (inputs), result);
  });
  body.append(inputs, result);
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    for (const [kind, media] of Object.entries(/** @type {Any} */ (resolved(api, response)).content ?? {})) {
      body.append(make("h3", {}, `Answer ${status} (${kind})`), make("pre", {}, inWords(api, /** @type {Any} */ (media).schema)));
    }
  }
  return body;
}

/** @param {string} path @param {string} method @param {HTMLFormElement} inputs @param {HTMLElement} result */
async function send(path, method, inputs, result) {
  const query = new URLSearchParams();
  /** @type {Record<string, string>} */
  const headers = {};
  let address = path;
  for (const input of /** @type {Iterable<HTMLInputElement>} */ (inputs.elements)) {
    const [place, name] = input.name.split(" ");
    if (place === "path") address = address.replace(`{${name}}`, () => encodeURIComponent(input.value));
    else if (input.value !== "" && place === "query") query.append(name, input.value);
    else if (input.value !== "" && place === "header") headers[name] = input.value;
  }
  if (query.size > 0) address += `?${query}`;
  const key = /** @type {HTMLInputElement} */ ($("key")).value;
  if (key) headers.Authorization = `Bearer ${key}`;
  const text = /** @type {HTMLTextAreaElement | null} */ (inputs.querySelector("textarea[name=body]"));
  if (text) headers["Content-Type"] = inputs.dataset.kind ?? "application/json";
  result.hidden = false;
  result.textContent = `${method.toUpperCase()} ${address}\n…`;
  try {
    const begun = performance.now();
    // The server may stand below a path of another's.
    const response = await fetch(new URL(`.${address}`, document.baseURI), { method: method.toUpperCase(), headers, body: text?.value });
    const kind = response.headers.get("Content-Type") ?? "";
    const isText = /json|text|xml/.test(kind);
    let shown = isText ? await response.text() : `${(await response.blob()).size} bytes of ${kind || "nothing"}`;
    if (/json$|json;/.test(kind) && shown.length < SHOWN) {
      try {
        shown = JSON.stringify(JSON.parse(shown), null, 2);
      } catch {
        // Lines of JSON are shown as they are.
      }
    }
    if (shown.length > SHOWN) shown = `${shown.slice(0, SHOWN)}\n… and ${shown.length - SHOWN} more characters`;
    result.textContent = `${method.toUpperCase()} ${address}\n${response.status} ${response.statusText}, ${Math.round(performance.now() - begun)} ms\n\n${shown}`;
  } catch (error) {
    result.textContent = `${method.toUpperCase()} ${address}\n${error}`;
  }
}

/** @param {Any} api */
function show(api) {
  $("version").textContent = api.info?.version ?? "";
  /** @type {Map<string, HTMLElement[]>} */
  const groups = new Map((api.tags ?? []).map((/** @type {Any} */ tag) => [tag.name, []]));
  for (const [path, item] of Object.entries(api.paths ?? {})) {
    for (const [method, operation] of Object.entries(/** @type {Any} */ (item))) {
      if (!["get", "post", "put", "delete", "patch"].includes(method)) continue;
      const op = /** @type {Any} */ (operation);
      const summary = make("summary", {}, make("span", { class: "method" }, method.toUpperCase()), make("code", {}, path), make("span", { class: "about" }, op.summary ?? ""));
      const route = make("details", { id: op.operationId ?? `${method} ${path}` }, summary);
      route.dataset.words = `${method} ${path} ${op.summary ?? ""} ${op.description ?? ""}`.toLowerCase();
      // Made when it is opened: there are many.
      route.addEventListener("toggle", () => {
        if (route.childElementCount === 1) route.append(form(api, path, method, op));
      });
      const tag = op.tags?.[0] ?? "Others";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag)?.push(route);
    }
  }
  const about = new Map((api.tags ?? []).map((/** @type {Any} */ tag) => [tag.name, tag.description ?? ""]));
  const sections = [...groups].filter(([, routes]) => routes.length > 0).map(([tag, routes]) => {
    return make("section", {}, make("h2", {}, tag), make("p", {}, about.get(tag) ?? ""), ...routes);
  });
  $("routes").replaceChildren(...sections);
  const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (wanted instanceof HTMLDetailsElement) wanted.open = true;
}

$("find").addEventListener("input", () => {
  const words = /** @type {HTMLInputElement} */ ($("find")).value.toLowerCase().split(/\s+/);
  for (const section of $("routes").children) {
    let any = false;
    for (const route of /** @type {NodeListOf<HTMLElement>} */ (section.querySelectorAll(":scope > details"))) {
      route.hidden = !words.every((word) => route.dataset.words?.includes(word));
      any ||= !route.hidden;
    }
    /** @type {HTMLElement} */ (section).hidden = !any;
  }
});

try {
  const response = await fetch("api/openapi.json");
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  show(await response.json());
} catch (error) {
  $("routes").textContent = `The document cannot be read: ${error}`;
}

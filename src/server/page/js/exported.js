// A map in a file of its own: the same map, with its articles inside the file.

/** @import { MapInfo } from "./types.js" */
/** @import { Provider, MapState } from "./map/map.js" */

import { at, h, fill, icon } from "./dom.js";
import { counted, date, isoDay } from "./format.js";
import { decodePoints, NO_DAY } from "./map/points.js";
import { createMap } from "./map/map.js";
import { tally } from "./map/tally.js";
import { currentTheme, isDark, nextTheme, onTheme } from "./theme.js";

/**
 * What the file holds; src/topics/map/page.rs writes it.
 *
 * @type {{
 *   name: string, about: string, info: MapInfo, points: string, ids: string[], titles: string[], sources: string[],
 *   neighbours: string, per_point: number
 * }}
 */
const held = JSON.parse(at("data").textContent ?? "{}");

/** @param {string} text in base64 */
function bytesOf(text) {
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  return bytes.buffer;
}

/** No row. */
const NOWHERE = 4294967295;
const mapped = decodePoints(bytesOf(held.points), held.info.columns, held.info.points);
const nearest = new Uint32Array(bytesOf(held.neighbours));
/** @type {Map<string, number> | null} */
let rowById = null;
const rowOfId = (/** @type {string} */ id) => {
  rowById ??= new Map(held.ids.map((one, row) => [one, row]));
  return rowById.get(id) ?? -1;
};

/** @param {number} row */
const described = (row) => {
  const day = mapped.day[row] ?? NO_DAY;
  return {
    id: held.ids[row] ?? "",
    title: held.titles[row] || (held.ids[row] ?? ""),
    date: day === NO_DAY ? null : isoDay(day),
    source: held.sources[mapped.source[row] ?? 65535] ?? null,
  };
};
const neighboursOf = (/** @type {number} */ row) => [...nearest.subarray(row * held.per_point, (row + 1) * held.per_point)].filter((r) => r !== NOWHERE);

const sheet = at("article");
const found = at("found");
const typed = /** @type {HTMLInputElement} */ (at("q"));

/** @type {Provider} */
const inFile = {
  describe: async (rows) => rows.map(described),
  about: async (rows) => tally(rows, { points: mapped, titles: held.titles, ids: held.ids, topics: held.info.topics, sources: held.sources }),
  field: async () => ({ values: [], of: "" }),
  neighbours: async (row) => neighboursOf(row),
  rowOf: async (id) => rowOfId(id),
  open: (id) => openRow(rowOfId(id)),
};

const shared = "#";
const theMap = createMap({
  info: held.info,
  points: mapped,
  provider: inFile,
  isDark,
  changed(state) {
    const params = new URLSearchParams();
    if (state.at) params.set("at", state.at.join(","));
    params.set("colour", state.colour);
    for (const name of state.only) params.append("only", name);
    if (state.days) params.set("days", state.days.join(","));
    if (state.lasso) params.set("lasso", state.lasso.map((p) => p.join(",")).join(" "));
    if (typed.value) params.set("q", typed.value);
    try {
      history.replaceState(null, "", shared + params.toString());
    } catch {
      // Some browsers keep no history of a file.
    }
  },
});

/** @param {number} row */
function openRow(row) {
  sheet.hidden = row < 0;
  document.body.classList.toggle("has-article", row >= 0);
  void theMap.point(row < 0 ? null : (held.ids[row] ?? null));
  if (row < 0) return;
  const one = described(row);
  const topic = held.info.topics[mapped.topic[row] ?? -1];
  const close = h("button", { type: "button", class: "tool", "aria-label": "Close", title: "Close (Esc)", onclick: () => openRow(-1) }, icon("close"));
  const title = h("h2", { tabindex: "-1", dir: "auto" }, one.title);
  fill(
    sheet,
    h("div", { class: "article-bar" }, close),
    h(
      "div",
      { class: "article-body" },
      h("p", { class: "article-facts" }, one.source && h("span", { dir: "auto" }, one.source), one.date && h("time", { datetime: one.date }, date(one.date))),
      title,
      h("p", { class: "note", dir: "auto" }, one.id),
      h("p", { class: "chips" }, h("span", { class: "chip", dir: "auto" }, topic?.label ?? "no topic")),
      h("h3", null, "Nearest articles"),
      h(
        "ul",
        { class: "plain" },
        neighboursOf(row).map((other) => {
          const brief = described(other);
          return h(
            "li",
            null,
            h(
              "button",
              { type: "button", class: "link brief", onclick: () => openRow(other) },
              h("span", { class: "brief-title", dir: "auto" }, brief.title),
              h("span", { class: "brief-facts", dir: "auto" }, [brief.source, date(brief.date)].filter(Boolean).join(" · ")),
            ),
          );
        }),
      ),
    ),
  );
  title.focus({ preventScroll: true });
}

/** @type {string[] | null} */
let lower = null;
function searchTitles() {
  const words = typed.value.toLowerCase().split(/\s+/).filter(Boolean);
  found.hidden = !words.length;
  if (!words.length) {
    theMap.mark(null);
    return;
  }
  lower ??= held.titles.map((title, row) => `${title} ${held.ids[row] ?? ""}`.toLowerCase());
  const rows = [];
  for (let row = 0; row < lower.length; row++) {
    const title = lower[row] ?? "";
    if (words.every((word) => title.includes(word))) rows.push(row);
  }
  theMap.mark(rows);
  fill(
    found,
    h("span", null, rows.length ? counted(rows.length, "article") : "Nothing found"),
    rows.length > 0 && h("button", { type: "button", class: "quiet", onclick: () => theMap.toFound() }, "Zoom to them"),
  );
}
typed.addEventListener("input", searchTitles);
at("ask").addEventListener("submit", (e) => e.preventDefault());

const themes = h("button", { type: "button", class: "tool", onclick: nextTheme });
const showThemes = () => {
  themes.setAttribute("aria-label", `Theme: ${currentTheme()}`);
  fill(themes, icon(isDark() ? "moon" : "sun"));
};
showThemes();
onTheme(() => {
  showThemes();
  theMap.themed();
});
fill(at("top-end"), themes);
at("name").textContent = held.name;
at("about").textContent = held.about;
at("stage").append(theMap.element);
theMap.resize();

addEventListener("keydown", (e) => {
  if (e.target === typed) {
    if (e.key === "Escape") typed.blur();
    return;
  }
  if (e.key === "Escape") openRow(-1);
  if (e.key === "/") {
    e.preventDefault();
    typed.focus();
  }
});

// The view that a link to the file names.
{
  const params = new URLSearchParams(location.hash.slice(1));
  const numbers = (/** @type {string} */ name) => (params.get(name) ?? "").split(",").map(Number);
  /** @type {Partial<MapState>} */
  const wanted = { only: params.getAll("only") };
  const [x = 0, y = 0, zoom = 1] = numbers("at");
  if (params.has("at") && [x, y, zoom].every(Number.isFinite)) wanted.at = [x, y, zoom];
  const [first = 0, last = 0] = numbers("days");
  if (params.has("days") && Number.isFinite(first) && Number.isFinite(last)) wanted.days = [first, last];
  const colour = params.get("colour");
  if (colour) wanted.colour = colour;
  const lasso = (params.get("lasso") ?? "").split(" ").map((pair) => /** @type {[number, number]} */ (pair.split(",").map(Number)));
  if (params.has("lasso") && lasso.every((p) => p.length === 2 && p.every(Number.isFinite))) wanted.lasso = lasso;
  void theMap.restore(wanted);
  typed.value = params.get("q") ?? "";
  if (typed.value) searchTitles();
}
Object.assign(at("stage"), { map: theMap });

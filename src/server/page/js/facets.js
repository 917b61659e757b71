// What narrows a search, at its side: counts that can be clicked, dates that can be brushed.

/** @import { Facets, Facet, FacetValue } from "./types.js" */

import { h, fill, icon } from "./dom.js";
import { number, firstDay, lastDay } from "./format.js";
import { changed, go, here } from "./state.js";
import { written, read } from "./filter.js";
import { histogram } from "./chart.js";

/** @type {Record<string, string>} */
const OVER = {
  corpus: "Counted over all articles",
  filter: "Counted over all that the filter lets through",
  threshold: "Counted over what is near enough",
  words: "Counted over all that hold one of the words",
};

/** @param {string} field @param {FacetValue} value */
function toggle(field, value) {
  const text = written(field, value.value);
  const all = here().params.getAll("f");
  go(changed({ f: all.includes(text) ? all.filter((f) => f !== text) : [...all, text], page: null }));
}

/** @param {Facet} facet @param {string[]} chosen @param {(topic: number) => string} labelOf */
function block(facet, chosen, labelOf) {
  const most = Math.max(1, ...facet.values.map((v) => v.count));
  // What is chosen can be let go, although so few articles have it that it is not among the first.
  const listed = new Set(facet.values.map((v) => written(facet.field, v.value)));
  /** @type {FacetValue[]} */
  const values = [...facet.values];
  for (const text of chosen) {
    const one = read(text);
    if (one?.field === facet.field && !listed.has(text)) values.push({ value: one.value, label: named(one.field, one.value, labelOf), count: 0 });
  }
  if (!values.length) return null;
  return h(
    "section",
    { class: "facet" },
    h("h3", null, facet.field),
    h(
      "ul",
      { class: "plain" },
      values.map((value) => {
        const isOn = chosen.includes(written(facet.field, value.value));
        return h(
          "li",
          null,
          h(
            "button",
            {
              type: "button",
              class: "facet-value",
              "aria-pressed": String(isOn),
              "data-facet": written(facet.field, value.value),
              vars: { part: `${(100 * value.count) / most}%` },
              onclick: () => toggle(facet.field, value),
            },
            h("span", { dir: "auto" }, value.label ?? String(value.value)),
            value.count > 0 && h("small", null, number(value.count)),
          ),
        );
      }),
    ),
    facet.more > 0 && h("p", { class: "note" }, `and ${number(facet.more)} more`),
  );
}

/** @param {string} field @param {string | number | boolean} value @param {(topic: number) => string} labelOf */
const named = (field, value, labelOf) => (field === "topic" && typeof value === "number" ? labelOf(value) : String(value));

/** The chosen values above the hits, each with a way to let it go. @param {(topic: number) => string} labelOf */
export function chosenChips(labelOf) {
  const { params } = here();
  /** @param {string} name @param {() => void} onclick */
  const chip = (name, onclick) =>
    h("button", { type: "button", class: "chip chip-off", onclick, "aria-label": `Remove ${name}` }, h("span", { dir: "auto" }, name), icon("close"));
  const chips = params.getAll("f").flatMap((text) => {
    const one = read(text);
    if (!one) return [];
    const name = named(one.field, one.value, labelOf);
    return [chip(`${one.field}: ${name}`, () => go(changed({ f: here().params.getAll("f").filter((f) => f !== text), page: null })))];
  });
  const [from, to] = [params.get("from"), params.get("to")];
  if (from || to) chips.push(chip(`${from ?? "…"} to ${to ?? "…"}`, () => go(changed({ from: null, to: null, page: null }))));
  return chips;
}

/** @param {(topic: number) => string} labelOf */
export function createFacets(labelOf) {
  const dates = h("section", { class: "facet facet-dates", hidden: true });
  const counts = h("div", { class: "facet-counts" });
  const typed = h("input", {
    type: "text",
    id: "filter",
    spellcheck: "false",
    autocomplete: "off",
    placeholder: 'source = "x" AND date >= 2024',
    onchange: () => go(changed({ filter: typed.value.trim(), page: null })),
  });
  const wrong = h("p", { class: "problem", role: "alert", hidden: true });
  const element = h(
    "div",
    { class: "facets" },
    dates,
    counts,
    h("section", { class: "facet" }, h("h3", null, h("label", { for: "filter" }, "condition")), typed, wrong),
  );

  return {
    element,
    /** @param {Facets | undefined} facets @param {Map<string, Facet>} [ofChosen] fields that are counted without what is chosen of them */
    show(facets, ofChosen) {
      const { params } = here();
      const chosen = params.getAll("f");
      const focused = counts.contains(document.activeElement) ? document.activeElement?.getAttribute("data-facet") : null;
      if (document.activeElement !== typed) typed.value = params.get("filter") ?? "";
      wrong.hidden = true;
      if (!facets) return;
      const blocks = facets.fields.map((facet) => block(ofChosen?.get(facet.field) ?? facet, chosen, labelOf)).filter((one) => one !== null);
      fill(counts, blocks, blocks.length > 0 && h("p", { class: "note" }, `${OVER[facets.over] ?? ""}: ${number(facets.articles)}`));
      if (focused) /** @type {HTMLElement | null} */ (counts.querySelector(`[data-facet="${CSS.escape(focused)}"]`))?.focus();
    },
    /** @param {string} message */
    wrong(message) {
      wrong.hidden = false;
      wrong.textContent = message;
    },
    /** @param {Facets | undefined} months how many articles of each month */
    months(months) {
      const bins = binsOf(months);
      dates.hidden = bins.length < 2;
      if (dates.hidden) return;
      const { params } = here();
      const [from, to] = [params.get("from"), params.get("to")];
      const a = from ? bins.findIndex((b) => lastDay(b.bin) >= from) : 0;
      const b = to ? bins.findLastIndex((bin) => firstDay(bin.bin) <= to) : bins.length - 1;
      const chart = histogram({
        bins: bins.map((bin) => bin.bin),
        counts: bins.map((bin) => bin.count),
        range: from || to ? [Math.max(0, a), Math.max(0, b)] : null,
        label: "Dates",
        high: 54,
        brushed(range, isDone) {
          if (!isDone) return;
          const first = range && bins[range[0]];
          const last = range && bins[range[1]];
          go(changed({ from: first ? firstDay(first.bin) : null, to: last ? lastDay(last.bin) : null, page: null }));
        },
      });
      fill(dates, h("h3", null, "date"), chart.element);
    },
  };
}

/** @typedef {{ bin: string, count: number }} Bin */

/** Counts of months as bars. @param {Facets | undefined} months */
export const binsOf = (months) => filled([...(months?.fields[0]?.values ?? [])].map((v) => ({ bin: String(v.value), count: v.count })).sort((a, b) => (a.bin < b.bin ? -1 : 1)));

/** Months without gaps; years where there are too many. @param {Bin[]} values */
function filled(values) {
  const first = values[0]?.bin;
  const last = values[values.length - 1]?.bin;
  if (!first || !last) return [];
  const month = (/** @type {string} */ bin) => Number(bin.slice(0, 4)) * 12 + Number(bin.slice(5, 7) || 1) - 1;
  const byYear = month(last) - month(first) > 240 || first.length === 4;
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { bin, count } of values) {
    const key = byYear ? bin.slice(0, 4) : bin;
    counts.set(key, (counts.get(key) ?? 0) + count);
  }
  const out = [];
  for (let m = month(first); m <= month(last) && out.length < 2000; m += byYear ? 12 : 1) {
    const year = String(Math.floor(m / 12)).padStart(4, "0");
    const bin = byYear ? year : `${year}-${String((m % 12) + 1).padStart(2, "0")}`;
    out.push({ bin, count: counts.get(bin) ?? 0 });
  }
  return out;
}

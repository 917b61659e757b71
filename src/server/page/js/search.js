// Search: answers as one types.

/** @import { Context } from "./main.js" */
/** @import { Place } from "./state.js" */
/** @import { Facet, Found } from "./types.js" */

import { api, isAborted, orElse, Problem } from "./api.js";
import { h, fill, icon, phone } from "./dom.js";
import { counted, number, took } from "./format.js";
import { changed, format, go, here } from "./state.js";
import { condition } from "./filter.js";
import { hitRow, markBest } from "./hits.js";
import { countsKey, monthsOf, ofChosen, worthCounting } from "./counts.js";
import { createFacets, chosenChips } from "./facets.js";
import { bones, empty, problem } from "./chart.js";

/** Hits of a page. */
const PAGE = 20;
/** Metadata that is counted at the side beside source, topic and year. */
const MORE_FIELDS = 3;

/** @param {Context} ctx */
export function createSearch(ctx) {
  const facets = createFacets(ctx.topicLabel);
  const list = h("ol", { class: "hits" });
  const status = h("p", { class: "found", role: "status" });
  const chips = h("div", { class: "chosen" });
  const pages = h("nav", { class: "pages", "aria-label": "Pages" });
  const closing = h("button", { type: "button", class: "tool", "aria-label": "Close the filter", title: "Close (Esc)", onclick: () => openSide(false) }, icon("close"));
  const shows = h("button", { type: "button", class: "button primary", onclick: () => openSide(false) }, "Show the articles");
  const side = h(
    "div",
    {
      class: "side",
      id: "side",
      onkeydown: (/** @type {KeyboardEvent} */ e) => {
        if (e.key !== "Escape" || !side.classList.contains("is-open")) return;
        e.stopPropagation();
        openSide(false);
      },
    },
    h("div", { class: "side-head" }, h("h2", null, "Filter"), closing),
    facets.element,
    h("div", { class: "side-foot" }, shows),
  );
  /** @param {string} name @param {string} label @param {string} title @param {[string, string][]} options */
  const choice = (name, label, title, options) => {
    const select = h("select", { "aria-label": label, title, onchange: () => go(changed({ [name]: select.value, page: null })) }, options.map(([value, text]) => h("option", { value }, text)));
    return select;
  };
  const fold = choice("fold", "Repeats", "Articles in nearly the same words are shown once; “same stories” also those that tell the same in others", [["", "Fold repeats"], ["meaning", "Fold same stories"], ["none", "Show repeats"]]);
  const half = choice("half", "Newer first", "An article counts half as much for each such time that it is older", [["", "Any age"], ["30d", "Newer first (30 days)"], ["1y", "Newer first (a year)"]]);
  const diverse = choice("diverse", "Variety", "“More varied” sets articles back that are like one above them", [["", "Nearest first"], ["0.8", "More varied"]]);
  const toggleSide = h("button", { type: "button", class: "quiet side-toggle", "aria-expanded": "false", "aria-controls": "side", onclick: () => openSide(!side.classList.contains("is-open")) }, icon("filter"), "Filter");
  /** On a small screen the side is a drawer; on a phone it covers the hits. */
  const openSide = (/** @type {boolean} */ on) => {
    const had = side.contains(document.activeElement);
    side.classList.toggle("is-open", on);
    toggleSide.setAttribute("aria-expanded", String(on));
    results.inert = on && phone.matches;
    if (on) closing.focus();
    else if (had) toggleSide.focus();
  };
  matchMedia("(max-width: 900px)").addEventListener("change", () => openSide(false));
  phone.addEventListener("change", () => openSide(false));
  const onMap = h("a", { class: "quiet on-map", href: "#" }, icon("map"), "On the map");
  const results = h("div", { class: "results" }, h("div", { class: "results-head" }, status, h("div", { class: "options" }, toggleSide, onMap, fold, half, diverse)), chips, list, pages);
  const element = h(
    "section",
    { class: "view search", "aria-label": "Search" },
    side,
    results,
  );

  /** @type {AbortController | null} */
  let asking = null;
  let asked = "";
  let timer = 0;
  let opened = "";
  /** Metadata that is worth counting, of the corpus that it is known of. @type {{ corpus: string, fields: string[] }} */
  let worth = { corpus: "", fields: [] };
  /** The counts that stand at the side, and what they depend on. @type {{ key: string, chosen: Map<string, Facet> } | null} */
  let counts = null;

  /** @param {Place} place */
  function options(place) {
    const { params } = place;
    const q = params.get("q")?.trim() ?? "";
    const by = params.get("by") ?? "meaning";
    const page = Math.max(1, Number(params.get("page")) || 1);
    const extra = worth.corpus === place.corpus ? worth.fields : [];
    const folding = params.get("fold") ?? "words";
    return {
      q,
      by,
      k: PAGE,
      offset: (page - 1) * PAGE,
      filter: condition(params),
      // Without a query articles are listed by date: there is no ranking that these could change.
      fold: q && folding !== "none" ? folding : null,
      half_life: q ? params.get("half") : null,
      diverse: q ? params.get("diverse") : null,
      facets: ["source", "topic", "year", ...extra.slice(0, MORE_FIELDS)].join(","),
    };
  }

  /** @param {Place} place @param {ReturnType<typeof options>} what @param {Found} found */
  function show(place, what, found) {
    const { q, by } = what;
    const open = place.params.get("a");
    const page = what.offset / PAGE + 1;
    const first = what.offset + 1;
    const last = what.offset + found.hits.length;
    const total = found.facets?.articles;
    if (!found.hits.length) {
      fill(
        list,
        h(
          "li",
          null,
          page > 1
            ? empty("No more hits.")
            : empty(
                q ? `Nothing found for “${q}”.` : "No article is let through.",
                h("p", null, what.filter ? "Fewer filters let more through." : by === "words" ? "By meaning, other words are found too." : "This corpus has nothing embedded yet."),
              ),
        ),
      );
      status.textContent = "Nothing found";
    } else {
      fill(list, found.hits.map((hit) => hitRow(hit, { q, by, open })));
      const of = total !== undefined && (by === "words" || !q) ? ` of ${number(total)}` : "";
      status.textContent = q
        ? `${number(first)}–${number(last)}${of}${found.took_ms === undefined ? "" : ` · ${took(found.took_ms)}`}`
        : `${counted(total ?? last, "article")}, newest first`;
    }
    list.start = first;
    shows.textContent = total === undefined ? "Show the articles" : `Show ${counted(total, "article")}`;
    const link = (/** @type {number} */ to, /** @type {string} */ name, /** @type {string} */ rel) => h("a", { class: "button", rel, href: format(changed({ page: to > 1 ? to : null })) }, name);
    fill(pages, page > 1 && link(page - 1, "Previous", "prev"), (page > 1 || found.more) && h("span", null, `page ${number(page)}`), found.more && link(page + 1, "Next", "next"));
    ctx.say(status.textContent ?? "");
  }

  /** The counts at the side. @param {Place} place @param {Found} found @param {AbortSignal} signal */
  async function beside(place, found, signal) {
    const key = countsKey(place);
    if (counts?.key === key) {
      facets.show(found.facets, counts.chosen);
      return;
    }
    counts = null;
    const [chosen, months] = await Promise.all([
      ofChosen(place, signal).then((chosen) => {
        facets.show(found.facets, chosen.facets);
        return chosen;
      }),
      monthsOf(place, signal).then((months) => {
        facets.months(months);
        return months;
      }),
    ]);
    // What could not be counted is asked for again.
    if (chosen.isWhole && months) counts = { key, chosen: chosen.facets };
  }

  /**
   * Marks the best sentence of each hit. To find them takes most of a search, so they are asked for
   * when the hits are shown.
   *
   * @param {string} corpus @param {ReturnType<typeof options>} what @param {Found} found @param {AbortSignal} signal
   */
  async function mark(corpus, what, found, signal) {
    if (!what.q || !found.hits.length) return;
    const same = await orElse(api.search(corpus, { ...what, facets: null, sentences: true }, signal), null);
    const rows = new Map([...list.children].map((row) => [row.getAttribute("data-id"), row]));
    for (const hit of same?.hits ?? []) {
      const row = rows.get(hit.id);
      if (row && hit.sentence) markBest(row, hit, what);
    }
  }

  /** @param {Place} place */
  async function ask(place) {
    const corpus = place.corpus;
    let what = options(place);
    const key = JSON.stringify([corpus, { ...what, facets: "" }]);
    if (key === asked) {
      markOpen(place.params.get("a"));
      return;
    }
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    asked = key;
    const slow = setTimeout(() => element.classList.add("is-waiting"), 120);
    if (!list.children.length) fill(list, h("li", null, bones(5)));
    try {
      const of = ctx.corpus();
      if (worth.corpus !== corpus && of?.name === corpus) {
        const fields = await orElse(worthCounting(of, signal), null);
        if (fields) {
          worth = { corpus, fields };
          what = options(place);
        }
      }
      const found = await api.search(corpus, what, signal);
      show(place, what, found);
      clearTimeout(slow);
      element.classList.remove("is-waiting");
      // The hits are what one waits for; what is beside them, and the sentences, come when they are there.
      await Promise.all([beside(place, found, signal), mark(corpus, what, found, signal)]);
    } catch (error) {
      if (isAborted(error)) return;
      asked = "";
      facets.show(undefined);
      if (error instanceof Problem && (error.kind === "invalid_filter" || error.parameter === "filter")) {
        facets.wrong(error.message);
        openSide(true);
      }
      status.textContent = "";
      fill(list, h("li", null, problem(error)));
      fill(pages);
    } finally {
      clearTimeout(slow);
      if (!signal.aborted) element.classList.remove("is-waiting");
    }
  }

  /** @param {string | null} id */
  function markOpen(id) {
    for (const row of list.children) row.classList.toggle("is-open", id !== null && row.getAttribute("data-id") === id);
    // The addresses of hits hold the place that they are seen from.
    for (const link of list.querySelectorAll("a.hit-link, a.brief")) {
      const of = link.getAttribute("data-id") ?? link.closest("[data-id]")?.getAttribute("data-id");
      if (of) link.setAttribute("href", format(changed({ a: of })));
    }
  }

  return {
    element,
    /** @param {Place} place @param {{ soon?: boolean }} [how] `soon`: while one types */
    show(place, how = {}) {
      fold.value = place.params.get("fold") ?? "";
      half.value = place.params.get("half") ?? "";
      diverse.value = place.params.get("diverse") ?? "";
      for (const one of [onMap, fold, half, diverse]) one.hidden = !place.params.get("q")?.trim();
      onMap.setAttribute("href", format(changed({}, "map")));
      fill(chips, chosenChips(ctx.topicLabel));
      const open = place.params.get("a") ?? "";
      if (open && open !== opened) openSide(false);
      opened = open;
      clearTimeout(timer);
      if (how.soon) timer = setTimeout(() => void ask(here()), 130);
      else void ask(place);
    },
    /** Goes up or down the hits. @param {number} by */
    step(by) {
      const links = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("a.hit-link")]);
      const at = links.indexOf(/** @type {HTMLElement} */ (document.activeElement));
      const next = links[Math.min(links.length - 1, Math.max(0, at + by))];
      next?.focus();
      next?.closest(".hit")?.scrollIntoView({ block: "nearest" });
    },
    /** On a small screen, back from the drawer to the hits. */
    closeSide: () => openSide(false),
    /** What is shown may no longer be so. */
    forget() {
      asked = "";
      counts = null;
      worth = { corpus: "", fields: [] };
    },
  };
}

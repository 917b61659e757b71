// Search: answers as one types.

/** @import { Context } from "./main.js" */
/** @import { Place } from "./state.js" */
/** @import { Facet, Facets, Found } from "./types.js" */

import { api, isAborted, orElse, Problem } from "./api.js";
import { h, fill, icon, phone } from "./dom.js";
import { beginning, counted, HEAD, number, took } from "./format.js";
import { changed, format, go, here } from "./state.js";
import { condition, valueText } from "./filter.js";
import { hitRow, markBest } from "./hits.js";
import { countsKey, countsOf, monthsOf, ofChosen, worthCounting } from "./counts.js";
import { createFacets, chosenChips } from "./facets.js";
import { bones, empty, problem } from "./chart.js";

/** Hits of a page. */
const PAGE = 20;
/** How long no key is pressed before a search begins, and before what follows its hits, in milliseconds. */
const SOON = 40;
const REST = 250;
/** Articles whose texts' beginnings are asked for at a time. */
const HEADED = 100;
/** Counts that are remembered. */
const KEPT = 30;
/** Metadata that is counted at the side beside source, topic and year. */
const MORE_FIELDS = 3;

/** @typedef {{ facets: Facets, chosen: Map<string, Facet>, months: Facets }} Counts what stands at the side */

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
  const onMap = h("a", { class: "quiet on-map", href: () => format(changed({}, "map")) }, icon("map"), "On the map");
  const results = h("div", { class: "results" }, h("div", { class: "results-head" }, status, h("div", { class: "options" }, toggleSide, onMap, fold, half, diverse)), chips, h("h2", { class: "unseen" }, "Articles"), list, pages);
  const element = h(
    "section",
    { class: "view search", "aria-label": "Search" },
    side,
    results,
  );

  /** The search that runs, and what is asked for once its hits are there. @type {AbortController | null} */
  let running = null;
  /** @type {AbortController | null} */
  let following = null;
  /** Whether more was typed while a search ran. */
  let isLate = false;
  let asked = "";
  let timer = 0;
  let resting = 0;
  let opened = "";
  /** Metadata that is worth counting, of the corpus that it is known of. @type {{ corpus: string, fields: string[] }} */
  let worth = { corpus: "", fields: [] };
  /** Counts by what they depend on: most searches change nothing of it. @type {Map<string, Counts>} */
  const kept = new Map();

  /** @param {Place} place */
  function options(place) {
    const { params } = place;
    const q = params.get("q")?.trim() ?? "";
    const by = params.get("by") ?? "meaning";
    const page = Math.max(1, Number(params.get("page")) || 1);
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
    };
  }

  /** @param {Place} place @param {ReturnType<typeof options>} what @param {Found} found */
  function show(place, what, found) {
    const { q, by } = what;
    const open = place.params.get("a");
    const page = what.offset / PAGE + 1;
    const first = what.offset + 1;
    const last = what.offset + found.hits.length;
    const total = kept.get(keyOf(place))?.facets.articles ?? (what.q || what.filter ? undefined : ctx.corpus()?.articles);
    const isEmpty = ctx.corpus()?.articles === 0;
    const hadFocus = pages.contains(document.activeElement);
    /** @param {number | undefined} total how many are found in all */
    let say = (total) => void total;
    if (!found.hits.length) {
      fill(
        list,
        h(
          "li",
          null,
          page > 1
            ? empty("No more hits.")
            : empty(
                q ? `Nothing found for “${q}”.` : isEmpty ? "This corpus has no articles yet." : "No article is let through.",
                !isEmpty && h("p", null, what.filter ? "Fewer filters let more through." : by === "words" ? "By meaning, other words are found too." : "This corpus has nothing embedded yet."),
              ),
        ),
      );
      status.textContent = "Nothing found";
    } else {
      fill(list, found.hits.map((hit) => hitRow(hit, { q, by, open })));
      const ms = found.took_ms === undefined ? "" : ` · ${took(found.took_ms)}`;
      say = (total) => {
        const of = total !== undefined && (by === "words" || !q) ? ` of ${number(total)}` : "";
        if (q) status.textContent = `${number(first)}–${number(last)}${of}${ms}`;
        else status.textContent = total === undefined ? "Newest first" : `${counted(total, "article")}, newest first`;
      };
      say(total);
    }
    list.start = first;
    showTotal(total);
    const link = (/** @type {number} */ to, /** @type {string} */ name, /** @type {string} */ rel) => h("a", { class: "button", rel, href: () => format(changed({ page: to > 1 ? to : null })) }, name);
    fill(pages, page > 1 && link(page - 1, "Previous", "prev"), (page > 1 || found.more) && h("span", null, `page ${number(page)}`), found.more && link(page + 1, "Next", "next"));
    // Whoever went on to another page goes on from its first hit.
    if (hadFocus) /** @type {HTMLElement | null} */ (list.querySelector("a.hit-link"))?.focus({ preventScroll: true });
    ctx.say(status.textContent ?? "");
    ctx.drawn("search");
    told = say;
  }

  /** Says how many there are in all, once that is known. @type {(total: number | undefined) => void} */
  let told = () => {};
  /** @param {number | undefined} total */
  const showTotal = (total) => {
    shows.textContent = total === undefined ? "Show the articles" : `Show ${counted(total, "article")}`;
  };

  /** The fields that are counted. @param {Place} place */
  const fieldsOf = (place) => ["source", "topic", "year", ...(worth.corpus === place.corpus ? worth.fields.slice(0, MORE_FIELDS) : [])];
  /** What the counts at the side depend on. @param {Place} place */
  const keyOf = (place) => `${countsKey(place)} ${fieldsOf(place).join()}`;

  /** Those that were not needed for longest are forgotten. @param {string} key @param {Counts} counts */
  function keep(key, counts) {
    kept.delete(key);
    kept.set(key, counts);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value ?? "");
  }

  /** The counts at the side: asked for where they are not known yet. @param {Place} place @param {AbortSignal} signal */
  async function beside(place, signal) {
    const of = ctx.corpus();
    if (worth.corpus !== place.corpus && of?.name === place.corpus) {
      const fields = await orElse(worthCounting(of, signal), null);
      if (fields) worth = { corpus: place.corpus, fields };
    }
    const key = keyOf(place);
    const have = kept.get(key);
    if (have) {
      keep(key, have);
      facets.show(have.facets, have.chosen);
      facets.months(have.months);
      return;
    }
    const months = monthsOf(place, signal).then((months) => {
      facets.months(months);
      return months;
    });
    const values = Promise.all([countsOf(place, fieldsOf(place), signal), ofChosen(place, signal)]).then((values) => {
      const [all, chosen] = values;
      if (all) {
        facets.show(all, chosen.facets);
        told(all.articles);
        showTotal(all.articles);
      }
      return values;
    });
    const [[all, chosen], dates] = await Promise.all([values, months]);
    // What could not be counted is asked for again.
    if (!all || !dates || !chosen.isWhole) return;
    keep(key, { facets: all, chosen: chosen.facets, months: dates });
  }

  /**
   * Heads hits without a title by the beginning of their text, where the passage that is shown is
   * not all of that, and what is folded into them.
   *
   * @param {string} corpus @param {Found} found @param {AbortSignal} signal
   */
  async function head(corpus, found, signal) {
    const own = found.hits.filter((hit) => !hit.title && (hit.passage.range.start > 0 || hit.passage.text.length <= HEAD)).map((hit) => hit.id);
    const folded = found.hits.flatMap((hit) => hit.folded?.articles ?? []).filter((one) => !one.title).map((one) => one.id);
    const ids = [...new Set([...own, ...folded])].slice(0, HEADED);
    if (!ids.length) return;
    const answer = await orElse(api.articles(corpus, { filter: `id IN (${ids.map(valueText).join(", ")})`, limit: ids.length }, signal), null);
    for (const { id, title } of answer?.articles ?? []) {
      const of = CSS.escape(id);
      for (const head of list.querySelectorAll(`.hit[data-id="${of}"] .hit-link, .brief[data-id="${of}"] .brief-title`)) {
        if (title) head.textContent = beginning(title);
      }
    }
  }

  /**
   * Marks the best sentence of each hit. To find them takes most of a search, so they are asked for
   * when the hits are shown.
   *
   * @param {string} corpus @param {ReturnType<typeof options>} what @param {Found} found @param {AbortSignal} signal
   */
  async function mark(corpus, what, found, signal) {
    if (!what.q || !found.hits.length) return;
    const same = await orElse(api.search(corpus, { ...what, sentences: true }, signal), null);
    const rows = new Map([...list.children].map((row) => [row.getAttribute("data-id"), row]));
    for (const hit of same?.hits ?? []) {
      const row = rows.get(hit.id);
      if (row && hit.sentence) markBest(row, hit, what);
    }
  }

  /** @param {Place} place */
  const searchKey = (place) => JSON.stringify([place.corpus, options(place)]);

  /**
   * Asks for the hits of a place. While one types, a search that runs is let run, so that answers
   * come all the while, and what was typed meanwhile is asked for behind it.
   *
   * @param {Place} place @param {boolean} isTyping
   */
  async function ask(place, isTyping) {
    const { corpus } = place;
    const what = options(place);
    const key = searchKey(place);
    if (key === asked) {
      markOpen(place.params.get("a"));
      if (!running) ctx.drawn("search");
      return;
    }
    if (isTyping && running) {
      isLate = true;
      return;
    }
    running?.abort();
    following?.abort();
    clearTimeout(resting);
    running = new AbortController();
    isLate = false;
    const { signal } = running;
    asked = key;
    const slow = isTyping ? 0 : setTimeout(() => element.classList.add("is-waiting"), 120);
    if (!list.children.length) fill(list, h("li", null, bones(5)));
    try {
      const found = await api.search(corpus, what, signal);
      if (signal.aborted) return;
      running = null;
      element.classList.remove("is-waiting");
      facets.show(undefined);
      show(place, what, found);
      if (isLate && isHere() && searchKey(here()) !== asked) {
        void ask(here(), true);
        return;
      }
      // The hits are what one waits for; what is beside them, and the sentences, come when they are
      // there: while one types not before a moment without a key.
      following = new AbortController();
      const rest = following.signal;
      const follow = () => void Promise.all([beside(place, rest), head(corpus, found, rest), mark(corpus, what, found, rest)]).catch((error) => {
        if (!isAborted(error)) ctx.say(error instanceof Error ? error.message : String(error));
      });
      if (isTyping) resting = setTimeout(follow, REST);
      else follow();
    } catch (error) {
      if (isAborted(error)) return;
      running = null;
      asked = "";
      facets.show(undefined);
      if (error instanceof Problem && (error.kind === "invalid_filter" || error.parameter === "filter")) {
        facets.wrong(error.message);
        openSide(true);
      }
      status.textContent = "";
      fill(list, h("li", null, problem(error)));
      fill(pages);
      if (isLate && isHere()) void ask(here(), true);
    } finally {
      clearTimeout(slow);
      if (!signal.aborted) element.classList.remove("is-waiting");
    }
  }

  const isHere = () => here().view === "search";

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
      fill(chips, chosenChips(ctx.topicLabel));
      const open = place.params.get("a") ?? "";
      if (open && open !== opened) openSide(false);
      opened = open;
      clearTimeout(timer);
      if (how.soon) {
        following?.abort();
        clearTimeout(resting);
        timer = setTimeout(() => void ask(here(), true), SOON);
      } else void ask(place, false);
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
      kept.clear();
      worth = { corpus: "", fields: [] };
    },
  };
}

// An article, beside whatever one looks at.

/** @import { Context } from "./main.js" */
/** @import { Article, Copy } from "./types.js" */

import { api, isAborted } from "./api.js";
import { h, fill, icon, phone } from "./dom.js";
import { counted, date, number } from "./format.js";
import { changed, format, go, here } from "./state.js";
import { valueText } from "./filter.js";
import { briefRow, facts, heading, hitHeading, nearness, marked, wordsOf } from "./hits.js";
import { bones, problem } from "./chart.js";

/** Neighbours that are listed. */
const NEIGHBOURS = 8;
/** Those that are asked for beyond that, in the place of copies, and at most where it has more of them. */
const SPARE = 8;
const MOST_COPIES = 90;

/** Copies that are listed at first. */
const LISTED = 12;

/** From which share of the text on a passage is not marked. */
const MOST_MARKED = 0.7;

/** An offset in bytes of UTF-8 as one in a text's UTF-16. @param {string} text @param {number} bytes */
export function fromBytes(text, bytes) {
  let left = bytes;
  let at = 0;
  while (left > 0 && at < text.length) {
    const code = text.codePointAt(at) ?? 0;
    left -= code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += code < 0x10000 ? 1 : 2;
  }
  return at;
}

/** @typedef {{ start: number, end: number, name: "passage" | "best" }} Mark */

/**
 * The text as paragraphs: boilerplate dimmed, passages and sentences that match marked.
 *
 * @param {Article} article @param {Mark[]} marks @param {string[]} words
 */
export function paragraphs({ text, boilerplate }, marks, words) {
  /** @type {{ start: number, end: number, name: string }[]} */
  const spans = [...marks, ...boilerplate.map(([start, end]) => ({ start, end, name: "dimmed" }))];
  const out = [];
  for (const found of text.matchAll(/[^\n]+(?:\n(?!\s*\n)[^\n]+)*/g)) {
    const start = found.index;
    const end = start + found[0].length;
    const within = spans.filter((span) => span.start < end && span.end > start);
    const cuts = [...new Set([start, end, ...within.flatMap((span) => [Math.max(start, span.start), Math.min(end, span.end)])])].sort((a, b) => a - b);
    const parts = cuts.slice(0, -1).map((from, i) => {
      const to = cuts[i + 1] ?? end;
      const names = within.filter((span) => span.start <= from && span.end >= to).map((span) => span.name);
      const content = marked(text.slice(from, to), words);
      if (!names.length) return content;
      return [h(names.includes("best") ? "mark" : "span", { class: [...new Set(names)].join(" ") }, content)];
    });
    const isDimmed = within.some((span) => span.name === "dimmed" && span.start <= start && span.end >= end);
    out.push(h("p", { class: isDimmed ? "is-dimmed" : null, dir: "auto" }, parts.flat()));
  }
  return out;
}

/** Where a link of an article may lead: to the web alone. @param {string | null} url */
export function webAddress(url) {
  if (!url) return null;
  try {
    const parsed = new URL(url);
    return ["http:", "https:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

/** @type {Record<Copy["kind"], string>} */
const KINDS = { self: "this article", copy: "copy", contained: "part of it", retelling: "told again" };

/** Copies and retellings along a line of time. @param {Copy[]} copies */
function copiesLine(copies) {
  const time = (/** @type {Copy} */ copy) => (copy.date ? Date.parse(copy.date.slice(0, 10)) : Number.NaN);
  const times = copies.map(time).filter((t) => !Number.isNaN(t));
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const line =
    times.length > 1 && last > first
      ? h(
          "div",
          { class: "line", "aria-hidden": "true" },
          copies.flatMap((copy) => {
            const t = time(copy);
            if (Number.isNaN(t)) return [];
            const dot = h("i", { class: `dot dot-${copy.kind}`, title: `${date(copy.date)} ${copy.source ?? ""}` });
            dot.style.left = `${(100 * (t - first)) / (last - first)}%`;
            return [dot];
          }),
        )
      : null;
  /** @param {Copy} copy */
  const row = (copy) =>
    h(
      "li",
      { class: `copy-${copy.kind}` },
      h("i", { class: `dot dot-${copy.kind}`, "aria-hidden": "true" }),
      copy.kind === "self"
        ? h("span", { class: "brief is-self" }, h("span", { class: "brief-title", dir: "auto" }, heading(copy)), h("span", { class: "brief-facts" }, facts(copy), h("em", null, KINDS.self)))
        : briefRow(copy, h("em", null, KINDS[copy.kind] ?? copy.kind)),
    );
  // Of many, those that are most like it are listed, in the order of all.
  const rank = (/** @type {Copy} */ copy) => 10 * Object.keys(KINDS).indexOf(copy.kind) - (copy.wording ?? 0) - (copy.cosine ?? 0);
  const most = copies.length > LISTED + 2 ? LISTED : copies.length;
  const listed = new Set(copies.toSorted((a, b) => rank(a) - rank(b)).slice(0, most));
  const list = h("ul", { class: "plain copies" }, copies.filter((copy) => listed.has(copy)).map(row));
  const all = h("button", { type: "button", class: "quiet", onclick: () => { all.remove(); fill(list, copies.map(row)); } }, `Show all ${number(copies.length)}`);
  return [
    line,
    line && h("div", { class: "legend-ends" }, h("span", null, date(new Date(first).toISOString().slice(0, 10))), h("span", null, date(new Date(last).toISOString().slice(0, 10)))),
    list,
    copies.length > most && all,
  ];
}

/** @param {Context} ctx @param {HTMLElement} panel */
export function createArticle(ctx, panel) {
  /** @type {AbortController | null} */
  let asking = null;
  let shown = "";
  /** @type {Element | null} */
  let before = null;

  const close = () => {
    go(changed({ a: null }));
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  };

  /** What of an article answers the query. @param {string} corpus @param {Article} article @param {AbortSignal} signal @returns {Promise<Mark[]>} */
  async function matching(corpus, article, signal) {
    const { params } = here();
    const q = params.get("q")?.trim();
    if (!q) return [];
    const found = await api.search(corpus, { q, by: params.get("by") ?? "meaning", k: 1, filter: `id = ${valueText(article.id)}`, sentences: true }, signal);
    const hit = found.hits[0];
    if (!hit) return [];
    const at = (/** @type {number} */ b) => fromBytes(article.text, b);
    /** @type {Mark[]} */
    const marks = [];
    const [start, end] = [at(hit.passage.range.start), at(hit.passage.range.end)];
    // A passage that is nearly all of the text need not be told from the rest.
    if (end - start < MOST_MARKED * article.text.length) marks.push({ start, end, name: "passage" });
    if (hit.sentence) marks.push({ start: at(hit.sentence.start), end: at(hit.sentence.end), name: "best" });
    return marks;
  }

  /** @param {string} corpus @param {string} id */
  async function load(corpus, id) {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const body = h("div", { class: "article-body" }, bones(3));
    const closing = h("button", { type: "button", class: "tool", "aria-label": "Close the article", title: "Close (Esc)", onclick: close }, icon("close"));
    const bar = h("div", { class: "article-bar" }, h("span", { class: "article-place" }), closing);
    fill(panel, bar, body);
    panel.scrollTop = 0;
    /** @type {Article} */
    let article;
    try {
      article = await api.article(corpus, id, signal);
    } catch (error) {
      if (!isAborted(error)) fill(body, problem(error));
      return;
    }
    const url = webAddress(article.url);
    const text = h("div", { class: "article-text" });
    const { params } = here();
    const words = wordsOf(params.get("q") ?? "", params.get("by") ?? "meaning");
    fill(text, paragraphs(article, [], words));
    const topics = h("p", { class: "chips" }, article.topics.map((t) => h("a", { class: "chip", dir: "auto", href: () => format(changed({ t: t.id }, "topics")), title: `similarity ${t.similarity.toFixed(2)}` }, t.label)));
    const copies = h("section", { class: "article-part", hidden: true });
    const near = h("section", { class: "article-part" }, h("h3", null, "Nearest articles"), bones(2));
    const more = Object.entries(article.metadata ?? {}).filter(([, value]) => value !== null && value !== "");
    fill(
      body,
      h("p", { class: "article-facts" }, article.source && h("span", { dir: "auto" }, article.source), article.date && h("time", { datetime: article.date }, date(article.date))),
      h("h2", { id: "article-title", tabindex: "-1", dir: "auto" }, heading(article, article.text)),
      article.topics.length > 0 && topics,
      !article.embedded && h("p", { class: "note" }, "It is not embedded yet, so that only words find it."),
      text,
      h("p", { class: "article-links" }, url && h("a", { class: "button", href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, "Open the source", icon("out"))),
      copies,
      near,
      h(
        "details",
        { class: "article-part about-it" },
        h("summary", null, "What is known of it"),
        h(
          "dl",
          null,
          /** @type {[string, unknown][]} */ ([["id", article.id], ["file", article.origin], ["language", article.language], ["address", article.url], ...more]).flatMap(([name, value]) =>
            value === null || value === undefined ? [] : [h("dt", { dir: "auto" }, name), h("dd", { dir: "auto" }, typeof value === "string" ? value : JSON.stringify(value))],
          ),
        ),
      ),
    );
    /** @type {HTMLElement | null} */ (body.querySelector("#article-title"))?.focus({ preventScroll: true });
    ctx.say(heading(article, article.text));
    // Each part comes when it is there.
    matching(corpus, article, signal).then(
      (marks) => {
        if (!marks.length) return;
        fill(text, paragraphs(article, marks, words));
        const best = text.querySelector("mark.best") ?? text.querySelector(".passage");
        if (!best || best.getBoundingClientRect().top < panel.getBoundingClientRect().bottom - 80) return;
        // Beside its hit one knows the article; where it covers all, one begins at its title.
        if (!phone.matches) best.scrollIntoView({ block: "center" });
        else text.before(h("p", { class: "links" }, h("button", { type: "button", class: "button", onclick: () => best.scrollIntoView({ block: "center" }) }, icon("down"), "To what matches")));
      },
      () => {},
    );
    const copied = api.copies(corpus, id, signal).then(
      ({ articles }) => {
        if (articles.length < 2) return [];
        copies.hidden = false;
        fill(copies, h("h3", null, counted(articles.length - 1, "copy or retelling", "copies and retellings")), copiesLine(articles));
        return articles.map((copy) => copy.id);
      },
      () => /** @type {string[]} */ ([]),
    );
    try {
      const found = await nearest(corpus, id, copied, signal);
      near.hidden = !found.length;
      fill(near, h("h3", null, "Nearest articles"), h("ul", { class: "plain" }, found.map((hit) => h("li", null, briefRow({ ...hit, title: hitHeading(hit) }, nearness(hit.cosine))))));
    } catch (error) {
      if (!isAborted(error)) fill(near, h("h3", null, "Nearest articles"), problem(error));
    }
  }

  /**
   * The nearest articles, without those that are listed as copies of this one.
   *
   * @param {string} corpus @param {string} id @param {Promise<string[]>} copied their ids @param {AbortSignal} signal
   */
  async function nearest(corpus, id, copied, signal) {
    const first = api.neighbours(corpus, id, NEIGHBOURS + SPARE, signal);
    // Its failure is told when it is waited for.
    first.catch(() => {});
    const others = new Set(await copied);
    const found = others.size > SPARE ? await api.neighbours(corpus, id, NEIGHBOURS + Math.min(others.size, MOST_COPIES), signal) : await first;
    return found.hits.filter((hit) => !others.has(hit.id)).slice(0, NEIGHBOURS);
  }

  return {
    close,
    isOpen: () => !panel.hidden,
    /** @param {string} corpus @param {string | null} id */
    show(corpus, id) {
      const key = id === null ? "" : `${corpus}/${id}`;
      if (key === shown) return;
      if (!shown) before = document.activeElement;
      shown = key;
      panel.hidden = id === null;
      document.body.classList.toggle("has-article", id !== null);
      if (id === null) {
        asking?.abort();
        panel.replaceChildren();
      } else void load(corpus, id);
    },
    forget() {
      shown = "";
    },
  };
}

// A hit: title, where and when, the passage with its best sentence marked, what was folded into it.

/** @import { Hit, Brief } from "./types.js" */

import { h } from "./dom.js";
import { beginning, date, counted } from "./format.js";
import { changed, format } from "./state.js";

/** Characters of a passage that are shown, and how many of them stand before its best sentence. */
const WHOLE = 420;
const BEFORE = 130;
/** Characters that are seen at least in the lines that a passage has: a long sentence begins them. */
const SEEN = 360;

/** The address of an article beside what one looks at. @param {string} id */
export const articleAddress = (id) => format(changed({ a: id }));

/**
 * What an article is headed by: its title, or the beginning of its text, or its id where nothing else
 * is known.
 *
 * @param {{ id: string, title: string }} article @param {string} [text] its text, or what of it is known
 */
export const heading = ({ id, title }, text = "") => title.trim() || beginning(text) || id;

/** What a hit is headed by. @param {Hit} hit */
export const hitHeading = (hit) => heading(hit, `${hit.passage.range.start > 0 ? "… " : ""}${hit.passage.text}`);

/** @param {Brief} brief */
export const facts = (brief) => [brief.source, date(brief.date)].filter(Boolean).join(" · ");

/**
 * Text with whole words that begin like one of the query marked.
 *
 * @param {string} text @param {string[]} words small letters
 * @returns {(Node | string)[]}
 */
export function marked(text, words) {
  if (!words.length) return [text];
  /** @type {(Node | string)[]} */
  const out = [];
  let from = 0;
  for (const found of text.matchAll(/[\p{L}\p{N}]+/gu)) {
    const word = found[0].toLowerCase();
    if (!words.some((w) => word === w || (w.length > 3 && word.startsWith(w)))) continue;
    out.push(text.slice(from, found.index), h("b", { class: "word" }, found[0]));
    from = found.index + found[0].length;
  }
  out.push(text.slice(from));
  return out;
}

/** The words of a query, where they are what is looked for. @param {string} q @param {string} by */
export const wordsOf = (q, by) => (by === "meaning" ? [] : (q.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []));

/** @param {Hit} hit @param {string[]} words */
function passage(hit, words) {
  const { text } = hit.passage;
  const best = hit.sentence?.text.trim() ?? "";
  const at = best ? text.indexOf(best) : -1;
  if (at < 0) return [...marked(text.slice(0, WHOLE), words), text.length > WHOLE ? "…" : ""];
  const end = at + best.length;
  let from = text.length <= WHOLE ? 0 : Math.max(0, at - Math.max(0, Math.min(BEFORE, SEEN - best.length)));
  let to = Math.min(text.length, Math.max(end, from + WHOLE));
  if (from > 0) from = text.indexOf(" ", from) + 1 || from;
  if (to < text.length) to = text.lastIndexOf(" ", to);
  return [
    from > 0 ? "… " : "",
    ...marked(text.slice(Math.min(from, at), at), words),
    h("mark", null, marked(best, words)),
    ...marked(text.slice(end, Math.max(to, end)), words),
    to < text.length ? " …" : "",
  ];
}

/** The passage of a hit. Its height is the same with and without the mark, which comes later. @param {Hit} hit @param {string[]} words */
const passageOf = (hit, words) => h("p", { class: hit.passage.text.length > WHOLE ? "hit-text is-cut" : "hit-text", dir: "auto" }, passage(hit, words));

/** Marks the best sentence in a hit that is shown. @param {Element} row @param {Hit} hit @param {{ q: string, by: string }} how */
export const markBest = (row, hit, { q, by }) => row.querySelector(".hit-text")?.replaceWith(passageOf(hit, wordsOf(q, by)));

/** How near, as a short bar and a number. @param {number | undefined | null} cosine */
export function nearness(cosine) {
  if (cosine === undefined || cosine === null) return null;
  return h(
    "span",
    { class: "near", title: `cosine ${cosine.toFixed(3)}` },
    h("i", { vars: { part: `${Math.max(0, Math.min(1, cosine)) * 100}%` }, "aria-hidden": "true" }),
    cosine.toFixed(2),
  );
}

/**
 * @param {Brief} brief @param {...(Node | string | null)} more
 */
export function briefRow(brief, ...more) {
  return h(
    "a",
    { class: "brief", href: () => articleAddress(brief.id), "data-id": brief.id },
    h("span", { class: "brief-title", dir: "auto" }, heading(brief)),
    h("span", { class: "brief-facts" }, h("span", { dir: "auto" }, facts(brief)), more),
  );
}

/** @param {Hit} hit @param {{ q: string, by: string, open: string | null }} how */
export function hitRow(hit, { q, by, open }) {
  const words = wordsOf(q, by);
  const folded = hit.folded;
  return h(
    "li",
    { class: hit.id === open ? "hit is-open" : "hit", "data-id": hit.id },
    h(
      "article",
      null,
      h("h3", { dir: "auto", class: hit.title ? null : "is-beginning" }, h("a", { href: () => articleAddress(hit.id), class: "hit-link" }, marked(hitHeading(hit), words))),
      h("p", { class: "hit-facts" }, nearness(hit.cosine), hit.source && h("span", { dir: "auto" }, hit.source), hit.date && h("time", { datetime: hit.date }, date(hit.date))),
      passageOf(hit, words),
      folded &&
        h(
          "details",
          { class: "folded" },
          h("summary", null, counted(folded.count, "article that says the same", "articles that say the same")),
          h("ul", { class: "plain" }, folded.articles.map((a) => h("li", null, briefRow(a)))),
          folded.count > folded.articles.length && h("p", { class: "note" }, `the first ${folded.articles.length} of them`),
        ),
    ),
  );
}

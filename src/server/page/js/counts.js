// What is counted at the side of a search. What one chose of a field, or of the dates, narrows all
// counts but its own, so that one sees what else could be chosen.

/** @import { Place } from "./state.js" */
/** @import { Corpus, Facet, Facets } from "./types.js" */

import { api, orElse } from "./api.js";
import { condition, read } from "./filter.js";

/** Metadata fields that are looked at, at most: each is counted over all articles. */
const TRIED = 8;
/** Articles that share a value, on average, from which on a field is worth choosing by. */
const REPEATED = 2;
/** Months that are counted, at most. */
export const MONTHS = 1000;
/** Fields that every article has a use for, and those that tell articles apart. */
const OTHERS = ["date", "source", "topic", "origin", "year", "month", "id", "title", "text", "url"];

/**
 * Metadata by which articles can be chosen: not what nearly every article has of its own.
 *
 * @param {Corpus} corpus @param {AbortSignal} signal
 */
export async function worthCounting(corpus, signal) {
  const names = (corpus.fields ?? []).map((f) => f.name).filter((name) => !OTHERS.includes(name));
  if (!names.length) return [];
  const { articles, fields } = await api.facets(corpus.name, { fields: names.slice(0, TRIED).join(","), limit: 1 }, signal);
  return fields.filter((f) => (articles - f.missing) / (f.values.length + f.more) >= REPEATED).map((f) => f.field);
}

/**
 * Counts of one field over all that a search finds without what is chosen of that field.
 *
 * @param {Place} place @param {string} field @param {string} without what of the place does not narrow them
 * @param {number} limit @param {AbortSignal} signal
 * @returns {Promise<Facets | undefined>}
 */
async function counted({ corpus, params }, field, without, limit, signal) {
  const filter = condition(params, without);
  const q = params.get("q")?.trim();
  // Only words choose what is counted: every article has a place in a ranking by meaning.
  if (!q || params.get("by") !== "words") return api.facets(corpus, { fields: field, filter, limit }, signal);
  return (await api.search(corpus, { q, by: "words", filter, k: 1, facets: field, facets_limit: limit }, signal)).facets;
}

/** How many articles there are of each month, whatever dates are chosen. @param {Place} place @param {AbortSignal} signal */
export const monthsOf = (place, signal) => orElse(counted(place, "month", "date", MONTHS, signal), undefined);

/**
 * What the months and the counts of what is chosen depend on: the articles that are counted, and in
 * what way they were narrowed.
 *
 * @param {Place} place
 */
export const countsKey = ({ corpus, params }) =>
  JSON.stringify([corpus, ["f", "from", "to", "filter"].map((name) => params.getAll(name)), params.get("by") === "words" && params.get("q")]);

/**
 * Counts of some fields over all that a search finds. They depend on its query only where this is
 * one of words: by meaning every article is found.
 *
 * @param {Place} place @param {string[]} fields @param {AbortSignal} signal
 */
export const countsOf = (place, fields, signal) => orElse(counted(place, fields.join(","), "", 10, signal), undefined);

/**
 * The counts of the fields of which something is chosen, by field, and whether all could be had.
 *
 * @param {Place} place @param {AbortSignal} signal
 * @returns {Promise<{ facets: Map<string, Facet>, isWhole: boolean }>}
 */
export async function ofChosen(place, signal) {
  const names = new Set(place.params.getAll("f").flatMap((text) => read(text)?.field ?? []));
  const answers = await Promise.all([...names].map((name) => orElse(counted(place, name, name, 10, signal), undefined)));
  const facets = new Map(answers.flatMap((of) => of?.fields ?? []).map((facet) => [facet.field, facet]));
  return { facets, isWhole: answers.every(Boolean) };
}

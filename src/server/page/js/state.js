// Where one is: all of it stands in the address, so that a view can be shared.

/** @typedef {"search" | "map" | "topics" | "time"} View */
/** @typedef {{ corpus: string, view: View, params: URLSearchParams }} Place */

/** @type {View[]} */
export const VIEWS = ["search", "map", "topics", "time"];

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string} hash @returns {Place} */
export function parse(hash) {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [corpus = "", view = ""] = path.split("/");
  return {
    corpus: decoded(corpus),
    view: VIEWS.find((v) => v === view) ?? "map",
    params: new URLSearchParams(query),
  };
}

/** @param {Place} place */
export function format({ corpus, view, params }) {
  const query = params.toString();
  return `#/${encodeURIComponent(corpus)}/${view}${query ? `?${query}` : ""}`;
}

/** The place that the address names. */
export const here = () => parse(location.hash);

/** Which parameters go along from view to view: the open article, the query and what narrows it. */
const KEPT = ["a", "q", "by", "f", "filter", "from", "to"];

/**
 * The place with some parameters changed: null or an empty text takes one away, a list stands
 * several times.
 *
 * @param {Record<string, string | number | string[] | null>} changes
 * @param {View} [view]
 * @returns {Place}
 */
export function changed(changes, view) {
  const place = here();
  let params = new URLSearchParams(place.params);
  if (view && view !== place.view) {
    params = new URLSearchParams([...params].filter(([name]) => KEPT.includes(name)));
  }
  for (const [name, value] of Object.entries(changes)) {
    params.delete(name);
    if (value === null || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) params.append(name, String(one));
  }
  return { corpus: place.corpus, view: view ?? place.view, params };
}

/**
 * Goes there. `replace` makes no new step in the browser's history: for typing and panning.
 *
 * @param {Place} place
 * @param {{ replace?: boolean, silent?: boolean }} [how]
 */
export function go(place, how = {}) {
  const hash = format(place);
  if (hash === location.hash) return;
  if (how.replace) history.replaceState(history.state, "", hash);
  else history.pushState(null, "", hash);
  if (!how.silent) dispatchEvent(new Event("place"));
}

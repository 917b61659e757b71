// The map among the page's views: its points come from the server, its state stands in the address.

/** @import { Context } from "./main.js" */
/** @import { Place } from "./state.js" */
/** @import { MapInfo, Task } from "./types.js" */
/** @import { MapWidget, MapState, Provider } from "./map/map.js" */

import { api, isAborted, finished, Problem } from "./api.js";
import { h, fill } from "./dom.js";
import { counted, stepOf } from "./format.js";
import { changed, format, go, here } from "./state.js";
import { condition } from "./filter.js";
import { decodePoints } from "./map/points.js";
import { createMap } from "./map/map.js";
import { empty, problem } from "./chart.js";

/** Hits of a search that are marked, at most. */
const MARKED = 500;

/** @param {URLSearchParams} params @returns {MapState} */
export function readState(params) {
  const numbers = (/** @type {string | null} */ text) => (text ?? "").split(",").map(Number);
  const at = numbers(params.get("at"));
  const days = numbers(params.get("days"));
  const lasso = (params.get("lasso") ?? "").split(" ").map((pair) => /** @type {[number, number]} */ (numbers(pair).slice(0, 2)));
  const sound = (/** @type {number[]} */ list, /** @type {number} */ n) => list.length === n && list.every(Number.isFinite);
  return {
    at: sound(at, 3) && params.has("at") ? /** @type {[number, number, number]} */ (at) : null,
    colour: params.get("colour") ?? "",
    only: params.getAll("only"),
    days: sound(days, 2) && params.has("days") ? /** @type {[number, number]} */ (days) : null,
    lasso: params.has("lasso") && lasso.length > 2 && lasso.every((p) => sound(p, 2)) ? lasso : null,
  };
}

/** @param {MapState} state @param {string} first the colouring that needs no mention */
export function writeState(state, first) {
  return {
    at: state.at ? state.at.join(",") : null,
    colour: state.colour === first ? null : state.colour,
    only: state.only,
    days: state.days ? state.days.join(",") : null,
    lasso: state.lasso ? state.lasso.map((p) => p.join(",")).join(" ") : null,
  };
}

/** How far a layout is. @param {Task} task @param {string} what */
function progressOf(task, what) {
  return `${[what, stepOf(task)].filter(Boolean).join(": ")} …`;
}

/** @param {Context} ctx */
export function createMapView(ctx) {
  const told = h("div", { class: "map-found", hidden: true, role: "status" });
  const behind = h("div", { class: "map-behind", hidden: true, role: "status" });
  const stage = h("div", { class: "map-stage" });
  const element = h("section", { class: "view map-view", "aria-label": "Map" }, stage, h("div", { class: "map-notes" }, behind, told));
  /** @type {MapWidget | null} */
  let map = null;
  let loaded = "";
  let first = "topic";
  let searched = "";
  /** @type {string | null} */
  let pointed = null;
  /** @type {AbortController | null} */
  let asking = null;
  /** @type {AbortController | null} */
  let finding = null;
  let timer = 0;
  /** Whether more was typed while a search ran. */
  let isLate = false;
  let written = "";
  /** The version of the map that is shown, and whether it was looked at before. */
  let version = "";
  let isLeft = false;
  /** The corpus whose map is being laid out. */
  let laying = "";

  /** Says how many articles came after the map was laid out. @param {string} corpus @param {number} missing */
  function showBehind(corpus, missing) {
    if (laying === corpus) return;
    behind.hidden = missing < 1;
    const again = h("button", { type: "button", class: "quiet", onclick: () => void layOut(corpus) }, "Lay out again");
    fill(behind, h("span", null, `${counted(missing, "newer article is", "newer articles are")} not on the map`), again);
  }

  /** @param {string} corpus */
  async function layOut(corpus) {
    laying = corpus;
    const said = h("span", null, "Laying out the map …");
    fill(behind, said);
    try {
      const { job } = await api.layOut(corpus);
      if (job) await finished(job, (task) => fill(said, progressOf(task, "Laying out the map")));
      laying = "";
      if (here().corpus !== corpus) return;
      loaded = "";
      // Places are others than before; colours and dates are not.
      go(changed({ at: null, lasso: null }), { replace: true, silent: true });
      if (here().view === "map") await show(here(), false);
    } catch (error) {
      laying = "";
      fill(behind, problem(error));
    }
  }

  /** What came since the map was last looked at. @param {string} corpus */
  async function refresh(corpus) {
    const info = await api.map(corpus, asking?.signal);
    if ("job" in info || loaded !== corpus || here().view !== "map") return;
    if (info.version === version) showBehind(corpus, info.missing);
    else {
      // Whoever asks about rows means those of the map that is there now.
      loaded = "";
      await show(here(), false);
    }
  }

  /** @param {string} corpus @returns {Provider} */
  const provider = (corpus) => ({
    describe: (rows, signal) => api.rows(corpus, rows, signal),
    about: (rows, signal) => api.about(corpus, rows, signal),
    field: (name) => api.field(corpus, name),
    async neighbours(_row, id, signal) {
      const near = await api.neighbours(corpus, id, 8, signal);
      const { rows } = await api.rowsOf(corpus, near.hits.map((hit) => hit.id), signal);
      return rows.filter((row) => row !== null);
    },
    async rowOf(id, signal) {
      return (await api.rowsOf(corpus, [id], signal)).rows[0] ?? -1;
    },
    open: (id) => go(changed({ a: id })),
  });

  /** @param {string} corpus */
  async function load(corpus) {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    map?.end();
    map = null;
    loaded = "";
    searched = "";
    pointed = null;
    behind.hidden = laying !== corpus;
    const progress = h("p", { class: "note" }, "Loading the map …");
    fill(stage, h("div", { class: "map-wait" }, h("div", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), progress));
    let info = await api.map(corpus, signal);
    while ("job" in info) {
      progress.textContent = "Laying out the map for the first time …";
      await finished(
        info.job,
        (task) => {
          progress.textContent = progressOf(task, "Laying out the map for the first time");
        },
        signal,
      );
      info = await api.map(corpus, signal);
    }
    const buffer = await api.points(corpus, signal);
    const shape = /** @type {MapInfo} */ (info);
    version = shape.version;
    isLeft = false;
    showBehind(corpus, shape.missing);
    const points = decodePoints(buffer, shape.columns, shape.points);
    map = createMap({
      info: shape,
      points,
      provider: provider(corpus),
      isDark: ctx.isDark,
      draw: here().params.get("draw"),
      changed(state) {
        if (here().view !== "map") return;
        const next = changed(writeState(state, first));
        written = format(next);
        go(next, { replace: true, silent: true });
      },
    });
    first = map.state().colour;
    fill(stage, map.element);
    map.resize();
    loaded = corpus;
    Object.assign(element, { map });
  }

  /** Marks the hits of what is typed above. @param {Place} place @param {boolean} [isTyping] */
  async function find(place, isTyping) {
    if (!map) return;
    const q = place.params.get("q")?.trim() ?? "";
    const filter = condition(place.params);
    const by = place.params.get("by") ?? "meaning";
    const key = JSON.stringify([place.corpus, q, by, filter]);
    if (key === searched) return;
    // What runs while one types is let run, so that the marks follow.
    if (isTyping && finding) {
      isLate = true;
      return;
    }
    searched = key;
    finding?.abort();
    finding = null;
    isLate = false;
    if (!q && !filter) {
      told.hidden = true;
      map.mark(null);
      return;
    }
    finding = new AbortController();
    const { signal } = finding;
    try {
      const found = await api.search(place.corpus, { q, by, filter, k: MARKED }, signal);
      // Every article has a place in a ranking by meaning: the nearest are what is meant.
      const best = found.hits[0]?.cosine ?? 0;
      const hits = by === "meaning" && q ? found.hits.filter((hit, i) => i < 10 || (hit.cosine ?? 0) >= Math.max(0.2, best * 0.6)) : found.hits;
      const { rows } = hits.length ? await api.rowsOf(place.corpus, hits.map((hit) => hit.id), signal) : { rows: [] };
      map.mark(rows.filter((row) => row !== null));
      const many = `${found.more && hits.length === found.hits.length ? "the first " : ""}${counted(hits.length, "article")}`;
      fill(
        told,
        h("span", null, hits.length ? many : "Nothing found"),
        hits.length > 0 && h("button", { type: "button", class: "quiet", onclick: () => map?.toFound() }, "Zoom to them"),
        h("a", { class: "quiet", href: () => format(changed({}, "search")) }, "As a list"),
        h("button", { type: "button", class: "quiet", onclick: () => go(changed({ q: null, f: null, filter: null, from: null, to: null })) }, "Clear"),
      );
      told.hidden = false;
    } catch (error) {
      if (isAborted(error)) return;
      searched = "";
      told.hidden = false;
      fill(told, problem(error));
    }
    if (signal.aborted) return;
    finding = null;
    if (isLate && here().view === "map") void find(here(), true);
  }

  /** @param {Place} place @param {boolean} isSoon */
  async function show(place, isSoon) {
    try {
      if (ctx.corpus()?.embedded === 0) {
        asking?.abort();
        map?.end();
        map = null;
        loaded = "";
        told.hidden = behind.hidden = true;
        fill(stage, empty("There is no map yet.", h("p", null, ctx.corpus()?.articles ? "None of its articles is embedded yet." : "This corpus has no articles yet.")));
        return;
      }
      if (loaded !== place.corpus) {
        await load(place.corpus);
        await map?.restore(readState(place.params));
        written = format(here());
      } else if (format(place) !== written && !isSoon) {
        const state = map && writeState(map.state(), first);
        const wanted = readState(place.params);
        if (state && JSON.stringify(writeState({ ...wanted, colour: wanted.colour || first }, first)) !== JSON.stringify(state)) await map?.restore({ ...wanted, colour: wanted.colour || first });
        written = format(place);
      }
      map?.live(true);
      if (isLeft) {
        isLeft = false;
        refresh(place.corpus).catch(() => {});
      }
      clearTimeout(timer);
      if (isSoon) timer = setTimeout(() => void find(here(), true), 60);
      else void find(here());
      const id = here().params.get("a");
      if (id !== pointed) {
        pointed = id;
        void map?.point(id);
      }
    } catch (error) {
      if (isAborted(error)) return;
      loaded = "";
      const isNone = error instanceof Problem && error.kind === "not_found";
      fill(stage, isNone ? empty("There is no map yet.", h("p", null, error.message)) : problem(error));
    }
  }

  return {
    element,
    /** @param {Place} place @param {{ soon?: boolean }} [how] */
    show: (place, how = {}) => void show(place, how.soon ?? false),
    hide() {
      isLeft = true;
      map?.live(false);
    },
    themed: () => map?.themed(),
    /** What is shown may no longer be so. */
    forget() {
      loaded = "";
    },
  };
}

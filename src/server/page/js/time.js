// Topics over time: all articles as bars to brush over, and below what the brushed time was about.

/** @import { Context } from "./main.js" */
/** @import { Place } from "./state.js" */
/** @import { Timeline } from "./types.js" */

import { api, isAborted, orElse, Problem } from "./api.js";
import { h, fill } from "./dom.js";
import { counted, number, percent, span, firstDay, lastDay } from "./format.js";
import { changed, format, go, here } from "./state.js";
import { written, condition } from "./filter.js";
import { MONTHS } from "./counts.js";
import { binsOf } from "./facets.js";
import { briefRow } from "./hits.js";
import { histogram, bones, empty, problem } from "./chart.js";
import { drawnOf, fittingTimeline, highest, sparkline, valueOf } from "./course.js";
import { noTopics, trend } from "./topics.js";

/** Topics that are listed. */
const LISTED = 60;

/**
 * How many articles there are of each month, where nobody looked for topics yet.
 *
 * @param {string} corpus @param {string | null} source @param {AbortSignal} signal
 * @returns {Promise<Timeline>}
 */
async function withoutTopics(corpus, source, signal) {
  const filter = source ? condition(new URLSearchParams({ f: written("source", source) })) : "";
  const bins = binsOf(await api.facets(corpus, { fields: "month", filter, limit: MONTHS }, signal));
  return { by: bins[0]?.bin.length === 4 ? "year" : "month", bins: bins.map((b) => b.bin), totals: bins.map((b) => b.count), topics: [] };
}

/** @param {Context} ctx */
export function createTime(ctx) {
  const by = h("select", { "aria-label": "Spans", title: "How long a bar is; “Fitting” takes days to years by how long a time there is to show, and how many articles", onchange: () => go(changed({ span: by.value })) }, [["", "Fitting"], ["day", "Days"], ["week", "Weeks"], ["month", "Months"], ["quarter", "Quarters"], ["year", "Years"]].map(([value, name]) => h("option", { value }, name ?? "")));
  const source = h("select", { "aria-label": "Source", onchange: () => go(changed({ source: source.value })) });
  const head = h("div", { class: "bar" }, h("h2", null, "Over time"), h("span", { class: "bar-end" }, source, by));
  const chart = h("div", { class: "time-chart" });
  const rows = h("div", { class: "time-rows" });
  const list = h("section", { class: "time-articles" });
  const element = h("section", { class: "view time", "aria-label": "Time" }, h("div", { class: "time-body" }, head, chart, h("div", { class: "time-columns" }, rows, list)));
  /** @type {Timeline | null} */
  let timeline = null;
  let hasTopics = true;
  let loaded = "";
  let sourcesOf = "";
  /** @type {AbortController | null} */
  let asking = null;
  /** @type {AbortController | null} */
  let listing = null;
  let listed = "";

  /** @param {Place} place @returns {[number, number] | null} */
  function rangeOf({ params }) {
    const [from, to] = [params.get("from"), params.get("to")];
    if (!timeline || (!from && !to)) return null;
    const bins = timeline.bins;
    const a = from ? bins.findIndex((b) => lastDay(b) >= from) : 0;
    const b = to ? bins.findLastIndex((bin) => firstDay(bin) <= to) : bins.length - 1;
    return a < 0 || b < a ? null : [a, b];
  }

  /** @param {[number, number] | null} range */
  function showRows(range) {
    if (!timeline || !hasTopics) return;
    const { bins, totals, topics } = timeline;
    const [a, b] = range ?? [0, bins.length - 1];
    const sum = (/** @type {number[]} */ v, /** @type {number} */ from, /** @type {number} */ to) => v.slice(from, to + 1).reduce((x, y) => x + y, 0);
    const all = sum(totals, 0, bins.length - 1);
    const inside = sum(totals, a, b);
    const scored = topics
      .map((topic) => {
        const count = sum(topic.counts, a, b);
        const whole = sum(topic.counts, 0, bins.length - 1);
        const share = inside ? count / inside : 0;
        const usual = all ? whole / all : 0;
        return { topic, count, share, usual, lift: usual > 0 ? share / usual : 0 };
      })
      .filter((t) => t.count > 0 || !range)
      .sort((x, y) => (range ? y.share - y.usual - (x.share - x.usual) : y.count - x.count))
      .slice(0, LISTED);
    const line = timeline;
    const most = highest(line);
    fill(
      rows,
      h("h3", null, range ? `What ${span(bins[a] ?? "")}${a === b ? "" : ` to ${span(bins[b] ?? "")}`} was about` : "Share of each topic"),
      h("p", { class: "note" }, range ? `${counted(inside, "article")}; topics by how much more of them there was than at all times` : `${counted(all, "article")}; draw over the bars to choose a time. ${drawnOf(line)}, all on one scale, up to ${valueOf(most, line)}`),
      h(
        "ul",
        { class: "plain" },
        scored.map(({ topic, count, share, lift }) =>
          h(
            "li",
            { class: "time-row" },
            h("a", { class: "time-name", dir: "auto", href: () => format(changed({ t: topic.id, from: null, to: null }, "topics")) }, topic.label),
            h("span", { class: "time-number" }, percent(share), range ? h("small", { class: lift > 1.15 ? "is-up" : lift < 0.87 ? "is-down" : "" }, `× ${lift.toFixed(1)}`) : trend(topic.rising)),
            h("a", { class: "time-spark", href: () => format(changed({ f: [written("topic", topic.id)], q: null }, "search")), "aria-label": `${counted(count, "article")} about ${topic.label}` }, sparkline(topic.counts, line, { most, label: "", high: 34, range })),
          ),
        ),
      ),
    );
  }

  /** @param {Place} place @param {[number, number] | null} range */
  async function showArticles(place, range) {
    const params = new URLSearchParams(place.params);
    if (range && timeline) {
      params.set("from", firstDay(timeline.bins[range[0]] ?? ""));
      params.set("to", lastDay(timeline.bins[range[1]] ?? ""));
    }
    const from = params.get("source");
    const filter = [condition(new URLSearchParams([...params].filter(([n]) => n === "from" || n === "to"))), from ? condition(new URLSearchParams({ f: written("source", from) })) : ""].filter(Boolean).join(" AND ");
    const key = place.corpus + filter;
    if (key === listed) return;
    listed = key;
    listing?.abort();
    listing = new AbortController();
    try {
      const answer = await api.articles(place.corpus, { filter, limit: 12, sort: "-date" }, listing.signal);
      fill(list, h("h3", null, range ? "Its latest articles" : "The latest articles"), answer.articles.length ? h("ul", { class: "plain" }, answer.articles.map((a) => h("li", null, briefRow(a)))) : empty("No article has a date in there."));
    } catch (error) {
      if (!isAborted(error)) fill(list, problem(error));
    }
  }

  /** @param {Place} place */
  async function show(place) {
    const { params, corpus } = place;
    by.value = params.get("span") ?? "";
    const key = JSON.stringify([corpus, by.value, params.get("source")]);
    try {
      if (key !== loaded) {
        asking?.abort();
        asking = new AbortController();
        const { signal } = asking;
        if (!timeline) fill(rows, bones(5));
        if (sourcesOf !== corpus) {
          const facets = await orElse(api.facets(corpus, { fields: "source", limit: 50 }, signal), null);
          const values = facets?.fields[0]?.values ?? [];
          fill(source, h("option", { value: "" }, "All sources"), values.map((v) => h("option", { value: v.value }, `${String(v.value)} (${number(v.count)})`)));
          source.hidden = values.length < 2;
          sourcesOf = corpus;
        }
        const from = params.get("source");
        let isPlain = false;
        const wanted = by.value;
        if (await ctx.hasTopics()) {
          const asked = wanted ? api.timeline(corpus, { by: wanted, source: from }, signal) : fittingTimeline(corpus, { source: from }, signal);
          timeline = await asked.catch((error) => {
            if (!(error instanceof Problem && error.kind === "not_found")) throw error;
            isPlain = true;
            return withoutTopics(corpus, from, signal);
          });
        } else {
          isPlain = true;
          timeline = await withoutTopics(corpus, from, signal);
        }
        signal.throwIfAborted();
        hasTopics = !isPlain;
        by.hidden = isPlain;
        if (isPlain) fill(rows, noTopics(ctx));
        loaded = key;
        listed = "";
        const now = timeline;
        if (now.bins.length) {
          fill(
            chart,
            histogram({
              bins: now.bins,
              counts: now.totals,
              range: rangeOf(here()),
              label: "Articles over time",
              high: 130,
              brushed(range, isDone) {
                showRows(range);
                const [a, b] = range ? [now.bins[range[0]] ?? "", now.bins[range[1]] ?? ""] : ["", ""];
                if (isDone) go(changed({ from: a && firstDay(a), to: b && lastDay(b) }), { replace: true, silent: true });
                if (isDone) void showArticles(here(), range);
              },
            }).element,
          );
        } else fill(chart, ctx.corpus()?.articles === 0 ? empty("This corpus has no articles yet.") : empty("No article has a date that can be read."));
      }
      source.value = params.get("source") ?? "";
      if (ctx.corpus()?.articles === 0) {
        fill(rows);
        fill(list);
        return;
      }
      const range = rangeOf(place);
      showRows(range);
      ctx.drawn("time");
      void showArticles(place, range);
    } catch (error) {
      if (isAborted(error)) return;
      loaded = "";
      timeline = null;
      fill(chart);
      fill(list);
      fill(rows, problem(error));
    }
  }

  return {
    element,
    /** @param {Place} place */
    show: (place) => void show(place),
    /** What is shown may no longer be so. */
    forget() {
      loaded = "";
      listed = "";
      sourcesOf = "";
    },
  };
}

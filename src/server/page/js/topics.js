// Topics: the tree at the side; all of them as small multiples, or one of them.

/** @import { Context } from "./main.js" */
/** @import { Place } from "./state.js" */
/** @import { Topic, Timeline, TreeNode, WholeTopic } from "./types.js" */

import { api, isAborted, orElse, Problem, finished } from "./api.js";
import { h, fill, icon } from "./dom.js";
import { counted, number, percent, span, date, stepOf } from "./format.js";
import { changed, format, go, here } from "./state.js";
import { written } from "./filter.js";
import { articleAddress, heading } from "./hits.js";
import { drawnOf, fittingTimeline, highest, sparkline, valueOf, courseOf } from "./course.js";
import { bones, empty, problem } from "./chart.js";
import { bars } from "./map/about.js";
import { editing } from "./edits.js";

/** From how many standard errors on a course is said to rise or fade: 99 %. */
export const CLEAR = 2.58;

/** @param {number | null | undefined} rising */
export function trend(rising) {
  if (rising === null || rising === undefined || Math.abs(rising) < CLEAR) return null;
  const isUp = rising > 0;
  return h("span", { class: isUp ? "trend is-up" : "trend is-down", title: `${isUp ? "more" : "fewer"} of late, by ${Math.abs(rising).toFixed(1)} standard errors` }, isUp ? "▲ rising" : "▼ fading");
}

/**
 * What lies below each node of a tree; below null what is at its top. A node that is called as the
 * one above it, and is no topic, says nothing new: what lies below it is shown in its place.
 *
 * @param {TreeNode[]} nodes
 */
export function levels(nodes) {
  /** @type {Map<number | null, TreeNode[]>} */
  const under = new Map();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Set(nodes.map((node) => node.parent));
  const isSame = (/** @type {TreeNode} */ node) => {
    const above = node.parent === null ? undefined : byId.get(node.parent);
    return above !== undefined && above.label === node.label && (node.topic ?? null) === null && parents.has(node.id);
  };
  for (const node of nodes) {
    if (isSame(node)) continue;
    let above = node.parent === null ? undefined : byId.get(node.parent);
    while (above && isSame(above)) above = above.parent === null ? undefined : byId.get(above.parent);
    const parent = above?.id ?? null;
    under.set(parent, [...(under.get(parent) ?? []), node]);
  }
  return under;
}

/** What is shown where a corpus has no topics. @param {Context} ctx */
export function noTopics(ctx) {
  if (!ctx.corpus()?.embedded) {
    return empty("This corpus has no topics yet.", h("p", null, ctx.corpus()?.articles ? "None of its articles is embedded yet." : "It has no articles yet."));
  }
  const start = h("button", { type: "button", class: "button primary" }, "Find topics");
  const told = h("p", { class: "note", role: "status" });
  start.addEventListener("click", async () => {
    start.disabled = true;
    told.textContent = "Finding topics …";
    try {
      const { job } = await api.fit(ctx.name());
      await finished(job, (task) => {
        told.textContent = `${stepOf(task) || "Finding topics"} …`;
      });
      await ctx.topicsChanged();
    } catch (error) {
      start.disabled = false;
      told.textContent = error instanceof Error ? error.message : String(error);
    }
  });
  return empty(
    "This corpus has no topics yet.",
    ctx.corpus()?.writable ? [start, told] : h("p", null, "On the server’s command line, ", h("code", null, "nearwise topics"), " finds them."),
  );
}

/** @param {Context} ctx */
export function createTopics(ctx) {
  const edit = editing(ctx);
  const tree = h("nav", { class: "tree", "aria-label": "Tree of topics" });
  const body = h("div", { class: "topics-body" });
  // On a small screen the tree is opened where it is wanted.
  const unfold = h("button", {
    type: "button",
    class: "button tree-toggle",
    "aria-expanded": "false",
    onclick: () => {
      const isOpen = side.classList.toggle("is-open");
      unfold.setAttribute("aria-expanded", String(isOpen));
    },
  }, icon("topics"), "Tree of topics");
  const side = h("div", { class: "side is-tree" }, unfold, tree);
  const element = h("section", { class: "view topics", "aria-label": "Topics" }, side, body);
  /** @type {Topic[]} */
  let topics = [];
  /** @type {TreeNode[]} */
  let nodes = [];
  /** Changes by hand that can be undone. */
  let undos = 0;
  /** @type {Timeline | null} */
  let timeline = null;
  let loaded = "";
  /** @type {AbortController | null} */
  let asking = null;
  /** @type {Set<number>} */
  const chosen = new Set();

  /** @param {string} corpus */
  async function load(corpus) {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    fill(body, bones(6));
    const [list, whole, line] = await Promise.all([
      api.topics(corpus, signal),
      orElse(api.tree(corpus, signal), { nodes: [] }),
      orElse(fittingTimeline(corpus, {}, signal), null),
    ]);
    topics = list.topics;
    undos = list.undos;
    nodes = whole.nodes;
    timeline = line && line.bins.length > 1 ? line : null;
    for (const id of chosen) if (!topics.some((t) => t.id === id)) chosen.delete(id);
    loaded = corpus;
  }

  const lineOf = (/** @type {number} */ id) => timeline?.topics.find((t) => t.id === id) ?? null;
  const risingOf = (/** @type {Topic} */ topic) => topic.rising ?? lineOf(topic.id)?.rising ?? null;

  /** The highest value of a topic alone. @param {{ counts: number[] }} course @param {Timeline} line */
  const mostOf = (course, line) => Math.max(0, ...courseOf(course.counts, line).map((v) => v ?? 0));

  /** @param {number | null} open */
  function showTree(open) {
    const under = levels(nodes);
    const most = Math.max(1, ...topics.map((t) => t.size));
    const listed = new Map(topics.map((t) => [t.label, t]));
    const root = under.get(null)?.length === 1 && (under.get((under.get(null) ?? [])[0]?.id ?? -1) ?? []).length ? (under.get(null) ?? [])[0] : null;
    /** @param {TreeNode} node @param {number} depth @param {boolean} isPart @returns {HTMLLIElement} */
    const branch = (node, depth, isPart) => {
      const topic = isPart ? undefined : node.topic === undefined ? listed.get(node.label) : topics.find((t) => t.id === node.topic);
      const children = (under.get(node.id) ?? []).toSorted((a, b) => b.size - a.size);
      const text = topic?.label ?? node.label;
      const name = h("span", { class: "tree-name", dir: "auto", title: text }, text);
      const size = h("small", null, number(node.size));
      const row = topic
        ? h("a", { class: "tree-row", href: () => format(changed({ t: topic.id }, "topics")), "aria-current": topic.id === open ? "true" : null, vars: { part: `${(100 * node.size) / most}%` } }, name, size)
        : h("span", { class: "tree-row is-node" }, name, size);
      if (!children.length) return h("li", null, row);
      const isOpen = !topic || topic.id === open;
      return h("li", null, h("details", { open: isOpen }, h("summary", null, row), h("ul", { class: "plain" }, children.map((child) => branch(child, depth + 1, isPart || topic !== undefined)))));
    };
    const tops = (root ? (under.get(root.id) ?? []) : (under.get(null) ?? [])).toSorted((a, b) => b.size - a.size);
    const rows = tops.length ? tops.map((node) => branch(node, 0, false)) : topics.map((t) => h("li", null, h("a", { class: "tree-row", href: () => format(changed({ t: t.id }, "topics")), "aria-current": t.id === open ? "true" : null }, h("span", { class: "tree-name", dir: "auto", title: t.label }, t.label), h("small", null, number(t.size)))));
    fill(tree, h("a", { class: "tree-row tree-all", href: () => format(changed({ t: null }, "topics")), "aria-current": open === null ? "true" : null }, h("span", { class: "tree-name" }, "All topics"), h("small", null, number(topics.length))), h("ul", { class: "plain" }, rows));
  }

  /** @param {Topic} topic @param {number} most */
  function card(topic, most) {
    const course = lineOf(topic.id);
    const writable = ctx.corpus()?.writable;
    return h(
      "article",
      { class: "card", "data-topic": topic.id },
      h(
        "header",
        null,
        writable &&
          h("input", {
            type: "checkbox",
            "aria-label": `Choose ${topic.label}`,
            checked: chosen.has(topic.id),
            onchange: (/** @type {Event} */ e) => {
              if (/** @type {HTMLInputElement} */ (e.target).checked) chosen.add(topic.id);
              else chosen.delete(topic.id);
              showBar();
            },
          }),
        h("h3", { dir: "auto" }, h("a", { href: () => format(changed({ t: topic.id }, "topics")) }, topic.label)),
        trend(risingOf(topic)),
      ),
      h("p", { class: "card-facts" }, counted(topic.size, "article"), " · ", percent(topic.share)),
      timeline && (course ? sparkline(course.counts, timeline, { most, label: `${drawnOf(timeline)}, at most ${valueOf(mostOf(course, timeline), timeline)}` }) : h("div", { class: "spark" })),
      h("ul", { class: "plain typical" }, topic.typical.slice(0, 3).map((a) => h("li", null, h("a", { href: () => articleAddress(a.id), dir: "auto" }, heading(a))))),
    );
  }

  const undoButton = () => h("button", { type: "button", class: "button", disabled: undos === 0, title: undos ? "Takes the last change by hand back" : "There is no change by hand to take back", onclick: () => void edit.undo() }, "Undo");

  const bar = h("div", { class: "bar" });
  function showBar() {
    const { params } = here();
    const sort = params.get("sort") ?? (timeline ? "rising" : "size");
    const option = (/** @type {string} */ value, /** @type {string} */ name) => h("button", { type: "button", role: "radio", "aria-checked": String(sort === value), onclick: () => go(changed({ sort: value })) }, name);
    const many = topics.filter((t) => chosen.has(t.id));
    fill(
      bar,
      h("h2", null, counted(topics.length, "topic")),
      h("div", { class: "segments", role: "radiogroup", "aria-label": "Order" }, timeline && option("rising", "Rising first"), option("size", "Largest first"), option("name", "By name")),
      ctx.corpus()?.writable && h("span", { class: "bar-end" }, h("button", { type: "button", class: "button", disabled: many.length < 2, title: many.length < 2 ? "Tick two topics or more" : null, onclick: () => void edit.merge(many, () => chosen.clear()) }, many.length > 1 ? `Merge ${many.length}` : "Merge"), undoButton()),
    );
  }

  function showAll() {
    const { params } = here();
    const sort = params.get("sort") ?? (timeline ? "rising" : "size");
    const sorted = topics.toSorted((a, b) => (sort === "name" ? a.label.localeCompare(b.label) : sort === "rising" ? (risingOf(b) ?? -99) - (risingOf(a) ?? -99) : b.size - a.size));
    const line = timeline;
    // All on one scale, so that heights compare from card to card.
    const most = line ? highest(line) : 1;
    showBar();
    fill(body, bar, line && h("p", { class: "note" }, `${drawnOf(line)}, ${span(line.bins[0] ?? "")} to ${span(line.bins[line.bins.length - 1] ?? "")}; all on one scale, up to ${valueOf(most, line)}`), h("div", { class: "cards" }, sorted.map((topic) => card(topic, most))));
  }

  /** @param {string} corpus @param {number} id */
  async function showOne(corpus, id) {
    const brief = topics.find((t) => t.id === id);
    if (!brief) {
      fill(body, empty("There is no such topic any more.", h("a", { class: "button", href: () => format(changed({ t: null })) }, "All topics")));
      return;
    }
    /** @type {WholeTopic} */
    let topic = brief;
    const draw = () => {
      const course = lineOf(id);
      const line = timeline;
      const top = course && line ? mostOf(course, line) : 0;
      const writable = ctx.corpus()?.writable;
      const f = written("topic", id);
      fill(
        body,
        h(
          "div",
          { class: "bar" },
          h("a", { class: "tool", href: () => format(changed({ t: null })), "aria-label": "All topics", title: "All topics" }, icon("left")),
          h("h2", { dir: "auto" }, topic.label),
          trend(risingOf(topic)),
          writable && h("span", { class: "bar-end" }, h("button", { type: "button", class: "button", onclick: () => void edit.rename(topic) }, "Rename"), h("button", { type: "button", class: "button", onclick: () => void edit.split(topic) }, "Split"), undoButton()),
        ),
        h("p", { class: "card-facts" }, counted(topic.size, "article"), " · ", percent(topic.share), topic.dates ? ` · ${date(topic.dates[0])} to ${date(topic.dates[1])}` : ""),
        h("p", { class: "chips" }, topic.terms.slice(0, 14).map((term) => h("a", { class: "chip", dir: "auto", href: () => format(changed({ q: term, by: "words", t: null }, "search")) }, term))),
        h("p", { class: "links" }, h("a", { class: "button", href: () => format(changed({ q: null, f: [f] }, "search")) }, icon("search"), "Its articles"), h("a", { class: "button", href: () => format(changed({ only: [topic.label], colour: "topic" }, "map")) }, icon("map"), "On the map")),
        course && line && h("section", { class: "topic-time" }, h("h3", null, drawnOf(line)), sparkline(course.counts, line, { most: Math.max(top, 0.001), label: `${drawnOf(line)}, at most ${valueOf(top, line)}`, high: 90 }), h("div", { class: "legend-ends" }, h("span", null, span(line.bins[0] ?? "")), h("span", null, `at most ${valueOf(top, line)}`), h("span", null, span(line.bins[line.bins.length - 1] ?? "")))),
        h(
          "div",
          { class: "columns" },
          h("section", null, h("h3", null, "Typical articles"), h("ul", { class: "plain typical" }, topic.typical.map((a) => h("li", null, h("a", { href: () => articleAddress(a.id), dir: "auto" }, heading(a)))))),
          topic.sources.length > 0 && h("section", null, h("h3", null, "Sources"), bars(topic.sources.slice(0, 10).map((x) => ({ name: x.value, count: x.count })), topic.size)),
          (topic.parts?.length ?? 0) > 0 && h("section", null, h("h3", null, "Parts"), bars((topic.parts ?? []).map((p) => ({ name: p.label, count: p.size })), topic.size)),
        ),
      );
    };
    draw();
    ctx.drawn("topics");
    try {
      topic = await api.topic(corpus, id, asking?.signal);
      if (here().params.get("t") === String(id)) draw();
    } catch (error) {
      if (!isAborted(error)) body.append(problem(error));
    }
  }

  /** @param {Place} place */
  async function show(place) {
    try {
      if (loaded !== place.corpus) {
        if (!(await ctx.hasTopics())) {
          asking?.abort();
          element.classList.add("is-empty");
          fill(tree);
          fill(body, noTopics(ctx));
          ctx.drawn("topics");
          return;
        }
        await load(place.corpus);
      }
      const t = place.params.get("t");
      const open = t === null ? null : Number(t);
      element.classList.remove("is-empty");
      showTree(open);
      if (open === null) showAll();
      else await showOne(place.corpus, open);
      ctx.drawn("topics");
    } catch (error) {
      if (isAborted(error)) return;
      loaded = "";
      element.classList.add("is-empty");
      fill(tree);
      fill(body, error instanceof Problem && error.kind === "not_found" ? noTopics(ctx) : problem(error));
    }
  }

  return {
    element,
    /** @param {Place} place */
    show: (place) => void show(place),
    /** What is shown may no longer be so. */
    forget() {
      loaded = "";
    },
  };
}

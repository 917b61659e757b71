// The page: what is always there, and which of its views one sees.

/** @import { Corpus, Topic } from "./types.js" */
/** @import { View } from "./state.js" */

import { api, askForKeys, Problem } from "./api.js";
import { at, h, fill, icon } from "./dom.js";
import { number } from "./format.js";
import { changed, format, go, here, VIEWS } from "./state.js";
import { createSearch } from "./search.js";
import { createArticle } from "./article.js";
import { createTopics } from "./topics.js";
import { createTime } from "./time.js";
import { createMapView } from "./mapview.js";
import { listenToKeys, showKeys } from "./keys.js";
import { empty, problem } from "./chart.js";
import { asked } from "./edits.js";
import { createScroll } from "./scroll.js";
import { currentTheme, isDark, nextTheme, onTheme } from "./theme.js";

/**
 * What the views know of the page.
 *
 * @typedef {{
 *   corpus: () => Corpus | null, name: () => string, isDark: () => boolean, say: (text: string) => void,
 *   toast: (text: string, action?: string, act?: () => void) => void, topicLabel: (id: number) => string,
 *   topicsChanged: () => Promise<void>, hasTopics: () => Promise<boolean>, drawn: (view: View) => void
 * }} Context
 *
 * `hasTopics` asks anew where there were none: somebody may have looked for them since. `drawn` is told
 * when what a place shows stands there.
 */

/** @type {Record<View, [string, string]>} */
const NAMES = { search: ["Search", "search"], map: ["Map", "map"], topics: ["Topics", "topics"], time: ["Time", "time"] };

/** @type {Corpus[]} */
let corpora = [];
/** @type {Corpus | null} */
let corpus = null;
/** @type {Topic[]} */
let topics = [];

const said = at("said");
const toastAt = at("toast");
let toastTimer = 0;

/** @type {Context} */
const ctx = {
  corpus: () => corpus,
  name: () => here().corpus,
  isDark,
  say(text) {
    said.textContent = text;
  },
  toast(text, action, act) {
    clearTimeout(toastTimer);
    toastAt.hidden = false;
    fill(toastAt, h("span", { dir: "auto" }, text), action && act && h("button", { type: "button", class: "quiet", onclick: () => { toastAt.hidden = true; act(); } }, action));
    toastTimer = setTimeout(() => {
      toastAt.hidden = true;
    }, 9000);
  },
  topicLabel: (id) => topics.find((t) => t.id === id)?.label ?? String(id),
  async topicsChanged() {
    for (const view of Object.values(views)) view.forget();
    await describe(here().corpus);
    show();
  },
  async hasTopics() {
    const name = here().corpus;
    if (corpus?.name === name && corpus.topics === null && corpus.embedded > 0) {
      const now = await api.corpus(name);
      if (corpus.name === name) corpus = now;
    }
    return corpus?.topics !== null;
  },
  drawn(view) {
    if (here().view === view) scroll.drawn();
  },
};

const main = at("main");
/** What is shown, for those who do not see it. */
const where = h("h1", { class: "unseen" });
const scroll = createScroll(main);
const views = { search: createSearch(ctx), map: createMapView(ctx), topics: createTopics(ctx), time: createTime(ctx) };
const article = createArticle(ctx, at("article"));

const q = /** @type {HTMLInputElement} */ (at("q"));
const choose = /** @type {HTMLSelectElement} */ (at("corpus"));
const links = VIEWS.map((view) => {
  const [name, picture] = NAMES[view];
  return h("a", { href: "#", "data-view": view, title: name, onclick: () => views.search.closeSide() }, icon(picture), h("span", null, name));
});
fill(at("views"), links);
/** @type {[string, string, string][]} */
const MODES = [
  ["meaning", "Meaning", "Articles about the same, whatever their words"],
  ["words", "Words", "Articles that hold these words"],
  ["both", "Both", "What is found by meaning and by words, as one list"],
];
const modes = MODES.map(([value, name, title]) =>
  h("button", { type: "button", role: "radio", title, "aria-checked": "false", "data-by": value, onclick: () => { go(changed({ by: value === "meaning" ? null : value, page: null })); } }, name),
);
fill(at("by"), modes);
at("by").addEventListener("keydown", (e) => {
  const by = e.key === "ArrowRight" || e.key === "ArrowDown" ? 1 : e.key === "ArrowLeft" || e.key === "ArrowUp" ? -1 : 0;
  if (!by) return;
  e.preventDefault();
  const next = modes[(modes.findIndex((m) => m === document.activeElement) + by + modes.length) % modes.length];
  next?.focus();
  next?.click();
});
const themeButton = h("button", { type: "button", class: "tool", onclick: () => { nextTheme(); showTheme(); } });
fill(at("top-end"), themeButton, h("button", { type: "button", class: "tool keys-button", "aria-label": "Keys", title: "Keys (?)", onclick: showKeys }, icon("help")));
function showTheme() {
  const label = `Theme: ${currentTheme()}`;
  themeButton.setAttribute("aria-label", label);
  themeButton.title = label;
  fill(themeButton, icon(isDark() ? "moon" : "sun"));
}
showTheme();
onTheme(() => {
  showTheme();
  views.map.themed();
});

/** Pixels that the longer placeholder needs. */
const ROOM = 216;
new ResizeObserver(() => {
  q.placeholder = q.clientWidth < ROOM ? "Search" : "Search by meaning or words";
}).observe(q);
q.addEventListener("input", () => {
  const { view } = here();
  const goal = view === "search" || view === "map" ? view : "search";
  go(changed({ q: q.value, page: null }, goal), { replace: true, silent: true });
  show({ soon: true });
});
at("ask").addEventListener("submit", (e) => {
  e.preventDefault();
  views.search.closeSide();
  show();
});
choose.addEventListener("change", () => {
  // What one looks for is looked for there too; fields, dates and articles are those of a corpus.
  const { view, params } = here();
  const kept = [...params].filter(([name]) => name === "q" || name === "by");
  go({ corpus: choose.value, view, params: new URLSearchParams(kept) });
});

let shownView = "";
/** What a place lists, from its top on: another page, query or topic begins there. @param {import("./state.js").Place} place */
const listOf = ({ corpus, view, params }) => JSON.stringify([corpus, view, ...["q", "by", "page", "t"].map((name) => params.get(name))]);

/** @param {{ soon?: boolean }} [how] */
function show(how = {}) {
  const place = here();
  scroll.moved(listOf(place));
  if (!corpora.some((c) => c.name === place.corpus)) {
    document.title = "Nearwise";
    where.textContent = "Nearwise";
    fill(main, where, empty(`No corpus “${place.corpus}” is served here.`, h("p", null, corpora.map((c) => h("a", { class: "button", href: format({ corpus: c.name, view: "map", params: new URLSearchParams() }) }, c.name)))));
    shownView = "";
    return;
  }
  const text = place.params.get("q") ?? "";
  if (document.activeElement !== q || !how.soon) q.value = text;
  const by = place.params.get("by") ?? "meaning";
  for (const mode of modes) {
    const isOn = mode.getAttribute("data-by") === by;
    mode.setAttribute("aria-checked", String(isOn));
    mode.tabIndex = isOn ? 0 : -1;
  }
  for (const link of links) {
    const view = /** @type {View} */ (link.getAttribute("data-view"));
    link.setAttribute("href", format(view === place.view ? { ...place, params: new URLSearchParams(place.params) } : changed({}, view)));
    if (view === place.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  at("brand").setAttribute("href", format({ corpus: place.corpus, view: "map", params: new URLSearchParams() }));
  choose.value = place.corpus;
  where.textContent = `${NAMES[place.view][0]}: ${place.corpus}`;
  document.title = `${text ? `${text} · ` : ""}${NAMES[place.view][0]} · ${place.corpus} · Nearwise`;
  if (shownView !== place.view) {
    if (shownView === "map") views.map.hide();
    views.search.closeSide();
    fill(main, where, views[place.view].element);
    shownView = place.view;
    main.scrollTop = 0;
  }
  article.show(place.corpus, place.params.get("a"));
  views[place.view].show(place, how);
}

/** What is known of the corpus that one looks at; its topics' names come when they are there. @param {string} name */
async function describe(name) {
  if (!corpora.some((c) => c.name === name)) return;
  corpus = await api.corpus(name);
  topics = [];
  if (corpus.topics === null) return;
  api.topics(name).then(
    (list) => {
      if (here().corpus !== name) return;
      topics = list.topics;
      if (here().view === "search") show();
    },
    () => {},
  );
}

/** The place has changed: the address was typed, a link followed, or a step taken back. */
async function moved() {
  const place = here();
  if (!place.corpus && corpora[0]) {
    go({ ...place, corpus: corpora[0].name }, { replace: true, silent: true });
  }
  const name = here().corpus;
  if (corpus?.name !== name) {
    corpus = null;
    topics = [];
    try {
      await describe(name);
    } catch {
      // What is shown next says what is wrong.
    }
    if (here().corpus !== name) return;
  }
  show();
}

/** Whether nobody wants to give a key: then nothing asks until it is wanted. */
let isKeyless = false;
askForKeys(async (isWrong) => {
  if (isKeyless) return null;
  const key = await asked({ title: "This server asks for a key", label: "Key", value: "", type: "password", action: "Go on", ...(isWrong ? { wrong: "The server does not know that key." } : {}) });
  isKeyless = !key;
  // Another key may do more or less than the one before.
  if (key && corpora.length) setTimeout(() => void ctx.topicsChanged().catch(() => {}));
  return key;
});

async function start() {
  try {
    corpora = await api.corpora();
  } catch (error) {
    const isKey = error instanceof Problem && error.status === 401;
    const again = () => {
      isKeyless = false;
      void start();
    };
    where.textContent = "Nearwise";
    fill(main, where, empty(isKey ? "This server asks for a key." : "The corpora cannot be listed.", !isKey && problem(error), h("p", null, h("button", { type: "button", class: "button primary", onclick: again }, isKey ? "Give a key" : "Try again"))));
    return;
  }
  if (!corpora.length) {
    where.textContent = "Nearwise";
    fill(main, where, empty("This server has no corpus.", h("p", null, "Start it with ", h("code", null, "nearwise serve -c news.nearwise"))));
    return;
  }
  fill(choose, corpora.map((c) => h("option", { value: c.name }, `${c.name} · ${number(c.articles)}`)));
  choose.disabled = corpora.length < 2;
  addEventListener("place", () => void moved());
  addEventListener("popstate", () => void moved());
  listenToKeys({
    search() {
      q.focus();
      q.select();
    },
    view: (n) => go(changed({}, VIEWS[n] ?? "map")),
    step: (by) => views.search.step(by),
    escape() {
      if (article.isOpen()) article.close();
    },
    theme() {
      nextTheme();
      showTheme();
    },
  });
  await moved();
}

void start();

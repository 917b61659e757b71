// What the articles within a lasso are about.

/** @import { About } from "../types.js" */

import { h, fill, icon } from "../dom.js";
import { counted, number, percent, span } from "../format.js";

/**
 * Bars of counts by name.
 *
 * @param {{ name: string, count: number }[]} rows @param {number} of
 */
export function bars(rows, of) {
  const most = Math.max(1, ...rows.map((r) => r.count));
  return h(
    "ul",
    { class: "bars" },
    rows.map(({ name, count }) =>
      h(
        "li",
        { vars: { part: `${(100 * count) / most}%` } },
        h("span", { class: "bars-name", dir: "auto" }, name),
        h("small", null, of > 0 ? percent(count / of) : number(count)),
      ),
    ),
  );
}

/**
 * @param {{ open: (id: string) => void, close: () => void, zoom: () => void }} on
 */
export function createAbout(on) {
  const body = h("div", { class: "about-body" });
  const title = h("h2", { id: "about-title" });
  const element = h(
    "section",
    { class: "about", hidden: true, "aria-labelledby": "about-title", "aria-live": "polite" },
    h(
      "header",
      { class: "about-head" },
      title,
      h("button", { type: "button", class: "quiet", onclick: on.zoom }, "Zoom in"),
      h("button", { type: "button", class: "tool", "aria-label": "End the selection", title: "End the selection", onclick: on.close }, icon("close")),
    ),
    body,
  );

  return {
    element,
    hide() {
      element.hidden = true;
    },
    /** @param {number} articles */
    wait(articles) {
      element.hidden = false;
      title.textContent = counted(articles, "article");
      fill(body, h("div", { class: "bone" }), h("div", { class: "bone" }), h("div", { class: "bone short" }));
    },
    /** @param {string} message */
    fail(message) {
      fill(body, h("p", { class: "problem", role: "alert" }, message));
    },
    /** @param {About} about @param {number} articles how many there are in all, where only a sample was asked about */
    show(about, articles) {
      title.textContent = counted(articles, "article");
      const most = Math.max(1, ...(about.dates?.counts ?? [1]));
      fill(
        body,
        about.terms.length > 0 && h("p", { class: "chips" }, about.terms.slice(0, 12).map((term) => h("span", { class: "chip", dir: "auto" }, term))),
        about.typical.length > 0 && [
          h("h3", null, "Typical articles"),
          h(
            "ul",
            { class: "plain" },
            about.typical.slice(0, 6).map(({ id, title: name }) =>
              h("li", null, h("button", { type: "button", class: "link", dir: "auto", onclick: () => on.open(id) }, name || id)),
            ),
          ),
        ],
        about.dates && about.dates.bins.length > 1 && [
          h("h3", null, "When"),
          h("div", { class: "mini", "aria-hidden": "true" }, about.dates.counts.map((c) => h("i", { vars: { part: `${(100 * c) / most}%` } }))),
          h("div", { class: "legend-ends" }, h("span", null, span(about.dates.bins[0] ?? "")), h("span", null, span(about.dates.bins[about.dates.bins.length - 1] ?? ""))),
        ],
        about.topics.length > 0 && [
          h("h3", null, "Topics"),
          bars(about.topics.slice(0, 6).map((t) => ({ name: t.label, count: t.count })), about.articles),
        ],
        about.sources.length > 0 && [
          h("h3", null, "Sources"),
          bars(about.sources.slice(0, 6).map((t) => ({ name: t.value, count: t.count })), about.articles),
        ],
      );
    },
  };
}

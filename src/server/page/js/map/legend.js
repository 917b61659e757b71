// What the colours mean; a click shows a class alone.

/** @import { Scheme } from "./schemes.js" */

import { h, fill } from "../dom.js";
import { number } from "../format.js";
import { css } from "./colours.js";
import { ofNone, shortNumber } from "./schemes.js";

/**
 * @param {{ toggle: (kind: number) => void, clear: () => void, over: (kind: number | null) => void }} on
 */
export function createLegend(on) {
  const list = h("div", { class: "legend-list", role: "group", "aria-label": "Colours" });

  return {
    element: list,
    /** @param {Scheme} scheme @param {boolean} dark @param {Set<number>} only */
    show(scheme, dark, only) {
      const focused = list.contains(document.activeElement) ? document.activeElement?.getAttribute("data-kind") : null;
      if (scheme.isScale) {
        const first = scheme.classes[0];
        const last = scheme.classes[scheme.classes.length - 1];
        const bar = h("div", { class: "legend-scale", "aria-hidden": "true" });
        bar.style.background = `linear-gradient(to right, ${scheme.classes.map((c) => css(dark ? c.dark : c.light)).join(", ")})`;
        fill(
          list,
          bar,
          h("div", { class: "legend-ends" }, h("span", null, first?.name.replace("from ", "") ?? ""), h("span", null, last?.name ?? "")),
        );
        return;
      }
      const rows = scheme.classes.map((c, i) => ({ kind: i + 1, name: c.name, count: c.count, colour: dark ? c.dark : c.light }));
      if (scheme.none) rows.push({ kind: 0, name: scheme.noneName, count: scheme.none, colour: ofNone(scheme, dark) });
      fill(
        list,
        only.size > 0 && h("button", { type: "button", class: "quiet legend-clear", onclick: on.clear }, "Show all"),
        rows
          .filter((row) => row.count > 0)
          .map(({ kind, name, count, colour }) => {
            const swatch = h("i", { class: "swatch" });
            swatch.style.background = css(colour);
            return h(
              "button",
              {
                type: "button",
                class: only.size && !only.has(kind) ? "legend-row is-off" : "legend-row",
                "aria-pressed": String(only.has(kind)),
                "data-kind": kind,
                title: `${name}: ${number(count)}`,
                onclick: () => on.toggle(kind),
                onpointerenter: () => on.over(kind),
                onpointerleave: () => on.over(null),
                onfocus: () => on.over(kind),
                onblur: () => on.over(null),
              },
              swatch,
              h("span", { class: "legend-name", dir: "auto" }, name),
              h("small", null, shortNumber(count)),
            );
          }),
      );
      if (focused) /** @type {HTMLElement | null} */ (list.querySelector(`[data-kind="${CSS.escape(focused)}"]`))?.focus();
    },
  };
}

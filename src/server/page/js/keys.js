// Keys that work everywhere, and the list of them.

import { h } from "./dom.js";

/** @type {[string, string][]} */
const KEYS = [
  ["/", "search"],
  ["1 2 3 4", "search, map, topics, time"],
  ["j k", "next and previous hit"],
  ["Enter", "open it"],
  ["Esc", "close the article, end a selection"],
  ["← ↑ → ↓ + − 0", "on the map: move, zoom, all of it"],
  ["L, or Shift and draw", "on the map: select by lasso"],
  ["t", "light or dark"],
  ["?", "this list"],
];

export function showKeys() {
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-label": "Keys" },
    h("h2", null, "Keys"),
    h("dl", { class: "keys" }, KEYS.flatMap(([key, does]) => [h("dt", null, key.split(" ").flatMap((k) => (/^[a-z]{2,}$/.test(k) ? [`${k} `] : [h("kbd", null, k.replace(",", "")), k.endsWith(",") ? ", " : " "]))), h("dd", null, does)])),
    h("form", { method: "dialog", class: "dialog-end" }, h("button", { class: "button primary" }, "Close")),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * @param {{ search: () => void, view: (n: number) => void, step: (by: number) => void, escape: () => void, theme: () => void }} on
 */
export function listenToKeys(on) {
  addEventListener("keydown", (e) => {
    const target = /** @type {HTMLElement} */ (e.target);
    if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
    if (e.key === "Escape") {
      if (target instanceof HTMLInputElement) target.blur();
      else on.escape();
      return;
    }
    if (target.matches("input:not([type=checkbox]), textarea, select")) {
      if (e.key === "ArrowDown" && target.id === "q") {
        e.preventDefault();
        on.step(1);
      }
      return;
    }
    const n = "1234".indexOf(e.key);
    if (e.key === "/") on.search();
    else if (n >= 0) on.view(n);
    else if (e.key === "j") on.step(1);
    else if (e.key === "k") on.step(-1);
    else if (e.key === "t") on.theme();
    else if (e.key === "?") showKeys();
    else return;
    e.preventDefault();
  });
}

// Changing topics by hand: rename, merge, split, undo.

/** @import { Context } from "./main.js" */
/** @import { Topic } from "./types.js" */

import { api } from "./api.js";
import { h } from "./dom.js";
import { counted } from "./format.js";

/** @param {Context} ctx @param {string} said @param {Promise<unknown>} work */
async function edited(ctx, said, work) {
  try {
    await work;
    ctx.toast(said, "undo", () => void edited(ctx, "Undone", api.undo(ctx.name())));
    await ctx.topicsChanged();
  } catch (error) {
    ctx.toast(error instanceof Error ? error.message : String(error));
  }
}

/**
 * A dialog that asks for one thing.
 *
 * @param {{ title: string, label: string, value: string, type?: string, min?: number, max?: number, action: string, note?: string }} what
 * @returns {Promise<string | null>}
 */
export function asked({ title, label, value, type = "text", min, max, action, note }) {
  return new Promise((resolve) => {
    const input = h("input", { type, value, min, max, required: type === "number", maxlength: type === "text" ? 200 : null, dir: "auto" });
    const dialog = h(
      "dialog",
      { class: "dialog", "aria-label": title },
      h(
        "form",
        { method: "dialog", onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); end(input.value.trim()); } },
        h("h2", null, title),
        h("label", null, label, input),
        note && h("p", { class: "note" }, note),
        h("div", { class: "dialog-end" }, h("button", { type: "button", class: "button", onclick: () => end(null) }, "Cancel"), h("button", { type: "submit", class: "button primary" }, action)),
      ),
    );
    const end = (/** @type {string | null} */ answer) => {
      dialog.close();
      dialog.remove();
      resolve(answer);
    };
    dialog.addEventListener("cancel", (e) => { e.preventDefault(); end(null); });
    dialog.addEventListener("keydown", (e) => e.stopPropagation());
    document.body.append(dialog);
    dialog.showModal();
    input.select();
  });
}

/** @param {Context} ctx */
export function editing(ctx) {
  return {
    /** @param {Topic} topic */
    async rename(topic) {
      const label = await asked({ title: "Rename the topic", label: "Name", value: topic.label, action: "Rename", note: "Later fits keep the name." });
      if (label && label !== topic.label) await edited(ctx, `Renamed to “${label}”`, api.edit(ctx.name(), { rename: { topic: topic.id, label } }));
    },
    /** @param {Topic[]} topics */
    async merge(topics) {
      const label = await asked({ title: `Merge ${counted(topics.length, "topic")}`, label: "Name", value: topics[0]?.label ?? "", action: "Merge", note: topics.map((t) => t.label).join(" + ") });
      if (label === null) return;
      await edited(ctx, `${counted(topics.length, "topic")} merged`, api.edit(ctx.name(), { merge: { topics: topics.map((t) => t.id), ...(label && label !== topics[0]?.label ? { label } : {}) } }));
    },
    /** @param {Topic} topic */
    async split(topic) {
      const k = await asked({ title: `Split “${topic.label}”`, label: "Into how many", value: "2", type: "number", min: 2, max: 20, action: "Split", note: "The largest part keeps the number." });
      if (k) await edited(ctx, `Split into ${k}`, api.edit(ctx.name(), { split: { topic: topic.id, k: Number(k) } }));
    },
    undo: () => edited(ctx, "Undone", api.undo(ctx.name())),
  };
}

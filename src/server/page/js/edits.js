// Changing topics by hand: rename, merge, split, undo.

/** @import { Context } from "./main.js" */
/** @import { Topic } from "./types.js" */

import { api } from "./api.js";
import { h } from "./dom.js";
import { counted } from "./format.js";

/**
 * Waits for a change, tells it, and shows the topics as they are then.
 *
 * @param {Context} ctx @param {string} said @param {Promise<unknown>} work
 * @param {boolean} [isUndo] what was just undone is not offered to be undone: that would be the change before it
 */
async function edited(ctx, said, work, isUndo = false) {
  try {
    await work;
    if (isUndo) ctx.toast(said);
    else ctx.toast(said, "Undo", () => void undone(ctx));
    await ctx.topicsChanged();
  } catch (error) {
    ctx.toast(error instanceof Error ? error.message : String(error));
  }
}

/** Takes the last change by hand back. @param {Context} ctx */
const undone = (ctx) => edited(ctx, "Undone", api.undo(ctx.name()), true);

/**
 * A dialog that asks for one thing.
 *
 * @param {{ title: string, label: string, value: string, type?: string, min?: number, max?: number, action: string, note?: string, hint?: string, wrong?: string }} what
 *   `hint`: what an empty field means; `wrong`: what was wrong with the last answer
 * @returns {Promise<string | null>}
 */
export function asked({ title, label, value, type = "text", min, max, action, note, hint, wrong }) {
  return new Promise((resolve) => {
    const input = h("input", { type, value, min, max, placeholder: hint, required: type === "number" || type === "password", autocomplete: "off", maxlength: type === "text" ? 200 : null, dir: "auto" });
    const dialog = h(
      "dialog",
      { class: "dialog", "aria-label": title },
      h(
        "form",
        { method: "dialog", onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); end(input.value.trim()); } },
        h("h2", null, title),
        h("label", null, label, input),
        wrong && h("p", { class: "problem", role: "alert" }, wrong),
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
    /** @param {Topic[]} topics @param {() => void} merged before the topics are shown anew */
    async merge(topics, merged) {
      const label = await asked({ title: `Merge ${counted(topics.length, "topic")}`, label: "Name", value: topics[0]?.label ?? "", action: "Merge", hint: "by its most telling words", note: topics.map((t) => t.label).join(" + ") });
      if (label === null) return;
      // What the field shows is the name, also where nobody changed it; an empty one is found anew.
      await edited(ctx, `${counted(topics.length, "topic")} merged`, api.edit(ctx.name(), { merge: { topics: topics.map((t) => t.id), ...(label ? { label } : {}) } }).then(merged));
    },
    /** @param {Topic} topic */
    async split(topic) {
      const k = await asked({ title: `Split “${topic.label}”`, label: "Into how many", value: "2", type: "number", min: 2, max: 20, action: "Split", note: "The largest part keeps the number." });
      if (k) await edited(ctx, `Split into ${k}`, api.edit(ctx.name(), { split: { topic: topic.id, k: Number(k) } }));
    },
    undo: () => undone(ctx),
  };
}

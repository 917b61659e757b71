// Fingers, mouse and keys on the map.

/** @import { MapView } from "./view.js" */

/**
 * @param {HTMLElement} surface
 * @param {MapView} view
 * @param {{
 *   moved: () => void, hover: (x: number, y: number) => void, leave: () => void, tap: (x: number, y: number) => void,
 *   isLasso: () => boolean, lasso: (path: [number, number][], isDone: boolean) => void,
 *   key: (e: KeyboardEvent) => void
 * }} on
 */
export function listen(surface, view, on) {
  /** @type {Map<number, [number, number]>} */
  const pointers = new Map();
  /** @type {[number, number][] | null} */
  let path = null;
  let far = 0;
  let spread = 0;
  const place = (/** @type {{ clientX: number, clientY: number }} */ e) => {
    const box = surface.getBoundingClientRect();
    return /** @type {[number, number]} */ ([e.clientX - box.left, e.clientY - box.top]);
  };

  surface.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    surface.setPointerCapture(e.pointerId);
    const at = place(e);
    pointers.set(e.pointerId, at);
    view.stop();
    far = 0;
    spread = 0;
    if (pointers.size === 1 && (e.shiftKey || on.isLasso())) path = [at];
    else if (path) {
      path = null;
      on.lasso([], false);
    }
  });
  surface.addEventListener("pointermove", (e) => {
    const at = place(e);
    const before = pointers.get(e.pointerId);
    if (!before) {
      if (e.pointerType !== "touch") on.hover(...at);
      return;
    }
    pointers.set(e.pointerId, at);
    if (path) {
      const last = path[path.length - 1] ?? at;
      if (Math.hypot(at[0] - last[0], at[1] - last[1]) > 3) {
        path.push(at);
        on.lasso(path, false);
      }
      return;
    }
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()];
      if (!a || !b) return;
      const apart = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (spread > 0) view.zoomAt(apart / spread, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      view.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
      spread = apart;
      far = 99;
      on.moved();
      return;
    }
    far += Math.abs(at[0] - before[0]) + Math.abs(at[1] - before[1]);
    if (far < 4) return;
    surface.classList.add("is-dragged");
    view.pan(at[0] - before[0], at[1] - before[1]);
    on.leave();
    on.moved();
  });
  const lift = (/** @type {PointerEvent} */ e) => {
    if (!pointers.delete(e.pointerId)) return;
    surface.classList.remove("is-dragged");
    spread = 0;
    if (path) {
      const done = path;
      path = null;
      on.lasso(done, e.type === "pointerup" && done.length > 3);
      return;
    }
    if (far < 4 && e.type === "pointerup") on.tap(...place(e));
  };
  surface.addEventListener("pointerup", lift);
  surface.addEventListener("pointercancel", lift);
  surface.addEventListener("pointerleave", on.leave);
  surface.addEventListener("dblclick", (e) => {
    view.zoomAt(e.shiftKey ? 0.5 : 2, ...place(e));
    on.moved();
  });
  surface.addEventListener(
    "wheel",
    (e) => {
      e.preventDefault();
      // A pinch on a touch pad comes as a wheel with the control key.
      const speed = e.ctrlKey ? 0.01 : e.deltaMode ? 0.05 : 0.0016;
      view.zoomAt(Math.exp(-e.deltaY * speed), ...place(e));
      on.moved();
    },
    { passive: false },
  );
  surface.addEventListener("keydown", on.key);
}

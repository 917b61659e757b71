// How far one has scrolled in each place of the browser's history: a new place begins at its top, an
// earlier one is shown where it was left.

const KEY = "nearwise-scroll";

/** The number of a place in the history. */
const entry = () => /** @type {number | undefined} */ (history.state?.entry);

/** @returns {Map<number, number>} */
function kept() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));
  } catch {
    return new Map();
  }
}

/** @param {HTMLElement} scroller what scrolls */
export function createScroll(scroller) {
  /** How far each place was scrolled, by its number. */
  const places = kept();
  let next = Math.max(0, ...places.keys(), entry() ?? 0) + 1;
  /** The place that is shown, and what it lists. */
  let current = 0;
  let listed = "";
  /** Where to go once what is asked for stands there. @type {number | null} */
  let wanted = null;

  // Whoever scrolls meanwhile stays where they are.
  for (const name of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    scroller.addEventListener(name, () => {
      wanted = null;
    }, { passive: true });
  }
  scroller.addEventListener("scroll", () => {
    if (wanted === null && current) places.set(current, scroller.scrollTop);
  }, { passive: true });
  addEventListener("pagehide", () => {
    try {
      sessionStorage.setItem(KEY, JSON.stringify([...places].slice(-50)));
    } catch {
      // Then a page that is loaded anew begins at its top.
    }
  });

  return {
    /**
     * The place has changed. Of places that list the same, such as with another article beside, one
     * stays where one is.
     *
     * @param {string} list what is listed there
     */
    moved(list) {
      const known = entry();
      if (known === undefined) history.replaceState({ entry: next }, "");
      const now = known ?? next++;
      if (list !== listed) wanted = known !== undefined && now !== current ? (places.get(now) ?? 0) : 0;
      else if (wanted === null) places.set(now, scroller.scrollTop);
      current = now;
      listed = list;
    },
    /** What is wanted stands there, or a part of it. */
    drawn() {
      if (wanted === null) return;
      scroller.scrollTop = wanted;
      // What is not as long yet is scrolled further when more of it stands there.
      if (Math.abs(scroller.scrollTop - wanted) < 2) {
        wanted = null;
        if (current) places.set(current, scroller.scrollTop);
      }
    },
  };
}

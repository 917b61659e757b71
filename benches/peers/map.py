"""Uses a map's page as a reader would, in headless Chromium, and measures its frames.

    python benches/peers/map.py MAP.html [--screenshot FOLDER] [--chromium PROGRAM]

Hovers, chooses an article and one of its neighbours, searches, colours, hides a class, zooms and
pans; fails on an error in the console, a dialog, or a request to anywhere. Prints the median and
the longest time between frames while panning. Without a GPU, Chromium draws WebGL in software, so
that the times are an upper bound. Needs playwright and a Chromium.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

p = argparse.ArgumentParser(description=__doc__)
p.add_argument("page")
p.add_argument("--screenshot", type=Path)
p.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
args = p.parse_args()
WIDTH, HEIGHT = 1400, 900

# Where on the screen an article stands that is alone enough to be hit.
FRAMES = """() => new Promise((done) => {
  const times = []; let last = performance.now(), n = 0;
  const canvas = document.getElementById('points');
  const fire = (type, x, y) => canvas.dispatchEvent(new PointerEvent(type, {pointerId: 7, clientX: x, clientY: y, bubbles: true}));
  canvas.setPointerCapture = () => {};
  fire('pointerdown', 700, 450);
  const step = () => {
    const now = performance.now(); times.push(now - last); last = now;
    fire('pointermove', 700 + 120 * Math.sin(n / 9), 450 + 60 * Math.cos(n / 7)); n++;
    if (n < 90) requestAnimationFrame(step); else { fire('pointerup', 700, 450); times.sort((a, b) => a - b); done([times[45], times[times.length - 1]]); }
  };
  requestAnimationFrame(step);
})"""

with sync_playwright() as play:
    browser = play.chromium.launch(
        executable_path=args.chromium, args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    )
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    wrong: list[str] = []
    page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type in ("error", "warning") and "GPU stall" not in m.text else None)
    page.on("pageerror", lambda e: wrong.append(f"error: {e}"))
    page.on("dialog", lambda d: (wrong.append(f"dialog: {d.message}"), d.dismiss()))
    page.on("request", lambda r: wrong.append(f"request: {r.url}") if not r.url.startswith("file:") else None)
    page.goto(Path(args.page).resolve().as_uri())
    page.wait_for_timeout(500)

    def shot(name: str) -> None:
        if args.screenshot:
            args.screenshot.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=args.screenshot / f"{name}.png")

    shot("whole")
    assert page.evaluate("!!document.getElementById('points').getContext('webgl')"), "no WebGL"
    classes = page.locator("#legend button").count()
    assert classes >= 1, "no legend"

    # Over the points until one answers.
    box = None
    for y in range(60, HEIGHT - 40, 6):
        for x in range(300, WIDTH - 60, 30):
            page.mouse.move(x, y)
            if page.locator("#tip").evaluate("e => e.style.display") == "block":
                box = (x, y)
                break
        if box:
            break
    assert box, "no point answers the pointer"
    tip = page.locator("#tip").inner_text()
    page.mouse.click(*box)
    title = page.locator("#article h2").inner_text()
    assert title.strip() == tip.strip(), (title, tip)
    near = page.locator("#article button:not(.close)")
    assert near.count() >= 1, "no neighbours"
    first = near.first.inner_text().strip()
    shot("article")
    near.first.click()
    assert page.locator("#article h2").inner_text().strip() == first
    page.keyboard.press("Escape")
    assert page.locator("#article").is_hidden()

    word = max(title.split(), key=len)
    page.fill("#search", word)
    page.wait_for_timeout(200)
    found = page.locator("#found").inner_text()
    assert int(found.split()[0].replace(",", "")) >= 1, found
    shot("search")
    page.fill("#search", "")
    for option in page.locator("#colour option").all():
        page.select_option("#colour", option.get_attribute("value"))
        page.wait_for_timeout(100)
        shot(f"colour-{option.get_attribute('value')}")
    page.select_option("#colour", "topic")
    page.locator("#legend button").first.click()
    assert page.locator("#legend button.off").count() == 1
    page.locator("#legend button").first.click()
    page.mouse.move(700, 450)
    for _ in range(4):
        page.mouse.wheel(0, -300)
        page.wait_for_timeout(50)
    shot("near")
    page.keyboard.press("0")
    page.wait_for_timeout(200)
    median, longest = page.evaluate(FRAMES)
    n = page.evaluate("JSON.parse(document.getElementById('data').textContent).titles.length")
    browser.close()
if wrong:
    raise SystemExit("\n".join(wrong))
print(f"{n} articles, {classes} classes: frames while panning {median:.1f} ms median, {longest:.1f} ms longest; nothing fetched, no error")

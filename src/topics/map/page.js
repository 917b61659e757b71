"use strict";
(() => {
  // Everything that comes from articles is written by textContent or fillText, never as HTML.
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const xy = new Float32Array(bytes(data.places));
  const near = new Uint32Array(bytes(data.neighbours));
  const topicOf = new Int32Array(bytes(data.topic_of));
  const n = data.titles.length, perPoint = data.per_point, NONE = 0xffffffff;
  const topics = data.topics;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  $("name").textContent = data.name;
  $("about").textContent = data.about;

  // Colours: a list of classes, each with a name, a colour and a count.
  const GREY = [150, 150, 150];
  const schemes = {};
  const ramp = (t) => [Math.round(40 + 215 * t), Math.round(90 + 80 * Math.sin(Math.PI * t)), Math.round(220 - 190 * t)];
  schemes.topic = {
    label: "topic",
    classes: topics.map((t) => ({ name: t.label, colour: t.colour, count: 0 })).concat([{ name: "no topic", colour: GREY, count: 0 }]),
    of: (i) => (topicOf[i] < 0 ? topics.length : topicOf[i]),
  };
  if (data.sources) {
    schemes.source = {
      label: "source",
      classes: data.sources.map((s) => ({ name: s.name, colour: s.colour, count: 0 })),
      of: (i) => data.source_of[i],
    };
  }
  if (data.dates) {
    const steps = data.date_steps;
    schemes.date = {
      label: "date",
      classes: steps.map((name, k) => ({ name, colour: ramp(steps.length < 2 ? 0 : k / (steps.length - 1)), count: 0 })).concat([{ name: "no date", colour: GREY, count: 0 }]),
      of: (i) => (data.date_of[i] < 0 ? steps.length : data.date_of[i]),
    };
  }
  for (const scheme of Object.values(schemes)) for (let i = 0; i < n; i++) scheme.classes[scheme.of(i)].count++;
  for (const [key, scheme] of Object.entries(schemes)) {
    const option = document.createElement("option");
    option.value = key;
    option.textContent = scheme.label;
    $("colour").append(option);
  }

  let scheme = schemes.topic, hidden = new Set(), matches = null, chosen = -1, hovered = -1;

  // The view: where the middle of the screen is, and pixels for each unit.
  let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
  for (let i = 0; i < n; i++) {
    left = Math.min(left, xy[2 * i]); right = Math.max(right, xy[2 * i]);
    top = Math.min(top, xy[2 * i + 1]); bottom = Math.max(bottom, xy[2 * i + 1]);
  }
  if (!n) { left = top = -1; right = bottom = 1; }
  const width = Math.max(right - left, 1e-3), height = Math.max(bottom - top, 1e-3);
  const view = { x: (left + right) / 2, y: (top + bottom) / 2, scale: 1 };
  let whole = 1, ratio = 1;
  const canvas = $("points"), over = $("labels");

  // A grid of the points, to find the one under the pointer.
  const CELLS = 256;
  const cell = (v, low, size) => Math.min(CELLS - 1, Math.max(0, Math.floor(((v - low) / size) * CELLS)));
  const start = new Uint32Array(CELLS * CELLS + 1), inCell = new Uint32Array(n);
  const cellOf = (i) => cell(xy[2 * i + 1], top, height) * CELLS + cell(xy[2 * i], left, width);
  for (let i = 0; i < n; i++) start[cellOf(i) + 1]++;
  for (let c = 0; c < CELLS * CELLS; c++) start[c + 1] += start[c];
  const fill = start.slice();
  for (let i = 0; i < n; i++) inCell[fill[cellOf(i)]++] = i;

  const shown = (i) => !hidden.has(scheme.of(i));
  function pick(px, py) {
    const x = (px - canvas.clientWidth / 2) / view.scale + view.x;
    const y = (py - canvas.clientHeight / 2) / view.scale + view.y;
    const reach = 9 / view.scale;
    let best = -1, least = reach * reach;
    for (let cy = cell(y - reach, top, height); cy <= cell(y + reach, top, height); cy++) {
      for (let cx = cell(x - reach, left, width); cx <= cell(x + reach, left, width); cx++) {
        for (let k = start[cy * CELLS + cx]; k < start[cy * CELLS + cx + 1]; k++) {
          const i = inCell[k], dx = xy[2 * i] - x, dy = xy[2 * i + 1] - y, d = dx * dx + dy * dy;
          if (d < least && shown(i) && (!matches || matches[i])) { least = d; best = i; }
        }
      }
    }
    return best;
  }

  // Points by WebGL, or on a plain canvas where there is none. They are drawn in a shuffled
  // order: while the view moves, a slow machine draws the first of them, which are a fair sample.
  const order = new Uint32Array(n).map((_, i) => i);
  for (let i = n - 1, seed = 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = seed % (i + 1), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
  const drawn = new Float32Array(2 * n);
  for (let k = 0; k < n; k++) { drawn[2 * k] = xy[2 * order[k]]; drawn[2 * k + 1] = xy[2 * order[k] + 1]; }
  const colours = new Uint8Array(4 * n);
  let budget = n, moving = false, settle = 0, last = 0;
  const gl = canvas.getContext("webgl", { antialias: true, preserveDrawingBuffer: true });
  let program, colourBuffer;
  if (gl) {
    const compile = (kind, source) => {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      return shader;
    };
    program = gl.createProgram();
    gl.attachShader(program, compile(gl.VERTEX_SHADER, "attribute vec2 place; attribute vec4 colour; uniform vec2 middle; uniform vec2 scale; uniform float size; varying vec4 ink; void main() { gl_Position = vec4((place - middle) * scale, 0.0, 1.0); gl_PointSize = size; ink = colour; }"));
    gl.attachShader(program, compile(gl.FRAGMENT_SHADER, "precision mediump float; varying vec4 ink; void main() { float d = length(gl_PointCoord - 0.5); float edge = 1.0 - smoothstep(0.38, 0.5, d); gl_FragColor = vec4(ink.rgb, 1.0) * ink.a * edge; }"));
    gl.linkProgram(program);
    gl.useProgram(program);
    const attribute = (name, buffer, size, type, normal) => {
      const at = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, type, normal, 0, 0);
    };
    const places = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, places);
    gl.bufferData(gl.ARRAY_BUFFER, drawn, gl.STATIC_DRAW);
    attribute("place", places, 2, gl.FLOAT, false);
    colourBuffer = gl.createBuffer();
    attribute("colour", colourBuffer, 4, gl.UNSIGNED_BYTE, true);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }
  const flat = gl ? null : canvas.getContext("2d");

  function paint() {
    for (let k = 0; k < n; k++) {
      const i = order[k], [r, g, b] = scheme.classes[scheme.of(i)].colour;
      const alpha = !shown(i) ? 0 : matches && !matches[i] ? 22 : 205;
      colours[4 * k] = r; colours[4 * k + 1] = g; colours[4 * k + 2] = b; colours[4 * k + 3] = alpha;
    }
    if (gl) {
      gl.bindBuffer(gl.ARRAY_BUFFER, colourBuffer);
      gl.bufferData(gl.ARRAY_BUFFER, colours, gl.DYNAMIC_DRAW);
    }
    draw();
  }

  const screen = (i) => [(xy[2 * i] - view.x) * view.scale + canvas.clientWidth / 2, (xy[2 * i + 1] - view.y) * view.scale + canvas.clientHeight / 2];

  function drawNow() {
    const w = canvas.clientWidth, h = canvas.clientHeight;
    const count = moving ? Math.min(n, Math.round(budget)) : n;
    const size = Math.max(2.2, Math.min(14, (4.5 * Math.sqrt(view.scale / whole)) / Math.max(1, Math.log10(n + 1) - 2.2)));
    if (gl) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(gl.getUniformLocation(program, "middle"), view.x, view.y);
      gl.uniform2f(gl.getUniformLocation(program, "scale"), (2 * view.scale) / w, (-2 * view.scale) / h);
      gl.uniform1f(gl.getUniformLocation(program, "size"), size * ratio);
      gl.drawArrays(gl.POINTS, 0, count);
    } else {
      flat.setTransform(ratio, 0, 0, ratio, 0, 0);
      flat.clearRect(0, 0, w, h);
      for (let k = 0; k < count; k++) {
        const alpha = colours[4 * k + 3];
        if (!alpha) continue;
        const [x, y] = screen(order[k]);
        if (x < 0 || y < 0 || x > w || y > h) continue;
        flat.fillStyle = `rgba(${colours[4 * k]},${colours[4 * k + 1]},${colours[4 * k + 2]},${alpha / 255})`;
        flat.fillRect(x - size / 2, y - size / 2, size, size);
      }
    }
    const pen = over.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, w, h);
    const ink = dark.matches ? "#e8eaed" : "#1b1f24", paper = dark.matches ? "#14171b" : "#ffffff";
    pen.font = "600 13px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    const taken = [];
    topics.forEach((topic, k) => {
      if (topic.x === null || (scheme === schemes.topic && hidden.has(k))) return;
      const x = (topic.x - view.x) * view.scale + w / 2, y = (topic.y - view.y) * view.scale + h / 2;
      const half = pen.measureText(topic.label).width / 2;
      if (x + half < 0 || x - half > w || y < -40 || y > h + 40) return;
      // Topics come largest first; a smaller one's label moves a little, or waits until zooming
      // makes room.
      for (const shift of [0, -20, 20, -40, 40]) {
        const box = [x - half - 4, y + shift - 12, x + half + 4, y + shift + 8];
        if (taken.some((t) => box[0] < t[2] && box[2] > t[0] && box[1] < t[3] && box[3] > t[1])) continue;
        taken.push(box);
        pen.strokeStyle = paper;
        pen.strokeText(topic.label, x, y + shift);
        pen.fillStyle = ink;
        pen.fillText(topic.label, x, y + shift);
        break;
      }
    });
    const ring = (i, radius) => {
      const [x, y] = screen(i);
      pen.beginPath();
      pen.arc(x, y, radius, 0, 7);
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.stroke();
    };
    if (chosen >= 0) {
      for (let k = 0; k < perPoint; k++) {
        const other = near[chosen * perPoint + k];
        if (other === NONE) continue;
        const [ax, ay] = screen(chosen), [bx, by] = screen(other);
        pen.beginPath();
        pen.moveTo(ax, ay);
        pen.lineTo(bx, by);
        pen.strokeStyle = ink;
        pen.globalAlpha = 0.4;
        pen.lineWidth = 1;
        pen.stroke();
        pen.globalAlpha = 1;
      }
      ring(chosen, size / 2 + 5);
    }
    if (hovered >= 0) ring(hovered, size / 2 + 3);
  }
  let waiting = false;
  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawNow(); });
  }

  // While the view moves, as many points are drawn as a frame has time for; all when it rests.
  function move() {
    const now = performance.now(), took = now - last;
    if (moving && took < 1000) {
      if (took > 34) budget = Math.max(3000, budget * Math.max(0.5, 28 / took));
      else if (took < 20) budget = Math.min(n, budget * 1.15);
    }
    last = now;
    moving = true;
    clearTimeout(settle);
    settle = setTimeout(() => { moving = false; draw(); }, 160);
    draw();
  }

  function resize() {
    ratio = devicePixelRatio || 1;
    for (const c of [canvas, over]) {
      c.width = Math.round(c.clientWidth * ratio);
      c.height = Math.round(c.clientHeight * ratio);
    }
    const before = whole;
    whole = 0.88 * Math.min(canvas.clientWidth / width, canvas.clientHeight / height);
    view.scale *= whole / before;
    draw();
  }

  function zoom(factor, px, py) {
    const dx = px - canvas.clientWidth / 2, dy = py - canvas.clientHeight / 2;
    const scale = Math.min(whole * 400, Math.max(whole * 0.4, view.scale * factor));
    view.x += dx / view.scale - dx / scale;
    view.y += dy / view.scale - dy / scale;
    view.scale = scale;
    move();
  }

  // One pointer pans, two zoom, one that does not move chooses.
  const pointers = new Map();
  let moved = 0, spread = 0;
  canvas.addEventListener("pointerdown", (e) => {
    canvas.setPointerCapture(e.pointerId);
    pointers.set(e.pointerId, [e.clientX, e.clientY]);
    moved = 0;
    spread = 0;
  });
  canvas.addEventListener("pointermove", (e) => {
    const before = pointers.get(e.pointerId);
    if (!before) { hover(pick(e.clientX, e.clientY), e.clientX, e.clientY); return; }
    pointers.set(e.pointerId, [e.clientX, e.clientY]);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], apart = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (spread) zoom(apart / spread, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      spread = apart;
      moved = 99;
      return;
    }
    const dx = e.clientX - before[0], dy = e.clientY - before[1];
    moved += Math.abs(dx) + Math.abs(dy);
    view.x -= dx / view.scale;
    view.y -= dy / view.scale;
    hover(-1);
    move();
  });
  const lift = (e) => {
    if (pointers.delete(e.pointerId) && moved < 4 && e.type === "pointerup") choose(pick(e.clientX, e.clientY));
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => hover(-1));
  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    zoom(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0015)), e.clientX, e.clientY);
  }, { passive: false });
  addEventListener("resize", resize);
  dark.addEventListener("change", draw);
  addEventListener("keydown", (e) => {
    if (e.target.matches("input, select")) return;
    const step = 60 / view.scale, middle = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    if (e.key === "Escape") choose(-1);
    else if (e.key === "+" || e.key === "=") zoom(1.3, ...middle);
    else if (e.key === "-") zoom(1 / 1.3, ...middle);
    else if (e.key === "0") { view.x = (left + right) / 2; view.y = (top + bottom) / 2; view.scale = whole; draw(); }
    else if (e.key === "ArrowLeft") { view.x -= step; draw(); }
    else if (e.key === "ArrowRight") { view.x += step; draw(); }
    else if (e.key === "ArrowUp") { view.y -= step; draw(); }
    else if (e.key === "ArrowDown") { view.y += step; draw(); }
    else if (e.key === "/") { e.preventDefault(); $("search").focus(); }
  });

  function hover(i, x, y) {
    const tip = $("tip");
    if (i !== hovered) { hovered = i; draw(); }
    if (i < 0) { tip.style.display = "none"; return; }
    tip.textContent = data.titles[i] || data.ids[i];
    tip.style.display = "block";
    tip.style.left = Math.min(x + 14, innerWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = Math.min(y + 14, innerHeight - tip.offsetHeight - 8) + "px";
  }

  const element = (name, text) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const swatch = (colour) => {
    const i = element("i");
    i.style.background = `rgb(${colour.join(",")})`;
    return i;
  };

  function choose(i) {
    chosen = i;
    const panel = $("article");
    panel.hidden = i < 0;
    panel.replaceChildren();
    draw();
    if (i < 0) return;
    const close = element("button", "×");
    close.className = "close";
    close.setAttribute("aria-label", "Close");
    close.onclick = () => choose(-1);
    panel.append(close, element("h2", data.titles[i] || data.ids[i]));
    const facts = [data.ids[i]];
    if (data.dates && data.dates[i]) facts.push(data.dates[i]);
    if (data.sources && data.source_names[i]) facts.push(data.source_names[i]);
    panel.append(element("p", facts.join(" · ")));
    panel.append(element("p", topicOf[i] < 0 ? "no topic" : topics[topicOf[i]].label));
    panel.append(element("h3", "Nearest articles"));
    for (let k = 0; k < perPoint; k++) {
      const other = near[i * perPoint + k];
      if (other === NONE) continue;
      const button = element("button");
      button.append(swatch(scheme.classes[scheme.of(other)].colour), element("span", data.titles[other] || data.ids[other]));
      button.onclick = () => { view.x = xy[2 * other]; view.y = xy[2 * other + 1]; choose(other); };
      panel.append(button);
    }
  }

  function legend() {
    const list = $("legend");
    list.replaceChildren();
    scheme.classes.forEach((c, k) => {
      if (!c.count) return;
      const button = element("button");
      button.append(swatch(c.colour), element("span", c.name), element("small", c.count.toLocaleString("en")));
      button.className = hidden.has(k) ? "off" : "";
      button.setAttribute("aria-pressed", String(!hidden.has(k)));
      button.title = "Click to hide or show; double-click for this alone";
      button.onclick = () => { hidden.has(k) ? hidden.delete(k) : hidden.add(k); legend(); paint(); };
      button.ondblclick = () => {
        hidden = new Set(scheme.classes.keys());
        hidden.delete(k);
        legend();
        paint();
      };
      list.append(button);
    });
  }

  $("colour").onchange = () => { scheme = schemes[$("colour").value]; hidden = new Set(); legend(); paint(); };
  let lower = null;
  $("search").oninput = () => {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    lower = lower || data.titles.map((t, i) => (t + " " + data.ids[i]).toLowerCase());
    matches = null;
    $("found").textContent = "";
    if (words.length) {
      matches = new Uint8Array(n);
      let count = 0;
      for (let i = 0; i < n; i++) if (words.every((w) => lower[i].includes(w))) { matches[i] = 1; count++; }
      $("found").textContent = count.toLocaleString("en") + " found";
    }
    paint();
  };

  resize();
  legend();
  paint();
})();

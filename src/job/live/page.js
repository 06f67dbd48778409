// The live page of a job: reads /history.json once and /status.json each second, and draws what it got. No library, no other address.
"use strict";

const KEEP = 600;  // seconds of history
const $ = id => document.getElementById(id);
const past = [];   // {t, rows_in, rows_out, memory, resident, ring, cores, groups}
let token = "";
let over = false;  // the job has ended: nothing more will come

// ---- numbers -------------------------------------------------------------------------------------------------------------------------

function scaled(v, units, space) {
  let u = 0;
  for (v = Math.max(v || 0, 0); v >= 999.5 && u + 1 < units.length; ++u) v /= 1000;
  const whole = u === 0 && (Number.isInteger(v) || v >= 9.995);
  const digits = whole ? v.toFixed(0) : v.toFixed(v < 9.995 ? 2 : v < 99.95 ? 1 : 0);
  return digits + (units[u] ? space : "") + units[u];
}
const count = v => scaled(v, ["", "k", "M", "G", "T", "P"], "");
const bytes = v => scaled(Math.round(v || 0), ["B", "kB", "MB", "GB", "TB", "PB"], "\u00a0");
const percent = v => Math.floor(Math.min(Math.max(v, 0), 1) * 100) + "%";
function duration(s) {
  if (s === 0) return "0 s";
  if (s < 1e-3) return scaled(s * 1e6, ["\u00b5s"], "\u00a0");
  if (s < 1) return (s * 1e3).toPrecision(3) + "\u00a0ms";
  return s < 60 ? s.toFixed(s < 10 ? 1 : 0) + "\u00a0s" : clock(s);
}
function clock(s) {
  const n = Math.max(Math.floor(s), 0), two = v => String(v).padStart(2, "0");
  return n < 3600 ? Math.floor(n / 60) + ":" + two(n % 60) : Math.floor(n / 3600) + ":" + two(Math.floor(n % 3600 / 60)) + ":" + two(n % 60);
}

// ---- elements ------------------------------------------------------------------------------------------------------------------------

function element(kind, className, text) {
  const e = document.createElement(kind);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}
function svg(kind, attributes, className) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const name in attributes) e.setAttribute(name, attributes[name]);
  if (className) e.setAttribute("class", className);
  return e;
}
function meter(part) {
  const outer = element("div", "meter"), inner = element("div");
  inner.style.width = (Math.min(Math.max(part, 0), 1) * 100).toFixed(1) + "%";
  outer.append(inner);
  return outer;
}

// ---- charts --------------------------------------------------------------------------------------------------------------------------

// A top of the axis that divides into four round parts.
function round_top(most) {
  if (!(most > 0)) return 1;
  const power = Math.pow(10, Math.floor(Math.log10(most)));
  for (const step of [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10]) if (step * power >= most) return step * power;
  return 10 * power;
}

// The instants where the curve begins anew: samples missing between two of them (the page slept) leave a gap.
function path_of(values, x, y) {
  let out = "", before = null;
  values.forEach((v, i) => {
    if (v === undefined || v === null) return;
    const joined = before !== null && past[i].t - before < 6;
    out += (joined ? "L" : "M") + x(past[i].t).toFixed(1) + " " + y(v).toFixed(1);
    before = past[i].t;
  });
  return out;
}

class Chart {
  // series(): [{name, value: point -> number}]; `top`: a fixed end of the axis.
  constructor(title, series, format, top) {
    Object.assign(this, {title, series, format, top, at: null});
    this.box = element("div", "chart");
    this.head = element("div", "head");
    this.picture = svg("svg", {role: "img", "aria-label": title});
    this.box.append(this.head, this.picture);
    this.picture.addEventListener("pointermove", e => { this.at = e.offsetX; this.draw(); });
    this.picture.addEventListener("pointerleave", () => { this.at = null; this.draw(); });
  }

  draw() {
    const width = this.picture.clientWidth || 400, height = this.picture.clientHeight || 176;
    const left = 58, right = width - 6, upper = 8, lower = height - 20;
    const series = this.series();
    const end = past.length ? past[past.length - 1].t : 0;
    const begin = Math.min(past.length ? past[0].t : 0, end - 30);
    const all = series.map(s => past.map(s.value));
    const top = this.top || round_top(Math.max(0, ...all.flat().filter(Number.isFinite)));
    const x = t => left + (t - begin) / (end - begin || 1) * (right - left);
    const y = v => lower - v / top * (lower - upper);
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.picture.replaceChildren();
    for (let i = 0; i <= 4; ++i) {
      const v = top * i / 4;
      this.picture.append(svg("line", {x1: left, x2: right, y1: y(v), y2: y(v)}, "grid"));
      const label = svg("text", {x: left - 6, y: y(v) + 4, "text-anchor": "end"});
      label.textContent = this.format(v);
      this.picture.append(label);
    }
    this.draw_times(begin, end, x, lower);
    all.forEach((values, i) => {
      const curve = path_of(values, x, y);
      if (!curve) return;
      if (i === 0 && all.length <= 2 && !curve.includes("M", 1)) {
        const first = values.findIndex(Number.isFinite), last = values.findLastIndex(Number.isFinite);
        this.picture.append(svg("path", {d: `${curve}L${x(past[last].t).toFixed(1)} ${lower}L${x(past[first].t).toFixed(1)} ${lower}Z`}, `area c${i % 8}`));
      }
      this.picture.append(svg("path", {d: curve}, `curve c${i % 8}`));
    });
    this.draw_values(series, all, begin, end, x, left, right, upper, lower);
  }

  draw_times(begin, end, x, lower) {
    const span = end - begin;
    const step = [10, 30, 60, 120, 300].find(s => span / s <= 6) || 600;
    for (let ago = 0; ago <= span; ago += step) {
      const label = svg("text", {x: x(end - ago), y: lower + 15, "text-anchor": ago === 0 ? "end" : "middle"});
      label.textContent = ago === 0 ? "now" : "-" + (step < 60 ? ago + " s" : ago / 60 + " min");
      if (x(end - ago) > 70) this.picture.append(label);
    }
  }

  // The keys beside the title: values at the pointer, or the latest ones.
  draw_values(series, all, begin, end, x, left, right, upper, lower) {
    let index = past.length - 1, when = "";
    if (this.at !== null && past.length) {
      const t = begin + (this.at - left) / (right - left) * (end - begin);
      index = past.reduce((best, p, i) => Math.abs(p.t - t) < Math.abs(past[best].t - t) ? i : best, 0);
      this.picture.append(svg("line", {x1: x(past[index].t), x2: x(past[index].t), y1: upper, y2: lower}, "cross"));
      when = " " + new Date(past[index].t * 1000).toLocaleTimeString();
    }
    this.head.replaceChildren(element("h3", "", this.title), ...series.map((s, i) => {
      const key = element("span", `key c${i % 8}`), v = all[i][index];
      key.append(element("span", "", s.name + " " + (Number.isFinite(v) ? this.format(v) : "-")));
      return key;
    }), element("span", "quiet", when));
  }
}

// A curve each while that can be read, else the mean and the busiest.
function parts(name, field) {
  const n = Math.max(0, ...past.map(p => p[field].length));
  if (n <= 8) return Array.from({length: n}, (_, i) => ({name: `${name} ${i}`, value: p => p[field][i]}));
  return [{name: "mean", value: p => p[field].reduce((a, b) => a + b, 0) / p[field].length}, {name: "busiest", value: p => Math.max(...p[field])}];
}
const charts = [
  new Chart("Records per second", () => [{name: "in", value: p => p.rows_in}, {name: "out", value: p => p.rows_out}], count),
  new Chart("Memory", () => [{name: "job", value: p => p.memory}, {name: "process", value: p => p.resident}], bytes),
  new Chart("CPU per core", () => parts("core", "cores"), percent, 1),
  new Chart("Load per worker group", () => parts("group", "groups"), percent, 1),
];
charts.forEach(c => $("charts").append(c.box));

// ---- what is known now ---------------------------------------------------------------------------------------------------------------

function card(what, much, more, bad) {
  const c = element("div", bad ? "card bad" : "card");
  c.append(element("div", "what", what), element("div", "much", much), element("div", "more", more || ""));
  return c;
}

function show_cards(s) {
  const cores = s.cores.reduce((sum, c) => sum + c.use, 0);
  const errors = Object.entries(s.errors);
  const cards = [
    card("in", count(s.rates.rows_in) + "/s", count(s.rows_in) + " rows" + (s.bytes_in ? ", " + bytes(s.rates.bytes_in) + "/s" : "")),
    card("out", count(s.rates.rows_out) + "/s", count(s.rows_out) + " rows" + (s.bytes_out ? ", " + bytes(s.rates.bytes_out) + "/s" : "")),
    card("cores in use", cores.toFixed(1), "of " + s.cores.length),
    card("memory", bytes(s.memory.used || s.resident_bytes), s.memory.limit ? "of " + bytes(s.memory.limit) : "peak " + bytes(s.memory.peak || s.resident_bytes)),
    card("ring slots", s.ring.used + " of " + s.ring.slots, "batches in flight"),
    card("batch", duration(s.batches.p50_seconds), "p99 " + duration(s.batches.p99_seconds) + ", " + count(s.batches.count) + " batches"),
    card("filtered", count(s.filtered), s.skipped ? count(s.skipped) + " skipped" : ""),
    card("rejected", count(s.rejected), [...errors.map(([kind, n]) => kind + " " + count(n)), ...(s.retries ? [count(s.retries) + " retries"] : [])].join(", "),
         s.rejected > 0),
  ];
  if (s.stream) cards.push(...stream_cards(s.stream));
  $("cards").replaceChildren(...cards);
}

// Of a job over a source that may not end.
function stream_cards(t) {
  const mark = t.watermark_unix_seconds !== undefined ? t.watermark_unix_seconds : t.watermark;
  const time = mark === null ? "none yet" : t.watermark_unix_seconds !== undefined ? new Date(mark * 1000).toISOString().slice(0, 19).replace("T", " ") : String(mark);
  const c = t.checkpoint;
  return [
    card("lag", count(t.lag), t.stalled || "messages that wait", t.stalled !== ""),
    card("watermark", time, t.late_rows ? count(t.late_rows) + " late rows" : "event time"),
    card(c.durable ? "checkpoint" : "epoch", String(c.epoch), duration(c.age_seconds) + " ago" + (c.durable ? ", " + bytes(c.bytes) : "")),
  ];
}

function table(id, head, rows) {
  const header = element("tr");
  header.append(...head.map(text => element("th", "", text)));
  $(id).replaceChildren(header, ...rows.map(cells => {
    const row = element("tr");
    for (const cell of cells) {
      const td = element("td");
      if (cell instanceof Node) { td.className = "bar"; td.append(cell); } else { td.textContent = cell; }
      row.append(td);
    }
    return row;
  }));
}

function show_steps(s) {
  const most = Math.max(1e-9, ...s.steps.map(t => t.seconds));
  table("steps", ["step", "rows in", "rows out", "filtered", "rejected", "rows/s", "time", ""], s.steps.map((t, i) => [
    t.name, t.kind === "source" ? "" : count(t.rows_in), count(t.rows_out), t.filtered ? count(t.filtered) : "", t.rejected ? count(t.rejected) : "",
    count(s.rates.steps[i].rows), duration(t.seconds), meter(t.seconds / most)]));
  table("groups", ["group", "workers", "steals", "load", ""], s.groups.map((g, i) => [String(i), String(g.workers), count(g.steals), percent(g.load), meter(g.load)]));
  $("groups-section").hidden = s.groups.length === 0;
}

function show(s) {
  document.title = `${s.name || "job"}: ${s.phase}`;
  $("name").textContent = s.name || "job";
  $("phase").textContent = s.phase;
  $("phase").className = "pill " + s.phase;
  $("clock").textContent = clock(s.seconds);
  const known = s.fraction_done !== null;
  $("eta").textContent = (known ? percent(s.fraction_done) : "") + (s.eta_seconds !== null ? ", about " + clock(s.eta_seconds) + " left" : "");
  $("progress").hidden = !known;
  if (known) {
    $("done").style.width = (s.fraction_done * 100).toFixed(1) + "%";
    $("progress").setAttribute("aria-valuenow", Math.floor(s.fraction_done * 100));
  }
  const runs = s.phase === "running" || s.phase === "draining";
  say(s.message || (s.stream && s.stream.stalled) || (runs && !s.stream && s.seconds_since_progress > 5 ? `Nothing has moved for ${clock(s.seconds_since_progress)}.` : ""), s.phase === "failed");
  $("main").hidden = false;
  show_cards(s);
  show_steps(s);
  over = s.phase === "done" || s.phase === "failed";
}

function say(text, failed) {
  $("message").hidden = !text;
  $("message").textContent = text;
  $("message").className = failed ? "message failed" : "message";
}

// ---- talking to the job --------------------------------------------------------------------------------------------------------------

class NeedsToken extends Error {}

async function ask(path) {
  const reply = await fetch(path, {headers: token ? {Authorization: "Bearer " + token} : {}, signal: AbortSignal.timeout(5000)});
  if (reply.status === 401) throw new NeedsToken();
  if (!reply.ok) throw new Error(await reply.text());
  return reply.json();
}

function remember(p) {
  if (past.length && p.t <= past[past.length - 1].t) return;
  past.push(p);
  if (past.length > KEEP) past.shift();
}

function lost() {
  $("phase").textContent = over ? $("phase").textContent : "gone";
  if (!over) $("phase").className = "pill lost";
  say(over ? "The process has ended; these are its last numbers." : "The process does not answer: it has ended, or cannot be reached.", false);
}

let began = false;
async function step() {
  try {
    if (!began) {
      for (const p of await ask("history.json")) remember({...p, t: p.unix_seconds});
      began = true;
    }
    const s = await ask("status.json");
    remember({t: s.unix_seconds, rows_in: s.rates.rows_in, rows_out: s.rates.rows_out, memory: s.memory.used, resident: s.resident_bytes,
              ring: s.ring.used, cores: s.cores.map(c => c.use), groups: s.groups.map(g => g.load)});
    $("ask").hidden = true;
    show(s);
    charts.forEach(c => c.draw());
  } catch (problem) {
    if (problem instanceof NeedsToken) {
      $("ask").hidden = false;
      $("phase").textContent = "locked";
      say(token ? "That is not the token." : "", true);
      sessionStorage.removeItem("gristmill-token");
      token = "";
      return;  // goes on with the form
    }
    lost();
  }
  setTimeout(step, 1000);
}

$("ask").addEventListener("submit", e => {
  e.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("gristmill-token", token);
  $("token").value = "";
  step();
});
addEventListener("resize", () => charts.forEach(c => c.draw()));

// A link may bring the token behind '#', which is not sent anywhere; it leaves the address at once.
if (location.hash.startsWith("#token=")) {
  sessionStorage.setItem("gristmill-token", decodeURIComponent(location.hash.slice(7)));
  history.replaceState(null, "", location.pathname);
}
token = sessionStorage.getItem("gristmill-token") || "";
step();

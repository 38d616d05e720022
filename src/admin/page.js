"use strict";

const $ = (id) => document.getElementById(id);
const API = "api/v1/";
const POLL = 2000;
const PATIENCE = 5000;
const PAGE = 25;
const MINUTES = 5;
const SPAN = MINUTES * 60;
// A second is too short to read a rate from.
const SMOOTHED = 5;
const MOST_REFUSALS = 300;
const STORED = "sluicegate-admin-token";

const state = {
  overview: null, samples: [], refusals: [], chip: null, reasons: new Map(),
  offset: 0, matched: 0, search: "", goneSince: null, disconnecting: null, polling: false,
};

// Words and numbers

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const rate = (value) => number.format(value < 100 ? value : Math.round(value));
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const count = (many, one, several) => number.format(many) + " " + (many === 1 ? one : several || one + "s");

function duration(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = parts.findIndex(([size]) => seconds >= size);
  if (at < 0) return "0 s";
  const [size, unit] = parts[at];
  const next = parts[at + 1];
  const rest = next && at < 2 ? Math.floor((seconds % size) / next[0]) : 0;
  return Math.floor(seconds / size) + " " + unit + (rest ? " " + rest + " " + next[1] : "");
}

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// A name of somebody else's: its writing direction ends where it ends.
const isolated = (text, properties) => make("bdi", { ...properties, textContent: text });

// Breaks after a colon or slash before it breaks elsewhere.
const breakable = (text) => text.split(/(?<=[:/])/).flatMap((part) => [part, make("wbr", {})]);

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Puts these elements into `parent` in this order, and moves only what is not there already.
function place(parent, elements) {
  elements.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] || null);
  });
  while (parent.children.length > elements.length) parent.lastElementChild.remove();
}

// Keeps one element for each key, so that what is unchanged is not touched.
function keyed(parent, items, key, create, update) {
  const known = parent.known || (parent.known = new Map());
  const elements = items.map((item) => {
    const name = key(item);
    let element = known.get(name);
    if (!element) known.set(name, (element = create(item)));
    if (update) update(element, item);
    return element;
  });
  place(parent, elements);
  const kept = new Set(elements);
  for (const [name, element] of known) if (!kept.has(element)) known.delete(name);
}

// What the server says

class Refused extends Error {
  constructor(status, body) {
    super(body.detail || "The server answered with " + status + ".");
    this.code = body.code;
  }
}

async function ask(path, options = {}) {
  const answer = await fetch(API + path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE), ...options });
  const body = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

const token = () => sessionStorage.getItem(STORED);
const authorized = (secret) => ({ Authorization: "Bearer " + secret });

// Charts

class Chart {
  constructor(id, title, unit, series) {
    Object.assign(this, { figure: $(id), title, unit, series, at: null });
    const svg = (tag, attributes) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      return element;
    };
    this.when = make("time", {});
    this.svg = svg("svg", { viewBox: `0 0 ${SPAN} 100`, preserveAspectRatio: "none", role: "img" });
    this.svg.append(
      svg("path", { class: "grid", d: `M0 0H${SPAN}M0 50H${SPAN}M0 100H${SPAN}` }),
    );
    this.paths = series.map(({ second }) => {
      const area = svg("path", { class: second ? "area second" : "area" });
      const line = svg("path", { class: second ? "line second" : "line" });
      this.svg.append(area, line);
      return { area, line };
    });
    this.cursor = svg("path", { class: "cursor" });
    this.svg.append(this.cursor);
    this.most = make("span", { className: "most" });
    this.values = series.map(() => make("b", { textContent: "–" }));
    const values = series.map(({ label, second }, index) =>
      make("span", { className: second ? "second" : "" }, this.values[index], " ", series.length > 1 ? make("i", {}) : "", label));
    this.figure.replaceChildren(
      make("figcaption", {}, make("span", { textContent: title }), this.when),
      make("div", { className: "values" }, ...values),
      make("div", { className: "plot" }, this.svg, this.most),
      make("div", { className: "axis" }, make("span", { textContent: "5 min ago" }), make("span", { textContent: "now" })),
    );
    this.svg.addEventListener("pointermove", (event) => {
      const box = this.svg.getBoundingClientRect();
      this.at = SPAN * (1 - (event.clientX - box.left) / box.width);
      this.draw();
    });
    this.svg.addEventListener("pointerleave", () => {
      this.at = null;
      this.draw();
    });
  }

  draw() {
    const samples = state.samples;
    if (!samples.length) return;
    const end = samples[samples.length - 1].time;
    const x = (sample) => SPAN - (end - sample.time);
    const highest = Math.max(...this.series.map(({ key }) => Math.max(...samples.map((sample) => sample[key]))));
    const most = rounded(highest);
    setText(this.most, number.format(most));
    this.series.forEach(({ key, second }, index) => {
      const isDrawn = !second || samples.some((sample) => sample[key]);
      for (const path of Object.values(this.paths[index])) path.toggleAttribute("hidden", !isDrawn);
      const points = samples.map((sample) => x(sample).toFixed(1) + " " + (100 - (100 * sample[key]) / most).toFixed(1));
      this.paths[index].line.setAttribute("d", "M" + points.join("L"));
      this.paths[index].area.setAttribute("d", `M${x(samples[0]).toFixed(1)} 100L${points.join("L")}V100Z`);
    });
    let shown = samples[samples.length - 1];
    if (this.at !== null) {
      const wanted = end - this.at;
      shown = samples.reduce((best, sample) => (Math.abs(sample.time - wanted) < Math.abs(best.time - wanted) ? sample : best));
      this.cursor.setAttribute("d", `M${x(shown)} 0V100`);
    } else {
      this.cursor.setAttribute("d", "");
    }
    setText(this.when, this.at === null ? "" : clock.format(shown.time * 1000));
    this.series.forEach(({ key }, index) => setText(this.values[index], rate(shown[key])));
    const now = this.series.map(({ key, label }) => rate(samples[samples.length - 1][key]) + " " + label);
    this.svg.setAttribute("aria-label", `${this.title}: ${now.join(", ")} now; at most ${number.format(highest)} in five minutes`);
  }
}

// The end of an axis: 1, 2 or 5 and zeros.
function rounded(highest) {
  for (let size = 1; size < 1e15; size *= 10) {
    for (const step of [1, 2, 5]) if (highest <= step * size) return Math.max(step * size, 2);
  }
  return 1e15;
}

const charts = [
  new Chart("chart-sockets", "Open sockets", "", [{ key: "sockets", label: "open" }]),
  new Chart("chart-handshakes", "Handshakes", "/s", [
    { key: "admitted", label: "admitted /s" }, { key: "refused", label: "refused /s", second: true }]),
  new Chart("chart-tickets", "Tickets", "/s", [
    { key: "issued", label: "issued /s" }, { key: "not_issued", label: "refused /s", second: true }]),
  new Chart("chart-events", "Channel layer", "/s", [{ key: "delivered", label: "sent to sockets /s" }]),
];

const RATES = charts.flatMap(({ series }) => series.map(({ key }) => key)).filter((key) => key !== "sockets");

function addSamples(rates) {
  for (const sample of rates.samples) {
    const last = [...state.samples.slice(1 - SMOOTHED).map(({ counts }) => counts), sample];
    const mean = (key) => last.reduce((sum, counts) => sum + counts[key], 0) / last.length;
    const smooth = Object.fromEntries(RATES.map((key) => [key, mean(key)]));
    state.samples.push({ ...sample, ...smooth, counts: sample, time: Date.parse(sample.at) / 1000 });
  }
  if (!state.samples.length) return;
  const end = state.samples[state.samples.length - 1].time;
  state.samples = state.samples.filter((sample) => sample.time > end - SPAN);
  for (const chart of charts) chart.draw();
}

// Parts of the page

function showOverview(overview) {
  const before = state.overview;
  state.overview = overview;
  if (before && before.started !== overview.started) restarted(overview);
  $("state").className = "pill " + overview.state;
  setText($("state"), overview.state);
  const facts = [overview.server, "version " + overview.version, "up " + duration(overview.uptime_seconds)].filter(Boolean);
  if ($("facts").textContent !== facts.join("")) {
    $("facts").replaceChildren(...facts.map((fact) => make("span", { textContent: fact })));
  }
  document.title = number.format(overview.sockets.open) + " sockets – sluicegate";
  showAccess();
  const routes = overview.sockets.routes.map(({ route, sockets }) => ({ label: route, count: sockets, mono: true }));
  if (overview.sockets.without_ticket) {
    routes.push({ label: "let in without a ticket", count: overview.sockets.without_ticket });
  }
  bars($("routes"), routes);
  setText($("routes-count"), count(overview.sockets.open, "socket"));
  $("routes-empty").hidden = routes.length > 0;
}

function bars(list, items) {
  const most = Math.max(1, ...items.map((item) => item.count));
  keyed(list, items, (item) => item.label, (item) => {
    const label = isolated(item.label, { className: item.mono ? "label mono" : "label other", title: item.label });
    return make("li", {}, make("span", { className: "fill" }), label, make("span", { className: "count" }));
  }, (element, item) => {
    element.firstChild.style.width = (100 * item.count) / most + "%";
    setText(element.lastChild, number.format(item.count));
  });
}

function showGroups(groups) {
  bars($("groups"), groups.largest.map(({ group, members }) => ({ label: group, count: members, mono: true })));
  setText($("groups-count"), groups.count ? `of ${number.format(groups.count)}, ${count(groups.members, "member")} here` : "");
  $("groups-empty").hidden = groups.largest.length > 0;
  setText($("groups-empty"), groups.channel_layer ? "No socket is in a group." : "No route uses a channel layer.");
}

function showConnected(connected) {
  state.matched = connected.matched;
  if (state.offset && state.offset >= connected.matched) {
    state.offset = Math.max(0, Math.floor((connected.matched - 1) / PAGE) * PAGE);
    return refreshConnected();
  }
  setText($("who-count"), `${count(connected.sockets, "socket")} of ${count(connected.users, "user")}`);
  const body = $("who").tBodies[0];
  // A row must not slip away from under the pointer.
  const isHeld = connected.key === body.shownKey && body.matches(":hover, :focus-within") && body.children.length > 0;
  $("held").hidden = !isHeld;
  if (!isHeld) {
    body.shownKey = connected.key;
    keyed(body, connected.listed, (socket) => socket.number, row);
  }
  for (const element of body.children) showAge(element.age, element.since);
  $("who-empty").hidden = connected.listed.length > 0;
  setText($("who-empty"), connected.search ? `Nobody who is connected is named like “${connected.search}”.` : "Nobody is connected.");
  $("who").hidden = connected.listed.length === 0;
  $("pager").hidden = connected.listed.length === 0;
  const last = connected.offset + connected.listed.length;
  setText($("range"), `${number.format(connected.offset + 1)}–${number.format(last)} of ${number.format(connected.matched)}`);
  $("previous").disabled = connected.offset === 0;
  $("next").disabled = last >= connected.matched || connected.offset + PAGE > connected.furthest;
}

function row(socket) {
  const name = socket.username ?? String(socket.user);
  const user = make("td", {}, isolated(name, { className: "name", title: name }), make("span", { className: "id", textContent: "id " + socket.user }));
  const age = make("time", { dateTime: socket.since, title: whole.format(Date.parse(socket.since)) });
  const button = make("button", { className: "quiet", textContent: "Disconnect" });
  button.setAttribute("aria-label", "Disconnect " + name);
  button.addEventListener("click", () => openDisconnect(socket, name));
  const element = make("tr", {}, user,
    make("td", { className: "mono" }, ...breakable(socket.route)),
    make("td", { className: "mono" }, ...breakable(socket.address)),
    make("td", {}, age), make("td", {}, button));
  return Object.assign(element, { age, since: Date.parse(socket.since) });
}

function showAge(element, since) {
  // By the server's clock: this machine's may differ.
  setText(element, duration(Math.max(0, (Date.parse(state.overview.now) - since) / 1000)));
}

function showRefusals(refusals) {
  state.refusals = [...refusals.refusals, ...state.refusals].slice(0, MOST_REFUSALS);
  setText($("refused-count"), refusals.count ? `${number.format(refusals.count)} since the start` : "");
  $("refused-empty").hidden = $("refused-scroll").hidden = false;
  if (state.refusals.length) $("refused-empty").hidden = true; else $("refused-scroll").hidden = true;
  const counts = new Map();
  for (const { reason } of state.refusals) counts.set(reason, (counts.get(reason) || 0) + 1);
  if (state.chip && !counts.has(state.chip)) state.chip = null;
  const chips = [...counts].sort((one, other) => other[1] - one[1]);
  $("chips").hidden = chips.length < 2;
  keyed($("chips"), [[null, state.refusals.length], ...chips], ([reason]) => reason, ([reason]) => {
    const chip = make("button", {}, reason || "all", make("b", {}));
    chip.addEventListener("click", () => {
      state.chip = reason;
      showRefusals({ refusals: [], count: refusals.count });
    });
    return chip;
  }, (chip, [reason, many]) => {
    chip.setAttribute("aria-pressed", String(state.chip === reason));
    setText(chip.lastChild, number.format(many));
  });
  const shown = [];
  for (const refusal of state.refusals) {
    if (state.chip && refusal.reason !== state.chip) continue;
    const last = shown[shown.length - 1];
    if (last && last.reason === refusal.reason && last.path === refusal.path && last.address === refusal.address) {
      last.times += 1;
      last.first = refusal.number;
    } else {
      shown.push({ ...refusal, times: 1, first: refusal.number });
    }
  }
  keyed($("refused").tBodies[0], shown, (refusal) => refusal.first, refusalRow, (element, refusal) => {
    const at = Date.parse(refusal.at);
    setText(element.at, clock.format(at));
    element.at.title = whole.format(at);
    element.times.hidden = refusal.times === 1;
    setText(element.times, "× " + number.format(refusal.times));
  });
}

function refusalRow(refusal) {
  const at = make("time", { dateTime: refusal.at });
  const link = make("a", { href: "#reason-" + refusal.reason, textContent: refusal.reason, title: state.reasons.get(refusal.reason) || "" });
  link.addEventListener("click", () => ($("reasons").open = true));
  const times = make("span", { className: "times" });
  const element = make("tr", {}, make("td", {}, at), make("td", { className: "mono" }, link, times),
    make("td", { className: "mono" }, isolated(refusal.path)), make("td", { className: "mono", textContent: refusal.address }));
  return Object.assign(element, { at, times });
}

function showReasons(reasons) {
  const entries = reasons.map(({ code, detail }) => {
    state.reasons.set(code, detail);
    return [make("dt", { id: "reason-" + code, textContent: code }), make("dd", { textContent: detail })];
  });
  $("meanings").replaceChildren(...entries.flat());
}

// Who may change something

function showAccess() {
  const { read_only: readOnly } = state.overview;
  const isUnlocked = !readOnly && token() !== null;
  setText($("access"), readOnly ? "Read-only" : isUnlocked ? "Changes unlocked" : "");
  $("access").title = readOnly ? "Set [admin] token, and users can be disconnected from here." : "";
  $("unlock").hidden = readOnly || isUnlocked;
  $("lock").hidden = !isUnlocked;
  $("who").classList.toggle("may", !readOnly);
}

function showError(element, error) {
  element.hidden = !error;
  setText(element, error ? (error instanceof Refused ? error.message.replaceAll("`", "") : "The server does not answer.") : "");
}

function openDisconnect(socket, name) {
  state.disconnecting = { user: socket.user, name };
  setText($("disconnect-user"), name);
  setText($("disconnect-text"), `All sockets of this user (id ${socket.user}) are closed with code 4403, on every sluicegate ` +
    "of the channel layer where there is one, else here. The client can connect again as long as Django gives it a ticket.");
  $("disconnect-token").closest("label").hidden = token() !== null;
  $("disconnect-token").required = token() === null;
  $("disconnect-token").value = "";
  showError($("disconnect-error"), null);
  $("disconnect").showModal();
  (token() === null ? $("disconnect-token") : $("confirm")).focus();
}

async function disconnect(event) {
  event.preventDefault();
  const { user, name } = state.disconnecting;
  const secret = token() ?? $("disconnect-token").value;
  $("confirm").disabled = true;
  try {
    const body = JSON.stringify({ user });
    const headers = { ...authorized(secret), "Content-Type": "application/json" };
    const answer = await ask("disconnect", { method: "POST", headers, body });
    sessionStorage.setItem(STORED, secret);
    $("disconnect").close();
    const where = answer.servers > 1 ? ` on ${answer.servers} servers` : "";
    toast(answer.closed ? `Closed ${count(answer.closed, "socket")} of ${name}${where}.` : `${name} had no open socket.`);
    showAccess();
    document.activeElement.blur();
    await refreshConnected();
  } catch (error) {
    if (error.code === "wrong_token") {
      sessionStorage.removeItem(STORED);
      $("disconnect-token").closest("label").hidden = false;
      $("disconnect-token").required = true;
      $("disconnect-token").select();
      showAccess();
    }
    showError($("disconnect-error"), error);
  }
  $("confirm").disabled = false;
}

async function unlock(event) {
  event.preventDefault();
  const secret = $("token").value;
  try {
    await ask("access", { headers: authorized(secret) });
    sessionStorage.setItem(STORED, secret);
    $("unlocking").close();
    showAccess();
  } catch (error) {
    showError($("unlocking-error"), error);
  }
}

let toastTimer;
function toast(text) {
  setText($("toast"), text);
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => ($("toast").hidden = true), 6000);
}

// While the server is gone, and after

function answered() {
  if (state.goneSince === null) return;
  state.goneSince = null;
  $("main").classList.remove("stale");
  if (!$("notice").classList.contains("calm")) $("notice").hidden = true;
}

function noAnswer(error) {
  if (state.goneSince === null) state.goneSince = Date.now();
  $("state").className = "pill gone";
  setText($("state"), "no answer");
  $("main").classList.add("stale");
  $("notice").className = "notice";
  $("notice").hidden = false;
  const why = error instanceof Refused ? error.message : `No answer since ${clock.format(state.goneSince)}.`;
  setText($("notice"), why + " Below is what was last known; this page goes on trying.");
}

function restarted(overview) {
  state.samples = [];
  state.refusals = [];
  $("refused").tBodies[0].known = new Map();
  $("notice").className = "notice calm";
  $("notice").hidden = false;
  setText($("notice"), `The server was started again at ${clock.format(Date.parse(overview.started))}; charts and refusals begin there.`);
  setTimeout(() => {
    if ($("notice").classList.contains("calm")) $("notice").hidden = true;
  }, 60000);
}

// The loop

async function refreshConnected() {
  const search = state.search;
  const offset = state.offset;
  const query = new URLSearchParams({ limit: PAGE, offset, ...(search && { user: search }) });
  const connected = await ask("connected?" + query);
  // Another one was asked for meanwhile.
  if (search !== state.search || offset !== state.offset) return;
  showConnected({ ...connected, search, key: search + "\n" + offset });
}

async function refresh() {
  if (state.polling || document.hidden) return;
  state.polling = true;
  try {
    showOverview(await ask("overview"));
    const last = state.samples.length ? state.samples[state.samples.length - 1].number : 0;
    const latest = state.refusals.length ? state.refusals[0].number : 0;
    if (!state.reasons.size) showReasons(await ask("reasons"));
    const [rates, groups, refusals] = await Promise.all([
      ask("rates?after=" + last), ask("groups?limit=20"), ask("refusals?after=" + latest), refreshConnected(),
    ]);
    addSamples(rates);
    showGroups(groups);
    showRefusals(refusals);
    answered();
  } catch (error) {
    noAnswer(error);
  }
  state.polling = false;
}

function turn(by) {
  state.offset = Math.max(0, state.offset + by);
  refreshConnected().catch(noAnswer);
}

let searching;
$("search").addEventListener("input", () => {
  clearTimeout(searching);
  searching = setTimeout(() => {
    state.search = $("search").value.trim();
    turn(-state.offset);
  }, 200);
});
$("previous").addEventListener("click", () => turn(-PAGE));
$("next").addEventListener("click", () => turn(PAGE));
$("disconnect-form").addEventListener("submit", disconnect);
$("cancel").addEventListener("click", () => $("disconnect").close());
$("unlock").addEventListener("click", () => {
  $("token").value = "";
  showError($("unlocking-error"), null);
  $("unlocking").showModal();
});
$("unlocking-form").addEventListener("submit", unlock);
$("leave").addEventListener("click", () => $("unlocking").close());
$("lock").addEventListener("click", () => {
  sessionStorage.removeItem(STORED);
  showAccess();
});
document.addEventListener("visibilitychange", refresh);
if (location.hash.startsWith("#reason-")) $("reasons").open = true;
refresh();
setInterval(refresh, POLL);

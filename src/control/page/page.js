// The control page. Asks /api/status every two seconds and shows what it says. Everything that
// comes from the network is set as text, never as markup: players name themselves as they like.
"use strict";

const PERIOD_MS = 2000;
const PATIENCE_MS = 5000;
const byId = (id) => document.getElementById(id);

// ── Words ──────────────────────────────────────────────────────────────────────────────────
const SOURCES = {
  udp: "MPEG-TS over UDP", rtmp: "RTMP publisher", pull: "RTMP pull", file: "Video file",
  standby: "Standby card",
};
const STATES = {
  idle: "off", connecting: "connecting", live: "live",
  backing_off: "waiting to try again", refused: "refused",
};
const HEALTH = { healthy: "healthy", degraded: "degraded", unhealthy: "unhealthy" };

const whole = (n) => Math.round(n).toLocaleString("en");

function rate(bps) {
  if (bps >= 1e6) return (bps / 1e6).toFixed(2) + " Mbit/s";
  return whole(bps / 1e3) + " kbit/s";
}

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (bytes >= 1024 && at < units.length - 1) {
    bytes /= 1024;
    at += 1;
  }
  return (at === 0 || bytes >= 100 ? whole(bytes) : bytes.toFixed(1)) + " " + units[at];
}

function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  if (s >= 86400) return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
  if (s >= 3600) return Math.floor(s / 3600) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
  return Math.floor(s / 60) + ":" + two(s % 60);
}

// Both times are the machine's own, so the browser's clock does not matter.
const since = (state, time) => span((Date.parse(state.timestamp) - Date.parse(time)) / 1000);

function sound(channels) {
  return { 1: "mono", 2: "stereo", 6: "5.1", 8: "7.1" }[channels] || channels + " channels";
}

function configuration({ video, audio }) {
  const parts = [];
  if (video) {
    parts.push(`${video.width} × ${video.height}`);
    if (video.frame_rate > 0) parts.push(`${Number(video.frame_rate.toFixed(2))} fps`);
    parts.push(`${video.codec} ${video.profile} ${video.level.toFixed(1)}`);
  }
  if (audio) {
    parts.push(`${audio.codec} ${audio.profile} ${audio.sample_rate_hz / 1000} kHz ${sound(audio.channels)}`);
  }
  return parts.join(" · ") || "No configuration yet";
}

// ── Putting it there ───────────────────────────────────────────────────────────────────────
// Only what changed is touched: a selection stays, and screen readers are told news only.
function set(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

function mark(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

// Makes `parent` hold as many children as there are items, and shows each item in its own.
function list(parent, items, make, show) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  while (parent.children.length < items.length) parent.append(make());
  items.forEach((item, at) => show(parent.children[at], item));
}

function element(name, className) {
  const node = document.createElement(name);
  if (className) node.className = className;
  return node;
}

// Facts are [name, text] or [name, text, is it odd].
function facts(parent, items) {
  const make = () => {
    const group = element("div");
    group.append(element("dt"), element("dd"));
    return group;
  };
  list(parent, items, make, (group, [name, text, odd]) => {
    set(group.children[0], name);
    set(group.children[1], text);
    group.children[1].classList.toggle("odd", Boolean(odd));
  });
}

function table(body, rows, classes) {
  const make = () => {
    const row = element("tr");
    const names = body.parentElement.tHead.rows[0].cells;
    row.append(...classes.map((className, at) => {
      const cell = element("td", className);
      cell.dataset.label = names[at].textContent;
      return cell;
    }));
    return row;
  };
  list(body, rows, make, (row, texts) => texts.forEach((text, at) => set(row.children[at], text)));
}

// ── The parts of the page ──────────────────────────────────────────────────────────────────
function onAir({ programme, playout }) {
  if (programme.on_air === "file" && playout.file) return playout.file;
  return SOURCES[programme.on_air] || programme.on_air;
}

function showHero(state) {
  const { programme } = state;
  const stuck = state.stream_status === "error";
  const live = !stuck && programme.on_air !== "standby";
  mark(document.body, "state", stuck ? "stuck" : live ? "live" : "standby");
  set(byId("word"), stuck ? "Off air" : live ? "On air" : "Standby");
  set(byId("source"), stuck ? "The programme does not move" : live
    ? onAir(state) : "The standby card is on air");
  set(byId("on-air-for"), since(state, programme.since));
  set(byId("video-rate"), rate(programme.video_bps));
  set(byId("audio-rate"), rate(programme.audio_bps));
  set(byId("viewer-count"), whole(state.viewer_count));
  set(byId("config"), configuration(programme));
  document.title = (stuck ? "Off air" : live ? "On air" : "Standby") + " · StreamCaster";
}

function showHealth(state) {
  set(byId("health"), HEALTH[state.health] || state.health);
  mark(byId("health"), "level", state.health);
  const wanting = state.checks.filter((check) => check.status !== "healthy");
  list(byId("notices"), wanting, () => element("li"), (item, check) => {
    set(item, check.detail.charAt(0).toUpperCase() + check.detail.slice(1) + ".");
    mark(item, "level", check.status);
  });
}

function showUdp(state) {
  const { udp } = state;
  set(byId("udp-lead"), udp.receiving ? `Receiving from ${udp.sender || "an unknown sender"}`
    : "Nothing comes in");
  const lost = udp.continuity_errors + udp.kernel_drops;
  facts(byId("udp-facts"), [
    ["Rate", rate(udp.bps)],
    ["Listening on", udp.listen || "–"],
    ["Receive buffer", size(udp.receive_buffer_bytes)],
    ["Packets lost", whole(lost), lost > 0],
    ["Frames lost", whole(udp.broken_units), udp.broken_units > 0],
    ["Programme", udp.programme_number === null ? "–"
      : udp.programme_state === "absent" ? `${udp.programme_number} is not in the stream`
      : udp.programmes > 1 ? `${udp.programme_number} (one of ${whole(udp.programmes)})`
        : udp.programme_number],
  ]);
  byId("streams-box").hidden = udp.streams.length === 0;
  const carried = (s) => (s.carried ? "yes" : `no: ${s.reason}`);
  table(byId("streams"), udp.streams.map((s) => [s.pid, s.codec, carried(s)]), ["", "", ""]);
  const count = (name, n) => [name, whole(n), n > 0];
  facts(byId("udp-counters"), [
    ["Datagrams", whole(udp.datagrams)],
    ["Received", size(udp.bytes)],
    ["Frames sent early", whole(udp.early_ends)],
    count("Sent early wrongly", udp.early_end_failures),
    count("Kernel dropped", udp.kernel_drops),
    count("Continuity errors", udp.continuity_errors),
    count("Duplicate packets", udp.duplicate_packets),
    count("Unusable packets", udp.unusable_packets),
    count("Bytes out of sync", udp.sync_lost_bytes),
    count("Times corrected", udp.corrected_times),
    count("Times missing", udp.missing_times),
    count("Second sender ignored", udp.ignored_sender),
    count("Network refused", udp.refused_network),
  ]);
}

function makeDestination() {
  const item = element("li");
  const lamp = element("span", "lamp");
  lamp.setAttribute("aria-hidden", "true");
  const name = element("p", "name");
  name.append(element("span"), element("span", "state"));
  item.append(lamp, name, element("p"), element("p", "why"));
  return item;
}

function showDestination(state, item, destination) {
  const { name, url, state: doing } = destination;
  mark(item, "lamp", doing);
  const [, head, where, why] = item.children;
  set(head.children[0], name);
  let word = STATES[doing] || doing;
  if (doing === "live") word += ` for ${since(state, destination.since)}, ${rate(destination.bps)}`;
  set(head.children[1], word);
  const sent = [url, `${size(destination.bytes_out)} sent`];
  if (destination.skips > 0) sent.push(`skipped forward ${whole(destination.skips)} times`);
  set(where, sent.filter(Boolean).join(" · "));
  const again = destination.retry_in_s === null ? "" : `next try in ${destination.retry_in_s} s`;
  set(why, [destination.detail, again].filter(Boolean).join(" · "));
}

function showViewers(state) {
  const none = state.viewer_count === 0;
  byId("no-viewers").hidden = !none;
  byId("viewers-box").hidden = none;
  const rows = state.viewers.map((v) => [
    v.address, v.agent || "–", since(state, v.since), size(v.bytes_out),
    v.paused ? "paused" : whole(v.lag_ms) + " ms", whole(v.dropped),
  ]);
  table(byId("viewers"), rows, ["", "", "number", "number", "number", "number"]);
  const more = state.viewer_count - state.viewers.length;
  byId("more-viewers").hidden = more <= 0;
  set(byId("more-viewers"), `and ${whole(more)} more`);
  const { rtmp } = state;
  facts(byId("rtmp-facts"), [
    ["Listening on", rtmp.listen || "–"],
    ["Sent to viewers", rate(rtmp.bps_out)],
    ["Connections so far", whole(rtmp.accepted)],
    ["Turned away, full", whole(rtmp.refused_full), rtmp.refused_full > 0],
    ["Refused", whole(rtmp.refused), rtmp.refused > 0],
    ["Closed, too slow", whole(rtmp.closed_slow), rtmp.closed_slow > 0],
  ]);
}

function show(state) {
  byId("main").hidden = false;
  byId("lost").hidden = true;
  showHero(state);
  showHealth(state);
  showUdp(state);
  byId("no-destinations").hidden = state.destinations.length > 0;
  list(byId("destinations"), state.destinations, makeDestination,
    (item, destination) => showDestination(state, item, destination));
  showViewers(state);
  // The operator's part is in desk.js.
  document.dispatchEvent(new CustomEvent("state", { detail: state }));
  const { memory } = state;
  set(byId("footer"), [
    `StreamCaster ${state.version} (${state.git})`,
    `up ${span(state.uptime_s)}`,
    `${size(memory.resident_bytes)} of memory`,
    `heap ${size(memory.heap_used_bytes)} of ${size(memory.heap_limit_bytes)}`,
    `ring holds ${(state.programme.ring_ms / 1000).toFixed(1)} s`,
  ].join(" · "));
}

// ── Asking ─────────────────────────────────────────────────────────────────────────────────
let lastHeard = null;

function showLost() {
  const when = lastHeard ? `Last heard at ${lastHeard.toLocaleTimeString()}.` : "Nothing heard yet.";
  set(byId("lost"), `Connection lost. ${when} Trying again.`);
  byId("lost").hidden = false;
  mark(document.body, "state", "lost");
  mark(byId("health"), "level", "none");
  set(byId("health"), "unknown");
  set(byId("word"), "Unknown");
  document.title = "Connection lost · StreamCaster";
}

async function ask() {
  // A page that nobody looks at costs the machine nothing.
  if (document.hidden) return;
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const answer = await fetch("/api/status", { cache: "no-store", signal: patience.signal });
    if (!answer.ok) throw new Error(String(answer.status));
    const state = await answer.json();
    lastHeard = new Date();
    show(state);
  } catch {
    showLost();
  } finally {
    clearTimeout(timer);
  }
}

let turn = 0;

async function again() {
  turn += 1;
  const mine = turn;
  await ask();
  if (mine === turn) setTimeout(() => { if (mine === turn) again(); }, PERIOD_MS);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) again(); });
again();

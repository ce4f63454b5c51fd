// The machine: what it has left, against the thresholds of the health checks.
import { ask } from "./api.js";
import { byId, facts, h, list, mark, row, say, set } from "./dom.js";
import { live } from "./live.js";
import { has, number, percent, rate, size, span, t, timeOf } from "./words.js";

const CRON_AGAIN_MS = 60000;

let shown = false;
let cron = {};

// Each meter: its name, how full in percent, its words, and what its check says of it.
function metersOf({ machine: m, memory }, checks) {
  const judged = (name) => {
    const { status, threshold, value } = checks.find((one) => one.name === name) || {};
    // A disk's size has room in it that only the system may use.
    return name !== "disk" || value == null ? { status, threshold } : { status, threshold, full: value };
  };
  const meters = [];
  const space = (name, used, total, text, judgement) => {
    if (total > 0) meters.push({ name, full: (100 * used) / total, text, ...judgement });
  };
  if (m?.cpu_percent != null) {
    const text = t("cores", percent(m.cpu_percent), number(m.cores));
    meters.push({ name: t("cpu"), full: m.cpu_percent, text, ...judged("cpu") });
  }
  const { heap_used_bytes: heap, heap_limit_bytes: budget } = memory;
  space(t("memory_budget"), heap, budget, t("used_of", size(heap), size(budget)), judged("memory"));
  if (!m) return meters;
  const used = m.memory_total_bytes - m.memory_available_bytes;
  space(t("memory_machine"), used, m.memory_total_bytes, t("used_of", size(used), size(m.memory_total_bytes)));
  const full = m.disk_total_bytes - m.disk_free_bytes;
  space(t("disk"), full, m.disk_total_bytes, t("free_of", size(m.disk_free_bytes), size(m.disk_total_bytes)),
    judged("disk"));
  return meters;
}

function makeMeter({ name }) {
  const node = h("li", {}, h("p", { class: "head" }, h("b", { text: name }), " ", h("span", { class: "state" })));
  node.bar = h("div", { class: "meter", role: "meter", "aria-label": name, "aria-valuemin": "0", "aria-valuemax": "100" },
    h("div", { class: "fill" }), h("div", { class: "mark" }));
  node.note = h("p", { class: "line" });
  node.append(node.bar, node.note);
  return node;
}

function showMeter(node, { full, text, status, threshold }) {
  const within = Math.min(100, Math.max(0, full || 0));
  set(node.querySelector(".state"), text);
  node.bar.setAttribute("aria-valuenow", within.toFixed(0));
  node.bar.setAttribute("aria-valuetext", text);
  node.bar.firstElementChild.style.width = `${within}%`;
  const limit = Number(threshold);
  const marked = threshold != null && limit > 0 && limit <= 100;
  node.bar.lastElementChild.hidden = !marked;
  if (marked) node.bar.lastElementChild.style.left = `${limit}%`;
  mark(node, "level", status || (marked && full > limit ? "degraded" : "healthy"));
  say(node.note, marked ? t("threshold_at", percent(limit)) + (full > limit ? ` · ${t("is_above")}` : "") : "");
}

function nameOf(name) {
  const [kind, ...rest] = name.split(":");
  const word = has(`check_${kind}`) ? t(`check_${kind}`) : kind;
  return rest.length ? `${word}: ${rest.join(":")}` : word;
}

function showChecks(checks) {
  list(byId("checks"), checks, (one, at) => `${one.name} ${at}`, () => row(), (node, one) => {
    mark(node, "level", one.status);
    set(node.parts.name, nameOf(one.name));
    set(node.parts.state, t(`health_${one.status}`));
    set(node.parts.line, one.detail);
  });
}

function show(state) {
  list(byId("meters"), metersOf(state, state.checks), (one) => one.name, makeMeter, showMeter);
  const { machine: m, memory } = state;
  const items = [];
  if (m?.addresses?.length) items.push([t("addresses"), m.addresses.join(" · ")]);
  if (m?.net_bps_in != null) items.push([t("net_in"), rate(m.net_bps_in)], [t("net_out"), rate(m.net_bps_out)]);
  if (m?.load != null) items.push([t("load"), [m.load].flat().map((n) => number(n, 2)).join(" / ")]);
  items.push([t("resident"), size(memory.resident_bytes)], [t("heap_peak"), size(memory.heap_peak_bytes)],
    [t("ring"), t("seconds", number(state.programme.ring_ms / 1000, 1))], [t("uptime"), span(state.uptime_s)]);
  if (m?.sandbox) {
    const whole = m.sandbox.files && m.sandbox.system_calls;
    items.push([t("sandbox"), whole ? t("sandbox_whole") : m.sandbox.detail, !whole]);
  }
  for (const job of ["probe", "rotation"]) {
    const told = cron[job];
    if (told) items.push([t(job), `${timeOf(told.time)} · ${told.text}`, told.code]);
  }
  facts(byId("machine-facts"), items);
  showChecks(state.checks);
}

async function askCron() {
  if (!shown || document.hidden) return;
  cron = await ask("/api/maintenance").catch(() => ({}));
  if (shown && live.state) show(live.state);
}

function showFooter(state) {
  const name = state.name || "StreamCaster";
  set(byId("title"), name);
  document.title = name;
  set(byId("footer"), [`StreamCaster ${state.version} (${state.git})`,
    t("up_for", span(state.uptime_s)), t(`link_${live.link}`)].join(" · "));
}

export function setInView(visible) {
  shown = visible;
  if (shown && live.state) show(live.state);
  askCron();
}

export function init() {
  setInterval(askCron, CRON_AGAIN_MS);
  live.addEventListener("status", ({ detail }) => {
    showFooter(detail);
    if (shown) show(detail);
  });
}

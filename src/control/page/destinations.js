// Where the programme is pushed to: state, bit rate over time, what a platform will object to, and
// everything that can be done with a destination. What is changed works at once and is kept.
import { ask, explain, send } from "./api.js";
import { askForDestination, path } from "./destination-form.js";
import { confirm, run } from "./dialogs.js";
import { attribute, byId, h, list, makeSparkline, mark, row, say, set, sparkline } from "./dom.js";
import { live, refresh } from "./live.js";
import { coded, number, rate, since, size, t } from "./words.js";

const AGAIN_MS = 5000;
let shown = false;
let revision = "";
let told = [];

const guard = () => (revision ? { "If-Match": revision } : {});

async function load() {
  if (!shown || document.hidden) return;
  try {
    const answer = await ask("/api/destinations");
    revision = answer.revision || "";
    told = answer.destinations;
    say(byId("destinations-problem"), "");
    show();
  } catch (error) {
    say(byId("destinations-problem"), explain(error));
  }
}

// A change; when somebody else changed something meanwhile, what is shown is made new first.
async function change(method, where, body) {
  try {
    const done = await send(method, where, body, guard());
    await load();
    refresh();
    return done;
  } catch (error) {
    if (error.status === 412) await load();
    throw error;
  }
}

// ── Asking ─────────────────────────────────────────────────────────────────────────────────
const edit = (old, button) => run(button, () => askForDestination(old, change));

async function remove(one, button) {
  const text = t("remove_text", one.name);
  if (!await confirm({ title: t("remove_title"), text, action: t("remove") })) return;
  await run(button, () => change("DELETE", path(one.name)));
}

async function turn(one, button) {
  if (one.enabled) {
    const text = t("disable_text", one.name);
    if (one.state === "live"
      && !await confirm({ title: t("disable_title"), text, action: t("disable") })) return;
  }
  await run(button, () => change("PUT", path(one.name), { enabled: !one.enabled }));
}

async function restart(one, button) {
  const text = t("restart_push_text", one.name);
  if (one.state === "live"
    && !await confirm({ title: t("restart_push"), text, action: t("restart") })) return;
  await run(button, () => change("POST", `${path(one.name)}/restart`));
}

// ── Showing ────────────────────────────────────────────────────────────────────────────────
function make() {
  const item = row();
  const button = (text, action, name) => {
    const node = h("button", { type: "button", class: name, text });
    node.addEventListener("click", () => action(item.one, node));
    return node;
  };
  item.warnings = h("ul", { class: "warnings" });
  item.spark = makeSparkline();
  item.day = makeSparkline();
  item.said = h("p", { class: "line" });
  item.sent = h("p", { class: "line" });
  item.turn = button("", turn);
  item.restart = button(t("restart_dots"), restart);
  item.edit = button(t("edit_dots"), edit);
  item.removal = button(t("remove_dots"), remove, "danger");
  item.elsewhere = h("p", { class: "line" });
  item.about.append(item.spark, item.day, item.sent, item.said, item.warnings, item.elsewhere,
    h("div", { class: "buttons" }, item.turn, item.restart, item.edit, item.removal));
  return item;
}

function showOne(item, one) {
  const now = live.state?.destinations.find((other) => other.name === one.name) || {};
  item.one = { ...one, ...(now.state ? { state: now.state } : {}) };
  const d = { ...one, ...now };
  const stalled = d.state === "live" && d.bps === 0;
  mark(item, "lamp", stalled ? "backing_off" : d.state);
  set(item.parts.name, one.name);
  let word = stalled ? t("state_stalled") : t(`state_${d.state}`);
  if (d.state === "live" && live.state) word += ` · ${rate(d.bps)} · ${since(live.state, d.since)}`;
  set(item.parts.state, word);
  set(item.parts.line, [one.url, one.key && t("key_is", one.key)].filter(Boolean).join(" · "));
  const again = d.retry_in_s == null ? "" : t("next_try", d.retry_in_s);
  set(item.parts.why, d.state === "live" ? "" : [d.detail, again].filter(Boolean).join(" · "));
  const history = one.bps_history || [];
  item.spark.style.display = history.some((bps) => bps > 0) ? "" : "none";
  sparkline(item.spark, history, t("spark_label", rate(Math.max(0, ...history))));
  const day = (one.kbps_day || []).map((kbps) => kbps * 1000);
  item.day.style.display = day.some((bps) => bps > 0) ? "" : "none";
  sparkline(item.day, day, t("spark_day", rate(Math.max(0, ...day))));
  say(item.said, d.last_words ? t("last_words", d.last_words) : "");
  const sent = [t("sent_bytes", size(d.bytes_out)), t("sessions", number(d.sessions))];
  if (d.session_bytes > 0) sent.push(t("session_bytes", size(d.session_bytes)));
  if (d.reconnects > 0) sent.push(t("reconnects", number(d.reconnects)));
  if (d.rtt_ms != null) sent.push(t("rtt", number(d.rtt_ms)), t("retransmits", number(d.retransmits)));
  if (d.lag_ms > 0) sent.push(t("lag", number(d.lag_ms)));
  if (d.skips > 0) sent.push(t("skips", number(d.skips)));
  set(item.sent, sent.join(" · "));
  list(item.warnings, one.warnings || [], (w) => w.code, (w) => h("li", { title: w.text }),
    (node, w) => set(node, coded("warn", w.code, w.text)));
  const elsewhere = one.set_by === "environment";
  say(item.elsewhere, elsewhere ? t("destination_by_environment") : "");
  set(item.turn, one.enabled ? t("disable") : t("enable"));
  const labels = { turn: item.turn.textContent, restart: t("restart_dots"), edit: t("edit"), removal: t("remove") };
  for (const [name, label] of Object.entries(labels)) attribute(item[name], "aria-label", `${label}: ${one.name}`);
  item.turn.disabled = elsewhere;
  item.edit.disabled = elsewhere;
  item.removal.disabled = elsewhere;
  item.restart.hidden = !one.enabled;
}

function show() {
  byId("no-destinations").hidden = told.length > 0;
  list(byId("destinations"), told, (one) => one.name, make, showOne);
}

export function setInView(visible) {
  shown = visible;
  load();
}

export function init() {
  byId("add-destination").addEventListener("click", ({ currentTarget }) => edit(null, currentTarget));
  setInterval(load, AGAIN_MS);
  live.addEventListener("config", load);
  live.addEventListener("status", () => shown && show());
}

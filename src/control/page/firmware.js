// The appliance's system: which version runs, a package sent to it, the way back. A machine that
// restarts is waited for; what came of it is told once it answers again.
import { ApiError, ask, explain, send, sendBytes } from "./api.js";
import { askFor, confirm, run, tell } from "./dialogs.js";
import { attribute, byId, facts, say } from "./dom.js";
import { live } from "./live.js";
import { dateOf, number, size, t } from "./words.js";

const AGAIN_MS = 3000;
const FIRST_WORDS = "streamcaster-update ";
const FELL_BACK = "fell back";
// The part of a package's header that says what it is.
const LINES_BYTES = 960;
const DIGEST_LETTERS = 12;

let shown = false;
let asked = 0;
// What was told last; null where there is no appliance.
let system = null;
// The change that was told of, so that each is told of once.
let known = null;
// [bytes on their way, bytes in all] while a package is sent.
let sent = null;
// When the machine was told to restart.
let restartedAt = 0;

const named = ({ version, revision, debug }) => `${version} (${revision}${debug ? `, ${t("debug_system")}` : ""})`;
const keyOf = (last) => last && `${last.at} ${last.outcome}`;

// What came of the last change.
function outcomeOf({ from, to, outcome, off_air_s: seconds, left }) {
  if (outcome === FELL_BACK) return left ? t(`fell_back_${left.why}`, from, to, left.detail) : t("fell_back", from, to);
  const off = seconds == null ? "" : t("off_air", number(seconds));
  return [t("runs_now", to), off, outcome === "on trial" ? t("on_trial") : ""].filter(Boolean).join(" ");
}

function noteOf() {
  if (restartedAt) return t("system_restarting");
  if (sent && sent[0] < sent[1]) return t("system_sent", size(sent[0]), size(sent[1]));
  if (sent || system.busy) return t(`system_${system.busy || "writing"}`);
  return system.last ? outcomeOf(system.last) : "";
}

// What tells one system from another: where it is known.
function identityOf({ build, kernel, digest, key }) {
  const part = (name, value) => value && t(name, value);
  const short = digest && digest.slice(0, DIGEST_LETTERS);
  return [part("build", build), part("kernel", kernel), part("digest", short), part("signed_by", key)].filter(Boolean).join(" · ");
}

// What the server of the updates offers.
function latestOf({ offered, failed, answered }) {
  const parts = [];
  if (offered) parts.push(t("latest_newer", named(offered), identityOf(offered)));
  else if (answered) parts.push(t("latest_none", dateOf(answered * 1000)));
  if (failed) parts.push(t("latest_failed", dateOf(failed.since * 1000), failed.why));
  return parts.join(" · ") || t("latest_never");
}

function show() {
  byId("firmware").hidden = !system;
  if (!system) return;
  const { slot, slots, last } = system;
  const other = slot === "A" ? "B" : "A";
  const about = (one, where) => `${named(one)} · ${t("slot", where)} · ${dateOf(one.made * 1000)}`;
  facts(byId("firmware-facts"), [
    [t("system_runs"), about(system, slot)],
    [t("identity"), identityOf(system)],
    [t("other_system"), slots[other] ? about(slots[other], other) : t("slot_empty")],
    ...(slots[other] ? [[t("other_identity"), identityOf(slots[other])]] : []),
    ...(system.latest ? [[t("latest"), latestOf(system.latest)]] : []),
  ]);
  byId("firmware-debug").hidden = !system.debug;
  const note = byId("firmware-note");
  say(note, noteOf());
  note.classList.toggle("bad", !sent && !restartedAt && last?.outcome === FELL_BACK);
  const bar = byId("firmware-bar");
  bar.hidden = !sent;
  if (sent) bar.value = sent[0] / sent[1];
  attribute(bar, "aria-label", t("update_title"));
  const occupied = Boolean(restartedAt || (system.busy && !sent));
  byId("update").disabled = occupied;
  byId("roll-back").disabled = occupied || Boolean(sent);
  byId("roll-back").hidden = !system.can_roll_back;
}

async function load() {
  asked = Date.now();
  let fresh;
  try {
    fresh = await ask("/api/firmware");
  } catch {
    // It is asked again.
    return;
  }
  // Before the disk is there, what it remembers is not known: that is no news when it comes.
  const first = system === null || system.busy === "starting";
  system = fresh.available ? fresh : null;
  if (!system) {
    show();
    return;
  }
  if (first && !restartedAt) known = keyOf(system.last);
  if (!system.busy) {
    // A program that has run for less time than that was started since.
    if (restartedAt && live.state?.uptime_s * 1000 < Date.now() - restartedAt) restartedAt = 0;
    if (!restartedAt && keyOf(system.last) !== known) {
      known = keyOf(system.last);
      if (known) tell(outcomeOf(system.last), system.last.outcome === FELL_BACK);
    }
  }
  show();
}

function restarting() {
  restartedAt = Date.now();
  show();
}

// What a package says of itself; whether that is so, its signature tells the machine.
async function offered(file) {
  const text = await file.slice(0, LINES_BYTES).text();
  const lines = Object.fromEntries(text.split("\n").map((line) => line.split(" ", 2)));
  return { ...lines, debug: lines.debug === "1" };
}

async function sendPackage(file, { older = false, debug = false }) {
  sent = [0, file.size];
  show();
  const allowed = [older && "allow_downgrade=1", debug && "allow_debug=1"].filter(Boolean).join("&");
  const path = allowed ? `/api/firmware?${allowed}` : "/api/firmware";
  try {
    return await sendBytes("POST", path, file, {
      progress: (bytes) => {
        sent[0] = bytes;
        show();
      },
    });
  } finally {
    sent = null;
    show();
  }
}

// Does what may need somebody's word for an older system: asks for that and does it again.
async function confirmed(order) {
  try {
    return await order();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "CONFIRMATION_REQUIRED") throw error;
    const word = await askFor({
      title: t("confirm_older_title"), intro: t("confirm_older_text"), action: t("confirm_older"),
      fields: [{ name: "confirmation", label: t("confirm_older_label"), help: t("confirm_older_help"), input: { kind: "password", autocomplete: "current-password" } }],
      submit: (values) => send("POST", "/api/firmware/confirm", values),
    });
    return word && order();
  }
}

async function install(file) {
  if (!(await file.slice(0, FIRST_WORDS.length).text()).startsWith(FIRST_WORDS)) {
    tell(t("not_an_update", file.name), true);
    return undefined;
  }
  const offer = await offered(file);
  const holds = offer.version && offer.revision ? t("update_holds", named(offer), identityOf(offer)) : "";
  const text = [holds, t("update_text", file.name, size(file.size))].filter(Boolean).join(" ");
  if (!await confirm({ title: t("update_title"), text, action: t("install"), danger: false })) return undefined;
  const debug = offer.debug && !system.debug;
  if (debug && !await confirm({ title: t("debug_title"), text: t("debug_text", named(offer)), action: t("install_debug") })) return undefined;
  let told;
  try {
    told = await sendPackage(file, { debug });
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "OLDER_VERSION") throw error;
    const anyway = await confirm({ title: t("older_title"), text: explain(error), action: t("install_older") });
    if (!anyway) return undefined;
    told = await confirmed(() => sendPackage(file, { older: true, debug }));
    if (!told) return undefined;
  }
  restarting();
  return told;
}

async function rollBack() {
  const other = system.slots[system.slot === "A" ? "B" : "A"];
  const text = t("roll_back_text", named(other), named(system));
  if (!await confirm({ title: t("roll_back_title"), text, action: t("roll_back") })) return undefined;
  const told = await confirmed(() => send("POST", "/api/firmware/rollback", {}));
  if (!told) return undefined;
  restarting();
  return told;
}

export function setInView(visible) {
  shown = visible;
  if (shown) load();
}

export function init() {
  const input = byId("package");
  byId("update").addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (file) await run(byId("update"), () => install(file));
    // The same file may be chosen again.
    input.value = "";
  });
  byId("roll-back").addEventListener("click", ({ currentTarget }) => run(currentTarget, rollBack));
  live.addEventListener("status", () => {
    if ((restartedAt || (shown && system)) && Date.now() - asked > AGAIN_MS) load();
  });
  window.addEventListener("beforeunload", (event) => {
    if (sent) event.preventDefault();
  });
}

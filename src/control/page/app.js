// The start: words, views by the address's hash, who is there, and the state as it comes.
import { gate } from "./api.js";
import { tell } from "./dialogs.js";
import { byId, mark, say } from "./dom.js";
import { live, start, stop } from "./live.js";
import { t, timeOf, translate } from "./words.js";
import * as destinations from "./destinations.js";
import * as firmware from "./firmware.js";
import * as inputs from "./inputs.js";
import * as library from "./library.js";
import * as log from "./log.js";
import * as login from "./login.js";
import * as machine from "./machine.js";
import * as onair from "./onair.js";
import * as playlists from "./playlists.js";
import * as preview from "./preview.js";
import * as settings from "./settings.js";
import * as upload from "./upload.js";
import * as viewers from "./viewers.js";

const SESSION_AGAIN_MS = 3000;

const VIEWS = {
  onair: [preview],
  library: [library, upload, playlists],
  outputs: [destinations, viewers],
  machine: [machine, firmware, log],
  settings: [settings],
  login: [],
};
let current = "";
let inside = false;

function show(name) {
  if (name === current) return;
  current = name;
  for (const [view, parts] of Object.entries(VIEWS)) {
    byId(`view-${view}`).hidden = view !== name;
    if (view !== name) parts.forEach((part) => part.setInView(false));
  }
  for (const link of byId("tabs").children) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  VIEWS[name].forEach((part) => part.setInView(true));
  window.scrollTo(0, 0);
}

function route() {
  const wanted = location.hash.slice(1);
  if (wanted.startsWith("setup=")) {
    // Gone from the address before anything is asked: a code belongs in no history.
    history.replaceState(null, "", "/");
    import("./setup.js").then(({ setUp }) => setUp(wanted.slice(6)));
  }
  if (!inside) return;
  if (VIEWS[wanted] && wanted !== "login") show(wanted);
  else if (!current || current === "login") show("onair");
}

function goIn() {
  inside = true;
  mark(document.body, "access", "in");
  login.showLocked("");
  start();
  route();
}

function goOut(words) {
  inside = false;
  stop();
  mark(document.body, "access", "out");
  login.showLocked(words);
  show("login");
  if (!words) byId("login-password").focus();
}

function showLink(link) {
  const heard = live.heard ? t("last_heard", timeOf(live.heard)) : t("nothing_heard");
  say(byId("lost"), link === "lost" ? t("connection_lost", heard) : "");
}

async function begin() {
  try {
    if (await login.askSession()) goIn();
    else if (current !== "login") goOut("");
    route();
  } catch {
    showLink("lost");
    setTimeout(begin, SESSION_AGAIN_MS);
  }
}

translate();
[onair, inputs, preview, library, upload, playlists, destinations, viewers, machine, firmware, log,
  settings, login].forEach((part) => part.init());
window.addEventListener("hashchange", route);
gate.addEventListener("login", () => {
  if (inside) tell(t("logged_out"));
  goOut("");
});
gate.addEventListener("locked", ({ detail }) => goOut(detail));
gate.addEventListener("open", goIn);
// The password may have been changed: everybody else who was in is out, though events still come.
live.addEventListener("config", async () => {
  if (inside && !await login.askSession().catch(() => true)) goOut("");
});
live.addEventListener("link", ({ detail }) => showLink(detail));
mark(document.body, "ready", "true");
begin();

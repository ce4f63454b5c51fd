// What is on air: the lamp, the words, what comes next, and what can be done with it in one click.
import { send } from "./api.js";
import { run } from "./dialogs.js";
import { attribute, byId, list, mark, row, say, set } from "./dom.js";
import { live, refresh } from "./live.js";
import { language, number, pictureAndSound, rate, reasonWords, since, span, t } from "./words.js";

// Puts something on air; every part of the page does it by this.
export async function putOnAir(button, body) {
  const told = await run(button, () => send("POST", "/api/switch", body));
  refresh();
  return told;
}

function command(button, path, body) {
  return run(button, () => send("POST", path, body)).then(refresh);
}

// The one word: live, standby, stuck.
function kindOf(state) {
  if (state.stream_status === "error") return "stuck";
  return state.programme.on_air === "standby" ? "standby" : "live";
}

function whatOf({ programme, playout }) {
  if (programme.on_air === "file" && playout.file) return playout.file;
  if (programme.on_air === "standby" && playout.paused && playout.file) return t("paused_file", playout.file);
  return t(`source_${programme.on_air}`);
}

function showTally(kind, what) {
  mark(document.body, "state", kind);
  set(byId("tally-word"), t(`word_${kind}`));
  set(byId("tally-what"), what);
  set(byId("word"), t(`word_${kind}`));
  set(byId("what"), what);
  document.title = [t(`word_${kind}`), what].filter(Boolean).join(" · ");
}

function showNext({ playout, programme }) {
  let next = "";
  if (playout.file) {
    if (playout.switching) next = playout.file;
    else if (playout.loop) next = t("again");
    else next = playout.next || t("live_or_standby");
  } else if (programme.on_air === "standby") next = t("first_live");
  else next = t("until_it_ends");
  set(byId("next"), next);
}

let seeking = false;

function showDeck({ playout }) {
  const { file, duration_s: length } = playout;
  byId("deck").hidden = !file || !length;
  const seek = byId("seek");
  if (file && length) {
    attribute(seek, "max", Math.floor(length));
    if (!seeking) {
      seek.value = playout.position_s;
      set(byId("deck-position"), span(playout.position_s));
    }
    attribute(seek, "aria-valuetext", t("position_of", span(seek.value), span(length)));
    set(byId("deck-length"), `−${span(length - seek.value)} / ${span(length)}`);
  }
  const notes = [];
  if (playout.switching) notes.push(t("made_ready", playout.file || ""));
  if (playout.paused) notes.push(t("paused"));
  if (playout.playlist) notes.push(t("in_playlist", playout.playlist, playout.index + 1));
  if (playout.error) notes.push(playout.error);
  say(byId("deck-note"), notes.join(" · "));
  const shown = {
    pause: file && !playout.paused, resume: file && playout.paused,
    next: file && playout.playlist, loop: file && !playout.playlist,
  };
  for (const button of byId("controls").querySelectorAll("[data-action]")) {
    button.hidden = !shown[button.dataset.action];
    if (button.dataset.action === "loop") attribute(button, "aria-pressed", playout.loop);
  }
  byId("stop").hidden = !playout.choice;
  attribute(byId("standby"), "aria-pressed", playout.choice === "standby");
}

// How many platforms receive it, in words.
function showReceives({ destinations }) {
  const on = destinations.filter((d) => d.state !== "idle");
  const good = on.filter((d) => d.state === "live" && d.bps > 0).length;
  const node = byId("receives");
  say(node, on.length === 0 ? "" : good === on.length ? t("all_receive", on.length)
    : t("some_receive", good, on.length));
  mark(node, "level", good === on.length ? "healthy" : good === 0 ? "unhealthy" : "degraded");
}

function showGlance(state) {
  byId("glance-empty").hidden = state.destinations.length > 0;
  list(byId("glance"), state.destinations, (d) => d.name, () => row(), (node, d) => {
    const stalled = d.state === "live" && d.bps === 0;
    mark(node, "lamp", stalled ? "backing_off" : d.state);
    set(node.parts.name, d.name);
    set(node.parts.state, stalled ? t("state_stalled") : t(`state_${d.state}`));
    set(node.parts.line, d.state === "live" ? `${rate(d.bps)} · ${since(state, d.since)}` : "");
    const again = d.retry_in_s === null ? "" : t("next_try", d.retry_in_s);
    set(node.parts.why, d.state === "live" ? "" : [d.detail, again].filter(Boolean).join(" · "));
  });
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?。]$/.test(text) ? "" : ".");

// A check's words; those about an input in the operator's language.
function wordsOf(check, { udp, publisher, pull }) {
  const inputs = [["udp", udp], ["rtmp", publisher], ["pull", pull]];
  const there = inputs.filter(([, input]) => input?.reason);
  if (check.name !== "input" || language === "en" || there.length === 0) return sentence(check.detail);
  return there.map(([name, { reason }]) => `${t(`source_${name}`)}: ${reasonWords(reason)}`).join(" ");
}

function showNotices(state) {
  const wanting = state.checks.filter((check) => check.status !== "healthy");
  list(byId("notices"), wanting, (check) => `${check.name} ${check.detail}`, () => row(), (node, check) => {
    mark(node, "level", check.status);
    set(node.parts.name, t(`level_${check.status}`));
    set(node.parts.line, wordsOf(check, state));
  });
  set(byId("health"), t(`health_${state.health}`));
  mark(byId("health"), "level", state.health);
}

function show(state) {
  const kind = kindOf(state);
  showTally(kind, kind === "stuck" ? t("stuck_what") : whatOf(state));
  showNotices(state);
  showReceives(state);
  showGlance(state);
  const { programme } = state;
  set(byId("on-air-for"), since(state, programme.since));
  set(byId("programme-rate"), rate(programme.video_bps + programme.audio_bps));
  set(byId("viewer-count"), number(state.viewer_count));
  set(byId("config"), [pictureAndSound(programme), programme.is_filling ? t("filling") : ""]
    .filter(Boolean).join(" · "));
  showNext(state);
  showDeck(state);
}

function wire() {
  byId("controls").addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    const { action } = button.dataset;
    const body = { action };
    if (action === "loop") body.loop = button.getAttribute("aria-pressed") !== "true";
    if (action) command(button, "/api/playout", body);
    else if (button.id === "stop") command(button, "/api/stop", {});
    else if (button.id === "standby") putOnAir(button, { source: "standby" });
  });
  const seek = byId("seek");
  seek.addEventListener("input", () => {
    seeking = true;
    set(byId("deck-position"), span(seek.value));
    set(byId("deck-length"), `−${span(seek.max - seek.value)} / ${span(seek.max)}`);
  });
  seek.addEventListener("change", async () => {
    await command(seek, "/api/playout", { action: "seek", position_s: Number(seek.value) });
    seeking = false;
  });
}

export function init() {
  wire();
  live.addEventListener("status", ({ detail }) => show(detail));
  live.addEventListener("link", ({ detail }) => {
    if (detail !== "lost") return;
    showTally("lost", t("lost_what"));
    set(byId("health"), t("health_unknown"));
    mark(byId("health"), "level", "none");
  });
}

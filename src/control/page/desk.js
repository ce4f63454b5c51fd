// The operator's part of the page: the library, and what is to be on air. It uses what page.js
// defines. Names and sentences from the network are set as text, never as markup.
"use strict";

const VIDEOS_PERIOD_MS = 10000;
const COMMAND_PATIENCE_MS = 8000;
const PAGE_FILES = 100;
let offset = 0;

// ── Commands ───────────────────────────────────────────────────────────────────────────────
function tellOutcome(text, failed) {
  set(byId("outcome"), text);
  byId("outcome").hidden = false;
  byId("outcome").classList.toggle("failed", failed);
}

async function command(path, body, button) {
  button.disabled = true;
  tellOutcome("One moment …", false);
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), COMMAND_PATIENCE_MS);
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: patience.signal,
    });
    const told = await answer.json();
    const remedy = told.remedy ? ` In the videos folder: ${told.remedy}` : "";
    tellOutcome(answer.ok ? told.message : told.error + remedy, !answer.ok);
  } catch {
    tellOutcome("No answer came; look above at what is on air before you try again.", true);
  } finally {
    clearTimeout(timer);
    button.disabled = false;
    again();
  }
}

byId("sources").addEventListener("click", ({ target }) => {
  const { source } = target.dataset;
  if (source) command("/api/switch", { source }, target);
});
byId("stop").addEventListener("click", ({ target }) => command("/api/stop", {}, target));
byId("deck").addEventListener("click", ({ target }) => {
  const { action } = target.dataset;
  const body = { action };
  if (action === "loop") body.loop = target.getAttribute("aria-pressed") !== "true";
  if (action) command("/api/playout", body, target);
});

// ── What plays ─────────────────────────────────────────────────────────────────────────────
function showDesk(state) {
  const { playout } = state;
  for (const button of byId("sources").querySelectorAll("[data-source]")) {
    const { source } = button.dataset;
    button.setAttribute("aria-pressed", String(playout.choice === source));
    if (source === "pull") button.hidden = state.pull === null;
  }
  byId("deck").hidden = playout.file === null;
  set(byId("deck-file"), playout.file || "");
  const length = playout.duration_s;
  byId("deck-bar").hidden = !length;
  byId("deck-bar").max = length || 1;
  byId("deck-bar").value = Math.min(playout.position_s, length || 1);
  const parts = [length ? `${span(playout.position_s)} of ${span(length)}` : span(playout.position_s)];
  if (playout.paused) parts.push("paused");
  if (playout.switching) parts.push("being made ready");
  if (playout.playlist) parts.push(`playlist ${playout.playlist}, file ${playout.index + 1}`);
  if (playout.next) parts.push(`next: ${playout.next}`);
  if (playout.error) parts.push(playout.error);
  set(byId("deck-line"), parts.join(" · "));
  for (const button of byId("deck").querySelectorAll("[data-action]")) {
    const { action } = button.dataset;
    if (action === "pause") button.hidden = playout.paused;
    if (action === "resume") button.hidden = !playout.paused;
    if (action === "loop") button.setAttribute("aria-pressed", String(playout.loop));
  }
}

document.addEventListener("state", ({ detail }) => showDesk(detail));

// ── The library ────────────────────────────────────────────────────────────────────────────
function makeVideo() {
  const item = element("li");
  const button = element("button");
  button.type = "button";
  set(button, "Put on air");
  button.addEventListener("click", () => command("/api/switch", { video: item.dataset.name }, button));
  const about = element("div");
  about.append(element("p", "name"), element("p", "facts-line"), element("ul"), element("p", "why"),
    element("code"));
  item.append(about, button);
  return item;
}

function facts_of(video) {
  const parts = [];
  if (video.duration_s) parts.push(span(video.duration_s));
  if (video.video) {
    const { width, height, frame_rate: rate_hz, codec, profile } = video.video;
    parts.push(`${width} × ${height}`, `${Number(rate_hz.toFixed(2))} fps`, `${codec} ${profile}`);
  }
  if (video.state === "ready") parts.push(video.audio ? video.audio.codec : "no audio");
  if (video.bit_rate) parts.push(rate(video.bit_rate));
  parts.push(size(video.size));
  if (video.state === "pending") parts.push("being looked at");
  return parts.join(" · ");
}

function showVideo(item, video) {
  const [about, button] = item.children;
  const [name, line, objections, why, remedy] = about.children;
  mark(item, "name", video.filename);
  mark(item, "playable", String(video.playable));
  set(name, video.filename);
  set(line, facts_of(video));
  list(objections, video.objections || [], () => element("li"),
    (entry, objection) => set(entry, objection.text));
  set(why, video.error ? `Cannot be played: ${video.error}.` : "");
  set(remedy, video.remedy || "");
  button.hidden = !video.playable;
  button.setAttribute("aria-label", `Put ${video.filename} on air`);
}

async function askVideos() {
  if (document.hidden) return;
  const search = encodeURIComponent(byId("search").value);
  try {
    const answer = await fetch(`/api/videos?limit=${PAGE_FILES}&offset=${offset}&search=${search}`,
      { cache: "no-store" });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    list(byId("videos"), told.videos, makeVideo, showVideo);
    const notes = [];
    if (told.problem) notes.push(told.problem);
    else if (told.total === 0) notes.push(search ? "No file of this name." : "There are no files in the videos folder yet.");
    else if (told.total > told.count) {
      notes.push(`${whole(told.offset + 1)} to ${whole(told.offset + told.count)} of ${whole(told.total)}`);
    }
    if (told.unlisted > 0) notes.push(`${whole(told.unlisted)} more files are not listed`);
    set(byId("library-note"), notes.join(" · "));
    byId("pages").hidden = told.next_offset === null && offset === 0;
    byId("earlier").disabled = offset === 0;
    byId("later").disabled = told.next_offset === null;
    if (told.count === 0 && offset > 0) offset = 0;
  } catch {
    set(byId("library-note"), "The list could not be fetched; it may be out of date.");
  }
}

function turnTo(next) {
  offset = Math.max(0, next);
  askVideos();
}

byId("search").addEventListener("input", () => turnTo(0));
byId("earlier").addEventListener("click", () => turnTo(offset - PAGE_FILES));
byId("later").addEventListener("click", () => turnTo(offset + PAGE_FILES));
setInterval(askVideos, VIDEOS_PERIOD_MS);
document.addEventListener("visibilitychange", askVideos);
askVideos();

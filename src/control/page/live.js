// The state, as it comes: by server-sent events where they get through, else by asking every three
// seconds. A page that nobody looks at asks nothing. What it hears it hands on as events of its
// own: "status", "log", "library", "config", and "link" for how it hears.
import { ask } from "./api.js";

const POLL_MS = 3000;
const SILENT_MS = 6000;
const EVENTS_AGAIN_MS = 20000;

export const live = new EventTarget();
live.link = "waiting";
live.heard = null;
live.state = null;

let source = null;
let pollTimer = 0;
let silence = 0;
let eventsAgain = 0;
let running = false;

const give = (name, detail) => live.dispatchEvent(new CustomEvent(name, { detail }));

function setLink(link) {
  const changed = live.link !== link;
  live.link = link;
  if (changed || link === "lost") give("link", link);
}

function take(state, link) {
  live.state = state;
  live.heard = new Date();
  setLink(link);
  give("status", state);
}

// ── Events ─────────────────────────────────────────────────────────────────────────────────
function listen() {
  closeEvents();
  if (!running || document.hidden) return;
  source = new EventSource("/api/events");
  const on = (name, use) => source.addEventListener(name, ({ data }) => {
    try {
      use(JSON.parse(data));
    } catch {
      // One event that cannot be read is not worth more than the next.
    }
  });
  on("status", (state) => {
    watchSilence();
    clearTimeout(pollTimer);
    take(state, "events");
  });
  for (const name of ["log", "library", "config"]) on(name, (told) => give(name, told));
  source.onerror = () => {
    // The browser tries again by itself unless it was refused; meanwhile there are questions.
    if (source?.readyState === EventSource.CLOSED) {
      closeEvents();
      eventsAgain = setTimeout(listen, EVENTS_AGAIN_MS);
    }
    poll();
  };
  watchSilence();
}

function watchSilence() {
  clearTimeout(silence);
  silence = setTimeout(() => {
    listen();
    poll();
  }, SILENT_MS);
}

function closeEvents() {
  clearTimeout(silence);
  clearTimeout(eventsAgain);
  source?.close();
  source = null;
}

// ── Questions ──────────────────────────────────────────────────────────────────────────────
async function poll() {
  clearTimeout(pollTimer);
  if (!running || document.hidden) return;
  pollTimer = setTimeout(poll, POLL_MS);
  const asked = Date.now();
  try {
    const state = await ask("/api/status", { patience: POLL_MS * 2 });
    // Events that came meanwhile are newer.
    if (running && !(live.link === "events" && live.heard > asked)) take(state, "polling");
  } catch (error) {
    if (running && !error.status) setLink("lost");
  }
}

// Asks at once: something was changed.
export async function refresh() {
  try {
    take(await ask("/api/status"), live.link === "events" ? "events" : "polling");
  } catch {
    // The next event or question tells.
  }
}

export function start() {
  running = true;
  poll();
  listen();
}

export function stop() {
  running = false;
  clearTimeout(pollTimer);
  closeEvents();
}

document.addEventListener("visibilitychange", () => {
  if (!running) return;
  if (document.hidden) closeEvents();
  else start();
});
window.addEventListener("online", () => running && start());

// The programme's picture and sound in the page: fragmented MP4 into Media Source Extensions, at
// most a second and a half behind. It runs only while somebody can see it, and after half an hour
// without a hand on the page it asks whether anybody still looks: transfer costs money.
import { byId, say, set } from "./dom.js";
import { explain, ApiError } from "./api.js";
import { live } from "./live.js";
import { number, t } from "./words.js";

const PATH = "/api/preview.mp4";
const BEHIND_S_MAX = 1.5;
const EDGE_S = 0.35;
const KEPT_S = 8;
const LOOK_MS = 250;
const SILENT_MS = 8000;
const PAUSE_MS = [1000, 2000, 4000, 8000];
const UNTOUCHED_MS = 30 * 60 * 1000;
const WAITING_BYTES_MAX = 8 << 20;

const video = byId("preview");
const Source = self.ManagedMediaSource || self.MediaSource;
let wanted = localStorage.getItem("preview") !== "off";
let inView = false;
let asleep = false;
let playing = null;
let failures = 0;
let again = 0;
let touched = Date.now();

// One connection: its media source, what waits to be appended, and its end.
class Session {
  constructor() {
    this.stopper = new AbortController();
    this.waiting = [];
    this.heard = Date.now();
    this.media = new Source();
    this.url = URL.createObjectURL(this.media);
    video.disableRemotePlayback = true;
    video.src = this.url;
    this.open = new Promise((done) => this.media.addEventListener("sourceopen", done, { once: true }));
  }

  async run() {
    const answer = await fetch(PATH, { signal: this.stopper.signal, cache: "no-store" });
    if (!answer.ok) {
      throw new ApiError(answer.status, await answer.json().catch(() => ({})), null);
    }
    const type = answer.headers.get("Content-Type") || "";
    if (!Source.isTypeSupported(type)) throw new Error(t("preview_codec"));
    await this.open;
    this.buffer = this.media.addSourceBuffer(type);
    this.buffer.addEventListener("updateend", () => this.pump());
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.heard = Date.now();
      this.waiting.push(value);
      // A tab that was put to sleep for long begins again at the live edge.
      if (this.waiting.reduce((sum, piece) => sum + piece.length, 0) > WAITING_BYTES_MAX) return;
      this.pump();
    }
  }

  pump() {
    const { buffer } = this;
    if (!buffer || buffer.updating || this.media.readyState !== "open") return;
    const { buffered } = buffer;
    if (buffered.length && video.currentTime - buffered.start(0) > KEPT_S * 2) {
      buffer.remove(buffered.start(0), video.currentTime - KEPT_S);
      return;
    }
    const piece = this.waiting.shift();
    if (!piece) return;
    try {
      buffer.appendBuffer(piece);
    } catch {
      this.stopper.abort();
    }
  }

  // Keeps it near the edge; a gap in the times is jumped over.
  look() {
    const { buffered } = video;
    if (Date.now() - this.heard > SILENT_MS) return this.stopper.abort();
    if (!buffered.length) return undefined;
    const end = buffered.end(buffered.length - 1);
    const behind = end - video.currentTime;
    const inside = [...Array(buffered.length).keys()]
      .some((at) => video.currentTime >= buffered.start(at) && video.currentTime <= buffered.end(at));
    if (behind > BEHIND_S_MAX || behind < 0 || !inside) {
      video.currentTime = Math.max(buffered.start(buffered.length - 1), end - EDGE_S);
    }
    video.playbackRate = behind > 0.9 ? 1.08 : 1;
    if (video.paused) video.play().catch(() => {});
    if (video.readyState >= 2) {
      failures = 0;
      say(byId("screen-note"), "");
      set(byId("preview-behind"), t("behind_s", number(Math.max(0, behind), 1)));
    }
    return undefined;
  }

  end() {
    this.stopper.abort();
    URL.revokeObjectURL(this.url);
  }
}

async function play() {
  clearTimeout(again);
  const session = new Session();
  playing = session;
  say(byId("screen-note"), t("preview_opens"));
  let why = "";
  try {
    await session.run();
  } catch (error) {
    if (error instanceof ApiError) why = explain(error);
    else if (error.name !== "AbortError") why = error.message;
  }
  session.end();
  if (playing !== session) return;
  playing = null;
  // The stream ended or failed; the picture comes back by itself.
  say(byId("screen-note"), why || t("preview_again"));
  again = setTimeout(judge, PAUSE_MS[Math.min(failures, PAUSE_MS.length - 1)]);
  failures += 1;
}

function halt() {
  clearTimeout(again);
  const session = playing;
  playing = null;
  session?.end();
  video.removeAttribute("src");
  video.load();
  set(byId("preview-behind"), "");
}

function judge() {
  const runs = wanted && inView && !asleep && !document.hidden;
  const toggle = byId("preview-toggle");
  toggle.setAttribute("aria-pressed", String(wanted && !asleep));
  set(toggle, wanted && !asleep ? t("preview_hide") : t("preview_show"));
  byId("preview-sound").hidden = !(wanted && !asleep);
  byId("screen").dataset.off = String(!(wanted && !asleep));
  if (!Source) {
    toggle.hidden = true;
    say(byId("screen-note"), t("preview_unsupported"));
    return;
  }
  if (runs && !playing) play();
  if (!runs) {
    halt();
    failures = 0;
    say(byId("screen-note"), asleep ? t("preview_asleep") : wanted ? "" : t("preview_off"));
  }
}

// Tells whether the view it stands in is the one shown.
export function setInView(shown) {
  inView = shown;
  judge();
}

export function init() {
  byId("preview-toggle").addEventListener("click", () => {
    wanted = asleep || !wanted;
    asleep = false;
    touched = Date.now();
    localStorage.setItem("preview", wanted ? "on" : "off");
    judge();
  });
  byId("preview-sound").addEventListener("click", () => {
    video.muted = !video.muted;
    set(byId("preview-sound"), video.muted ? t("sound_on") : t("sound_off"));
    video.play().catch(() => {});
  });
  for (const name of ["pointerdown", "keydown", "pointermove"]) {
    document.addEventListener(name, () => { touched = Date.now(); }, { passive: true });
  }
  setInterval(() => {
    playing?.look();
    if (playing && Date.now() - touched > UNTOUCHED_MS) {
      asleep = true;
      judge();
    }
  }, LOOK_MS);
  document.addEventListener("visibilitychange", judge);
  live.addEventListener("link", ({ detail }) => {
    // Back again: at once, not after the pause that has grown meanwhile.
    if (detail !== "lost" && wanted && !playing) {
      failures = 0;
      judge();
    }
  });
}

// Uploads, one file after the other, in pieces: what arrived before a broken line is kept, and a
// page that was closed goes on when the same file is chosen again.
import { ApiError, ask, explain, send, sendBytes } from "./api.js";
import { confirm, tell } from "./dialogs.js";
import { byId, h, list, mark, row, set } from "./dom.js";
import { live } from "./live.js";
import { reloadLibrary } from "./library.js";
import { dateOf, percent, rate, size, span, t } from "./words.js";

const PIECE_BYTES_MIN = 8 << 20;
const PAUSE_MS = [1000, 2000, 5000, 10000];
// The last of several tries that brought nothing forward.
const TRIES_MAX = 12;

let jobs = [];
let halves = [];
let busy = false;

function sendPiece(job, piece) {
  return sendBytes("PATCH", `/api/uploads/${encodeURIComponent(job.id)}`, piece, {
    headers: { "Upload-Offset": String(job.offset) },
    progress: (bytes) => {
      job.sent = job.offset + bytes;
      show();
    },
    begun: (request) => { job.request = request; },
  });
}

async function create(job) {
  // What is there of this file from before is gone on with.
  const { uploads } = await ask("/api/uploads");
  const half = uploads.find((one) => one.filename === job.name && one.size === job.file.size
    && !jobs.some((other) => other.id === one.id));
  const made = half || await send("POST", "/api/uploads",
    { filename: job.name, size: job.file.size, ...(job.replace ? { replace: true } : {}) });
  job.id = made.id;
  job.offset = made.offset;
  job.piece = Math.max(PIECE_BYTES_MIN, made.piece_bytes || 0);
  halves = halves.filter((one) => one.id !== job.id);
}

async function learnOffset(job) {
  const { uploads } = await ask("/api/uploads");
  const known = uploads.find((one) => one.id === job.id);
  if (known) job.offset = known.offset;
  else job.id = null;
}

async function step(job) {
  if (job.id === null) {
    await create(job);
    return;
  }
  const end = Math.min(job.file.size, job.offset + job.piece);
  job.began = performance.now();
  const told = await sendPiece(job, job.file.slice(job.offset, end));
  const seconds = (performance.now() - job.began) / 1000;
  if (seconds > 0) job.bps = ((told.offset - job.offset) * 8) / seconds;
  if (told.offset > job.offset) job.tries = 0;
  job.offset = told.offset;
  job.complete = Boolean(told.complete);
}

// Whether a refusal is worth another try.
async function recover(job, error) {
  if (job.state === "cancelled") return false;
  if (error instanceof ApiError) {
    if (error.status === 409 && Number.isInteger(error.told.offset)) {
      job.offset = error.told.offset;
      return true;
    }
    if (error.code === "VIDEO_EXISTS" && !job.replace) {
      job.replace = await confirm({
        title: t("replace_title"), text: t("replace_text", job.name), action: t("replace"),
      });
      return job.replace;
    }
    if (![429, 500, 502, 503, 504].includes(error.status)) return false;
  }
  job.tries += 1;
  if (job.tries > TRIES_MAX) return false;
  job.state = "waiting";
  job.why = error instanceof ApiError ? explain(error) : t("upload_line");
  show();
  await new Promise((wake) => setTimeout(wake, PAUSE_MS[Math.min(job.tries - 1, PAUSE_MS.length - 1)]));
  if (job.id !== null) await learnOffset(job).catch(() => {});
  return job.state !== "cancelled";
}

async function work(job) {
  job.state = "sending";
  while (!job.complete) {
    try {
      await step(job);
      if (job.state === "cancelled") return;
      job.state = "sending";
      job.why = "";
    } catch (error) {
      if (!await recover(job, error)) {
        if (job.state === "cancelled") return;
        job.state = "failed";
        job.why = error instanceof ApiError ? explain(error) : t("upload_line");
        return;
      }
      job.state = "sending";
    }
    show();
  }
  job.state = "done";
}

async function next() {
  if (busy) return;
  const job = jobs.find((one) => one.state === "queued");
  if (!job) return;
  busy = true;
  await work(job);
  busy = false;
  if (job.state === "done") {
    jobs = jobs.filter((one) => one !== job);
    tell(t("uploaded", job.name));
    reloadLibrary();
  }
  if (job.state === "failed") tell(`${job.name}: ${job.why}`, true);
  show();
  next();
}

function add(files) {
  for (const file of files) {
    const same = jobs.find((job) => job.name === file.name && job.state !== "failed");
    if (same) continue;
    jobs = jobs.filter((job) => job.name !== file.name);
    jobs.push({
      key: `${file.name} ${file.size} ${performance.now()}`, name: file.name, file, id: null,
      offset: 0, sent: 0, state: "queued", why: "", tries: 0, bps: 0,
    });
  }
  show();
  next();
}

async function cancel(job) {
  const text = t("cancel_upload_text", job.name || job.filename);
  if (!await confirm({ title: t("cancel_upload"), text, action: t("cancel_upload") })) return;
  job.state = "cancelled";
  job.request?.abort();
  jobs = jobs.filter((one) => one !== job);
  halves = halves.filter((one) => one.id !== job.id);
  show();
  if (!job.id) return;
  await send("DELETE", `/api/uploads/${encodeURIComponent(job.id)}`).catch((error) => {
    if (error.status !== 404) tell(explain(error), true);
  });
}

function make() {
  const item = row();
  const bar = h("progress", { max: "1" });
  const again = h("button", { type: "button", text: t("go_on") });
  const stop = h("button", { type: "button", text: t("cancel") });
  again.addEventListener("click", () => {
    if (!item.job.file) byId("files").click();
    else {
      Object.assign(item.job, { state: "queued", tries: 0, why: "" });
      show();
      next();
    }
  });
  stop.addEventListener("click", () => cancel(item.job));
  item.about.insertBefore(bar, item.parts.line);
  item.append(h("div", { class: "buttons" }, again, stop));
  return Object.assign(item, { bar, again });
}

function showJob(item, job) {
  item.job = job;
  const total = job.file ? job.file.size : job.size;
  const done = job.state === "sending" ? Math.max(job.sent, job.offset) : job.offset;
  const state = job.file ? job.state : "half";
  mark(item, "lamp", { sending: "live", failed: "refused", half: "idle" }[state] || "connecting");
  set(item.parts.name, job.name || job.filename);
  set(item.parts.state, t(`upload_${state}`));
  item.bar.value = total ? done / total : 1;
  item.bar.setAttribute("aria-label", `${job.name || job.filename} ${percent((done / (total || 1)) * 100)}`);
  const parts = [`${size(done)} / ${size(total)}`, percent((done / (total || 1)) * 100)];
  if (state === "sending" && job.bps > 0) {
    parts.push(rate(job.bps), t("left_time", span(((total - done) * 8) / job.bps)));
  }
  if (state === "half") parts.push(dateOf(job.modified));
  set(item.parts.line, parts.join(" · "));
  set(item.parts.why, state === "half" ? t("choose_again") : job.why);
  item.again.hidden = !(state === "failed" || state === "half");
  set(item.again, state === "half" ? t("choose_files") : t("try_again"));
}

function show() {
  list(byId("uploads"), [...jobs, ...halves], (job) => job.key || job.id, make, showJob);
}

async function lookForHalves() {
  try {
    const { uploads } = await ask("/api/uploads");
    halves = uploads.filter((one) => !jobs.some((job) => job.id === one.id));
    show();
  } catch {
    // There is nothing to go on with, as far as is known.
  }
}

export function setInView(shown) {
  if (shown) lookForHalves();
}

export function init() {
  const drop = byId("drop");
  byId("choose").addEventListener("click", () => byId("files").click());
  byId("files").addEventListener("change", ({ target }) => {
    add(target.files);
    target.value = "";
  });
  // A file that misses its place would replace the page.
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
  }
  document.addEventListener("dragover", () => drop.classList.add("over"));
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", ({ dataTransfer }) => {
    drop.classList.remove("over");
    if (dataTransfer?.files.length && drop.closest(".view:not([hidden])")) add(dataTransfer.files);
  });
  window.addEventListener("beforeunload", (event) => {
    if (jobs.some((job) => ["sending", "queued", "waiting"].includes(job.state))) event.preventDefault();
  });
  live.addEventListener("link", ({ detail }) => {
    if (detail !== "lost") jobs.forEach((job) => { if (job.state === "waiting") job.tries = 0; });
  });
}

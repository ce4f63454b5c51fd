// The library: a page of it at a time, so that ten thousand files are as quick as ten.
import { ask, send } from "./api.js";
import { askFor, confirm, run, tell } from "./dialogs.js";
import { byId, h, list, mark, row, say, set, attribute } from "./dom.js";
import { live } from "./live.js";
import { putOnAir } from "./onair.js";
import { addTo } from "./playlists.js";
import { coded, number, rate, seconds, size, span, t } from "./words.js";

const PAGE_FILES = 50;
const AGAIN_MS = 10000;
const TYPING_MS = 200;
let offset = 0;
let shown = false;
let typing = 0;
let asked = 0;

const path = (name) => `/api/videos/${encodeURIComponent(name)}`;

function factsOf(video) {
  const parts = [];
  if (video.duration_s) parts.push(span(video.duration_s));
  if (video.video) {
    parts.push(`${video.video.width} × ${video.video.height}`, `${number(video.video.frame_rate, 2)} fps`,
      `${video.video.codec} ${video.video.profile}`);
  }
  if (video.state === "ready") parts.push(video.audio ? video.audio.codec : t("no_sound"));
  if (video.bit_rate) parts.push(rate(video.bit_rate));
  parts.push(size(video.size));
  if (video.state === "pending") parts.push(t("looked_at"));
  return parts.join(" · ");
}

async function playFrom(video, button) {
  const fields = [
    { name: "from", label: t("start_at"), help: t("start_at_help"), input: { value: "0:00", inputmode: "numeric" } },
    { name: "loop", label: t("loop_file"), input: { kind: "checkbox" } },
  ];
  const done = await askFor({
    title: t("play_how"), intro: video.filename, fields, action: t("put_on_air"),
    submit: ({ from, loop }) => {
      const start = seconds(from);
      if (Number.isNaN(start)) throw t("start_at_wrong");
      return send("POST", "/api/switch", { video: video.filename, start_s: start, loop });
    },
  });
  if (done) tell(done.message);
  button.focus();
}

async function rename(video) {
  const done = await askFor({
    title: t("rename"), intro: video.filename, action: t("rename"),
    fields: [{ name: "filename", label: t("new_name"), input: { value: video.filename, required: true } }],
    submit: ({ filename }) => send("PATCH", path(video.filename), { filename: filename.trim() }),
    ready: ({ filename }) => filename.setSelectionRange(0, Math.max(0, filename.value.lastIndexOf("."))),
  });
  if (done) {
    tell(done.message || t("renamed"));
    load();
  }
}

async function remove(video, button) {
  const text = t("delete_text", video.filename, size(video.size));
  if (!await confirm({ title: t("delete_title"), text, action: t("delete") })) return;
  await run(button, async () => {
    const told = await send("DELETE", path(video.filename));
    return { message: told.message || t("deleted", video.filename) };
  });
  load();
}

function make() {
  const item = row();
  const current = () => item.video;
  const button = (text, action, name = "") => {
    const node = h("button", { type: "button", class: name, text });
    node.addEventListener("click", () => action(node));
    return node;
  };
  item.play = button(t("put_on_air"), (node) => putOnAir(node, { video: current().filename }));
  item.from = button(t("play_how_short"), (node) => playFrom(current(), node));
  item.add = button(t("add_to_playlist"), () => addTo(current().filename));
  item.warnings = h("ul", { class: "warnings" });
  item.remedy = h("code", { tabindex: "0", hidden: true });
  const more = h("details", { class: "more" }, h("summary", { text: t("more") }),
    h("div", { class: "buttons" }, item.from, item.add,
      button(t("rename_dots"), () => rename(current())),
      button(t("delete_dots"), (node) => remove(current(), node), "danger")));
  item.more = more.firstElementChild;
  item.about.append(item.warnings, item.remedy);
  item.append(item.play, more);
  item.parts.lamp.remove();
  return item;
}

function showVideo(item, video) {
  item.video = video;
  const { programme, playout } = live.state || { programme: {}, playout: {} };
  const onAir = programme.on_air === "file" && playout.file === video.filename;
  set(item.parts.name, video.filename);
  set(item.parts.state, onAir ? t("is_on_air") : "");
  mark(item, "onair", onAir);
  set(item.parts.line, factsOf(video));
  set(item.parts.why, video.error ? t("cannot_play", video.error) : "");
  say(item.remedy, video.remedy || "");
  list(item.warnings, video.objections || [], (one) => one.code,
    (one) => h("li", { title: one.text }), (node, one) => set(node, coded("warn", one.code, one.text)));
  item.play.hidden = !video.playable;
  item.from.hidden = !video.playable;
  item.add.hidden = !video.playable;
  attribute(item.play, "aria-label", t("put_named_on_air", video.filename));
  attribute(item.more, "aria-label", t("more_about", video.filename));
}

function noteOf(told, search) {
  const notes = [];
  if (told.problem) notes.push(told.problem);
  else if (told.total === 0) notes.push(search ? t("no_such_file") : t("library_empty"));
  else if (told.total > told.count) {
    notes.push(t("files_range", number(told.offset + 1), number(told.offset + told.count), number(told.total)));
  }
  if (told.unlisted > 0) notes.push(t("unlisted", number(told.unlisted)));
  return notes.join(" · ");
}

async function load() {
  if (!shown || document.hidden) return;
  const search = byId("search").value;
  asked += 1;
  const mine = asked;
  try {
    const query = `limit=${PAGE_FILES}&offset=${offset}&search=${encodeURIComponent(search)}`;
    const told = await ask(`/api/videos?${query}`);
    // Only the newest question's answer counts.
    if (mine !== asked) return;
    if (told.count === 0 && offset > 0) {
      turnTo(0);
      return;
    }
    list(byId("videos"), told.videos, (video) => video.filename, make, showVideo);
    say(byId("library-note"), noteOf(told, search));
    byId("pages").hidden = told.next_offset === null && offset === 0;
    byId("earlier").disabled = offset === 0;
    byId("later").disabled = told.next_offset === null;
  } catch {
    if (mine === asked) say(byId("library-note"), t("list_old"));
  }
}

function turnTo(next) {
  offset = Math.max(0, next);
  load();
}

export { load as reloadLibrary };

export function setInView(visible) {
  shown = visible;
  load();
}

export function init() {
  byId("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => turnTo(0), TYPING_MS);
  });
  byId("earlier").addEventListener("click", () => turnTo(offset - PAGE_FILES));
  byId("later").addEventListener("click", () => turnTo(offset + PAGE_FILES));
  setInterval(load, AGAIN_MS);
  live.addEventListener("library", load);
}

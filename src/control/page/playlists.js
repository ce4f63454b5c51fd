// Playlists: put in order by drag, by the arrow keys on the grip, or by buttons. Every change is
// kept at once.
import { ApiError, ask, explain, send } from "./api.js";
import { askFor, confirm, run, tell } from "./dialogs.js";
import { attribute, byId, h, list, mark, set } from "./dom.js";
import { live } from "./live.js";
import { putOnAir } from "./onair.js";
import { number, t } from "./words.js";

const AGAIN_MS = 10000;
let lists = [];
let shown = false;
let dragging = false;
let saving = 0;
let fresh = 0;

const path = (name) => `/api/playlists/${encodeURIComponent(name)}`;
const entry = (file) => {
  fresh += 1;
  return { id: fresh, file };
};
const news = (text) => set(byId("playlist-news"), text);

// ── Model ──────────────────────────────────────────────────────────────────────────────────
async function load() {
  if (!shown || dragging || saving || document.hidden) return;
  try {
    const told = await ask("/api/playlists");
    if (dragging || saving) return;
    lists = told.playlists.map((one) => {
      const known = lists.find((other) => other.name === one.name);
      const same = known && known.files.map((f) => f.file).join("\0") === one.files.join("\0");
      return { ...one, files: same ? known.files : one.files.map(entry) };
    });
    show();
  } catch {
    // What is shown stays; the next look tells.
  }
}

async function save(one) {
  show();
  saving += 1;
  try {
    const body = { files: one.files.map((f) => f.file), repeat: one.repeat, shuffle: one.shuffle };
    await send("PUT", path(one.name), body);
  } catch (error) {
    tell(explain(error), true);
    one.files = [];
  }
  saving -= 1;
  load();
}

function move(one, from, to) {
  if (to < 0 || to >= one.files.length || from === to) return false;
  const [moved] = one.files.splice(from, 1);
  one.files.splice(to, 0, moved);
  news(t("moved", moved.file, to + 1, one.files.length));
  save(one);
  return true;
}

async function removeEntry(one, at) {
  if (one.files.length === 1) {
    removeList(one);
    return;
  }
  const [gone] = one.files.splice(at, 1);
  news(t("removed_from_list", gone.file));
  save(one);
}

async function removeList(one) {
  const text = t("delete_list_text", one.name, number(one.files.length));
  if (!await confirm({ title: t("delete_list"), text, action: t("delete") })) return;
  try {
    tell((await send("DELETE", path(one.name))).message);
  } catch (error) {
    tell(explain(error), true);
  }
  load();
}

// ── Dragging ───────────────────────────────────────────────────────────────────────────────
function startDrag(event, item, one) {
  if (event.button !== 0) return;
  event.preventDefault();
  const grip = event.currentTarget;
  const parent = item.parentElement;
  grip.setPointerCapture(event.pointerId);
  item.classList.add("dragged");
  dragging = true;
  const from = [...parent.children].indexOf(item);
  const follow = ({ clientY }) => {
    const before = [...parent.children].find((other) => {
      const box = other.getBoundingClientRect();
      return other !== item && clientY < box.top + box.height / 2;
    });
    if (before !== item.nextElementSibling) parent.insertBefore(item, before || null);
    // Taking hold of the moved node again: moving it lets go of the pointer.
    if (!grip.hasPointerCapture(event.pointerId)) grip.setPointerCapture(event.pointerId);
  };
  const end = (ended) => {
    for (const name of ["pointermove", "pointerup", "pointercancel"]) {
      document.removeEventListener(name, name === "pointermove" ? follow : end);
    }
    item.classList.remove("dragged");
    dragging = false;
    const to = [...parent.children].indexOf(item);
    if (ended.type === "pointercancel" || !move(one, from, to)) show();
    grip.focus();
  };
  document.addEventListener("pointermove", follow);
  document.addEventListener("pointerup", end);
  document.addEventListener("pointercancel", end);
}

// ── Showing ────────────────────────────────────────────────────────────────────────────────
function makeEntry(one) {
  const item = h("li", { class: "entry" });
  const index = () => [...item.parentElement.children].indexOf(item);
  const at = (step, button) => {
    if (move(item.list, index(), index() + step)) button.focus();
  };
  item.list = one;
  item.grip = h("button", {
    type: "button", class: "grip quiet", text: "⠿",
    onkeydown: (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      at(step, item.grip);
    },
    onpointerdown: (event) => startDrag(event, item, item.list),
  });
  item.up = h("button", { type: "button", class: "quiet", text: "↑", onclick: () => at(-1, item.up) });
  item.down = h("button", { type: "button", class: "quiet", text: "↓", onclick: () => at(1, item.down) });
  item.gone = h("button", {
    type: "button", class: "quiet", text: "×", onclick: () => removeEntry(item.list, index()),
  });
  item.name = h("span", { class: "name" });
  item.append(item.grip, item.name, item.up, item.down, item.gone);
  return item;
}

function showEntry(item, file, index, one, playingAt) {
  item.list = one;
  const { file: name } = file;
  set(item.name, `${index + 1}. ${name}`);
  mark(item, "onair", index === playingAt);
  attribute(item.grip, "aria-label", t("move_by_arrows", name));
  attribute(item.up, "aria-label", t("move_up", name));
  attribute(item.down, "aria-label", t("move_down", name));
  attribute(item.gone, "aria-label", t("take_out", name));
  item.up.disabled = index === 0;
  item.down.disabled = index === one.files.length - 1;
}

function makeList(one) {
  const node = h("article", { class: "playlist" });
  const flip = (name) => {
    node.list[name] = !node.list[name];
    save(node.list);
  };
  const button = (text, action) => h("button", { type: "button", text, onclick: action });
  node.play = button(t("put_on_air"), () => putOnAir(node.play, { video: node.list.name, source: "playlist" }));
  node.repeat = button(t("repeat"), () => flip("repeat"));
  node.shuffle = button(t("shuffle"), () => flip("shuffle"));
  node.name = h("b", { class: "name" });
  node.state = h("span", { class: "state" });
  node.files = h("ol", { class: "entries" });
  node.count = h("summary");
  node.box = h("details", { open: one.files.length <= 20 }, node.count, node.files);
  node.append(h("div", { class: "card-head" }, h("h3", {}, node.name, " ", node.state), node.play),
    h("div", { class: "buttons" }, node.repeat, node.shuffle,
      h("button", { type: "button", class: "danger", text: t("delete_dots"), onclick: () => removeList(node.list) })),
    node.box);
  return node;
}

function show() {
  byId("no-playlists").hidden = lists.length > 0;
  const { playlist, index } = live.state?.playout || {};
  list(byId("playlists"), lists, (one) => one.name, makeList, (node, one) => {
    node.list = one;
    const playing = playlist === one.name;
    set(node.name, one.name);
    set(node.state, playing ? t("is_on_air") : "");
    mark(node, "onair", playing);
    set(node.count, t("files_count", number(one.files.length)));
    attribute(node.play, "aria-label", t("put_named_on_air", one.name));
    attribute(node.repeat, "aria-pressed", one.repeat);
    attribute(node.shuffle, "aria-pressed", one.shuffle);
    list(node.files, one.files, (file) => file.id, () => makeEntry(one),
      (item, file, at) => showEntry(item, file, at, one, playing ? index : -1));
  });
}

// ── Asking ─────────────────────────────────────────────────────────────────────────────────
async function listsNow() {
  try {
    return (await ask("/api/playlists")).playlists;
  } catch (error) {
    tell(explain(error), true);
    return null;
  }
}

// Adds a file to a list, an old one or a new one.
export async function addTo(file) {
  const known = await listsNow();
  if (!known) return;
  const fields = [
    { name: "list", label: t("playlist"), input: { kind: "choice",
      options: [...known.map((one) => [one.name, one.name]), ["", t("a_new_one")]] } },
    { name: "name", label: t("new_list_name"), input: { maxlength: 64 } },
  ];
  const done = await askFor({
    title: t("add_to_playlist"), intro: file, fields, action: t("add_it"),
    submit: async ({ list: chosen, name }) => {
      const wanted = chosen || name.trim();
      if (!wanted) throw t("name_needed");
      const one = (await ask("/api/playlists")).playlists.find((other) => other.name === wanted)
        || { files: [], repeat: false, shuffle: false };
      const { files, repeat, shuffle } = one;
      await send("PUT", path(wanted), { files: [...files, file], repeat, shuffle });
      return { message: t("added_to", file, wanted) };
    },
    ready: (inputs) => {
      const toggle = () => { inputs.name.parentElement.hidden = inputs.list.value !== ""; };
      inputs.list.addEventListener("change", toggle);
      toggle();
    },
  });
  if (done) tell(done.message);
  load();
}

async function makeNew() {
  let names = [];
  try {
    const told = await ask("/api/videos?limit=500");
    names = told.videos.filter((video) => video.playable).map((video) => video.filename);
  } catch (error) {
    tell(error instanceof ApiError ? explain(error) : t("no_answer"), true);
    return;
  }
  if (names.length === 0) {
    tell(t("no_file_for_list"), true);
    return;
  }
  const done = await askFor({
    title: t("new_playlist_title"), intro: t("new_playlist_intro"), action: t("make_list"),
    fields: [
      { name: "name", label: t("new_list_name"), input: { maxlength: 64, required: true } },
      { name: "file", label: t("first_file"), input: { kind: "choice", options: names.map((one) => [one, one]) } },
      { name: "repeat", label: t("repeat_list"), input: { kind: "checkbox", value: true } },
    ],
    submit: async ({ name, file, repeat }) => {
      if (!name.trim()) throw t("name_needed");
      if (lists.some((one) => one.name === name.trim())) throw t("list_exists");
      return send("PUT", path(name.trim()), { files: [file], repeat, shuffle: false });
    },
  });
  if (done) load();
}

export function setInView(visible) {
  shown = visible;
  load();
}

export function init() {
  byId("new-playlist").addEventListener("click", (event) => run(event.currentTarget, makeNew));
  setInterval(load, AGAIN_MS);
  let last = "";
  live.addEventListener("status", ({ detail: { playout } }) => {
    const now = `${playout.playlist} ${playout.index} ${playout.playlist_count}`;
    if (now !== last) load();
    last = now;
  });
}

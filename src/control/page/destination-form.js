// The dialog that adds or edits a destination. What is known of platforms the API tells.
import { ask } from "./api.js";
import { askFor, tell } from "./dialogs.js";
import { h, say, set } from "./dom.js";
import { coded, number, rate, t } from "./words.js";

const KEY_CHARS_MIN = 8;

export const path = (name) => `/api/destinations/${encodeURIComponent(name)}`;
export const platforms = async () => (await ask("/api/platforms")).platforms;
export const nameOf = (platform) => platform.name || t("another_server");

const placeOf = ({ place }) => (place ? coded("place", place.replace(/\W/g, "_"), place) : t("automatic"));

// What a platform takes, in a line.
function limitsOf({ tls_only: tlsOnly, limits: l }) {
  return [
    tlsOnly && t("limit_tls"),
    l.video_bps_max && t("limit_video", rate(l.video_bps_max)),
    l.audio_bps_max && t("limit_audio", rate(l.audio_bps_max)),
    l.keyframe_ms_max && t("limit_keyframes", number(l.keyframe_ms_max / 1000)),
    l.audio_required && t("limit_sound"),
    l.fixed_parameters && t("limit_fixed"),
    l.hours_max && t("limit_hours", l.hours_max),
  ].filter(Boolean).join(" · ");
}

// What is odd about a key; only the first two cannot be one.
function oddKey(text) {
  const key = text.trim();
  if (key.includes("://")) return t("key_is_address");
  if (/\s/.test(key)) return t("key_has_spaces");
  return key && key.length < KEY_CHARS_MIN ? t("key_short") : "";
}

function fieldsOf(old, known) {
  const chosen = known ? [
    { name: "preset", label: t("platform"),
      input: { kind: "choice", options: known.map((each) => [each.id, nameOf(each)]) } },
    { name: "server", label: t("server"), input: { kind: "choice", options: [] } },
  ] : [];
  const extra = known ? [
    { name: "test", label: t("test_mode"), help: t("test_help"), input: { kind: "checkbox" } },
    { name: "backup", label: t("backup_too"), help: t("backup_help"), input: { kind: "checkbox" } },
  ] : [];
  return [
    ...chosen,
    { name: "name", label: t("name"), help: t("name_help"), input: { value: old?.name, maxlength: 64 } },
    { name: "url", label: t("server_address"), help: t("server_help"),
      input: { value: old?.url, required: true, inputmode: "url", placeholder: "rtmps://host/app" } },
    { name: "key", label: t("stream_key"), help: old?.key ? t("key_kept", old.key) : t("key_help"),
      input: { kind: "password", autocomplete: "off", "data-1p-ignore": true, "data-lpignore": "true" } },
    ...extra,
    ...advancedOf(old),
  ];
}

// What few need: what to do when the programme does not fit, and what is of long runs.
const ADVANCED = ["backup_url", "on_warning", "reconnect", "reconnect_after_h", "reconnect_pause_s"];

function advancedOf(old) {
  const field = (name, input) => ({
    name, label: t(name), help: t(`${name}_help`), input: { value: old?.[name] ?? "", ...input },
  });
  const amount = (max, step) => ({ kind: "number", min: "0", max, step, inputmode: "decimal" });
  return [
    field("backup_url", { inputmode: "url", placeholder: "rtmps://host/app" }),
    field("on_warning", { kind: "choice", value: old?.on_warning ?? "warn",
      options: [["warn", t("warn_only")], ["hold", t("hold_back")]] }),
    field("reconnect", { kind: "time" }),
    field("reconnect_after_h", amount("720", "0.25")),
    field("reconnect_pause_s", amount("600", "1")),
  ];
}

// Puts it into a part that is folded, unless something of it is set.
function fold(inputs) {
  const advanced = h("details", {}, h("summary", { text: t("advanced") }));
  inputs[ADVANCED[0]].closest("label").before(advanced);
  advanced.append(...ADVANCED.map((name) => inputs[name].closest("label")));
  advanced.open = ADVANCED.some((name) => inputs[name].value && inputs[name].value !== "warn");
}

// What is other than before; nothing is told as the API has it.
function changesOf(values, old) {
  const said = {};
  const none = { backup_url: "", reconnect: "", reconnect_after_h: 0, reconnect_pause_s: -1 };
  for (const name of ADVANCED) {
    const before = String(old?.[name] ?? (name === "on_warning" ? "warn" : ""));
    const value = values[name].trim();
    if (value === before) continue;
    const isNumber = typeof none[name] === "number";
    said[name] = value === "" ? none[name] : isNumber ? Number(value) : value;
  }
  return said;
}

// Behind the key: a button that shows what is typed, and what is odd about it.
function watchKey(key) {
  const button = h("button", { type: "button", class: "quiet", "aria-pressed": "false", text: t("show_key") });
  button.addEventListener("click", () => {
    const shown = key.type === "password";
    key.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });
  const odd = h("p", { class: "why", role: "status" });
  key.addEventListener("input", () => set(odd, oddKey(key.value)));
  key.closest("label").after(button, odd);
  return odd;
}

// What follows from the platform that is chosen.
function watchPlatform(inputs, known, odd) {
  const { preset, server, name, url, test, backup } = inputs;
  const limits = h("p", { class: "line" });
  const where = h("a", { target: "_blank", rel: "noopener noreferrer" });
  const link = h("p", { class: "line" }, where);
  server.closest("label").after(limits);
  odd.after(link);
  const fill = () => {
    const { id, servers, ...platform } = known.find((each) => each.id === preset.value);
    server.replaceChildren(...servers.map((each) => h("option", { value: each.url, text: placeOf(each) })));
    server.closest("label").hidden = servers.length < 2;
    url.value = server.value;
    name.value = id === "custom" ? "" : id;
    for (const [box, has] of [[test, platform.test_query], [backup, platform.backup_url]]) {
      box.closest("label").hidden = !has;
      box.checked = false;
    }
    say(limits, limitsOf(platform));
    link.hidden = !platform.key_page;
    if (platform.key_page) where.href = platform.key_page;
    set(where, t("key_page", platform.name));
  };
  preset.addEventListener("change", fill);
  server.addEventListener("change", () => { url.value = server.value; });
  fill();
}

function bodyOf({ name, url, key, test, ...values }, old, platform) {
  if (!url.trim()) throw t("address_needed");
  if (oddKey(key) && oddKey(key) !== t("key_short")) throw oddKey(key);
  const body = changesOf(values, old);
  // What is shown of an address lacks its query, so that it is sent only when it was changed.
  if (url.trim() !== old?.url) body.url = url;
  if (name.trim()) body.name = name.trim();
  if (key.trim()) body.key = key.trim();
  if (test) {
    if (!body.key) throw t("key_needed");
    if (!body.key.includes(platform.test_query)) {
      body.key += (body.key.includes("?") ? "&" : "?") + platform.test_query;
    }
  }
  return body;
}

// Asks for a new destination, or for what is to be different about an old one; `change` sends it.
export async function askForDestination(old, change) {
  const known = old ? undefined : await platforms();
  // The first of a pair is not added again when the second is refused.
  const added = new Set();
  const add = async (body) => {
    if (added.has(body.url)) return undefined;
    const done = await change("POST", "/api/destinations", body);
    added.add(body.url);
    return done;
  };
  const done = await askFor({
    title: old ? t("edit_destination") : t("add_destination"), intro: old ? old.name : t("add_intro"),
    fields: fieldsOf(old, known), action: old ? t("save") : t("add_it"),
    submit: async (values) => {
      const platform = known?.find((each) => each.id === values.preset);
      const body = bodyOf(values, old, platform);
      if (old) return change("PUT", path(old.name), body);
      if (values.backup && !body.key) throw t("key_needed");
      const one = await add(body);
      if (!values.backup) return one;
      const name = `${body.name || platform.id}-backup`;
      return add({ ...body, name, url: platform.backup_url });
    },
    ready: (inputs) => {
      const odd = watchKey(inputs.key);
      fold(inputs);
      if (known) watchPlatform(inputs, known, odd);
    },
  });
  if (done) tell(done.message || t(old ? "destination_saved" : "destination_added"));
}

// The settings, made from what the API tells of each; the password; and the restart.
import { ask, explain, send } from "./api.js";
import { askFor, confirm, run, tell } from "./dialogs.js";
import { attribute, byId, h, mark, say, set } from "./dom.js";
import { live } from "./live.js";
import { logout, session, askSession } from "./login.js";
import { has, number, t } from "./words.js";

let shown = false;
let revision = "";
// Of each setting: what the API told, its input, its line, and whether it goes back to its default.
let rows = [];

const keyOf = (key) => key.replaceAll(".", "_");

// A label and, after a bar, a help text.
function wordsOf(key) {
  const name = `set_${keyOf(key)}`;
  const [label, help = ""] = has(name) ? t(name).split("|") : [key];
  return { label, help };
}

const asText = (value) => (Array.isArray(value) ? value.join("\n") : value == null ? "" : String(value));

function makeInput(one) {
  if (one.kind === "boolean") return h("input", { type: "checkbox" });
  if (one.kind === "choice") {
    return h("select", {}, ...(one.choices || []).map((name) => h("option", { value: name, text: name })));
  }
  if (one.kind === "list") return h("textarea", { rows: "4", spellcheck: "false", autocomplete: "off" });
  if (one.kind === "integer") {
    return h("input", { type: "number", min: one.min, max: one.max, step: "1", inputmode: "numeric" });
  }
  const type = one.kind === "secret" ? "password" : "text";
  return h("input", { type, autocomplete: one.kind === "secret" ? "new-password" : "off", spellcheck: "false" });
}

function put(input, one, value) {
  if (one.kind === "boolean") input.checked = value === true;
  else if (one.kind === "secret") {
    input.value = "";
    input.placeholder = asText(value) || t("not_set");
  } else {
    input.value = asText(value);
    if (value == null) input.placeholder = t("not_set");
  }
}

function valueOf({ one, input }) {
  if (one.kind === "boolean") return input.checked;
  if (one.kind === "integer") return input.value === "" ? null : Number(input.value);
  if (one.kind === "list") return input.value.split(/[\s,]+/).filter(Boolean);
  return input.value === "" ? null : input.value;
}

function isChanged(row) {
  if (row.toDefault) return true;
  if (row.one.kind === "secret") return row.input.value !== "";
  if (row.one.kind === "boolean") return row.input.checked !== (row.one.value === true);
  if (row.one.kind === "list") return valueOf(row).join("\n") !== asText(row.one.value);
  return row.input.value !== asText(row.one.value);
}

function countChanges() {
  const changed = rows.filter(isChanged);
  for (const row of rows) mark(row.node, "changed", changed.includes(row));
  byId("save-bar").hidden = changed.length === 0;
  set(byId("save-count"), t("changes", number(changed.length)));
  return changed;
}

function hintOf(one) {
  const hints = [];
  if (one.min != null && one.max != null) hints.push(t("range", number(one.min), number(one.max)));
  if (one.default != null && one.kind !== "list" && one.kind !== "secret") {
    hints.push(t("default_is", one.default === true ? t("yes") : one.default === false ? t("no") : one.default));
  }
  if (one.kind === "list") hints.push(t("one_per_line"));
  if (one.restart) hints.push(t("needs_restart"));
  if (one.set_by === "environment" || one.set_by === "argument") hints.push(t(`by_${one.set_by}`));
  return hints.join(" · ");
}

function makeRow(one) {
  const { label, help } = wordsOf(one.key);
  const input = makeInput(one);
  const id = `set-${keyOf(one.key)}`;
  const row = { one, input, toDefault: false };
  row.error = h("small", { class: "bad", role: "alert", id: `${id}-error` });
  row.reset = h("button", { type: "button", class: "quiet", text: t("to_default"), "aria-label": `${t("to_default")}: ${label}` });
  row.reset.hidden = one.set_by !== "file";
  row.reset.addEventListener("click", () => {
    row.toDefault = true;
    put(input, one, one.default);
    countChanges();
  });
  input.id = id;
  attribute(input, "aria-describedby", `${id}-help ${id}-error`);
  input.disabled = one.set_by === "environment" || one.set_by === "argument";
  input.addEventListener("input", () => {
    row.toDefault = false;
    set(row.error, "");
    countChanges();
  });
  put(input, one, one.value);
  const name = [label, one.unit && `(${one.unit})`].filter(Boolean).join(" ");
  row.node = h("div", { class: `setting ${one.kind}` }, h("label", { for: id, text: name }),
    h("div", { class: "with-reset" }, input, row.reset),
    h("small", { id: `${id}-help` }, help && `${help} `, h("span", { class: "hint", text: hintOf(one) })), row.error);
  return row;
}

function render(settings) {
  const groups = new Map();
  rows = settings.map(makeRow);
  for (const row of rows) {
    const group = row.one.key.split(".").slice(0, -1).join(".");
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(row.node);
  }
  byId("settings-form").replaceChildren(...[...groups].map(([group, nodes]) => {
    const name = `group_${keyOf(group)}`;
    return h("fieldset", { class: "card" }, h("legend", { text: has(name) ? t(name) : group }), ...nodes);
  }));
  countChanges();
}

// `keepEdits`: what somebody has begun to edit while this is on its way stays.
async function load({ keepEdits = false } = {}) {
  if (!shown) return;
  try {
    const told = await ask("/api/settings");
    if (keepEdits && rows.some(isChanged)) return;
    revision = told.revision;
    byId("restart-needed").hidden = !told.restart_needed;
    say(byId("settings-problem"), "");
    render(told.settings);
  } catch (error) {
    say(byId("settings-problem"), explain(error));
  }
}

function showErrors(errors) {
  let first = null;
  for (const { key, error } of errors) {
    const row = rows.find(({ one }) => one.key === key);
    if (!row) continue;
    set(row.error, error);
    row.input.setAttribute("aria-invalid", "true");
    first ||= row.input;
  }
  first?.focus();
  return first !== null;
}

async function save(event) {
  event.preventDefault();
  const changed = countChanges();
  if (changed.length === 0) return;
  const body = {};
  for (const row of changed) {
    row.input.removeAttribute("aria-invalid");
    body[row.one.key] = row.toDefault ? null : valueOf(row);
  }
  try {
    const told = await send("PATCH", "/api/settings", body, revision ? { "If-Match": revision } : {});
    tell(told.message || t("saved"));
    await load();
  } catch (error) {
    if (error.status === 412) {
      tell(t("changed_meanwhile"), true);
      await load();
    } else if (!showErrors(error.told?.errors || [])) tell(explain(error), true);
  }
}

async function changePassword() {
  const old = { name: "current", label: t("current_password"), input: { kind: "password", autocomplete: "current-password" } };
  const fields = [
    { name: "fresh", label: t("new_password"), input: { kind: "password", autocomplete: "new-password", required: true } },
    { name: "again", label: t("new_password_again"), input: { kind: "password", autocomplete: "new-password", required: true } },
  ];
  const done = await askFor({
    title: session.password_set ? t("change_password_title") : t("new_password_title"),
    intro: t("password_intro"), fields: session.password_set ? [old, ...fields] : fields, action: t("save"),
    submit: ({ current = "", fresh, again }) => {
      if (!fresh) throw t("password_needed");
      if (fresh !== again) throw t("passwords_differ");
      return send("POST", "/api/password", { current, new: fresh });
    },
  });
  if (!done) return;
  tell(done.message || t("password_changed"));
  await askSession().catch(() => {});
  showAccess();
}

function showAccess() {
  byId("logout").hidden = !session.password_set && !session.may_change;
  set(byId("change-password"), session.password_set ? t("change_password") : t("new_password_dots"));
  const open = session.may_change ? "code_taken" : "no_password_look";
  const note = [t(session.password_set ? "password_is_set" : open)];
  if (session.known && session.password_set && !session.secure && !["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)) {
    note.push(t("not_encrypted"));
  }
  set(byId("access-note"), note.join(" "));
}

async function restart(button) {
  const sure = await confirm({ title: t("restart_title"), text: t("restart_text"), action: t("restart") });
  if (!sure) return;
  const done = await run(button, () => send("POST", "/api/restart", {}));
  if (done) byId("restart-needed").hidden = true;
}

export function setInView(visible) {
  shown = visible;
  if (!visible) return;
  showAccess();
  // What is half written stays.
  if (!rows.some(isChanged)) load({ keepEdits: true });
}

export function init() {
  byId("settings-form").addEventListener("submit", save);
  byId("settings-undo").addEventListener("click", () => load());
  byId("change-password").addEventListener("click", changePassword);
  byId("logout").addEventListener("click", ({ currentTarget }) => run(currentTarget, logout).then(showAccess));
  for (const id of ["restart", "restart-now"]) {
    byId(id).addEventListener("click", ({ currentTarget }) => restart(currentTarget));
  }
  live.addEventListener("config", () => {
    if (shown && !rows.some(isChanged)) load({ keepEdits: true });
  });
  window.addEventListener("beforeunload", (event) => {
    if (rows.some(isChanged)) event.preventDefault();
  });
}

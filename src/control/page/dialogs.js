// Questions to the operator, in <dialog>, which keeps the focus and gives it back; and short
// answers to what was done.
import { explain } from "./api.js";
import { byId, h, set } from "./dom.js";
import { t } from "./words.js";

const TOAST_MS = 7000;

// Says what came of something.
export function tell(text, bad = false) {
  const close = h("button", { type: "button", class: "quiet", "aria-label": t("close"), text: "×" });
  const toast = h("div", { class: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" },
    h("p", { text }), close);
  const timer = setTimeout(() => toast.remove(), bad ? TOAST_MS * 2 : TOAST_MS);
  close.addEventListener("click", () => {
    clearTimeout(timer);
    toast.remove();
  });
  const all = byId("toasts");
  all.append(toast);
  while (all.children.length > 3) all.firstElementChild.remove();
}

// Does what a button is for, once at a time; the button keeps the focus meanwhile.
export async function run(button, action) {
  if (button.getAttribute("aria-disabled") === "true") return undefined;
  button.setAttribute("aria-disabled", "true");
  button.setAttribute("aria-busy", "true");
  try {
    const told = await action();
    if (told?.message) tell(told.message);
    return told;
  } catch (error) {
    tell(explain(error), true);
    return undefined;
  } finally {
    button.removeAttribute("aria-disabled");
    button.removeAttribute("aria-busy");
  }
}

let count = 0;

function open(title, intro, content, buttons) {
  count += 1;
  const id = `dialog-${count}`;
  const form = h("form", { method: "dialog", novalidate: true },
    h("h2", { id, text: title }), intro ? h("p", { class: "intro", text: intro }) : null,
    ...content, h("div", { class: "buttons end" }, ...buttons));
  const dialog = h("dialog", { "aria-labelledby": id }, form);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return { dialog, form };
}

const cancel = (text = t("cancel")) => h("button", { type: "button", text });

// Asks before something is lost; resolves to true when it shall be done.
export function confirm({ title, text, action, danger = true }) {
  return new Promise((resolve) => {
    const no = cancel();
    const yes = h("button", { type: "submit", class: danger ? "danger" : "primary", text: action });
    const { dialog, form } = open(title, text, [], [no, yes]);
    let sure = false;
    no.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", () => { sure = true; });
    dialog.addEventListener("close", () => resolve(sure));
    no.focus();
  });
}

function control(field) {
  const { kind = "text", options, value, ...more } = field.input || {};
  const attributes = { name: field.name, ...more };
  if (kind === "choice") {
    const select = h("select", attributes,
      ...options.map(([name, label]) => h("option", { value: name, text: label })));
    if (value !== undefined) select.value = value;
    return select;
  }
  const input = h("input", { type: kind, autocomplete: "off", spellcheck: "false", ...attributes });
  if (kind === "checkbox") input.checked = Boolean(value);
  else input.value = value ?? "";
  return input;
}

function wrapped(field, input, id) {
  const help = field.help ? h("small", { id, text: field.help }) : null;
  if (help) input.setAttribute("aria-describedby", id);
  const label = h("span", { text: field.label });
  const kids = input.type === "checkbox" ? [input, label, help] : [label, input, help];
  return h("label", { class: input.type === "checkbox" ? "field check" : "field" }, ...kids);
}

// Asks for values. `submit` gets them by name; while it throws, the dialog stays and says why.
// Resolves to what `submit` gave, or to undefined when nothing was done.
export function askFor({ title, intro, fields, action, submit, ready, skip }) {
  return new Promise((resolve) => {
    const inputs = {};
    const content = fields.map((field, at) => {
      inputs[field.name] = control(field);
      return wrapped(field, inputs[field.name], `field-${count}-${at}`);
    });
    const error = h("p", { class: "outcome bad", role: "alert" });
    const no = cancel(skip);
    const yes = h("button", { type: "submit", class: "primary", text: action });
    const { dialog, form } = open(title, intro, [...content, error], [no, yes]);
    let result;
    no.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (yes.getAttribute("aria-disabled") === "true") return;
      const values = {};
      for (const [name, input] of Object.entries(inputs)) {
        values[name] = input.type === "checkbox" ? input.checked : input.value;
      }
      yes.setAttribute("aria-disabled", "true");
      try {
        result = (await submit(values)) ?? {};
        dialog.close();
      } catch (failed) {
        set(error, typeof failed === "string" ? failed : explain(failed));
      }
      yes.removeAttribute("aria-disabled");
    });
    dialog.addEventListener("close", () => resolve(result));
    ready?.(inputs, dialog);
    Object.values(inputs)[0]?.focus();
  });
}

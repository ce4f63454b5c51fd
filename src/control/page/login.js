// Who is there: the password; and when there is none, the code that lets change things.
import { ApiError, ask, explain, gate, send, whenCodeNeeded } from "./api.js";
import { askFor, tell } from "./dialogs.js";
import { byId, say, set } from "./dom.js";
import { t } from "./words.js";

// What the server said last: {authenticated, may_change, password_set, secure, code_file}.
export const session = {
  authenticated: true, may_change: false, password_set: false, secure: false, code_file: "", known: false,
};

export async function askSession() {
  try {
    Object.assign(session, { code_file: null }, await ask("/api/session"), { known: true });
    showCode();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // Without an answer there is no log-in here; a refusal has been announced by itself.
    session.authenticated = error.status === 404;
  }
  return session.authenticated;
}

// Without a password: what this page may.
function showCode() {
  byId("no-password").hidden = session.password_set || session.may_change;
}

let asking;

// Whether the code was given; one dialog, however many ask.
function enterCode() {
  asking ??= askFor({
    title: t("enter_code_title"), action: t("login"),
    intro: session.code_file && t("enter_code_file", session.code_file),
    fields: [{ name: "code", label: t("code"), input: { autocapitalize: "none", required: true } }],
    submit: async ({ code }) => {
      await send("POST", "/api/login", { code });
      await askSession();
      tell(t("code_taken"));
    },
  }).finally(() => { asking = undefined; });
  return asking.then((done) => done !== undefined);
}

let waiting = 0;

function countDown(seconds) {
  clearInterval(waiting);
  let left = seconds;
  const button = byId("login-button");
  const tick = () => {
    button.disabled = left > 0;
    set(button, left > 0 ? t("wait_s", left) : t("login"));
    if (left <= 0) clearInterval(waiting);
    left -= 1;
  };
  tick();
  waiting = setInterval(tick, 1000);
}

async function login(event) {
  event.preventDefault();
  const password = byId("login-password");
  if (byId("login-button").disabled) return;
  set(byId("login-error"), "");
  try {
    await send("POST", "/api/login", { password: password.value });
    password.value = "";
    Object.assign(session, { authenticated: true, password_set: true });
    gate.dispatchEvent(new Event("open"));
    askSession();
  } catch (error) {
    set(byId("login-error"), explain(error));
    if (error.status === 429) countDown(error.retryAfter || 5);
    password.select();
    password.focus();
  }
}

export async function logout() {
  await send("POST", "/api/logout", {});
  if (!session.password_set) {
    await askSession();
    return;
  }
  session.authenticated = false;
  gate.dispatchEvent(new Event("login"));
}

// Shows the words of a port that answers loopback only, instead of the fields.
export function showLocked(words) {
  say(byId("login-locked"), words);
  byId("login-fields").hidden = Boolean(words);
}

export function init() {
  byId("login").addEventListener("submit", login);
  byId("enter-code").addEventListener("click", enterCode);
  whenCodeNeeded(enterCode);
}

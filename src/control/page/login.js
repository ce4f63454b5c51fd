// Who is there: the password, and what to do when there is none.
import { ApiError, ask, explain, gate, send } from "./api.js";
import { byId, say, set } from "./dom.js";
import { t } from "./words.js";

// What the server said last: {authenticated, password_set, secure}.
export const session = { authenticated: true, password_set: false, secure: false, known: false };

export async function askSession() {
  try {
    Object.assign(session, await ask("/api/session"), { known: true });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // Without an answer there is no log-in here; a refusal has been announced by itself.
    session.authenticated = error.status === 404;
  }
  return session.authenticated;
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
}

// Asking the API. An answer that says no becomes an ApiError, whose words are for the operator.
import { coded, t } from "./words.js";

const PATIENCE_MS = 10000;

// "login" when the session is over, "locked" when only loopback is answered.
export const gate = new EventTarget();

export class ApiError extends Error {
  constructor(status, told, retryAfter) {
    super(told.error || t("error_status", status));
    Object.assign(this, { status, told, code: told.code || "", retryAfter: Number(retryAfter) || 0 });
  }
}

// Asks for the code of a program without a password.
let askForCode = async () => false;
export const whenCodeNeeded = (asking) => { askForCode = asking; };

// Does something, again when the code was missing and is given now.
async function withCode(action) {
  try {
    return await action();
  } catch (error) {
    if (error.code !== "CODE_NEEDED" || !await askForCode()) throw error;
    return action();
  }
}

export const ask = (path, options) => withCode(() => askOnce(path, options));

async function askOnce(path, { method = "GET", body, headers = {}, patience = PATIENCE_MS } = {}) {
  const timer = new AbortController();
  const handle = setTimeout(() => timer.abort(), patience);
  try {
    const json = body === undefined ? {} : { "Content-Type": "application/json" };
    const answer = await fetch(path, {
      method,
      headers: { Accept: "application/json", ...json, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: timer.signal,
    });
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told;
    const error = new ApiError(answer.status, told, answer.headers.get("Retry-After"));
    announce(error);
    // A health that is bad is an answer as well.
    if (path === "/api/health" && told.checks) return told;
    throw error;
  } finally {
    clearTimeout(handle);
  }
}

function announce(error) {
  if (error.code === "LOGIN_NEEDED") gate.dispatchEvent(new Event("login"));
  if (error.code === "PASSWORD_NOT_SET") {
    gate.dispatchEvent(new CustomEvent("locked", { detail: error.message }));
  }
}

export const sendBytes = (...what) => withCode(() => sendBytesOnce(...what));

// Sends bytes; XMLHttpRequest, because fetch tells no progress.
function sendBytesOnce(method, path, bytes, { headers = {}, progress, begun }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    begun?.(request);
    request.open(method, path);
    for (const [name, value] of Object.entries({ "Content-Type": "application/octet-stream", ...headers })) {
      request.setRequestHeader(name, value);
    }
    request.responseType = "json";
    request.upload.onprogress = ({ loaded }) => progress(loaded);
    request.onload = () => {
      const told = request.response || {};
      if (request.status === 200) resolve(told);
      else reject(new ApiError(request.status, told, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new Error("line"));
    request.onabort = () => reject(new Error("cancelled"));
    request.send(bytes);
  });
}

export const send = (method, path, body, headers) => ask(path, { method, body, headers });

// What to tell the operator.
export function explain(error) {
  if (!(error instanceof ApiError)) return t("no_answer");
  const text = coded("error", error.code, error.message);
  const more = (error.told.errors || []).map((one) => [one.key, one.error].filter(Boolean).join(": "));
  if (error.told.remedy) more.push(t("in_the_folder", error.told.remedy));
  return [text, ...more].join("\n");
}

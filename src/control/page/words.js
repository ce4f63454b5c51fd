// Words, numbers and times in the operator's language: Japanese where the browser asks for it,
// English everywhere else.
const languages = navigator.languages?.length ? navigator.languages : [navigator.language || "en"];
const first = languages.find((tag) => /^(en|ja)\b/i.test(tag)) || "en";
export const language = /^ja\b/i.test(first) ? "ja" : "en";
const { words } = language === "ja" ? await import("./words-ja.js") : await import("./words-en.js");
const locale = language === "ja" ? "ja-JP" : first;

// The text under a key; {0}, {1}, … stand for what is handed in.
export function t(key, ...values) {
  const text = words[key];
  if (text === undefined) return key;
  return text.replace(/\{(\d)\}/g, (_, at) => String(values[at] ?? ""));
}

export const has = (key) => words[key] !== undefined;

// Puts the words into what stands in the page as it comes.
export function translate(root = document) {
  document.documentElement.lang = language;
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
  }
}

// A sentence that came with a code: in Japanese from the words where they know it, else as it came.
export function coded(prefix, code, text, ...values) {
  const key = `${prefix}_${code}`;
  return language !== "en" && has(key) ? t(key, ...values) : text;
}

// Why an input is not on air, or why somebody was refused, in words.
export function reasonWords({ code, text, parameters = {} }) {
  if (code === "not_chosen") return t("not_chosen", t(`source_${parameters.on_air}`));
  const values = { ...parameters };
  if (code === "sound_times") values.apart_ms = number(values.apart_ms / 1000, 1);
  // A stream without a name is another mistake than one of the wrong name.
  const known = code === "wrong_stream" && !values.asked ? "no_stream" : code;
  return coded("reason", known, text, ...Object.values(values));
}

const figures = [0, 1, 2].map((digits) => new Intl.NumberFormat(locale, { maximumFractionDigits: digits }));

export const number = (n, digits = 0) => figures[digits].format(n || 0);
export const percent = (n) => `${number(n, n < 10 ? 1 : 0)} %`;

export function rate(bps) {
  return bps >= 1e6 ? `${number(bps / 1e6, 2)} Mbit/s` : `${number(bps / 1e3)} kbit/s`;
}

export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let n = bytes || 0;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    at += 1;
  }
  return `${number(n, at === 0 || n >= 100 ? 0 : 1)} ${units[at]}`;
}

export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds || 0));
  const two = (n) => String(n).padStart(2, "0");
  if (s >= 86400) return t("days_hours", Math.floor(s / 86400), Math.floor((s % 86400) / 3600));
  if (s >= 3600) return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return `${Math.floor(s / 60)}:${two(s % 60)}`;
}

// Both times are the machine's own, so the browser's clock does not matter.
export const since = (state, time) => span((Date.parse(state.timestamp) - Date.parse(time)) / 1000);

const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
export const timeOf = (time) => clock.format(new Date(time));
export const dateOf = (time) => calendar.format(new Date(time));

// Seconds of "90", "1:30" or "1:02:03"; NaN when it is none of them.
export function seconds(text) {
  const parts = text.trim().split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d+)?$/.test(part))) return NaN;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

export function pictureAndSound({ video, audio }) {
  const parts = [];
  if (video) {
    parts.push(`${video.width} × ${video.height}`);
    if (video.frame_rate > 0) parts.push(`${number(video.frame_rate, 2)} fps`);
    parts.push([video.codec, video.profile].filter(Boolean).join(" "));
  }
  if (audio) {
    const channels = { 1: t("mono"), 2: t("stereo"), 6: "5.1", 8: "7.1" }[audio.channels]
      || t("channels", audio.channels);
    parts.push(`${audio.codec} ${number(audio.sample_rate_hz / 1000, 1)} kHz ${channels}`);
  }
  return parts.join(" · ");
}

// The port of "0.0.0.0:1935".
export const portOf = (listen, otherwise) => (listen || "").split(":").pop() || otherwise;
// The RTMP port's address as this browser's user may give it to encoders and players: the host as it
// stands in the page's own address, which is what a certificate is for.
const RTMP_PORTS = { rtmp: "1935", rtmps: "443" };
export function rtmpAddress(scheme, { listen }, host) {
  const port = portOf(listen, RTMP_PORTS.rtmp);
  return `${scheme}://${host}${port === RTMP_PORTS[scheme] ? "" : `:${port}`}/live`;
}

// The log's last lines. It follows what comes unless the operator holds it or reads further up.
import { ask } from "./api.js";
import { byId, h, set } from "./dom.js";
import { live } from "./live.js";
import { t, timeOf } from "./words.js";

const LINES_MAX = 500;
const AGAIN_MS = 5000;
let lines = [];
let shown = false;
let paused = false;
let following = true;
let newest = "";

// "2026-11-22T12:27:54.018Z WARN  [rtmp] words" as the file has it.
function parse(text) {
  const found = /^(\S+Z)\s+(\w+)\s+(?:\[([^\]]*)\]\s*)?(.*)$/s.exec(text);
  if (!found) return { time: "", level: "info", target: "", text };
  const [, time, level, target = "", words] = found;
  return { time, level: level.toLowerCase(), target, text: words };
}

function fits({ level, target, text }) {
  const wanted = byId("log-level").value;
  if (wanted === "warn") return level === "warn" || level === "error";
  if (wanted === "error") return level === "error";
  if (wanted === "audit") return target === "audit" || text.startsWith("audit:");
  return true;
}

function render(fresh) {
  const log = byId("log");
  if (!fresh) log.replaceChildren();
  const made = (fresh || lines).filter(fits).map((line) => h("p", { "data-level": line.level },
    h("time", { datetime: line.time, text: line.time ? timeOf(line.time) : "" }), " ",
    h("b", { text: t(`level_name_${line.level}`) }), " ", h("span", { text: line.text })));
  log.append(...made);
  while (log.children.length > LINES_MAX) log.firstElementChild.remove();
  if (log.children.length === 0) log.append(h("p", { class: "none", text: t("log_none") }));
  else if (log.children.length > 1) log.querySelector(".none")?.remove();
  if (following) log.scrollTop = log.scrollHeight;
}

// Adds what is newer than what is there.
function add(coming) {
  const fresh = coming.filter((line) => line.time > newest || line.time === "");
  if (fresh.length === 0) return;
  newest = fresh.at(-1).time || newest;
  lines = [...lines, ...fresh].slice(-LINES_MAX);
  if (shown && !paused) render(fresh);
}

async function load() {
  if (!shown || paused || document.hidden) return;
  try {
    const { logs } = await ask(`/api/logs?type=all&lines=${LINES_MAX}`);
    const told = logs.map(parse);
    if (newest) add(told);
    else {
      lines = told;
      newest = told.at(-1)?.time || "";
      render();
    }
  } catch {
    if (lines.length === 0) byId("log").replaceChildren(h("p", { class: "none", text: t("log_unknown") }));
  }
}

function setFollowing(follow) {
  following = follow;
  byId("log-follow").setAttribute("aria-pressed", String(follow));
  if (follow) byId("log").scrollTop = byId("log").scrollHeight;
}

export function setInView(visible) {
  shown = visible;
  if (shown) render();
  load();
}

export function init() {
  const log = byId("log");
  byId("log-level").addEventListener("change", () => render());
  byId("log-follow").addEventListener("click", () => setFollowing(!following));
  byId("log-pause").addEventListener("click", ({ currentTarget }) => {
    paused = !paused;
    currentTarget.setAttribute("aria-pressed", String(paused));
    set(currentTarget, paused ? t("go_on") : t("pause_log"));
    if (!paused) {
      render();
      load();
    }
  });
  log.addEventListener("wheel", ({ deltaY }) => deltaY < 0 && setFollowing(false), { passive: true });
  live.addEventListener("log", ({ detail }) => add(detail.lines.map((line) => {
    const parsed = parse(line.text);
    return { ...parsed, time: line.time || parsed.time, level: line.level || parsed.level };
  })));
  setInterval(() => live.link !== "events" && load(), AGAIN_MS);
}

// The live inputs: what each brings, why one is not usable, and a button that puts it on air.
import { byId, facts, h, list, mark, row, set, attribute } from "./dom.js";
import { live } from "./live.js";
import { putOnAir } from "./onair.js";
import { number, pictureAndSound, portOf, rate, reasonWords, rtmpAddress, since, size, t, timeOf } from "./words.js";

const host = () => location.hostname || "localhost";

// The one reason why it is not on air, since when, and what its sound is left out for.
function reasons(state, input) {
  const words = (reason) => (["not_chosen", "no_sound"].includes(reason.code) || reason.for_s < 1
    ? reasonWords(reason) : t("reason_for", reasonWords(reason), since(state, reason.since)));
  return [input.reason, input.sound_reason].filter(Boolean).map(words);
}

function udp(state) {
  const { udp: u } = state;
  const lost = u.continuity_errors + u.kernel_drops;
  const codecs = u.streams.map((s) => (s.carried ? s.codec
    : s.state === "waiting" ? t("none_yet", s.codec) : t("not_carried", s.codec, s.reason)));
  const why = reasons(state, u);
  if (u.refused_network > 0) why.push(t("refused_network", number(u.refused_network)));
  if (u.ignored_sender > 0) why.push(t("second_sender"));
  if (u.over_rate > 0) why.push(t("over_rate"));
  return {
    source: "udp",
    name: t("source_udp"),
    state: u.receiving ? "live" : "idle",
    word: u.receiving ? t("receiving_from", u.sender || "?") : t("no_signal"),
    line: u.receiving ? [rate(u.bps), ...codecs,
      lost > 0 ? t("packets_lost", number(lost)) : t("no_loss")] : [t("listens_on", u.listen || "–")],
    why,
    help: u.receiving ? "" : `ffmpeg -re -i film.mp4 -c:v libx264 -g 60 -bf 0 -c:a aac -f mpegts `
      + `"udp://${host()}:${portOf(u.listen, 1234)}?pkt_size=1316"`,
    helpText: t("help_udp"),
  };
}

function publisher(state) {
  const p = state.publisher;
  // Where the page's own certificate serves, encoders can use it.
  const scheme = state.rtmp.tls && location.protocol === "https:" ? "rtmps" : "rtmp";
  const server = rtmpAddress(scheme, state.rtmp, host());
  const why = reasons(state, p);
  if (p.refused_key > 0) why.push(t("refused_key", number(p.refused_key)));
  return {
    source: "rtmp",
    name: t("source_rtmp"),
    state: p.present ? "live" : "idle",
    word: p.present ? t("receiving_from", p.agent || p.address || "?") : t("nobody_publishes"),
    line: p.present ? [rate(p.bps), ...(p.encrypted ? ["RTMPS"] : []), pictureAndSound(p), p.left_out > 0 ? t("left_out", number(p.left_out))
      : t("no_loss"), since(state, p.since)] : [],
    why,
    help: p.present ? "" : server,
    helpText: t("help_obs"),
  };
}

function pull(state) {
  const p = state.pull;
  const again = p.retry_in_s === null ? "" : t("next_try", p.retry_in_s);
  return {
    source: "pull",
    name: t("source_pull"),
    state: p.state,
    word: t(`state_${p.state}`),
    line: [p.url, p.state === "live" ? rate(p.bps) : ""],
    why: p.state === "live" ? reasons(state, p) : [[p.detail, again].filter(Boolean).join(" · ")],
  };
}

function make(input) {
  const button = h("button", { type: "button" });
  button.addEventListener("click", () => putOnAir(button, { source: input.source }));
  const node = row(button);
  const text = h("small");
  const code = h("code", { tabindex: "0" });
  const help = h("details", { class: "help" }, h("summary", { text: t("how_to_send") }), text, code);
  node.about.append(help);
  if (input.source === "udp") node.about.append(counters(node));
  if (input.source === "rtmp") node.about.append(refusals(node));
  return Object.assign(node, { button, help, text, code });
}

function counters(node) {
  node.counters = h("dl", { class: "facts" });
  return h("details", {}, h("summary", { text: t("all_counters") }), node.counters);
}

function refusals(node) {
  node.refusals = h("ul", { class: "rows" });
  node.refused = h("details", { hidden: true }, h("summary"), node.refusals);
  return node.refused;
}

// Who was refused in the last minutes: what an encoder's own message often does not say.
function showRefusals({ refused, refusals: parent }, { rtmp }) {
  refused.hidden = rtmp.refusals.length === 0;
  set(refused.firstElementChild, t("refusals", number(rtmp.refusals.length)));
  list(parent, rtmp.refusals, (r) => `${r.address} ${r.code}`, () => row(), (node, r) => {
    mark(node, "lamp", r.is_resolved ? "idle" : "refused");
    set(node.parts.name, r.address);
    set(node.parts.state, t("refused_times", number(r.count), timeOf(r.last)));
    set(node.parts.line, r.agent);
    set(node.parts.why, reasonWords({ ...r, parameters: { address: r.address, asked: r.asked } }));
  });
}

function showCounters(parent, { udp: u }) {
  const odd = (name, n) => [t(name), number(n), n > 0];
  facts(parent, [
    [t("c_buffer"), size(u.receive_buffer_bytes)],
    [t("c_received"), size(u.bytes)],
    [t("c_datagrams"), number(u.datagrams)],
    [t("c_programme"), u.programme_number === null ? "–" : `${u.programme_number} (${number(u.programmes)})`],
    odd("c_kernel", u.kernel_drops),
    odd("c_continuity", u.continuity_errors),
    odd("c_duplicate", u.duplicate_packets),
    odd("c_unusable", u.unusable_packets),
    odd("c_sync", u.sync_lost_bytes),
    odd("c_broken", u.broken_units),
    odd("c_times", u.corrected_times + u.missing_times),
    [t("c_early"), number(u.early_ends)],
    odd("c_early_wrong", u.early_end_failures),
    odd("c_network", u.refused_network),
    odd("c_sender", u.ignored_sender),
  ]);
}

function show(state) {
  const inputs = [udp(state), publisher(state), ...(state.pull ? [pull(state)] : [])];
  list(byId("inputs"), inputs, (input) => input.source, make, (node, input) => {
    const onAir = state.programme.on_air === input.source;
    const wanted = state.playout.choice === input.source;
    mark(node, "lamp", input.state);
    mark(node, "onair", onAir);
    set(node.parts.name, input.name);
    set(node.parts.state, input.word);
    set(node.parts.line, input.line.filter(Boolean).join(" · "));
    set(node.parts.why, input.why.filter(Boolean).join(" "));
    set(node.button, onAir ? t("is_on_air") : t("put_on_air"));
    attribute(node.button, "aria-pressed", wanted || onAir);
    attribute(node.button, "aria-label", onAir ? t("named_is_on_air", input.name) : t("put_named_on_air", input.name));
    node.help.hidden = !input.help;
    set(node.text, input.helpText);
    set(node.code, input.help);
    if (node.refused) showRefusals(node, state);
    if (node.counters && node.counters.parentElement.open) showCounters(node.counters, state);
  });
}

export function init() {
  live.addEventListener("status", ({ detail }) => show(detail));
}

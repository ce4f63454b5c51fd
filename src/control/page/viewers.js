// Who watches over RTMP, and what the port has seen.
import { attribute, byId, facts, h, list, say, set } from "./dom.js";
import { live } from "./live.js";
import { number, rate, rtmpAddress, since, size, t } from "./words.js";

let shown = false;

function showTable(state) {
  const heads = [...byId("viewers").parentElement.tHead.rows[0].cells];
  const make = () => h("tr", {}, ...heads.map((head, at) => h("td", {
    class: at > 1 ? "number" : null, "data-label": head.textContent,
  })));
  list(byId("viewers"), state.viewers, (viewer) => viewer.id, make, (line, v) => {
    const texts = [v.encrypted ? `${v.address} · RTMPS` : v.address, v.agent || "–", since(state, v.since), size(v.bytes_out),
      v.paused ? t("paused") : `${number(v.lag_ms)} ms`, number(v.dropped)];
    texts.forEach((text, at) => set(line.cells[at], text));
  });
}

function show(state) {
  const none = state.viewer_count === 0;
  const { rtmp } = state;
  const address = `${rtmpAddress("rtmp", rtmp, location.hostname)}/stream`;
  say(byId("no-viewers"), none ? t("no_viewers", address) : "");
  byId("viewers-box").hidden = none;
  showTable(state);
  const more = state.viewer_count - state.viewers.length;
  say(byId("more-viewers"), more > 0 ? t("more_viewers", number(more)) : "");
  facts(byId("rtmp-facts"), [
    [t("listening_on"), rtmp.listen || "–"],
    ...(rtmp.tls ? [[t("encrypted_too"), `${rtmpAddress("rtmps", rtmp, location.hostname)}/stream`]] : []),
    [t("sent_to_viewers"), rate(rtmp.bps_out)],
    [t("received_rtmp"), `${rate(rtmp.bps_in)} (${size(rtmp.bytes_in)})`],
    [t("previews_watched"), number(state.previews.count)],
    [t("filled_audio"), number(state.programme.filled_audio)],
    [t("connections"), number(rtmp.accepted)],
    [t("refused_full"), number(rtmp.refused_full), rtmp.refused_full > 0],
    [t("refused_share"), number(rtmp.refused_share), rtmp.refused_share > 0],
    [t("refused"), number(rtmp.refused), rtmp.refused > 0],
    [t("closed_slow"), number(rtmp.closed_slow), rtmp.closed_slow > 0],
    [t("closed_unheard"), number(rtmp.closed_unheard), rtmp.closed_unheard > 0],
    [t("closed_for_others"), number(rtmp.closed_for_others), rtmp.closed_for_others > 0],
  ]);
  attribute(byId("viewers-box"), "aria-label", t("viewers_title"));
}

export function setInView(visible) {
  shown = visible;
  if (shown && live.state) show(live.state);
}

export function init() {
  live.addEventListener("status", ({ detail }) => shown && show(detail));
}

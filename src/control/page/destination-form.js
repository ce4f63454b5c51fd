// The dialog that adds or edits a destination.
import { askFor, tell } from "./dialogs.js";
import { t } from "./words.js";

// Name, address; platforms that give each account an address of its own have none.
export const PRESETS = {
  twitch: ["Twitch", "rtmp://live.twitch.tv/app"],
  youtube: ["YouTube", "rtmp://a.rtmp.youtube.com/live2"],
  facebook: ["Facebook", "rtmps://live-api-s.facebook.com:443/rtmp/"],
  kick: ["Kick / Amazon IVS", "rtmps://….global-contribute.live-video.net:443/app/"],
  trovo: ["Trovo", "rtmp://livepush.trovo.live/live/"],
  custom: ["", ""],
};

export const path = (name) => `/api/destinations/${encodeURIComponent(name)}`;

function fieldsOf(old) {
  const preset = {
    name: "preset", label: t("platform"), input: { kind: "choice",
      options: Object.entries(PRESETS).map(([key, [name]]) => [key, name || t("another_server")]) },
  };
  const fields = [
    { name: "name", label: t("name"), help: t("name_help"), input: { value: old?.name, maxlength: 64 } },
    { name: "url", label: t("server_address"), help: t("server_help"),
      input: { value: old?.url, required: true, inputmode: "url", placeholder: "rtmp://host/app" } },
    { name: "key", label: t("stream_key"), help: old?.key ? t("key_kept", old.key) : t("key_help"),
      input: { kind: "password", autocomplete: "off", "data-1p-ignore": true, "data-lpignore": "true" } },
  ];
  return old ? fields : [preset, ...fields];
}

// Asks for a new destination, or for what is to be different about an old one; `change` sends it.
export async function askForDestination(old, change) {
  const done = await askFor({
    title: old ? t("edit_destination") : t("add_destination"), intro: old ? old.name : t("add_intro"),
    fields: fieldsOf(old), action: old ? t("save") : t("add_it"),
    submit: ({ name, url, key }) => {
      if (!url.trim()) throw t("address_needed");
      const body = { url: url.trim() };
      if (name.trim()) body.name = name.trim();
      if (key.trim()) body.key = key.trim();
      return old ? change("PUT", path(old.name), body) : change("POST", "/api/destinations", body);
    },
    ready: ({ preset, name, url }) => {
      if (!preset) return;
      const fill = () => {
        const [platform, address] = PRESETS[preset.value];
        url.value = address;
        name.value = platform && preset.value;
      };
      preset.addEventListener("change", fill);
      fill();
    },
  });
  if (done) tell(done.message || t(old ? "destination_saved" : "destination_added"));
}

// The first start, by the code on the console: logs in with the password it is good for, and asks
// for what a new machine wants, all of which may wait.
import { explain, gate, send } from "./api.js";
import { platforms } from "./destination-form.js";
import { askFor, tell } from "./dialogs.js";
import { t } from "./words.js";

export async function setUp(code) {
  let password;
  let known;
  try {
    password = (await send("POST", "/api/setup", { code })).password;
    await send("POST", "/api/login", { password });
    // Those whose address is the same for everybody.
    known = (await platforms()).filter(({ servers }) => servers.length);
  } catch (error) {
    tell(explain(error), true);
    return;
  }
  gate.dispatchEvent(new Event("open"));
  const secret = (name, label) => ({ name, label, input: { kind: "password", autocomplete: "new-password" } });
  // What is saved is not saved again when something after it is refused.
  const saved = new Set();
  const save = async (what, wanted, ...call) => {
    if (!wanted || saved.has(what)) return;
    await send(...call);
    saved.add(what);
  };
  const done = await askFor({
    title: t("setup"), intro: t("setup_intro"), action: t("save"), skip: t("setup_skip"),
    fields: [
      { name: "name", label: t("setup_name"), help: t("setup_name_help"), input: { maxlength: 63 } },
      secret("fresh", t("new_password")), secret("again", t("new_password_again")),
      { name: "preset", label: t("platform"), input: { kind: "choice",
        options: known.map(({ id, name: label }) => [id, label]) } },
      { name: "key", label: t("stream_key"), input: { kind: "password" } },
    ],
    submit: async ({ name, fresh, again, preset, key }) => {
      if (fresh !== again) throw t("passwords_differ");
      await save("name", name, "PATCH", "/api/settings", { "appliance.name": name });
      await save("key", key.trim(), "POST", "/api/destinations",
        { name: preset, url: known.find(({ id }) => id === preset).servers[0].url, key: key.trim() });
      await save("password", fresh, "POST", "/api/password", { current: password, new: fresh });
    },
  });
  tell(t(done && saved.has("password") ? "saved" : "setup_keep"));
}

//! The operator's hands: mouse, keys, files chosen and dropped. Everything goes the way of a real
//! one, so that what is covered, hidden or out of reach cannot be pressed.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde_json::{json, Value};

use crate::page::{Page, SHOWN};

/// Where to press: the middle of what can be seen of an element, if nothing else covers it.
const SPOT: &str = "(async () => { const node = FOUND; if (!node) return null; \
    node.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' }); \
    await new Promise((drawn) => requestAnimationFrame(drawn)); \
    const box = node.getBoundingClientRect(); \
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]; \
    const top = document.elementFromPoint(x, y); \
    const free = box.width > 0 && !node.disabled && top && (node.contains(top) || \
      top.contains(node) || top.closest('label')?.contains(node) || \
      [...(node.labels || [])].includes(top)); \
    return free ? [x, y] : null; })()";

/// Notes the next click if the element, or its label, has it; in what a page that loads again keeps.
const NOTED: &str = "addEventListener('click', ({ target }) => { const node = FOUND; \
    const has = node && (node.contains(target) || target.closest('label')?.contains(node) || \
      [...(node.labels || [])].includes(target)); \
    if (has) sessionStorage.setItem('clicked', 'NUMBER'); }, { capture: true, once: true })";

/// The keys the tests press: name, its virtual key code, the text it makes.
const KEYS: [(&str, u32, &str); 9] = [
    ("Tab", 9, ""),
    ("Enter", 13, "\r"),
    ("Escape", 27, ""),
    (" ", 32, " "),
    ("ArrowLeft", 37, ""),
    ("ArrowUp", 38, ""),
    ("ArrowRight", 39, ""),
    ("ArrowDown", 40, ""),
    ("Backspace", 8, ""),
];

impl Page {
    /// Presses what a CSS selector finds first.
    pub fn click(&mut self, selector: &str) {
        self.click_at(&format!("document.querySelector({})", json!(selector)));
    }

    /// Presses the button, link or summary with this name among those inside `within`.
    pub fn click_named(&mut self, within: &str, name: &str) {
        self.click_at(&named(within, name));
    }

    /// Presses in the middle of an element until the element has had a click: the page renews itself
    /// once a second, and what is found may move before the mouse is down.
    fn click_at(&mut self, found: &str) {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let free = SPOT.replace("FOUND", found);
        let deadline = Instant::now() + SHOWN;
        loop {
            let spot = self.eval(&free);
            if let (Some(x), Some(y)) = (spot[0].as_f64(), spot[1].as_f64()) {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
                self.eval(&NOTED.replace("FOUND", found).replace("NUMBER", &number));
                self.press_mouse(x, y);
                // A page that it has leave cannot be asked any more.
                let clicked = self.try_eval("sessionStorage.getItem('clicked')");
                if clicked.map_or(true, |clicked| clicked == number) {
                    return;
                }
            }
            if Instant::now() > deadline {
                let shown = self.eval("document.body.innerText");
                panic!("cannot be pressed: {found}\n{}", shown.as_str().unwrap_or_default());
            }
        }
    }

    fn press_mouse(&mut self, x: f64, y: f64) {
        for (kind, buttons) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({
                "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1,
            });
            self.pipe.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Presses into a field, empties it and writes into it.
    pub fn fill(&mut self, selector: &str, text: &str) {
        self.click(selector);
        self.eval("document.activeElement.select?.()");
        self.press("Backspace");
        self.write(text);
    }

    /// Writes where the focus is.
    pub fn write(&mut self, text: &str) {
        self.pipe.call("Input.insertText", json!({"text": text}));
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let found = KEYS.iter().find(|(name, ..)| *name == key);
        let (name, number, text) = found.unwrap_or_else(|| panic!("no key {key}"));
        let code = if *name == " " { "Space" } else { name };
        for kind in [if text.is_empty() { "rawKeyDown" } else { "keyDown" }, "keyUp"] {
            let mut event = json!({
                "type": kind, "key": name, "code": code,
                "windowsVirtualKeyCode": number, "nativeVirtualKeyCode": number,
            });
            if kind == "keyDown" {
                event["text"] = json!(text);
            }
            self.pipe.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Chooses a value in a `<select>` as the keyboard would.
    pub fn choose(&mut self, selector: &str, value: &str) {
        let [selector, value] = [json!(selector), json!(value)];
        let done = self.eval(&format!(
            "(() => {{ const node = document.querySelector({selector}); node.value = {value}; \
             for (const name of ['input', 'change']) \
             node.dispatchEvent(new Event(name, {{ bubbles: true }})); \
             return node.value === {value}; }})()"
        ));
        assert_eq!(done, true, "{selector} has no {value}");
    }

    /// Presses a button that asks for files, and chooses this one.
    pub fn choose_file(&mut self, button: &str, path: &Path) {
        self.pipe.call("Page.setInterceptFileChooserDialog", json!({"enabled": true}));
        self.click(button);
        let seen = self.pipe.events_until("Page.fileChooserOpened");
        for event in &seen {
            self.watch.note(event);
        }
        let node = seen.last().map_or(&Value::Null, |event| &event["params"]["backendNodeId"]);
        let files = json!({"files": [path], "backendNodeId": node});
        self.pipe.call("DOM.setFileInputFiles", files);
        self.pipe.call("Page.setInterceptFileChooserDialog", json!({"enabled": false}));
    }

    /// Drags a file over an element and lets it go there.
    pub fn drop_file(&mut self, selector: &str, path: &Path) {
        let found = format!("document.querySelector({})", json!(selector));
        let spot = self.eval(&SPOT.replace("FOUND", &found));
        let data = json!({"items": [], "files": [path], "dragOperationsMask": 1});
        for kind in ["dragEnter", "dragOver", "drop"] {
            let event = json!({"type": kind, "x": spot[0], "y": spot[1], "data": data});
            self.pipe.call("Input.dispatchDragEvent", event);
        }
    }

    /// The focused element, for a person: its id, else its name, else its text.
    pub fn focused(&mut self) -> String {
        let name = self.eval(
            "(() => { const node = document.activeElement; return node.id || \
             node.getAttribute('aria-label') || node.textContent.trim() || node.tagName; })()",
        );
        name.as_str().unwrap_or_default().to_owned()
    }
}

fn named(within: &str, name: &str) -> String {
    let [within, name] = [json!(within), json!(name)];
    format!(
        "[...document.querySelectorAll({within})].flatMap((part) => [part, \
         ...part.querySelectorAll('button, a, summary')]).find((node) => \
         node.matches('button, a, summary') && node.checkVisibility() && (node.textContent.trim() \
         === {name} || node.getAttribute('aria-label') === {name}))"
    )
}

//! One tab of a real Chromium, driven as an operator would: what is seen is waited for inside
//! the page, what is pressed is pressed by mouse and key. Whatever the browser complains of is
//! collected, and a test that ends with a complaint fails.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use serde_json::{json, Value};

use crate::pipe::Pipe;
use crate::wait::seconds;
use crate::watch::Watch;

/// How long the page may take to show what it was told, on a busy machine.
pub const SHOWN: Duration = Duration::from_secs(20);

/// Height of a screen, CSS pixels.
const SCREEN_HEIGHT: u64 = 844;

/// Told by the browser as errors of the page, so that they are found among its complaints.
const TELL_VIOLATIONS: &str = "document.addEventListener('securitypolicyviolation', (event) => \
     console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))";

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Width in CSS pixels.
    pub width: u32,
    /// Language, as in Accept-Language.
    pub language: &'static str,
    /// Dark or light.
    pub dark: bool,
}

/// A desk's screen, in English, light.
pub const DESK: Look = Look { width: 1280, language: "en", dark: false };

/// The tab.
pub struct Page {
    pub(crate) pipe: Pipe,
    pub(crate) watch: Watch,
}

impl Page {
    /// Opens an address in a fresh browser; returns when it is loaded.
    pub fn open(url: &str, look: Look) -> Page {
        let mut page = Page { pipe: Pipe::start(), watch: Watch::default() };
        for domain in ["Page", "Runtime", "Log", "Network", "DOM"] {
            page.pipe.call(&format!("{domain}.enable"), json!({}));
        }
        let tell = json!({"source": TELL_VIOLATIONS});
        page.pipe.call("Page.addScriptToEvaluateOnNewDocument", tell);
        page.speak(look.language);
        page.look(look);
        page.go(url);
        page
    }

    /// Changes width and colours; the language is that of the next load.
    pub fn look(&mut self, look: Look) {
        self.screen(look, SCREEN_HEIGHT);
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.pipe.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    fn screen(&mut self, look: Look, height: u64) {
        let phone = look.width < 600;
        let metrics = json!({
            "width": look.width, "height": height, "deviceScaleFactor": 1, "mobile": phone,
        });
        self.pipe.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Changes the browser's language, for the next load.
    pub fn speak(&mut self, language: &str) {
        let agent = self.pipe.call("Browser.getVersion", json!({}))["userAgent"].take();
        let agent = json!({"userAgent": agent, "acceptLanguage": language});
        self.pipe.call("Network.setUserAgentOverride", agent);
        // The one before has to go first.
        self.pipe.call("Emulation.setLocaleOverride", json!({}));
        self.pipe.call("Emulation.setLocaleOverride", json!({"locale": language}));
    }

    /// Goes to an address and returns when it is loaded.
    pub fn go(&mut self, url: &str) {
        self.gather();
        let gone = self.pipe.call("Page.navigate", json!({"url": url}));
        assert!(gone["errorText"].is_null(), "{url}: {gone}");
        self.loaded();
    }

    /// Loads the page again.
    pub fn reload(&mut self) {
        self.gather();
        self.pipe.call("Page.reload", json!({}));
        self.loaded();
    }

    fn loaded(&mut self) {
        for event in self.pipe.events_until("Page.loadEventFired") {
            self.watch.note(&event);
        }
    }

    /// The value of an expression, a promise's once it is kept.
    pub fn eval(&mut self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    pub(crate) fn try_eval(&mut self, expression: &str) -> Result<Value, String> {
        let ask = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut told = self.pipe.try_call("Runtime.evaluate", ask)?;
        match told.get("exceptionDetails") {
            Some(wrong) => Err(wrong.to_string()),
            None => Ok(told["result"]["value"].take()),
        }
    }

    /// Waits until an expression is true in the page, looking at each of its frames.
    pub fn wait_for(&mut self, condition: &str) {
        self.wait_within(condition, SHOWN);
    }

    /// The same with another deadline.
    pub fn wait_within(&mut self, condition: &str, limit: Duration) {
        if !self.becomes(condition, limit) {
            let shown = self.eval("document.body.innerText");
            panic!("not so after {limit:?}: {condition}\n{}", shown.as_str().unwrap_or_default());
        }
    }

    /// Whether an expression becomes true in time. What it throws counts as not yet true.
    pub fn becomes(&mut self, condition: &str, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            let look = format!(
                "new Promise((done) => {{ const end = performance.now() + {left}; \
                 const look = () => {{ let so = false; \
                 try {{ so = Boolean({condition}); }} catch {{ so = false; }} \
                 if (so || performance.now() > end) done(so); else requestAnimationFrame(look); \
                 }}; look(); }})"
            );
            match self.try_eval(&look) {
                Ok(so) => return so == true,
                // A page that goes takes the question with it: it is put to the next one.
                Err(gone) if gone.contains("context") || gone.contains("navigated") => {}
                Err(error) => panic!("{condition}: {error}"),
            }
            if Instant::now() > deadline {
                return false;
            }
        }
    }

    /// Waits until an element shows a text somewhere.
    pub fn wait_text(&mut self, selector: &str, text: &str) {
        let [selector, text] = [json!(selector), json!(text)];
        let shown = format!("document.querySelector({selector}).innerText.includes({text})");
        self.wait_for(&shown);
    }

    /// Keeps a picture of the whole page as a PNG file, as a screen high enough would show it.
    pub fn screenshot(&mut self, look: Look, path: &Path) {
        let high = self.eval("document.documentElement.scrollHeight").as_u64();
        self.screen(look, high.unwrap_or(0).clamp(SCREEN_HEIGHT, 8 * SCREEN_HEIGHT));
        // Drawn again, twice: once for the size, once for what it moved.
        self.eval(
            "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))",
        );
        let ask = json!({"format": "png", "captureBeyondViewport": false});
        let told = self.pipe.call("Page.captureScreenshot", ask);
        let text = told["data"].as_str().expect("a picture");
        let png = Base64::decode_vec(text).expect("base64");
        let folder = path.parent().expect("a folder");
        fs::create_dir_all(folder).expect("a folder for pictures");
        fs::write(path, png).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.screen(look, SCREEN_HEIGHT);
    }

    /// Fails when the browser complained of anything, or asked anybody but the program.
    pub fn assert_clean(&mut self) {
        self.gather();
        let complaints = self.watch.complaints();
        assert!(complaints.is_empty(), "the browser complains:\n{}", complaints.join("\n"));
    }

    pub(crate) fn gather(&mut self) {
        while let Some(event) = self.pipe.event() {
            self.watch.note(&event);
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_clean();
        }
    }
}

#[test]
fn the_driver_sees_what_a_page_does_wrong() {
    let mut page = Page::open("data:text/html,<button id=a>press</button>", DESK);
    page.eval("a.onclick = () => { a.textContent = 'done'; console.error('on purpose'); }");
    page.click("#a");
    page.wait_text("#a", "done");
    assert!(!page.becomes("a.textContent === 'never'", seconds(0)));
    page.eval("setTimeout(() => { undefined.x; })");
    page.eval("fetch('http://127.0.0.2:9/').catch(() => {})");
    page.gather();
    let complaints = page.watch.complaints();
    for word in ["on purpose", "undefined", "127.0.0.2"] {
        assert!(complaints.iter().any(|line| line.contains(word)), "{word}: {complaints:?}");
    }
    page.watch.forgive();
}

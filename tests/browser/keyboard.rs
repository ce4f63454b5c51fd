//! Without a mouse: everything can be reached by Tab, in order, and one sees where one is.

use serde_json::json;

use crate::page::{Page, DESK};
use crate::world::{World, PASSWORD};

/// What can be used in what is shown, and never had the focus.
const MISSED: &str = "[...document.querySelectorAll('a[href], button, input, select, textarea, \
    summary, [tabindex=\"0\"]')].filter((node) => node.checkVisibility() && !node.disabled \
    && node.tabIndex >= 0 && !numbers.has(node)).map((node) => node.outerHTML.slice(0, 200))";

/// The focused element: a number of its own, whether it can be seen, and whether it looks other
/// than without the focus.
const FOCUSED: &str = "(() => { const node = document.activeElement; \
    if (node === document.body) return null; \
    const style = getComputedStyle(node); \
    const box = node.getBoundingClientRect(); \
    window.numbers ||= new Map(); \
    if (!numbers.has(node)) numbers.set(node, numbers.size); \
    const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2; \
    return { number: numbers.get(node), ring, \
      seen: box.width > 0 && box.right > 0 && box.bottom > 0 && box.top < innerHeight, \
      html: node.outerHTML.slice(0, 200) }; })()";

impl Page {
    /// Tabs through what is shown; how many elements took the focus.
    fn walk(&mut self) -> usize {
        self.eval("window.numbers = new Map(); scrollTo(0, 0)");
        // Tab goes on from what had the focus last, or was pressed last: that is the beginning.
        self.eval("document.body.tabIndex = -1; document.body.focus()");
        self.eval("document.body.removeAttribute('tabindex')");
        let mut seen = 0;
        for _ in 0..300 {
            self.press("Tab");
            let at = self.eval(FOCUSED);
            if at.is_null() || at["number"].as_u64() < Some(seen) {
                break;
            }
            seen += 1;
            assert!(at["ring"] == true, "one does not see the focus on {at}");
            assert!(at["seen"] == true, "the focus is out of sight on {at}");
        }
        usize::try_from(seen).expect("a few")
    }
}

#[test]
fn every_control_is_reached_by_tab_and_shows_it() {
    let world = World::start();
    world.add_clip("film.mp4");
    let mut page = world.enter(DESK);
    for view in ["onair", "library", "outputs", "machine", "settings"] {
        page.view(view);
        if view == "library" {
            page.wait_text("#videos", "320 × 180");
        }
        if view == "settings" {
            page.wait_for("document.querySelectorAll('.setting').length > 10");
        }
        let reached = page.walk();
        assert!(reached > 7, "{view}: {reached}");
        assert_eq!(page.eval(MISSED), json!([]), "{view}: {reached}");
    }
}

#[test]
fn an_operator_without_a_mouse_puts_a_file_on_air() {
    let world = World::start();
    world.add_clip("film.mp4");
    let mut page = world.open(DESK);
    page.wait_for("document.activeElement.id === 'login-password'");
    page.write(PASSWORD);
    page.press("Enter");
    page.wait_for("document.body.dataset.access === 'in'");
    page.tab_to("document.activeElement.hash === '#library'");
    page.press("Enter");
    page.wait_text("#videos", "320 × 180");
    page.tab_to("document.activeElement.getAttribute('aria-label') === 'Put on air: film.mp4'");
    page.press("Enter");
    page.wait_text("#tally-what", "film.mp4");
    // What was pressed keeps the focus: the next Tab goes on from there.
    assert_eq!(page.focused(), "Put on air: film.mp4");
    page.tab_to("document.activeElement.matches('summary')");
    page.press("Enter");
    page.tab_to("document.activeElement.textContent === 'Delete…'");
    page.press("Enter");
    page.wait_for("document.querySelector('dialog[open]')");
    page.press("Escape");
    page.wait_for("document.activeElement.textContent === 'Delete…'");
}

impl Page {
    fn tab_to(&mut self, condition: &str) {
        for _ in 0..100 {
            if self.eval(condition) == true {
                return;
            }
            self.press("Tab");
        }
        panic!("Tab never leads to {condition}");
    }
}

//! What axe-core finds that keeps people out: contrast, names, roles, order of headings.

use std::fs;
use std::path::Path;

use crate::page::Page;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/axe/package/axe.min.js");
const RUN: &str = "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => \
    violations.filter(({ impact }) => impact === 'serious' || impact === 'critical') \
    .flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) => \
    `${id} (${help}) at ${target}: ${failureSummary}`)))";

impl Page {
    /// Fails when axe-core finds something serious in what is shown.
    pub fn assert_open_to_all(&mut self, what: &str) {
        if self.eval("typeof window.axe") != "object" {
            let script = fs::read_to_string(Path::new(SCRIPT));
            let script = script.unwrap_or_else(|e| panic!("{SCRIPT}: {e}: run cargo xtask setup"));
            // By the debugger's hand: the page itself may load nothing from elsewhere.
            self.eval(&format!("{script}; true"));
        }
        let found = self.eval(RUN);
        let found: Vec<String> = serde_json::from_value(found).expect("a list of texts");
        assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
    }
}

#[test]
fn what_keeps_people_out_is_found() {
    let mut page =
        Page::open("data:text/html,<img src='data:,'><button></button>", crate::page::DESK);
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        page.assert_open_to_all("a page without names");
    }));
    assert!(found.is_err());
}

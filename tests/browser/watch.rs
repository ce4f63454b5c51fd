//! What the browser says of the page: errors on its console, exceptions nobody caught, what the
//! content security policy refused, and whom it asked.

use serde_json::Value;

/// All it said so far.
#[derive(Default)]
pub struct Watch {
    complaints: Vec<String>,
}

impl Watch {
    /// Takes note of an event.
    pub fn note(&mut self, event: &Value) {
        let about = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => {
                self.complaints.push(about["exceptionDetails"].to_string())
            }
            "Runtime.consoleAPICalled" if about["type"] == "error" => {
                self.complaints.push(about["args"].to_string());
            }
            // An answer such as 401 is the API's business, and so is a line that breaks.
            "Log.entryAdded"
                if about["entry"]["level"] == "error" && about["entry"]["source"] != "network" =>
            {
                self.complaints.push(about["entry"].to_string());
            }
            "Network.requestWillBeSent" => self.asked(&about["request"]["url"]),
            _ => {}
        }
    }

    fn asked(&mut self, url: &Value) {
        let url = url.as_str().unwrap_or_default();
        let own = ["http://127.0.0.1:", "https://127.0.0.1:", "data:", "blob:"];
        if !own.iter().any(|start| url.starts_with(start)) {
            self.complaints.push(format!("it asks {url}"));
        }
    }

    /// What must not have been said.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Forgets what was provoked.
    pub fn forgive(&mut self) {
        self.complaints.clear();
    }
}

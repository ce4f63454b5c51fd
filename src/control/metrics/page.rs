//! Prometheus's text format. Purpose: families of samples, each with its HELP and TYPE before it
//! and none without a sample; labels escaped.

use std::fmt::{Display, Write};

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetricKind {
    /// It only grows; its name ends in `_total`.
    Counter,
    /// It comes and goes.
    Gauge,
}

/// The page in the making.
pub(super) struct Page(String);

impl Page {
    pub(super) fn new() -> Page {
        Page(String::with_capacity(8 << 10))
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    /// A family of one sample without labels.
    pub(super) fn one(&mut self, kind: MetricKind, name: &str, help: &str, value: impl Display) {
        self.family(kind, name, help, [([], value)]);
    }

    /// The same, if there is a value.
    pub(super) fn maybe(&mut self, name: &str, help: &str, value: Option<impl Display>) {
        self.family(MetricKind::Gauge, name, help, value.map(|value| ([], value)));
    }

    /// A family of samples, each with its labels. They differ in a label's value.
    pub(super) fn family<'l, const LABELS: usize, V: Display>(
        &mut self,
        kind: MetricKind,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], V)>,
    ) {
        let mut heading = Some(match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        });
        for (labels, value) in samples {
            let page = &mut self.0;
            // Writing into a String cannot fail, here and below.
            if let Some(kind) = heading.take() {
                let _ = writeln!(page, "# HELP streamcaster_{name} {help}");
                let _ = writeln!(page, "# TYPE streamcaster_{name} {kind}");
            }
            let _ = write!(page, "streamcaster_{name}");
            for (at, (label, text)) in labels.iter().enumerate() {
                let before = if at == 0 { '{' } else { ',' };
                let _ = write!(page, "{before}{label}=\"");
                escape(text, page);
                page.push('"');
            }
            if LABELS > 0 {
                page.push('}');
            }
            let _ = writeln!(page, " {value}");
        }
    }
}

/// A label's value: backslash, quote and line feed are escaped, all else is UTF-8.
fn escape(text: &str, page: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => page.push_str("\\\\"),
            '"' => page.push_str("\\\""),
            '\n' => page.push_str("\\n"),
            other => page.push(other),
        }
    }
}

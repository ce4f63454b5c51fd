//! `/metrics`: the state in Prometheus's text format, version 0.0.4. Purpose: names with their
//! units last, HELP and TYPE before the samples of each. Non-goals: histograms, pushing. Bound:
//! what may become a label is bounded itself: destinations by their names, sources, reasons,
//! checks; never an address, never a key.

mod families;
mod page;
pub mod stat;

use crate::control::api::moment::Moment;
use crate::health::Health;
use crate::operator::snapshot::Snapshot;
use page::Page;

/// What the format calls itself.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The whole page.
pub fn document(snapshot: &Snapshot, health: &Health, moment: Moment) -> String {
    let mut page = Page::new();
    families::whole(&mut page, health, moment);
    families::programme(&mut page, &snapshot.programme);
    families::inputs(&mut page, snapshot);
    families::viewers(&mut page, snapshot);
    families::destinations(&mut page, &snapshot.destinations);
    families::memory(&mut page, moment);
    families::machine(&mut page, moment);
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::sample;
    use crate::health::judge;
    use crate::operator::snapshot::Text;

    fn told(snapshot: &Snapshot) -> String {
        let health = judge(snapshot, &sample::MOMENT.figures(), sample::MOMENT.now);
        document(snapshot, &health, sample::MOMENT)
    }

    #[test]
    fn figures_are_told_with_their_units() {
        let text = told(&sample::on_air());
        for line in [
            "# TYPE streamcaster_uptime_seconds gauge",
            "streamcaster_uptime_seconds 3600",
            "streamcaster_on_air{source=\"udp\"} 1",
            "streamcaster_on_air{source=\"standby\"} 0",
            "streamcaster_viewers 3",
            "streamcaster_destination_up{destination=\"twitch\"} 1",
            "streamcaster_destination_up{destination=\"backup\"} 0",
            "streamcaster_heap_limit_bytes 32505856",
            "streamcaster_machine_cpu_ratio 0.1234",
            "streamcaster_machine_network_bits_per_second{direction=\"out\"} 9900000",
            "streamcaster_check_status{check=\"destination:backup\"} 1",
            "streamcaster_health{status=\"degraded\"} 1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} in {text}");
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn a_name_cannot_leave_its_label() {
        let mut snapshot = sample::on_air();
        snapshot.destinations[0].name = Text::try_from("a\"} 1\nx{y=\"\\é").unwrap();
        let text = told(&snapshot);
        let line = "streamcaster_destination_up{destination=\"a\\\"} 1\\nx{y=\\\"\\\\é\"} 1";
        assert!(text.lines().any(|told| told == line), "{text}");
    }

    #[test]
    fn what_is_not_known_has_no_sample_and_no_heading() {
        let moment = Moment { machine: Default::default(), ..sample::MOMENT };
        let snapshot = sample::on_air();
        let health = judge(&snapshot, &moment.figures(), moment.now);
        let text = document(&snapshot, &health, moment);
        assert!(!text.contains("streamcaster_machine_"), "{text}");
    }

    #[test]
    fn addresses_and_details_are_not_told() {
        let mut snapshot = sample::on_air();
        snapshot.destinations[1].detail = Text::try_from("words of a server").unwrap();
        let text = told(&snapshot);
        for word in ["192.0.2.7", "198.51.100.4", "words of a server", "LNX"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}

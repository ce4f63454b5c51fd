//! `/stat`: the state as nginx-rtmp's statistics page tells it, for the tools that scrape that.
//! Purpose: same elements, same order, same units as nginx-rtmp-module 1.1.4's
//! ngx_rtmp_stat_module.c; strict parsers (NOALBS, the Prometheus exporters) want `compiler`, a
//! date they can parse, and whole numbers for `avsync` and `frame_rate`. Non-goal:
//! its stylesheet; ours is our own. Bound: viewers are listed up to [`HTTP_VIEWERS_LISTED_MAX`], `nclients` counts all.
//!
//! The programme is one stream, `live/stream`, that is always published; its publishing client is
//! what is on air. A key is nowhere.

use std::fmt::{self, Write};
use std::net::SocketAddr;

use crate::base::limits::HTTP_VIEWERS_LISTED_MAX;
use crate::codec::access_unit::{AacConfig, AvcConfig};
use crate::control::api::moment::Moment;
use crate::control::build_info::BUILD;
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem;
use crate::operator::snapshot::{Snapshot, Source, ViewerStatus};

/// The module whose page this is like.
const NGINX_RTMP_VERSION: &str = "1.1.4";

/// As nginx-rtmp writes it, with `rtmp_stat_stylesheet /stat.xsl`.
const PROLOGUE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\r\n\
    <?xml-stylesheet type=\"text/xsl\" href=\"/stat.xsl\" ?>\r\n";

/// What shows the document to a person: path, type and text of each style sheet. The policy of
/// every answer allows no style within the page.
const STYLES: [(&str, &str, &str); 2] = [
    ("/stat.xsl", "text/xsl; charset=utf-8", include_str!("stat.xsl")),
    ("/stat.css", "text/css; charset=utf-8", include_str!("stat.css")),
];

/// Answers with the style sheet at `path`.
pub fn style(path: &str) -> Answer {
    match STYLES.iter().find(|(at, ..)| *at == path) {
        Some((_, kind, body)) => answer::text(200, kind, *body),
        None => problem::nothing_here(),
    }
}

/// The whole document.
pub fn document(snapshot: &Snapshot, moment: Moment) -> String {
    let mut xml = String::with_capacity(2048 + snapshot.viewers.len().min(1000) * 256);
    // Writing into a String cannot fail.
    let _ = write(&mut xml, snapshot, moment);
    xml
}

fn write(xml: &mut String, snapshot: &Snapshot, moment: Moment) -> fmt::Result {
    let (udp, rtmp) = (&snapshot.udp, &snapshot.rtmp);
    let pushed = |of: fn(&crate::operator::snapshot::DestinationStatus) -> u64| {
        snapshot.destinations.iter().map(of).fold(0, u64::saturating_add)
    };
    xml.push_str(PROLOGUE);
    xml.push_str("<rtmp>\r\n");
    line(xml, "nginx_version", BUILD.version)?;
    line(xml, "nginx_rtmp_version", NGINX_RTMP_VERSION)?;
    line(xml, "compiler", BUILD.compiler)?;
    line(xml, "built", BUILD.built)?;
    line(xml, "pid", moment.pid)?;
    line(xml, "uptime", moment.now.to_ms() / 1000)?;
    line(xml, "naccepted", rtmp.accepted)?;
    let pull = &snapshot.pull;
    let sum = |parts: [u64; 3]| parts.into_iter().fold(0, u64::saturating_add);
    line(xml, "bw_in", sum([udp.bps, rtmp.bps_in, pull.bps]))?;
    line(xml, "bytes_in", sum([udp.bytes, rtmp.bytes_in, pull.bytes]))?;
    line(xml, "bw_out", rtmp.bps_out.saturating_add(pushed(|d| d.bps)))?;
    line(xml, "bytes_out", rtmp.bytes_out.saturating_add(pushed(|d| d.bytes_out)))?;
    xml.push_str("<server>\r\n<application>\r\n<name>live</name>\r\n<live>\r\n");
    stream(xml, snapshot, moment)?;
    line(xml, "nclients", clients(snapshot))?;
    xml.push_str("</live>\r\n</application>\r\n</server>\r\n</rtmp>\r\n");
    Ok(())
}

/// Viewers and the one who publishes.
fn clients(snapshot: &Snapshot) -> usize {
    snapshot.viewers.len() + 1
}

fn stream(xml: &mut String, snapshot: &Snapshot, moment: Moment) -> fmt::Result {
    let (programme, rtmp) = (&snapshot.programme, &snapshot.rtmp);
    xml.push_str("<stream>\r\n");
    line(xml, "name", "stream")?;
    line(xml, "time", moment.now.to_ms())?;
    line(xml, "bw_in", programme.video_bps.saturating_add(programme.audio_bps))?;
    line(xml, "bytes_in", programme.bytes)?;
    line(xml, "bw_out", rtmp.bps_out)?;
    line(xml, "bytes_out", rtmp.bytes_out)?;
    line(xml, "bw_audio", programme.audio_bps)?;
    line(xml, "bw_video", programme.video_bps)?;
    publisher(xml, snapshot, moment)?;
    for viewer in snapshot.viewers.iter().take(HTTP_VIEWERS_LISTED_MAX) {
        self::viewer(xml, viewer, moment)?;
    }
    xml.push_str("<meta>");
    if let Some(config) = &programme.video {
        video(xml, config)?;
    }
    if let Some(config) = &programme.audio {
        audio(xml, config)?;
    }
    xml.push_str("</meta>\r\n");
    line(xml, "nclients", clients(snapshot))?;
    xml.push_str("<publishing/>\r\n<active/>\r\n</stream>\r\n");
    Ok(())
}

/// The source on air. Its number is 0: viewers count from 1.
fn publisher(xml: &mut String, snapshot: &Snapshot, moment: Moment) -> fmt::Result {
    let programme = &snapshot.programme;
    let (address, agent) = match programme.on_air {
        Source::Udp => (snapshot.udp.sender.as_deref().unwrap_or(""), "MPEG-TS over UDP"),
        Source::Rtmp => (&*snapshot.publisher.address, &*snapshot.publisher.agent),
        Source::Pull => ("", "RTMP pull"),
        Source::File => ("127.0.0.1", "video file"),
        Source::Standby => ("127.0.0.1", "standby"),
    };
    let dropped = [programme.dropped_overlap, programme.dropped_oversize, programme.dropped_time];
    let dropped = dropped.into_iter().fold(0, u64::saturating_add);
    xml.push_str("<client>");
    element(xml, "id", 0)?;
    element(xml, "address", host(address))?;
    element(xml, "time", moment.now.since(programme.on_air_since).as_millis())?;
    element(xml, "flashver", agent)?;
    element(xml, "dropped", dropped)?;
    element(xml, "avsync", 0)?;
    // RTMP's timestamps have 32 bits; tools keep them so.
    element(xml, "timestamp", programme.time_ms & u64::from(u32::MAX))?;
    xml.push_str("<publishing/><active/></client>\r\n");
    Ok(())
}

fn viewer(xml: &mut String, viewer: &ViewerStatus, moment: Moment) -> fmt::Result {
    xml.push_str("<client>");
    element(xml, "id", viewer.id)?;
    element(xml, "address", host(&viewer.address))?;
    element(xml, "time", moment.now.since(viewer.since).as_millis())?;
    if !viewer.agent.is_empty() {
        element(xml, "flashver", &viewer.agent)?;
    }
    element(xml, "dropped", viewer.dropped)?;
    element(xml, "avsync", viewer.av_sync_ms)?;
    element(xml, "timestamp", viewer.timestamp_ms)?;
    if !viewer.paused {
        xml.push_str("<active/>");
    }
    xml.push_str("</client>\r\n");
    Ok(())
}

fn video(xml: &mut String, config: &AvcConfig) -> fmt::Result {
    xml.push_str("<video>");
    element(xml, "width", config.width)?;
    element(xml, "height", config.height)?;
    // A float becomes the nearest integer; NaN and negative ones become 0.
    element(xml, "frame_rate", config.frame_rate.round() as u32)?;
    element(xml, "codec", "H264")?;
    element(xml, "profile", config.profile())?;
    element(xml, "compat", config.constraints)?;
    element(xml, "level", format_args!("{:.1}", f64::from(config.level_idc) / 10.0))?;
    xml.push_str("</video>");
    Ok(())
}

fn audio(xml: &mut String, config: &AacConfig) -> fmt::Result {
    xml.push_str("<audio>");
    element(xml, "codec", "AAC")?;
    element(xml, "profile", config.profile())?;
    element(xml, "channels", config.channels)?;
    element(xml, "sample_rate", config.sample_rate_hz)?;
    xml.push_str("</audio>");
    Ok(())
}

fn line(xml: &mut String, name: &str, value: impl fmt::Display) -> fmt::Result {
    element(xml, name, value)?;
    xml.write_str("\r\n")
}

fn element(xml: &mut String, name: &str, value: impl fmt::Display) -> fmt::Result {
    write!(xml, "<{name}>")?;
    write!(Escaped(xml), "{value}")?;
    write!(xml, "</{name}>")
}

/// An address without its port, as nginx-rtmp tells it.
fn host(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_canonical().to_string(),
        Err(_) => address.to_owned(),
    }
}

/// Turns what is written into XML character data.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Not characters of XML 1.0 (clause 2.2), not even escaped, or none that a
                // person would want to see.
                '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                control if control.is_control() => self.0.push(' '),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::sample;
    use crate::operator::snapshot::Text;

    /// The names of the elements in the order in which they begin; checks that they nest.
    fn elements(xml: &str) -> Vec<&str> {
        let (mut names, mut open) = (Vec::new(), Vec::new());
        let body = xml.strip_prefix(PROLOGUE).unwrap();
        for tag in body.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').unwrap();
            assert!(!text.contains('>'), "{text:?}");
            match (tag.strip_prefix('/'), tag.strip_suffix('/')) {
                (Some(name), _) => assert_eq!(open.pop(), Some(name)),
                (_, Some(name)) => names.push(name),
                _ => {
                    names.push(tag);
                    open.push(tag);
                }
            }
        }
        assert!(open.is_empty());
        names
    }

    #[test]
    fn the_elements_stand_in_the_order_of_nginx_rtmp() {
        let mut snapshot = sample::on_air();
        snapshot.viewers.truncate(1);
        let xml = document(&snapshot, sample::MOMENT);
        let order = "rtmp nginx_version nginx_rtmp_version compiler built pid uptime naccepted \
            bw_in bytes_in bw_out bytes_out server application name live stream name time bw_in \
            bytes_in bw_out bytes_out bw_audio bw_video \
            client id address time flashver dropped avsync timestamp publishing active \
            client id address time flashver dropped avsync timestamp active \
            meta video width height frame_rate codec profile compat level \
            audio codec profile channels sample_rate nclients publishing active nclients";
        assert_eq!(
            elements(&xml).join(" "),
            order.split_whitespace().collect::<Vec<_>>().join(" ")
        );
    }

    #[test]
    fn values_have_the_units_tools_expect() {
        let xml = document(&sample::on_air(), sample::MOMENT);
        for part in [
            "<frame_rate>30</frame_rate>",
            "<level>4.0</level>",
            "<bw_video>3000000</bw_video>",
            "<address>192.0.2.7</address><time>3000000</time>",
            "<avsync>-21</avsync>",
            "<uptime>3600</uptime>",
            "<nclients>4</nclients>",
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
    }

    #[test]
    fn what_comes_is_the_sum_of_all_inputs() {
        let mut snapshot = sample::on_air();
        (snapshot.udp.bytes, snapshot.udp.bps) = (1, 10);
        (snapshot.rtmp.bytes_in, snapshot.rtmp.bps_in) = (200, 2_000);
        (snapshot.pull.bytes, snapshot.pull.bps) = (30_000, 300_000);
        let xml = document(&snapshot, sample::MOMENT);
        assert!(xml.contains("<bw_in>302010</bw_in>\r\n<bytes_in>30201</bytes_in>"), "{xml}");
    }

    #[test]
    fn strangers_words_cannot_break_the_document() {
        let mut snapshot = sample::on_air();
        let hostile = "</flashver><x a='\"'>&amp;\0\u{1b}[2J\u{ffff}\r\n]]>";
        snapshot.viewers[0].agent = Text::try_from(hostile).unwrap();
        let plain = elements(&document(&sample::on_air(), sample::MOMENT)).len();
        let xml = document(&snapshot, sample::MOMENT);
        assert_eq!(elements(&xml).len(), plain);
        assert!(!xml.chars().any(|c| c.is_control() && !['\r', '\n'].contains(&c)));
        assert!(xml.contains("&lt;/flashver&gt;&lt;x a=&#39;&quot;&#39;&gt;&amp;amp;"));
    }

    #[test]
    fn many_viewers_are_counted_but_not_listed() {
        let mut snapshot = sample::on_air();
        snapshot.viewers = vec![snapshot.viewers[0].clone(); 2000];
        let xml = document(&snapshot, sample::MOMENT);
        assert_eq!(xml.matches("<client>").count(), HTTP_VIEWERS_LISTED_MAX + 1);
        assert!(xml.contains("<nclients>2001</nclients>"));
    }
}

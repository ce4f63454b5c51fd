//! What the programme can be made of. Bound: these five.

/// Who can be on air.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The standby card.
    #[default]
    Standby,
    /// MPEG-TS over UDP.
    Udp,
    /// An RTMP publisher.
    Rtmp,
    /// A stream pulled from another RTMP server.
    Pull,
    /// A video file.
    File,
}

impl Source {
    /// The name the API uses.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Standby => "standby",
            Source::Udp => "udp",
            Source::Rtmp => "rtmp",
            Source::Pull => "pull",
            Source::File => "file",
        }
    }

    /// Those that come of themselves.
    pub(super) const LIVE: [Source; 3] = [Source::Udp, Source::Rtmp, Source::Pull];

    pub(super) const ALL: [Source; SOURCES] =
        [Source::Standby, Source::Udp, Source::Rtmp, Source::Pull, Source::File];

    /// Whether it comes of itself.
    pub(super) fn is_live(self) -> bool {
        Source::LIVE.contains(&self)
    }

    /// Whether it comes by a connection, whose end is known.
    pub(super) fn is_connected(self) -> bool {
        matches!(self, Source::Rtmp | Source::Pull)
    }
}

/// How many there are.
pub(super) const SOURCES: usize = 5;

//! An access unit as the ring stores it. Purpose: the meaning of a payload, apart from its bytes.

use crate::base::time::Ticks;
use crate::codec::access_unit::Track;
use crate::codec::per_track::PerTrack;

/// Numbers the configurations of a track in the order they came into force; 0 is "none yet".
pub type Generation = u32;

/// A stored access unit. Its payload is a whole FLV tag body (Adobe FLV 10.1, E.4.2 and E.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The track it belongs to.
    pub track: Track,
    /// Decoding time on the programme's clock, 90 kHz. Grows by a millisecond or more from unit
    /// to unit of a track.
    pub dts: Ticks,
    /// A decoder can start here.
    pub key: bool,
    /// The configurations in force.
    pub configs: PerTrack<Generation>,
    /// Where the payload begins, counted in bytes of its track since the start.
    pub(super) start: u64,
    /// Length of the payload, bytes.
    pub len: usize,
}

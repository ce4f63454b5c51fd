//! What a demultiplexer counts. Purpose: one record that its parts add to and the status shows.

use serde::Serialize;

/// What went wrong or was put right, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TsCounters {
    /// Bytes skipped to find the packet grid.
    pub sync_lost_bytes: u64,
    /// Continuity errors of the streams carried and of the tables.
    pub continuity_errors: u64,
    /// Packets that came twice, dropped; those of doubled datagrams too.
    pub duplicate_packets: u64,
    /// Packets marked as damaged, malformed, or scrambled on a PID that is carried.
    pub unusable_packets: u64,
    /// Those of them that are scrambled.
    pub scrambled_packets: u64,
    /// Access units given up because a part was lost or their PES packet makes no sense.
    pub broken_units: u64,
    /// Access units whose PTS was impossible beside their DTS and was replaced by it.
    pub corrected_times: u64,
    /// PES packets without a PTS.
    pub missing_times: u64,
    /// Video access units taken as whole before the next one began.
    pub early_ends: u64,
    /// Times more came of an access unit taken as whole.
    pub early_end_failures: u64,
}

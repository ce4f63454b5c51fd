//! What both tests of the demultiplexer need.

use streamcaster::ts::demux::Demux;

use crate::recorder::Recorder;

/// Sends the datagrams.
pub fn demultiplex<'a>(
    programme: Option<u16>,
    datagrams: impl IntoIterator<Item = &'a [u8]>,
) -> (Recorder, Demux) {
    let (mut recorder, mut demux) = (Recorder::default(), Demux::new(programme));
    for datagram in datagrams {
        demux.datagram(datagram, &mut recorder);
    }
    (recorder, demux)
}

/// Nothing was lost, put right or given up.
pub fn assert_nothing_wrong(recorder: &Recorder, demux: &Demux) {
    let c = demux.counters();
    let wrong = [c.sync_lost_bytes, c.continuity_errors, c.duplicate_packets, c.unusable_packets];
    assert_eq!(wrong, [0; 4], "{c:?}");
    assert_eq!((c.broken_units, c.corrected_times, c.missing_times), (0, 0, 0), "{c:?}");
    assert_eq!((c.early_end_failures, recorder.aborted), (0, 0));
}

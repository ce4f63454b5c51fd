//! One movie fragment, written: `moof`, and the head of the `mdat` whose bytes follow (ISO/IEC
//! 14496-12, 8.8.4 to 8.8.12). Purpose: what a browser's Media Source takes for a media segment:
//! data offsets count from the fragment's own beginning, every fragment says its decoding time.
//! Non-goals: the media's bytes, which are the caller's to append run by run. Bound: sixteen bytes
//! a sample and two hundred besides.

use crate::codec::access_unit::Track;

use super::boxes::{put, put_full, put_u32};
use super::fragments::{
    BASE_IS_MOOF, COMPOSITION, DATA_OFFSET, DEFAULT_FLAGS, DURATION, FLAGS, NO_KEY, SIZE,
};
use super::init::{AUDIO_ID, VIDEO_ID};

/// Of a sample's flags (8.8.3.1): that it depends on no other.
const KEY: u32 = 0x200_0000;

/// A sample of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunSample {
    /// Its bytes.
    pub bytes: u32,
    /// Time to the next sample of its track, in units of the track's timescale.
    pub duration: u32,
    /// Presentation time minus decoding time, in the same units.
    pub composition: i32,
    /// A decoder can start here.
    pub key: bool,
}

/// A track's samples in a fragment, in decoding order.
#[derive(Clone, Copy, Debug)]
pub struct SampleRun<'a> {
    /// The track.
    pub track: Track,
    /// Decoding time of the first one, in units of the track's timescale.
    pub start: u64,
    /// All of them.
    pub samples: &'a [RunSample],
}

impl SampleRun<'_> {
    fn bytes(&self) -> u64 {
        self.samples.iter().map(|sample| u64::from(sample.bytes)).sum()
    }
}

/// Everything of a fragment that stands before its media: these follow in the order of the runs,
/// sample by sample. `None` if together they exceed what 32 bits can state.
pub fn head(sequence: u32, runs: &[SampleRun<'_>]) -> Option<Vec<u8>> {
    const MDAT_HEAD_BYTES: usize = 8;
    let mut out = Vec::with_capacity(256);
    // Where the run's data offsets stand, and how far its data are behind the first run's.
    let mut offsets: heapless::Vec<(usize, u64), { Track::ALL.len() }> = heapless::Vec::new();
    let mut media_bytes = 0_u64;
    put(&mut out, b"moof", |out| {
        put_full(out, b"mfhd", 0, 0, |out| put_u32(out, sequence));
        for run in runs.iter().filter(|run| !run.samples.is_empty()) {
            let place = track_fragment(out, run);
            let pushed = offsets.push((place, media_bytes));
            debug_assert!(pushed.is_ok(), "a run for each track");
            media_bytes = media_bytes.saturating_add(run.bytes());
        }
    });
    for (place, behind) in offsets {
        let offset = (out.len() + MDAT_HEAD_BYTES) as u64 + behind;
        let offset = i32::try_from(offset).ok()?.to_be_bytes();
        *out.get_mut(place..)?.first_chunk_mut()? = offset;
    }
    let size = u32::try_from(media_bytes + MDAT_HEAD_BYTES as u64).ok()?;
    put_u32(&mut out, size);
    out.extend_from_slice(b"mdat");
    Some(out)
}

/// Appends `traf`; returns where its data offset stands.
fn track_fragment(out: &mut Vec<u8>, run: &SampleRun<'_>) -> usize {
    let mut place = 0;
    let id = match run.track {
        Track::Video => VIDEO_ID,
        Track::Audio => AUDIO_ID,
    };
    put(out, b"traf", |out| {
        // Every sound can be decoded by itself: said once for all of them.
        put_full(out, b"tfhd", 0, BASE_IS_MOOF | DEFAULT_FLAGS, |out| {
            put_u32(out, id);
            put_u32(out, KEY);
        });
        put_full(out, b"tfdt", 1, 0, |out| out.extend_from_slice(&run.start.to_be_bytes()));
        let fields = DATA_OFFSET | DURATION | SIZE;
        let fields = match run.track {
            Track::Video => fields | FLAGS | COMPOSITION,
            Track::Audio => fields,
        };
        put_full(out, b"trun", 1, fields, |out| {
            put_u32(out, u32::try_from(run.samples.len()).unwrap_or(u32::MAX));
            place = out.len();
            put_u32(out, 0);
            for sample in run.samples {
                put_u32(out, sample.duration);
                put_u32(out, sample.bytes);
                if run.track == Track::Video {
                    put_u32(out, if sample.key { KEY } else { NO_KEY });
                    put_u32(out, sample.composition.cast_unsigned());
                }
            }
        });
    });
    place
}

#[cfg(test)]
#[path = "fragment_tests.rs"]
mod tests;

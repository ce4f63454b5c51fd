//! Media that no encoder made: parameter sets of one, and slices of made-up bytes.

use fastrand::Rng;
use test_support::units::{AccessUnit, Media, Track};

/// x264: baseline, 64x48.
pub const SETS: [&[u8]; 2] = [
    &[
        0x67, 0x42, 0xc0, 0x0a, 0xda, 0x11, 0xec, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3,
        0xc4, 0x89, 0xa8,
    ],
    &[0x68, 0xce, 0x0f, 0xc8],
];
/// AAC-LC, 48 kHz, two channels.
const SOUND: [u8; 2] = [0x11, 0x90];
const FRAME: i64 = 3600;

/// A NAL unit of this type; short enough for lengths of one byte where they are to be.
fn nal(rng: &mut Rng, header: u8, bytes_max: usize) -> Vec<u8> {
    let mut nal = vec![header];
    nal.extend((0..rng.usize(1..bytes_max)).map(|_| rng.u8(..)));
    nal
}

/// Some seconds of pictures, with B pictures or without, in GOPs of uneven length; of sound every
/// 21 ms, from the beginning or later; key units with their sets in them, if asked for.
pub fn media(rng: &mut Rng, sets_in_band: bool, bytes_max: usize) -> Media {
    let (frames, b_pictures) = (rng.i64(60..200), rng.i64(0..3));
    let (slices, delimiters, sei) = (rng.usize(1..4), rng.bool(), rng.bool());
    let mut units: Vec<AccessUnit> = Vec::new();
    // As late as the reordering needs, and no later.
    let (mut decoded, mut shown, mut gop_left) = (0, b_pictures.min(1), 0);
    while decoded < frames {
        let key = gop_left <= 0;
        if key {
            gop_left = rng.i64(4..40);
        }
        // An I or P picture, and the B pictures that are shown before it.
        let bs = if key { 0 } else { b_pictures };
        for n in 0..=bs {
            let place = if n == 0 { shown + bs } else { shown + n - 1 };
            let mut nals = Vec::new();
            if delimiters {
                nals.push(vec![9, 0xf0]);
            }
            if key && sets_in_band {
                nals.extend(SETS.map(<[u8]>::to_vec));
            }
            if sei {
                nals.push(vec![6, 1, 1, 0x80, 0x80]);
            }
            let header = if key {
                0x65
            } else if n == 0 {
                0x41
            } else {
                0x01
            };
            nals.extend((0..slices).map(|_| nal(rng, header, bytes_max)));
            let (dts, pts) = (decoded * FRAME, place * FRAME);
            units.push(AccessUnit { track: Track::Video, dts, pts, key, nals });
            decoded += 1;
        }
        shown += bs + 1;
        gop_left -= bs + 1;
    }
    let with_sound = rng.u8(..4) > 0;
    if with_sound {
        let (mut at, end) = (b_pictures * FRAME + rng.i64(0..900) * 90, decoded * FRAME);
        while at < end {
            let nals = vec![nal(rng, 0x21, bytes_max)];
            units.push(AccessUnit { track: Track::Audio, dts: at, pts: at, key: false, nals });
            at += 1890;
        }
    }
    units.sort_by_key(|unit| (unit.dts, unit.track == Track::Audio));
    Media {
        parameter_sets: SETS.map(<[u8]>::to_vec).to_vec(),
        audio_config: if with_sound { SOUND.to_vec() } else { Vec::new() },
        units,
    }
}

//! Devices and muxers by name, each as what its encoder writes and how it packs it.

use crate::h264::Encoder;
use crate::ts::{Cut, Muxer, Stated};

/// A device's transport stream.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Its name, and where it was met.
    pub name: &'static str,
    /// What it encodes.
    pub encoder: Encoder,
    /// How it packs.
    pub muxer: Muxer,
}

fn recipe(name: &'static str, encoder: Encoder, muxer: Muxer) -> Recipe {
    Recipe { name, encoder, muxer }
}

fn plain() -> Encoder {
    Encoder::default()
}

fn no_delimiters() -> Encoder {
    Encoder { delimiters: false, ..plain() }
}

fn packed(cut: Cut) -> Muxer {
    Muxer { cut, ..Muxer::default() }
}

/// All of them.
pub fn transport_streams() -> Vec<Recipe> {
    [aligned(), unaligned()].concat()
}

/// Whose PES packets begin with access units or NAL units.
fn aligned() -> Vec<Recipe> {
    vec![
        recipe("ffmpeg", Encoder { b_pictures: 2, ..plain() }, Muxer::default()),
        recipe(
            "apple-segmenter (hls.js #6: a frame's tail in the next PES)",
            Encoder { sei: true, ..plain() },
            packed(Cut::Tails),
        ),
        recipe(
            "wowza-segmenter (hls.js #2673: the same with lengths)",
            Encoder { b_pictures: 1, ..plain() },
            Muxer { stated: Stated::Yes, ..packed(Cut::Tails) },
        ),
        recipe(
            "gstreamer-nal-alignment (a PES per NAL unit, each with times)",
            Encoder { slices: 3, sei: true, ..plain() },
            Muxer { times_repeated: true, ..packed(Cut::Nals) },
        ),
        recipe(
            "gstreamer-nal-alignment without delimiters",
            Encoder { slices: 2, ..no_delimiters() },
            Muxer { times_repeated: true, ..packed(Cut::Nals) },
        ),
        recipe(
            "slice-per-pes (only the first with times)",
            Encoder { slices: 4, ..plain() },
            packed(Cut::Slices),
        ),
        recipe(
            "slice-per-pes, times on all",
            Encoder { slices: 4, ..plain() },
            Muxer { times_repeated: true, stated: Stated::Yes, ..packed(Cut::Slices) },
        ),
        recipe(
            "ip-camera-multi-au (media-server #399: several frames in a PES, no delimiters)",
            no_delimiters(),
            packed(Cut::Units(2, 15)),
        ),
        recipe(
            "ip-camera-multi-au with delimiters",
            Encoder { order: crate::h264::Order::Decoding, ..plain() },
            Muxer { stated: Stated::Yes, ..packed(Cut::Units(2, 2)) },
        ),
        recipe(
            "multi-au with B pictures, no delimiters",
            Encoder { b_pictures: 2, slices: 2, ..no_delimiters() },
            packed(Cut::Units(3, 7)),
        ),
    ]
}

/// Whose PES packets begin elsewhere, or say less.
fn unaligned() -> Vec<Recipe> {
    let fields = || Encoder { fields: true, frames_only: false, delimiters: false, ..plain() };
    vec![
        recipe(
            "bounded-length (a frame over PES of stated length, times on the first)",
            Encoder { slice_bytes: 3000, ..plain() },
            Muxer { stated: Stated::Yes, ..packed(Cut::Bytes(2000)) },
        ),
        recipe(
            "bounded-length whose small frames fit",
            Encoder { slice_bytes: 700, gop: 30, ..plain() },
            Muxer { stated: Stated::Yes, ..packed(Cut::Bytes(1000)) },
        ),
        recipe("cut-anywhere", Encoder { b_pictures: 1, ..plain() }, packed(Cut::Anywhere(1500))),
        recipe("fields-in-one-pes (PAFF)", fields(), Muxer::default()),
        recipe("field-per-pes (PAFF)", fields(), packed(Cut::Slices)),
        recipe(
            "field-per-pes of several slices",
            Encoder { slices: 2, bottom_order: true, ..fields() },
            Muxer { times_repeated: true, ..packed(Cut::Slices) },
        ),
        recipe(
            "dvb (lengths, stuffing in mid-PES, private data, a trailing zero)",
            Encoder { b_pictures: 2, sei: true, frames_only: false, ..plain() },
            Muxer {
                stated: Stated::Yes,
                stuffed_percent: 5,
                private_percent: 20,
                trailing_zero: true,
                header_stuffing: 4,
                tables_every: 3,
                ..Muxer::default()
            },
        ),
        recipe(
            "phone (variable frame rate)",
            Encoder { durations: vec![3000, 3300, 2700, 9000, 3000, 45_000], ..no_delimiters() },
            Muxer::default(),
        ),
        recipe(
            "sparse-times (a PTS every ten PES)",
            Encoder { b_pictures: 2, ..plain() },
            Muxer { times_every: 10, ..Muxer::default() },
        ),
        recipe(
            "filler (a constant rate, filler behind the slices)",
            Encoder { filler: true, slices: 2, ..no_delimiters() },
            Muxer { stated: Stated::Some, ..packed(Cut::Units(1, 3)) },
        ),
    ]
}

//! The beginning of an endless movie: what its tracks are, without one sample (ISO/IEC 14496-12,
//! 8.8; the initialization segment of Media Source Extensions' ISO BMFF byte stream format).
//! Non-goals: edit lists, durations: it never ends. Bound: a kilobyte and both records.

use crate::codec::access_unit::{AacConfig, AvcConfig};

use super::boxes::{put, put_full, put_u32};
use super::descriptor;

/// Units of the video track's time in a second: those of the programme.
pub const VIDEO_TIMESCALE: u32 = 90_000;
/// Numbers of the tracks.
pub(super) const VIDEO_ID: u32 = 1;
pub(super) const AUDIO_ID: u32 = 2;

/// A transformation that changes nothing, 16.16 and 2.30 fixed point (8.2.2.2).
const IDENTITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
/// The language is undetermined: `und`, five bits a letter (8.4.2.3).
const LANGUAGE: u16 = 0x55c4;

/// The segment that announces a video track and perhaps an audio track, whose time is counted in
/// its samples.
pub fn init_segment(video: &AvcConfig, audio: Option<&AacConfig>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 + 2 * video.record.len());
    put(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"iso6\0\0\0\0iso6mp42");
    });
    put(&mut out, b"moov", |out| {
        movie_header(out);
        video_track(out, video);
        if let Some(audio) = audio {
            audio_track(out, audio);
        }
        put(out, b"mvex", |out| {
            extends(out, VIDEO_ID);
            if audio.is_some() {
                extends(out, AUDIO_ID);
            }
        });
    });
    out
}

/// The tracks' codecs as a media type's `codecs` parameter names them (RFC 6381, 3.3 and 3.4).
pub fn codecs(video: &AvcConfig, audio: Option<&AacConfig>) -> String {
    let AvcConfig { profile_idc, constraints, level_idc, .. } = video;
    let video = format!("avc1.{profile_idc:02x}{constraints:02x}{level_idc:02x}");
    match audio {
        Some(audio) => format!("{video},mp4a.40.{}", audio.object_type),
        None => video,
    }
}

fn movie_header(out: &mut Vec<u8>) {
    put_full(out, b"mvhd", 0, 0, |out| {
        times(out, 1000);
        // Rate 1, volume 1, reserved.
        put_u32(out, 0x1_0000);
        put_u32(out, 0x100_0000);
        out.extend_from_slice(&[0; 8]);
        IDENTITY.iter().for_each(|number| put_u32(out, *number));
        out.extend_from_slice(&[0; 24]);
        put_u32(out, AUDIO_ID + 1);
    });
}

/// Creation and modification, which are not told, the timescale, and no duration.
fn times(out: &mut Vec<u8>, timescale: u32) {
    out.extend_from_slice(&[0; 8]);
    put_u32(out, timescale);
    put_u32(out, 0);
}

fn video_track(out: &mut Vec<u8>, video: &AvcConfig) {
    let [width, height] = [video.width, video.height].map(|side| side.min(0xffff));
    put(out, b"trak", |out| {
        track_header(out, VIDEO_ID, 0, [width, height]);
        put(out, b"mdia", |out| {
            media_header(out, VIDEO_TIMESCALE, b"vide");
            put(out, b"minf", |out| {
                put_full(out, b"vmhd", 0, 1, |out| out.extend_from_slice(&[0; 8]));
                data_information(out);
                sample_table(out, |out| picture(out, video, [width, height]));
            });
        });
    });
}

fn audio_track(out: &mut Vec<u8>, audio: &AacConfig) {
    put(out, b"trak", |out| {
        track_header(out, AUDIO_ID, 0x100, [0, 0]);
        put(out, b"mdia", |out| {
            media_header(out, audio.sample_rate_hz, b"soun");
            put(out, b"minf", |out| {
                put_full(out, b"smhd", 0, 0, |out| out.extend_from_slice(&[0; 4]));
                data_information(out);
                sample_table(out, |out| sound(out, audio));
            });
        });
    });
}

/// `tkhd` (8.3.2): enabled, part of the movie.
fn track_header(out: &mut Vec<u8>, id: u32, volume: u16, [width, height]: [u32; 2]) {
    put_full(out, b"tkhd", 0, 3, |out| {
        out.extend_from_slice(&[0; 8]);
        put_u32(out, id);
        // Reserved, no duration, reserved, layer and alternate group 0.
        out.extend_from_slice(&[0; 20]);
        out.extend_from_slice(&volume.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        IDENTITY.iter().for_each(|number| put_u32(out, *number));
        put_u32(out, width << 16);
        put_u32(out, height << 16);
    });
}

fn media_header(out: &mut Vec<u8>, timescale: u32, handler: &[u8; 4]) {
    put_full(out, b"mdhd", 0, 0, |out| {
        times(out, timescale);
        out.extend_from_slice(&LANGUAGE.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
    });
    put_full(out, b"hdlr", 0, 0, |out| {
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(handler);
        // Reserved, and an empty name.
        out.extend_from_slice(&[0; 13]);
    });
}

/// `dinf` (8.7.1): the media stand in the same file.
fn data_information(out: &mut Vec<u8>) {
    put(out, b"dinf", |out| {
        put_full(out, b"dref", 0, 0, |out| {
            put_u32(out, 1);
            put_full(out, b"url ", 0, 1, |_| {});
        });
    });
}

/// `stbl` (8.5.1): one description, and no samples, for these come in fragments.
fn sample_table(out: &mut Vec<u8>, entry: impl FnOnce(&mut Vec<u8>)) {
    put(out, b"stbl", |out| {
        put_full(out, b"stsd", 0, 0, |out| {
            put_u32(out, 1);
            entry(out);
        });
        for table in [b"stts", b"stsc", b"stco"] {
            put_full(out, table, 0, 0, |out| put_u32(out, 0));
        }
        put_full(out, b"stsz", 0, 0, |out| out.extend_from_slice(&[0; 8]));
    });
}

/// Reserved, and the first data reference: how every sample entry begins (8.5.2.2).
const ENTRY_HEAD: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];

/// `avc1` (12.1.3.2 and ISO/IEC 14496-15, 5.4.2).
fn picture(out: &mut Vec<u8>, video: &AvcConfig, sides: [u32; 2]) {
    put(out, b"avc1", |out| {
        out.extend_from_slice(&ENTRY_HEAD);
        out.extend_from_slice(&[0; 16]);
        for side in sides {
            out.extend_from_slice(&u16::try_from(side).unwrap_or(u16::MAX).to_be_bytes());
        }
        // 72 dpi each way, reserved, one frame a sample.
        put_u32(out, 0x48_0000);
        put_u32(out, 0x48_0000);
        put_u32(out, 0);
        out.extend_from_slice(&[0, 1]);
        // No compressor's name; colours without alpha.
        out.extend_from_slice(&[0; 32]);
        out.extend_from_slice(&[0, 0x18, 0xff, 0xff]);
        put(out, b"avcC", |out| out.extend_from_slice(&video.record));
    });
}

/// `mp4a` (12.2.3.2 and ISO/IEC 14496-14, 5.6).
fn sound(out: &mut Vec<u8>, audio: &AacConfig) {
    put(out, b"mp4a", |out| {
        out.extend_from_slice(&ENTRY_HEAD);
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&u16::from(audio.channels).to_be_bytes());
        // 16 bits a sample; predefined and reserved.
        out.extend_from_slice(&[0, 16, 0, 0, 0, 0]);
        // 16.16 fixed point; a rate that does not fit is told by the decoder's configuration only.
        let rate = u16::try_from(audio.sample_rate_hz).unwrap_or_default();
        put_u32(out, u32::from(rate) << 16);
        put_full(out, b"esds", 0, 0, |out| descriptor::put(out, &audio.record));
    });
}

/// `trex` (8.8.3): fragments say everything themselves but which description holds.
fn extends(out: &mut Vec<u8>, id: u32) {
    put_full(out, b"trex", 0, 0, |out| {
        put_u32(out, id);
        put_u32(out, 1);
        out.extend_from_slice(&[0; 12]);
    });
}

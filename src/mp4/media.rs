//! Sample descriptions: what a track's samples are (ISO/IEC 14496-12, 8.5.2; 14496-15, 5.4.2;
//! QuickTime File Format, "Sound Sample Descriptions"). Bound: `MP4_DESCRIPTIONS_MAX` of a track.

use crate::base::limits::{MP4_DESCRIPTIONS_MAX, MP4_WINDOW_BYTES};
use crate::codec::access_unit::{AacConfig, AvcConfig, TrackConfig};
use crate::codec::container::FileError;

use super::boxes::BoxHead;
use super::descriptor;
use super::view::FileView;

/// Bytes of a VisualSampleEntry before its boxes.
const VISUAL_BYTES: u64 = 78;
/// Bytes of an AudioSampleEntry before its boxes.
const AUDIO_BYTES: u64 = 28;
/// What QuickTime's sound descriptions of version 1 and 2 have on top.
const AUDIO_V1_BYTES: u64 = 16;
const AUDIO_V2_BYTES: u64 = 36;
/// Video behind Common Encryption (ISO/IEC 23001-7, 4.1).
pub(super) const ENCRYPTED_VIDEO: &str = "encrypted video";

/// A kind of samples that is carried.
pub(super) struct Description {
    /// `None` when it stands among the pictures; every description of sound has one.
    pub(super) config: Option<TrackConfig>,
    /// Bytes of the length words before NAL units; 4 for audio, which has none.
    pub(super) length_bytes: u8,
}

/// What a track holds.
pub(super) enum Media {
    /// H.264 or AAC.
    Carried(Vec<Description>),
    /// Something else, named for a person.
    Other(&'static str),
}

/// Reads the descriptions in `stsd` of a video track.
pub(super) fn video(view: &mut FileView<'_>, stsd: &BoxHead) -> Result<Media, FileError> {
    descriptions(view, stsd, |view, entry, _version| {
        if !matches!(&entry.kind, b"avc1" | b"avc3") {
            return Ok(Err(video_name(entry.kind)));
        }
        let mut boxes = entry.children(VISUAL_BYTES);
        while let Some(child) = boxes.next(view)? {
            if child.kind == *b"avcC" {
                let record = body(view, &child)?;
                let (config, length_bytes) = match AvcConfig::with_length_size(record) {
                    Ok((config, length_bytes)) => (Some(TrackConfig::Avc(config)), length_bytes),
                    // They may stand among the pictures.
                    Err(_) => (None, AvcConfig::length_size(record)),
                };
                return Ok(Ok(Description { config, length_bytes }));
            }
        }
        Ok(Ok(Description { config: None, length_bytes: 4 }))
    })
}

/// Reads the descriptions in `stsd` of an audio track.
pub(super) fn audio(view: &mut FileView<'_>, stsd: &BoxHead) -> Result<Media, FileError> {
    let media = descriptions(view, stsd, |view, entry, stsd_version| {
        if entry.kind != *b"mp4a" {
            return Ok(Err(audio_name(entry.kind)));
        }
        let version = view.u16(entry.body.saturating_add(8))?;
        // In ISO files version 1 is another one, and the box around says so (12.2.3.1).
        let more = match (stsd_version, version) {
            (0, 1) => AUDIO_V1_BYTES,
            (0, 2) => AUDIO_V2_BYTES,
            _ => 0,
        };
        let Some(esds) = find_esds(view, entry, AUDIO_BYTES.saturating_add(more))? else {
            return Ok(Ok(Description { config: None, length_bytes: 4 }));
        };
        let bytes = body(view, &esds)?;
        let stream = bytes.get(4..).and_then(descriptor::parse);
        let Some(stream) = stream else { return Ok(Err("AAC audio without a configuration")) };
        Ok(match stream.object_type {
            descriptor::MPEG4_AUDIO | 0x66..=0x68 => aac(stream.specific),
            0x69 | 0x6b => Err("MP3 audio"),
            0xa5 => Err("AC-3 audio"),
            0xa6 => Err("E-AC-3 audio"),
            0xa9 | 0xac => Err("DTS audio"),
            0xad => Err("Opus audio"),
            0xdd => Err("Vorbis audio"),
            _ => Err("audio of an unknown kind"),
        })
    })?;
    let Media::Carried(mut descriptions) = media else { return Ok(media) };
    // One that says nothing of its own goes on as the sound before it, as ffmpeg takes it.
    let first = descriptions.iter().find_map(|description| description.config.clone());
    let Some(mut config) = first else {
        return Ok(Media::Other("AAC audio without a configuration"));
    };
    for description in &mut descriptions {
        config = description.config.get_or_insert(config).clone();
    }
    Ok(Media::Carried(descriptions))
}

/// AAC by its AudioSpecificConfig; the object types that FLV's AAC stands for.
fn aac(specific: &[u8]) -> Result<Description, &'static str> {
    let config =
        AacConfig::from_record(specific).map_err(|_| "AAC audio with an unknown configuration")?;
    match config.object_type {
        1..=5 | 29 => Ok(Description { config: Some(TrackConfig::Aac(config)), length_bytes: 4 }),
        32..=34 => Err("MP3 audio"),
        36 => Err("MPEG-4 ALS audio"),
        42 => Err("xHE-AAC audio"),
        _ => Err("AAC audio of an unsupported type"),
    }
}

/// Goes through the entries; the first that is not carried names the track.
fn descriptions(
    view: &mut FileView<'_>,
    stsd: &BoxHead,
    read: impl Fn(
        &mut FileView<'_>,
        &BoxHead,
        u8,
    ) -> Result<Result<Description, &'static str>, FileError>,
) -> Result<Media, FileError> {
    let full = stsd.full(view)?;
    let mut entries = stsd.children(8);
    let mut carried = Vec::new();
    while let Some(entry) = entries.next(view)? {
        match read(view, &entry, full.version)? {
            Ok(description) if carried.len() < MP4_DESCRIPTIONS_MAX => carried.push(description),
            Ok(_) => return Ok(Media::Other("a track with too many sample descriptions")),
            Err(name) => return Ok(Media::Other(name)),
        }
    }
    if carried.is_empty() {
        return Err(stsd.broken("a track has no sample description"));
    }
    Ok(Media::Carried(carried))
}

/// The `esds` box, in the entry or in QuickTime's `wave` box.
fn find_esds(
    view: &mut FileView<'_>,
    entry: &BoxHead,
    skip: u64,
) -> Result<Option<BoxHead>, FileError> {
    let mut boxes = entry.children(skip);
    while let Some(child) = boxes.next(view)? {
        match &child.kind {
            b"esds" => return Ok(Some(child)),
            b"wave" => return child.child(view, b"esds"),
            _ => {}
        }
    }
    Ok(None)
}

/// A small box's body.
fn body<'a>(view: &'a mut FileView<'_>, head: &BoxHead) -> Result<&'a [u8], FileError> {
    let bytes = usize::try_from(head.end.saturating_sub(head.body)).unwrap_or(usize::MAX);
    if bytes > MP4_WINDOW_BYTES {
        return Err(head.broken("a decoder's configuration is too large"));
    }
    view.bytes(head.body, bytes)
}

fn video_name(kind: [u8; 4]) -> &'static str {
    match &kind {
        b"hvc1" | b"hev1" | b"hvc2" | b"hev2" => "HEVC video",
        b"dvh1" | b"dvhe" | b"dva1" | b"dvav" => "Dolby Vision video",
        b"avc2" | b"avc4" | b"svc1" | b"mvc1" => "H.264 video in layers",
        b"vvc1" | b"vvi1" => "VVC video",
        b"av01" => "AV1 video",
        b"vp08" => "VP8 video",
        b"vp09" => "VP9 video",
        b"mp4v" => "MPEG-4 Part 2 video",
        b"s263" | b"h263" => "H.263 video",
        b"jpeg" | b"mjpa" | b"mjpb" | b"mjpg" => "Motion JPEG video",
        b"png " => "PNG pictures",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "ProRes video",
        b"AVdn" | b"AVdh" => "DNxHD video",
        b"encv" => ENCRYPTED_VIDEO,
        _ => "video of an unknown kind",
    }
}

fn audio_name(kind: [u8; 4]) -> &'static str {
    match &kind {
        b"ac-3" => "AC-3 audio",
        b"ec-3" => "E-AC-3 audio",
        b"ac-4" => "AC-4 audio",
        b"Opus" => "Opus audio",
        b"alac" => "ALAC audio",
        b"fLaC" => "FLAC audio",
        b".mp3" => "MP3 audio",
        b"samr" | b"sawb" => "AMR audio",
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" => "DTS audio",
        b"ulaw" | b"alaw" => "G.711 audio",
        b"lpcm" | b"ipcm" | b"fpcm" | b"sowt" | b"twos" | b"raw " | b"in24" | b"in32" | b"fl32"
        | b"fl64" | b"NONE" => "PCM audio",
        b"enca" => "encrypted audio",
        _ => "audio of an unknown kind",
    }
}

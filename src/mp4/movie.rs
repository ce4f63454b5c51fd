//! The movie box: a file's tracks, and which of them are played (ISO/IEC 14496-12, 8.2 to 8.4).
//! Non-goals: the sample tables themselves. Bound: `MP4_TRACKS_MAX` tracks are looked at; of each
//! no more is kept than where its tables stand.

use crate::base::limits::MP4_TRACKS_MAX;
use crate::codec::container::{FileError, Remedy};

use super::boxes::{self, BoxHead};
use super::edits::{self, Edit, Scales};
use super::media::{self, Description, Media, ENCRYPTED_VIDEO};
use super::view::FileView;

/// Boxes looked at in search of the header.
const TOP_BOXES_MAX: usize = 65_536;

/// What fragments of a track have where they say nothing (`trex`, 8.8.3).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Defaults {
    pub(super) description: u32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

/// A track that is played.
pub(super) struct TrackInfo {
    pub(super) id: u32,
    pub(super) scales: Scales,
    /// Of the media, in its own units, as the header says; 0 when it does not.
    pub(super) duration: u64,
    pub(super) edit: Edit,
    /// Its sample tables.
    pub(super) tables: BoxHead,
    pub(super) descriptions: Vec<Description>,
    /// `Some` when the file goes on in fragments.
    pub(super) fragments: Option<Defaults>,
    enabled: bool,
}

/// What is played of a file.
pub(super) struct Movie {
    pub(super) video: TrackInfo,
    pub(super) audio: Option<TrackInfo>,
    pub(super) left_out: Option<&'static str>,
    /// From `mehd`, in units of the movie's timescale.
    pub(super) fragments_duration: Option<u64>,
}

/// What is found while the tracks are gone through.
#[derive(Default)]
struct FoundTracks {
    video: Option<TrackInfo>,
    audio: Option<TrackInfo>,
    other_video: Option<&'static str>,
    other_audio: Option<&'static str>,
    cut: bool,
}

/// The header, wherever it stands.
pub(super) fn find(view: &mut FileView<'_>) -> Result<BoxHead, FileError> {
    let (mut at, mut has_fragments) = (0, false);
    for _ in 0..TOP_BOXES_MAX {
        let Some(head) = boxes::top(view, at)? else { break };
        let size = view.file.size();
        match &head.kind {
            b"moov" if head.end <= size => return Ok(head),
            b"moov" => return Err(FileError::Unfinished),
            b"moof" => has_fragments = true,
            _ => {}
        }
        at = head.end;
    }
    if has_fragments {
        return Err(FileError::NoBeginning);
    }
    Err(FileError::Unfinished)
}

/// Reads `moov`.
pub(super) fn read(view: &mut FileView<'_>, moov: &BoxHead) -> Result<Movie, FileError> {
    if moov.child(view, b"cmov")?.is_some() {
        let what = "a compressed header".to_owned();
        return Err(FileError::Unsupported { what, remedy: Remedy::Remux });
    }
    let mvhd = moov.child(view, b"mvhd")?.ok_or(moov.broken("it has no movie header"))?;
    let scale = timescale(view, &mvhd)?.0;
    let mvex = moov.child(view, b"mvex")?;
    let mut found = FoundTracks::default();
    let mut boxes = moov.children(0);
    let mut tracks_left = MP4_TRACKS_MAX;
    while let Some(child) = boxes.next(view)? {
        if child.kind == *b"trak" && tracks_left > 0 {
            tracks_left -= 1;
            track(view, &child, scale, mvex.as_ref(), &mut found)?;
        }
    }
    let fragments_duration = match mvex {
        Some(mvex) => whole_duration(view, &mvex)?,
        None => None,
    };
    let left_out = found.other_audio.or(found.other_video);
    match found.video {
        Some(video) => Ok(Movie { video, audio: found.audio, left_out, fragments_duration }),
        None => Err(why_no_video(&found)),
    }
}

fn why_no_video(found: &FoundTracks) -> FileError {
    if found.cut {
        let what = "a video track whose edit list has several parts".to_owned();
        return FileError::Unsupported { what, remedy: Remedy::Remux };
    }
    let Some(what) = found.other_video else {
        let has_sound = found.audio.is_some() || found.other_audio.is_some();
        return if has_sound { FileError::AudioOnly } else { FileError::NoVideo };
    };
    if what == ENCRYPTED_VIDEO {
        return FileError::Encrypted { what };
    }
    let audio_too = found.audio.is_none() && found.other_audio.is_some();
    let remedy = if audio_too { Remedy::Both } else { Remedy::Video };
    FileError::Unsupported { what: what.to_owned(), remedy }
}

/// Why sound is left out that is AAC all the same.
pub(super) const fn broken_audio(error: &FileError) -> &'static str {
    match error {
        FileError::Truncated { .. } => "a truncated audio track",
        _ => "a broken audio track",
    }
}

/// Reads one `trak`, and keeps it if it is better than what was found before: the first enabled
/// one of its kind, else the first. A broken one of sound is left out.
fn track(
    view: &mut FileView<'_>,
    trak: &BoxHead,
    movie_scale: u32,
    mvex: Option<&BoxHead>,
    found: &mut FoundTracks,
) -> Result<(), FileError> {
    let Some(mdia) = trak.child(view, b"mdia")? else { return Ok(()) };
    let Some(hdlr) = mdia.child(view, b"hdlr")? else { return Ok(()) };
    // Version and flags, then pre_defined (QuickTime: component type), then the handler's type.
    let is_video = match &view.array(hdlr.body.saturating_add(8))? {
        b"vide" => true,
        b"soun" => false,
        _ => return Ok(()),
    };
    let boxes = TrackBoxes { trak, mdia: &mdia, mvex, is_video };
    match boxes.read(view, movie_scale, found) {
        Err(FileError::Disk(error)) => Err(FileError::Disk(error)),
        Err(error) if !is_video => {
            found.other_audio.get_or_insert(broken_audio(&error));
            Ok(())
        }
        read => read,
    }
}

/// Where a track's boxes stand.
struct TrackBoxes<'a> {
    trak: &'a BoxHead,
    mdia: &'a BoxHead,
    mvex: Option<&'a BoxHead>,
    is_video: bool,
}

impl TrackBoxes<'_> {
    fn read(
        &self,
        view: &mut FileView<'_>,
        movie_scale: u32,
        found: &mut FoundTracks,
    ) -> Result<(), FileError> {
        let TrackBoxes { trak, mdia, mvex, is_video } = *self;
        let Some(minf) = mdia.child(view, b"minf")? else { return Ok(()) };
        let tables = minf.child(view, b"stbl")?.ok_or(minf.broken("a track has no tables"))?;
        let stsd = tables.child(view, b"stsd")?;
        let stsd = stsd.ok_or(tables.broken("a track has no sample description"))?;
        let media = if is_video { media::video(view, &stsd)? } else { media::audio(view, &stsd)? };
        let (place, other) = if is_video {
            (&mut found.video, &mut found.other_video)
        } else {
            (&mut found.audio, &mut found.other_audio)
        };
        let descriptions = match media {
            Media::Carried(descriptions) => descriptions,
            Media::Other(name) => {
                other.get_or_insert(name);
                return Ok(());
            }
        };
        let tkhd = trak.child(view, b"tkhd")?.ok_or(trak.broken("a track has no header"))?;
        let (enabled, id) = header(view, &tkhd)?;
        if place.as_ref().is_some_and(|kept| kept.enabled || !enabled) {
            return Ok(());
        }
        let mdhd = mdia.child(view, b"mdhd")?.ok_or(mdia.broken("a track has no media header"))?;
        let (media_scale, duration) = timescale(view, &mdhd)?;
        let scales = Scales { movie: movie_scale, media: media_scale };
        let Some(edit) = edit(view, trak, scales)? else {
            found.cut |= is_video;
            if !is_video {
                other.get_or_insert("an audio track whose edit list has several parts");
            }
            return Ok(());
        };
        let fragments = match mvex {
            Some(mvex) => Some(defaults(view, mvex, id)?),
            None => None,
        };
        let info =
            TrackInfo { id, scales, duration, edit, tables, descriptions, fragments, enabled };
        *place = Some(info);
        Ok(())
    }
}

/// Whether a track is enabled, and its id (`tkhd`, 8.3.2).
fn header(view: &mut FileView<'_>, tkhd: &BoxHead) -> Result<(bool, u32), FileError> {
    let full = tkhd.full(view)?;
    let times_bytes = if full.version == 1 { 16 } else { 8 };
    Ok((full.flags & 1 != 0, view.u32(full.fields.saturating_add(times_bytes))?))
}

/// Timescale and duration, which `mvhd` and `mdhd` have in the same place (8.2.2, 8.4.2).
fn timescale(view: &mut FileView<'_>, head: &BoxHead) -> Result<(u32, u64), FileError> {
    let full = head.full(view)?;
    let (scale, duration) = if full.version == 1 {
        let at = full.fields.saturating_add(16);
        (view.u32(at)?, view.u64(at.saturating_add(4))?)
    } else {
        let at = full.fields.saturating_add(8);
        let duration = view.u32(at.saturating_add(4))?;
        (view.u32(at)?, if duration == u32::MAX { 0 } else { u64::from(duration) })
    };
    if scale == 0 {
        return Err(head.broken("a time scale is zero"));
    }
    Ok((scale, if duration == u64::MAX { 0 } else { duration }))
}

fn edit(
    view: &mut FileView<'_>,
    trak: &BoxHead,
    scales: Scales,
) -> Result<Option<Edit>, FileError> {
    let Some(edts) = trak.child(view, b"edts")? else { return Ok(Some(Edit::default())) };
    match edts.child(view, b"elst")? {
        Some(elst) => edits::read(view, &elst, scales),
        None => Ok(Some(Edit::default())),
    }
}

fn defaults(view: &mut FileView<'_>, mvex: &BoxHead, track: u32) -> Result<Defaults, FileError> {
    let mut boxes = mvex.children(0);
    while let Some(trex) = boxes.next(view)? {
        if trex.kind != *b"trex" {
            continue;
        }
        let at = trex.full(view)?.fields;
        if view.u32(at)? == track {
            return Ok(Defaults {
                description: view.u32(at.saturating_add(4))?,
                duration: view.u32(at.saturating_add(8))?,
                size: view.u32(at.saturating_add(12))?,
                flags: view.u32(at.saturating_add(16))?,
            });
        }
    }
    Ok(Defaults { description: 1, ..Defaults::default() })
}

/// How long the fragments play (`mehd`, 8.8.2), when it is said.
fn whole_duration(view: &mut FileView<'_>, mvex: &BoxHead) -> Result<Option<u64>, FileError> {
    let Some(mehd) = mvex.child(view, b"mehd")? else { return Ok(None) };
    let full = mehd.full(view)?;
    let duration = match full.version {
        1 => view.u64(full.fields)?,
        _ => u64::from(view.u32(full.fields)?),
    };
    Ok(Some(duration).filter(|duration| *duration > 0))
}

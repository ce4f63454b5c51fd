//! Reads an MP4 file's access units. Purpose: both tracks in the order of their decoding times,
//! streamed in pieces. Non-goals: anything but the first enabled H.264 and the first enabled AAC
//! track. Bound: `MP4_READER_BYTES`, whatever the file's length; a call of `next` reads one piece
//! and looks at `MP4_STEPS_MAX` boxes or table entries a track.

use crate::base::limits::{FILE_WINDOW_BYTES, MP4_WINDOW_BYTES};
use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::container::{
    ContainerReader, Contents, Damage, FileError, Progress, ReadAt, Timing,
};
use crate::codec::length_units::{LengthUnits, UnitOutcome};
use crate::codec::per_track::PerTrack;
use crate::codec::window::FileWindow;

use super::clock;
use super::lane::{SampleTrack, NOT_DESCRIBED};
use super::movie::{self, Movie};
use super::tables::Sample;
use super::view::{self, FileView};

/// Audio up to this long before the first picture is kept: what a decoder is primed with.
const AUDIO_AHEAD: Ticks = Ticks::from_ms(1000);
/// What begins no later than this, in fragments, begins when it is said to.
const LATE_START: Ticks = Ticks::from_ms(1000);
/// Key pictures gone back at the beginning, for one that is shown no later than time 0.
const KEYS_BACK_MAX: usize = 16;

/// Whether a file that begins like this is an MP4 file or one of its relatives: by the type of
/// its first box (ISO/IEC 14496-12, 4.3; QuickTime files may begin with any). 8 bytes suffice.
pub fn is_mp4(head: &[u8]) -> bool {
    let Some(([a, b, c, d, kind @ ..], _)) = head.split_first_chunk::<8>() else { return false };
    let size = u32::from_be_bytes([*a, *b, *c, *d]);
    let known = matches!(
        kind,
        b"ftyp" | b"moov" | b"mdat" | b"free" | b"skip" | b"wide" | b"moof" | b"styp" | b"pnot"
    );
    known && !(2..8).contains(&size)
}

/// Reads a file.
pub struct Mp4File {
    contents: Contents,
    picture_end: Option<Ticks>,
    video: SampleTrack,
    audio: Option<SampleTrack>,
    /// What is handed over at the moment.
    open: Option<OpenUnit>,
    /// The description of the sample before, per track.
    described: PerTrack<Option<u32>>,
    units: LengthUnits,
    /// A piece of a picture.
    pictures: FileWindow,
    /// Audio samples are short and stand together.
    sounds: FileWindow,
    broken: u64,
    damage: Damage,
}

/// A sample that is being handed over.
struct OpenUnit {
    track: Track,
    /// Where its next byte stands, and how many are left.
    at: u64,
    left: u32,
}

impl Mp4File {
    /// Reads a file's header, and looks whether what it tells of is there.
    ///
    /// # Errors
    /// Unfinished without a header, truncated without its last samples; what cannot be carried, or
    /// contradicts itself.
    pub fn open(file: &mut dyn ReadAt) -> Result<Mp4File, FileError> {
        let (mut window, mut pictures) = (view::window(), FileWindow::new());
        // Pictures stand among sounds: no more is read than is asked for.
        pictures.set_stride(0);
        let mut view = FileView { file, window: &mut window };
        let moov = movie::find(&mut view)?;
        let ends_with_header = moov.end >= view.file.size();
        let Movie { video, audio, mut left_out, fragments_duration } =
            movie::read(&mut view, &moov)?;
        let stated = fragments_duration.map(|units| clock::span(units, video.scales.movie));
        let mut end = stated;
        let video = SampleTrack::open(&mut view, video, ends_with_header, &mut end)?;
        let picture_end = end.filter(|_| stated.is_none());
        let audio =
            audio.map(|audio| SampleTrack::open(&mut view, audio, ends_with_header, &mut end));
        let audio = match audio.transpose() {
            Ok(audio) => audio,
            Err(FileError::Disk(error)) => return Err(FileError::Disk(error)),
            // What is wrong with the sound is no reason to do without the picture.
            Err(error) => {
                left_out = Some(movie::broken_audio(&error));
                None
            }
        };
        let mut units = LengthUnits::new();
        units.expect_entry();
        let mut reader = Mp4File {
            contents: Contents { left_out, ..Contents::default() },
            picture_end,
            video,
            audio,
            open: None,
            described: PerTrack::default(),
            units,
            pictures,
            sounds: window,
            broken: 0,
            damage: Damage::default(),
        };
        reader.begin(file)?;
        let late = reader.rebase(file)?;
        reader.picture_end = picture_end.map(|end| end - late);
        reader.contents.video = Some(reader.video.first_config(file, &mut reader.pictures)?);
        if let Some(TrackConfig::Aac(aac)) = reader.audio.as_ref().and_then(|lane| lane.config(0)) {
            reader.contents.audio = Some(aac.clone());
        }
        reader.contents.duration = end.map(|end| end - late).filter(|end| *end > Ticks(0));
        Ok(reader)
    }

    /// Units left out so far because the lengths in them do not add up, or because they are empty.
    pub const fn broken(&self) -> u64 {
        self.broken
    }

    /// Goes to where what is shown begins. Media before it that no picture needs is passed over.
    fn begin(&mut self, file: &mut dyn ReadAt) -> Result<(), FileError> {
        let start = self.video.clock().cut_at();
        let from = start.unwrap_or(Ticks(i64::MIN));
        if !self.video.seek_key(file, &mut self.pictures, from)? {
            return Err(FileError::NoVideo);
        }
        let mut from = Ticks(i64::MAX);
        for _ in 0..KEYS_BACK_MAX {
            let Some((dts, pts)) = self.video.peek(file)? else { break };
            let is_first = dts >= from;
            from = dts;
            if is_first || start.is_none_or(|start| pts <= start) {
                break;
            }
            self.video.seek_key(file, &mut self.pictures, dts - Ticks(1))?;
        }
        let Some(audio) = &mut self.audio else { return Ok(()) };
        audio.rewind(file)?;
        match audio.peek(file)? {
            Some((dts, _)) if dts < from - AUDIO_AHEAD => audio.seek_from(file, from),
            _ => Ok(()),
        }
    }

    /// Lets time begin with the file where its first fragment is far from 0: a piece of an endless
    /// recording. Returns how far.
    fn rebase(&mut self, file: &mut dyn ReadAt) -> Result<Ticks, FileError> {
        let video = self.video.peek(file)?;
        let audio = match &mut self.audio {
            Some(audio) => audio.peek(file).unwrap_or_default(),
            None => None,
        };
        let begins = video.into_iter().chain(audio).map(|(_, pts)| pts).min();
        let late = begins.filter(|at| self.video.is_fragmented() && *at > LATE_START);
        let late = late.unwrap_or_default();
        self.video.rebase(late);
        if let Some(audio) = &mut self.audio {
            audio.rebase(late);
        }
        Ok(late)
    }

    fn lane(&mut self, track: Track) -> Option<&mut SampleTrack> {
        match track {
            Track::Video => Some(&mut self.video),
            Track::Audio => self.audio.as_mut(),
        }
    }

    /// The track whose sample is next: the one decoded first, video before audio.
    fn choose(&self) -> Option<(Track, Sample)> {
        let audio = self.audio.as_ref().and_then(SampleTrack::known);
        match (self.video.known(), audio) {
            (Some((video_dts, _)), Some((audio_dts, sample))) if audio_dts < video_dts => {
                Some((Track::Audio, sample))
            }
            (Some((_, sample)), _) => Some((Track::Video, sample)),
            (None, audio) => audio.map(|(_, sample)| (Track::Audio, sample)),
        }
    }

    /// Opens a sample, at the sink if it is sound, with its configuration before it when that is
    /// new. Of a picture the NAL units say when.
    fn begin_unit(
        &mut self,
        track: Track,
        sample: &Sample,
        sink: &mut dyn UnitSink,
    ) -> Result<(), FileError> {
        let before = self.described[track].replace(sample.description);
        let Some(lane) = self.lane(track) else { return Ok(()) };
        lane.take();
        let (dts, pts) = lane.clock().times(sample);
        let at = sample.offset;
        if !lane.is_described(sample.description) {
            return Err(FileError::Broken { what: NOT_DESCRIBED, at });
        }
        match track {
            Track::Video => {
                if before != Some(sample.description) {
                    let record = self.video.avc(sample.description);
                    self.units.set_record(record, self.video.length_bytes(sample.description));
                }
                let bytes = usize::try_from(sample.bytes).unwrap_or(usize::MAX);
                self.units.begin(dts, pts, bytes, sink);
            }
            Track::Audio => {
                let config = lane.config(sample.description);
                if let Some(config) = config
                    .filter(|config| before.and_then(|before| lane.config(before)) != Some(config))
                {
                    sink.config(config);
                }
            }
        }
        if sample.bytes == 0 {
            self.broken += 1;
            self.units.abort(sink);
            return Ok(());
        }
        if track == Track::Audio {
            sink.begin(UnitStart { track, dts, pts, key: false });
        }
        self.open = Some(OpenUnit { track, at, left: sample.bytes });
        Ok(())
    }

    /// Hands the next piece of the open unit over.
    fn pass_on(
        &mut self,
        mut unit: OpenUnit,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<(), FileError> {
        let track = unit.track;
        let wanted = usize::try_from(unit.left).unwrap_or(usize::MAX);
        let read = match track {
            Track::Video => self.pictures.exact(file, unit.at, wanted.min(FILE_WINDOW_BYTES)),
            Track::Audio => self.sounds.exact(file, unit.at, wanted.min(MP4_WINDOW_BYTES)),
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => {
                self.open = Some(unit);
                self.give_up(sink);
                return Err(error);
            }
        };
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        unit.at = unit.at.saturating_add(u64::from(count));
        unit.left = unit.left.saturating_sub(count);
        match track {
            Track::Video => self.units.data(bytes, sink),
            Track::Audio => sink.write(track, bytes),
        }
        if unit.left > 0 {
            self.open = Some(unit);
            return Ok(());
        }
        let outcome = match track {
            Track::Video => self.units.end(sink),
            Track::Audio => {
                sink.commit(track);
                UnitOutcome::Whole
            }
        };
        match outcome {
            UnitOutcome::Whole => self.damage.count(1, 0),
            UnitOutcome::Held => {}
            UnitOutcome::Broken | UnitOutcome::Unconfigured { .. } => {
                self.broken += 1;
                self.damage.count(0, 1);
                self.damage.judge(unit.at)?;
            }
        }
        Ok(())
    }

    /// Looks for the next sound. Where that fails, the picture goes on alone.
    fn look_for_sound(&mut self, file: &mut dyn ReadAt) -> Result<bool, FileError> {
        let Some(audio) = &mut self.audio else { return Ok(true) };
        match audio.look(file) {
            Err(FileError::Disk(error)) => Err(FileError::Disk(error)),
            Err(error) => {
                self.contents.left_out = Some(movie::broken_audio(&error));
                self.audio = None;
                Ok(true)
            }
            known => known,
        }
    }
}

impl ContainerReader for Mp4File {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn timing(&self) -> Timing {
        Timing::Tables
    }

    fn picture_end(&self) -> Option<Ticks> {
        self.picture_end
    }

    fn step(
        &mut self,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        if self.open.is_none() {
            let video_is_known = self.video.look(file)?;
            let audio_is_known = self.look_for_sound(file)?;
            if !(video_is_known && audio_is_known) {
                return Ok(Progress::More);
            }
            let Some((track, sample)) = self.choose() else { return Ok(Progress::End) };
            self.begin_unit(track, &sample, sink)?;
        }
        if let Some(unit) = self.open.take() {
            self.pass_on(unit, file, sink)?;
        }
        Ok(Progress::More)
    }

    fn give_up(&mut self, sink: &mut dyn UnitSink) {
        match self.open.take().map(|unit| unit.track) {
            Some(Track::Video) => {
                self.units.abort(sink);
            }
            Some(Track::Audio) => sink.abort(Track::Audio),
            None => {}
        }
    }

    fn seek(
        &mut self,
        file: &mut dyn ReadAt,
        to: Ticks,
        sink: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError> {
        self.give_up(sink);
        self.units.restart(sink);
        self.described = PerTrack::default();
        self.damage = Damage::default();
        if !self.video.seek_key(file, &mut self.pictures, to)? {
            return Err(FileError::NoVideo);
        }
        let Some((dts, _)) = self.video.peek(file)? else { return Err(FileError::NoVideo) };
        if let Some(audio) = &mut self.audio {
            audio.seek_from(file, dts)?;
        }
        Ok(dts)
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;

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
use crate::codec::nal_lengths::NalLengths;
use crate::codec::window::Window;

use super::clock;
use super::lane::Lane;
use super::movie::{self, Movie};
use super::tables::Sample;
use super::view::{self, View};

/// Audio up to this long before the first picture is kept: what a decoder is primed with.
const AUDIO_AHEAD: Ticks = Ticks::from_ms(1000);
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
    video: Lane,
    audio: Option<Lane>,
    /// What is handed over at the moment.
    open: Option<OpenUnit>,
    /// The description last told, per track.
    told: [Option<u32>; 2],
    /// A piece of a picture.
    pictures: Window,
    /// Audio samples are short and stand together.
    sounds: Window,
    broken: u64,
    damage: Damage,
}

/// A sample that is being handed over.
struct OpenUnit {
    track: Track,
    /// Where its next byte stands, and how many are left.
    at: u64,
    left: u32,
    /// `None` for audio.
    lengths: Option<NalLengths>,
}

impl Mp4File {
    /// Reads a file's header, and looks whether what it tells of is there.
    ///
    /// # Errors
    /// Unfinished without a header, truncated without its last samples; what cannot be carried, or
    /// contradicts itself.
    pub fn open(file: &mut dyn ReadAt) -> Result<Mp4File, FileError> {
        let (mut window, mut pictures) = (view::window(), Window::new());
        // Pictures stand among sounds: no more is read than is asked for.
        pictures.set_stride(0);
        let mut view = View { file, window: &mut window };
        let moov = movie::find(&mut view)?;
        let ends_with_header = moov.end >= view.file.size();
        let Movie { video, audio, left_out, fragments_duration } = movie::read(&mut view, &moov)?;
        let stated = fragments_duration.map(|units| clock::span(units, video.scales.movie));
        let mut end = stated;
        let mut contents = Contents { left_out, ..Contents::default() };
        let mut video = Lane::open(&mut view, video, ends_with_header, &mut end)?;
        let picture_end = end.filter(|_| stated.is_none());
        video.learn_config(view.file, &mut pictures)?;
        let audio = match audio {
            Some(audio) => Some(Lane::open(&mut view, audio, ends_with_header, &mut end)?),
            None => None,
        };
        if let Some(TrackConfig::Avc(avc)) = video.config(0) {
            contents.video = Some(avc.clone());
        }
        if let Some(TrackConfig::Aac(aac)) = audio.as_ref().and_then(|audio| audio.config(0)) {
            contents.audio = Some(aac.clone());
        }
        contents.duration = end.filter(|end| *end > Ticks(0));
        let mut reader = Mp4File {
            contents,
            picture_end,
            video,
            audio,
            open: None,
            told: [None; 2],
            pictures,
            sounds: window,
            broken: 0,
            damage: Damage::default(),
        };
        reader.begin(file)?;
        Ok(reader)
    }

    /// Units left out so far because the lengths in them do not add up, or because they are empty.
    pub const fn broken(&self) -> u64 {
        self.broken
    }

    /// Goes to where what is shown begins. Media before it that no picture needs is passed over.
    fn begin(&mut self, file: &mut dyn ReadAt) -> Result<(), FileError> {
        let start = self.video.clock().cut_at();
        if !self.video.seek_key(file, start.unwrap_or(Ticks(i64::MIN)))? {
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
            self.video.seek_key(file, dts - Ticks(1))?;
        }
        let Some(audio) = &mut self.audio else { return Ok(()) };
        audio.rewind(file)?;
        match audio.peek(file)? {
            Some((dts, _)) if dts < from - AUDIO_AHEAD => audio.seek_from(file, from),
            _ => Ok(()),
        }
    }

    fn lane(&mut self, track: Track) -> Option<&mut Lane> {
        match track {
            Track::Video => Some(&mut self.video),
            Track::Audio => self.audio.as_mut(),
        }
    }

    /// The track whose sample is next: the one decoded first, video before audio.
    fn choose(&self) -> Option<(Track, Sample)> {
        let audio = self.audio.as_ref().and_then(Lane::known);
        match (self.video.known(), audio) {
            (Some((video_dts, _)), Some((audio_dts, sample))) if audio_dts < video_dts => {
                Some((Track::Audio, sample))
            }
            (Some((_, sample)), _) => Some((Track::Video, sample)),
            (None, audio) => audio.map(|(_, sample)| (Track::Audio, sample)),
        }
    }

    /// Opens a sample at the sink, with its configuration before it when that is new.
    fn begin_unit(
        &mut self,
        track: Track,
        sample: &Sample,
        sink: &mut dyn UnitSink,
    ) -> Result<(), FileError> {
        let told = self.told.get(track.index()).copied().flatten();
        let Some(lane) = self.lane(track) else { return Ok(()) };
        lane.take();
        let (dts, pts) = lane.clock().times(sample);
        let at = sample.offset;
        let Some(config) = lane.config(sample.description) else {
            let what = "a picture or sound is of a kind that is not described";
            return Err(FileError::Broken { what, at });
        };
        if told.and_then(|told| lane.config(told)) != Some(config) {
            sink.config(config);
        }
        let lengths = match track {
            Track::Video => Some(lane.lengths(sample)),
            Track::Audio => None,
        };
        if let Some(told) = self.told.get_mut(track.index()) {
            *told = Some(sample.description);
        }
        if sample.bytes == 0 {
            self.broken += 1;
            return Ok(());
        }
        let key = sample.key && track == Track::Video;
        sink.begin(UnitStart { track, dts, pts, key });
        self.open = Some(OpenUnit { track, at, left: sample.bytes, lengths });
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
        let bytes = read.inspect_err(|_| sink.abort(track))?;
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        unit.at = unit.at.saturating_add(u64::from(count));
        unit.left = unit.left.saturating_sub(count);
        let fits = match &mut unit.lengths {
            Some(lengths) => lengths.data(bytes, sink).is_ok(),
            None => {
                sink.write(track, bytes);
                true
            }
        };
        if fits && unit.left > 0 {
            self.open = Some(unit);
        } else if fits && unit.lengths.is_none_or(|lengths| lengths.is_whole()) {
            sink.commit(track);
            self.damage.count(1, 0);
        } else {
            self.broken += 1;
            sink.abort(track);
            self.damage.count(0, 1);
            self.damage.judge(unit.at)?;
        }
        Ok(())
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
            let audio_is_known = match &mut self.audio {
                Some(audio) => audio.look(file)?,
                None => true,
            };
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
        if let Some(unit) = self.open.take() {
            sink.abort(unit.track);
        }
    }

    fn seek(
        &mut self,
        file: &mut dyn ReadAt,
        to: Ticks,
        sink: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError> {
        self.give_up(sink);
        self.told = [None; 2];
        self.damage = Damage::default();
        if !self.video.seek_key(file, to)? {
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

//! Reads an MP4 file's access units. Purpose: both tracks in the order of their decoding times,
//! streamed in pieces. Non-goals: anything but the first enabled H.264 and the first enabled AAC
//! track. Bound: `MP4_READER_BYTES`, whatever the file's length; a call of `next` reads one piece
//! and looks at `MP4_STEPS_MAX` boxes or table entries a track.

use crate::base::limits::{MP4_PIECE_BYTES, MP4_STEPS_MAX, MP4_WALK_STEPS_MAX, MP4_WINDOW_BYTES};
use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::container::{ContainerReader, Contents, FileError, Progress, ReadAt, Remedy};

use super::boxes::{self, BoxHead};
use super::fragments::Found;
use super::media::Description;
use super::movie::{self, Movie, TrackInfo};
use super::payload::Lengths;
use super::tables::Sample;
use super::track::TrackCursor;
use super::window::{View, Window};

/// Audio up to this long before the first picture is kept: what a decoder is primed with.
const AUDIO_AHEAD: Ticks = Ticks::from_ms(1000);
/// Key pictures gone back at the beginning, for one that is shown no later than time 0.
const KEYS_BACK_MAX: usize = 16;
/// Boxes looked at in search of the header.
const TOP_BOXES_MAX: usize = 65_536;

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
pub struct Mp4Reader {
    contents: Contents,
    video: Lane,
    audio: Option<Lane>,
    /// What is handed over at the moment.
    open: Option<OpenUnit>,
    /// The description last told, per track.
    told: [Option<u32>; 2],
    piece: Box<[u8]>,
    /// Audio samples are short and stand together.
    sounds: Window,
    broken: u64,
}

/// A track on its way into the programme.
struct Lane {
    cursor: TrackCursor,
    descriptions: Vec<Description>,
    head: Head,
}

/// A track's next sample.
#[derive(Clone, Copy)]
enum Head {
    Unknown,
    Known(Sample),
    End,
}

/// A sample that is being handed over.
struct OpenUnit {
    track: Track,
    /// Where its next byte stands, and how many are left.
    at: u64,
    left: u32,
    /// `None` for audio.
    lengths: Option<Lengths>,
}

impl Mp4Reader {
    /// Reads a file's header, and looks whether what it tells of is there.
    ///
    /// # Errors
    /// Truncated without a header (a recording that was not finished) or without its last
    /// samples; what cannot be carried, or contradicts itself.
    pub fn open(file: &mut dyn ReadAt) -> Result<Mp4Reader, FileError> {
        let mut window = Window::new();
        let mut view = View { file, window: &mut window };
        let moov = find_header(&mut view)?;
        let ends_with_header = moov.end >= view.file.size();
        let Movie { video, audio, left_out, fragments_duration } = movie::read(&mut view, &moov)?;
        let stated = fragments_duration.map(|units| super::clock::span(units, video.scales.movie));
        let mut end = stated;
        let mut contents = Contents { left_out, ..Contents::default() };
        let video = Lane::open(&mut view, video, ends_with_header, &mut end)?;
        let audio = match audio {
            Some(audio) => Some(Lane::open(&mut view, audio, ends_with_header, &mut end)?),
            None => None,
        };
        if let Some(TrackConfig::Avc(avc)) = video.config() {
            contents.video = Some(avc.clone());
        }
        if let Some(TrackConfig::Aac(aac)) = audio.as_ref().and_then(|audio| audio.config()) {
            contents.audio = Some(aac.clone());
        }
        contents.duration = end.filter(|end| *end > Ticks(0));
        let mut reader = Mp4Reader {
            contents,
            video,
            audio,
            open: None,
            told: [None; 2],
            piece: vec![0; MP4_PIECE_BYTES].into_boxed_slice(),
            sounds: window,
            broken: 0,
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
        let start = self.video.cursor.clock().cut_at();
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
        lane.head = Head::Unknown;
        let (dts, pts) = lane.cursor.clock().times(sample);
        let at = sample.offset;
        let Some(description) = lane.description(sample.description) else {
            let what = "a picture or sound is of a kind that is not described";
            return Err(FileError::Broken { what, at });
        };
        let lengths = match track {
            Track::Video => Some(Lengths::new(description.length_bytes, sample.bytes)),
            Track::Audio => None,
        };
        let before = told.and_then(|told| lane.description(told));
        if before.is_none_or(|before| before.config != description.config) {
            sink.config(&description.config);
        }
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
            Track::Video => fill(file, unit.at, wanted, &mut self.piece),
            Track::Audio => self.sounds.bytes(file, unit.at, wanted.min(MP4_WINDOW_BYTES)),
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => {
                sink.abort(track);
                return Err(error);
            }
        };
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        unit.at = unit.at.saturating_add(u64::from(count));
        unit.left = unit.left.saturating_sub(count);
        let fits = match &mut unit.lengths {
            Some(lengths) => lengths.pass(bytes, sink).is_ok(),
            None => {
                sink.write(track, bytes);
                true
            }
        };
        if fits && unit.left > 0 {
            self.open = Some(unit);
        } else if fits && unit.lengths.is_none_or(|lengths| lengths.is_whole()) {
            sink.commit(track);
        } else {
            self.broken += 1;
            sink.abort(track);
        }
        Ok(())
    }
}

impl ContainerReader for Mp4Reader {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn next(
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

    fn seek(
        &mut self,
        file: &mut dyn ReadAt,
        to: Ticks,
        sink: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError> {
        if let Some(unit) = self.open.take() {
            sink.abort(unit.track);
        }
        self.told = [None; 2];
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

impl Lane {
    /// Opens a track; `end` becomes the later of the tracks' ends.
    fn open(
        view: &mut View<'_>,
        info: TrackInfo,
        ends_with_header: bool,
        end: &mut Option<Ticks>,
    ) -> Result<Lane, FileError> {
        let mut cursor = TrackCursor::open(view, &info, ends_with_header)?;
        let counted = if cursor.is_fragmented() {
            cursor.survey_fragments(view.file)?
        } else {
            cursor.stated_end(&info)
        };
        *end = (*end).max(counted);
        Ok(Lane { cursor, descriptions: info.descriptions, head: Head::Unknown })
    }

    fn description(&self, number: u32) -> Option<&Description> {
        self.descriptions.get(usize::try_from(number).ok()?)
    }

    fn config(&self) -> Option<&TrackConfig> {
        self.description(0).map(|description| &description.config)
    }

    /// Looks for the next sample; false when it has to be asked again.
    fn look(&mut self, file: &mut dyn ReadAt) -> Result<bool, FileError> {
        if matches!(self.head, Head::Unknown) {
            self.head = match self.cursor.next(file)? {
                Found::Sample(sample) => Head::Known(sample),
                Found::Searching => Head::Unknown,
                Found::End => Head::End,
            };
        }
        Ok(!matches!(self.head, Head::Unknown))
    }

    /// The next sample and its DTS, if it is known.
    fn known(&self) -> Option<(Ticks, Sample)> {
        match self.head {
            Head::Known(sample) => Some((self.cursor.clock().times(&sample).0, sample)),
            Head::Unknown | Head::End => None,
        }
    }

    /// Looks for the next sample until it is known, and tells its times.
    fn peek(&mut self, file: &mut dyn ReadAt) -> Result<Option<(Ticks, Ticks)>, FileError> {
        let mut left = MP4_WALK_STEPS_MAX / MP4_STEPS_MAX;
        while !self.look(file)? && left > 0 {
            left -= 1;
        }
        Ok(self.known().map(|(_, sample)| self.cursor.clock().times(&sample)))
    }

    fn rewind(&mut self, file: &mut dyn ReadAt) -> Result<(), FileError> {
        self.head = Head::Unknown;
        self.cursor.rewind(file)
    }

    fn seek_key(&mut self, file: &mut dyn ReadAt, to: Ticks) -> Result<bool, FileError> {
        self.head = Head::Unknown;
        self.cursor.seek_key(file, to)
    }

    fn seek_from(&mut self, file: &mut dyn ReadAt, from: Ticks) -> Result<(), FileError> {
        self.head = Head::Unknown;
        self.cursor.seek_from(file, from)
    }
}

/// The header, wherever it stands.
fn find_header(view: &mut View<'_>) -> Result<BoxHead, FileError> {
    let (mut at, mut has_fragments) = (0, false);
    for _ in 0..TOP_BOXES_MAX {
        let Some(head) = boxes::top(view, at)? else { break };
        let size = view.file.size();
        match &head.kind {
            b"moov" if head.end <= size => return Ok(head),
            b"moov" => return Err(FileError::Truncated { at: size }),
            b"moof" => has_fragments = true,
            _ => {}
        }
        at = head.end;
    }
    if has_fragments {
        let what = "fragments without the beginning they belong to".to_owned();
        return Err(FileError::Unsupported { what, remedy: Remedy::Remux });
    }
    // The header is written last: without one, the recording was not finished.
    Err(FileError::Truncated { at: at.max(view.file.size()) })
}

/// The next bytes, as many as are wanted and fit.
fn fill<'a>(
    file: &mut dyn ReadAt,
    at: u64,
    wanted: usize,
    piece: &'a mut [u8],
) -> Result<&'a [u8], FileError> {
    let count = wanted.min(piece.len());
    let place = piece.get_mut(..count).unwrap_or_default();
    let read = file.read_at(at, place)?;
    if read < count {
        let missing = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        return Err(FileError::Truncated { at: missing });
    }
    Ok(place)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;

//! Reads the tags of an FLV file that lies in memory (Adobe FLV specification 10.1, E.2 to E.4.1).
//! Non-goals: what the bodies say, seeking. Bound: the caller's slice; nothing is copied.

use std::fmt;

use crate::codec::access_unit::Track;

const SIGNATURE: [u8; 3] = *b"FLV";
const VERSION: u8 = 1;
/// Bytes of a PreviousTagSize field. Its value is not looked at: writers get it wrong.
const BACK_POINTER_BYTES: usize = 4;

/// What a tag holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagKind {
    /// TagType 8.
    Audio,
    /// TagType 9.
    Video,
    /// TagType 18: AMF0.
    Script,
}

impl From<Track> for TagKind {
    fn from(track: Track) -> TagKind {
        match track {
            Track::Audio => TagKind::Audio,
            Track::Video => TagKind::Video,
        }
    }
}

/// A tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// What it holds.
    pub kind: TagKind,
    /// Decoding time, milliseconds, with its extension to 32 bits.
    pub timestamp_ms: u32,
    /// Its data: header (see [`tag`](super::tag)) and payload.
    pub body: &'a [u8],
}

/// Why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlvError {
    /// It does not begin as FLV files do.
    NotFlv,
    /// An FLV version other than 1.
    Version(u8),
    /// The file ends within the header or the tag that begins at this byte.
    Truncated(usize),
    /// The tag that begins at this byte is encrypted.
    Encrypted(usize),
}

impl fmt::Display for FlvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlvError::NotFlv => f.write_str("not an FLV file"),
            FlvError::Version(version) => write!(f, "FLV version {version} is unknown"),
            FlvError::Truncated(offset) => {
                write!(f, "the FLV file ends in the middle of the tag at byte {offset}")
            }
            FlvError::Encrypted(offset) => write!(f, "the FLV tag at byte {offset} is encrypted"),
        }
    }
}

impl std::error::Error for FlvError {}

/// An iterator over a file's tags, in their order. Tags of other types than those of [`TagKind`]
/// are passed over. After an error it ends.
#[derive(Clone, Debug)]
pub struct FlvReader<'a> {
    file: &'a [u8],
    offset: usize,
}

impl<'a> FlvReader<'a> {
    /// Reads the file's header.
    pub fn new(file: &'a [u8]) -> Result<FlvReader<'a>, FlvError> {
        let (header, _) = file.split_first_chunk::<9>().ok_or(FlvError::NotFlv)?;
        let [s0, s1, s2, version, _has_audio_video, o0, o1, o2, o3] = *header;
        if [s0, s1, s2] != SIGNATURE {
            return Err(FlvError::NotFlv);
        }
        if version != VERSION {
            return Err(FlvError::Version(version));
        }
        let offset = usize::try_from(u32::from_be_bytes([o0, o1, o2, o3]))
            .ok()
            .and_then(|data| data.checked_add(BACK_POINTER_BYTES))
            .filter(|&first_tag| first_tag <= file.len())
            .ok_or(FlvError::Truncated(0))?;
        Ok(FlvReader { file, offset })
    }

    /// The tag at the current offset, which is advanced behind it; `None` for a type that is
    /// passed over.
    fn read_tag(&mut self) -> Result<Option<Tag<'a>>, FlvError> {
        let start = self.offset;
        let truncated = FlvError::Truncated(start);
        let rest = self.file.get(start..).ok_or(truncated)?;
        let (header, rest) = rest.split_first_chunk::<11>().ok_or(truncated)?;
        let [kind, d0, d1, d2, t0, t1, t2, extension, _, _, _] = *header;
        if kind & 0x20 != 0 {
            return Err(FlvError::Encrypted(start));
        }
        let bytes = usize::try_from(u32::from_be_bytes([0, d0, d1, d2])).unwrap_or(usize::MAX);
        let body = rest.get(..bytes).ok_or(truncated)?;
        self.offset = start + header.len() + bytes + BACK_POINTER_BYTES;
        let kind = match kind & 0x1f {
            8 => TagKind::Audio,
            9 => TagKind::Video,
            18 => TagKind::Script,
            _ => return Ok(None),
        };
        let timestamp_ms = u32::from_be_bytes([extension, t0, t1, t2]);
        Ok(Some(Tag { kind, timestamp_ms, body }))
    }
}

impl<'a> Iterator for FlvReader<'a> {
    type Item = Result<Tag<'a>, FlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.offset < self.file.len() {
            match self.read_tag() {
                Ok(Some(tag)) => return Some(Ok(tag)),
                Ok(None) => {}
                Err(error) => {
                    self.offset = self.file.len();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";

    fn tag(kind: u8, timestamp_ms: u32, body: &[u8]) -> Vec<u8> {
        let [extension, t0, t1, t2] = timestamp_ms.to_be_bytes();
        let [_, d0, d1, d2] = u32::try_from(body.len()).unwrap().to_be_bytes();
        let mut tag = vec![kind, d0, d1, d2, t0, t1, t2, extension, 0, 0, 0];
        tag.extend_from_slice(body);
        tag.extend_from_slice(&u32::try_from(body.len() + 11).unwrap().to_be_bytes());
        tag
    }

    fn file() -> Vec<u8> {
        let mut file = HEADER.to_vec();
        file.extend(tag(18, 0, b"script"));
        file.extend(tag(9, 0x0100_0001, b"video"));
        file.extend(tag(15, 5, b"nobody knows"));
        file.extend(tag(8, 40, b""));
        file
    }

    #[test]
    fn tags_are_read_in_order_and_unknown_ones_passed_over() {
        let file = file();
        let tags: Vec<Tag<'_>> = FlvReader::new(&file).unwrap().map(Result::unwrap).collect();
        assert_eq!(
            tags,
            [
                Tag { kind: TagKind::Script, timestamp_ms: 0, body: b"script" },
                Tag { kind: TagKind::Video, timestamp_ms: 0x0100_0001, body: b"video" },
                Tag { kind: TagKind::Audio, timestamp_ms: 40, body: b"" },
            ]
        );
    }

    #[test]
    fn a_file_cut_anywhere_gives_its_whole_tags_and_then_says_so() {
        let file = file();
        let whole = FlvReader::new(&file).unwrap().count();
        for length in 0..file.len() {
            let Ok(reader) = FlvReader::new(&file[..length]) else {
                assert!(length < HEADER.len());
                continue;
            };
            let mut tags: Vec<Result<Tag<'_>, FlvError>> = reader.collect();
            if let Some(Err(error)) = tags.last() {
                assert!(matches!(error, FlvError::Truncated(offset) if *offset < length));
                tags.pop();
            }
            assert!(tags.iter().all(Result::is_ok));
            // Only the last back pointer may be missing without a word.
            assert!(tags.len() < whole || length >= file.len() - 4);
        }
    }

    #[test]
    fn what_is_no_flv_file_is_refused() {
        let refused = |file: &[u8]| FlvReader::new(file).err();
        assert_eq!(refused(b""), Some(FlvError::NotFlv));
        assert_eq!(refused(b"GIF89a......."), Some(FlvError::NotFlv));
        assert_eq!(refused(b"FLV\x02\x05\0\0\0\x09\0\0\0\0"), Some(FlvError::Version(2)));
        assert_eq!(refused(b"FLV\x01\x05\xff\xff\xff\xff\0\0\0\0"), Some(FlvError::Truncated(0)));
        let mut file = HEADER.to_vec();
        file.extend(tag(0x29, 0, b"secret"));
        let mut reader = FlvReader::new(&file).unwrap();
        assert_eq!(reader.next(), Some(Err(FlvError::Encrypted(13))));
        assert_eq!(reader.next(), None);
    }

    #[test]
    fn random_files_do_no_harm() {
        let mut state = 0x2545_f491_4f6c_dd1du64;
        for _ in 0..100_000 {
            let mut file = file();
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let place = usize::try_from(state >> 40).unwrap() % file.len();
                file[place] = state.to_be_bytes()[7];
            }
            if let Ok(reader) = FlvReader::new(&file) {
                assert!(reader.count() <= file.len() / 11 + 1);
            }
        }
    }
}

//! Finds out what kind of file it is. Purpose: the content counts, not the extension; what is not
//! read is named, with what would help. Non-goal: reading it. Bound: the file's first bytes.

use crate::codec::container::{ContainerReader, FileError, ReadAt, Remedy};
use crate::flv::file::{is_flv, FlvFile};
use crate::mkv::file::{is_mkv, MkvFile};
use crate::mp4::file::{is_mp4, Mp4File};
use crate::ts::file::{is_ts, TsFile};

/// What is looked at of a file's beginning: five packets of the longest kind.
const HEAD_BYTES: usize = 2048;

type Sniff = fn(&[u8]) -> bool;
type Open = fn(&mut dyn ReadAt) -> Result<Box<dyn ContainerReader>, FileError>;

/// The containers that are read: how each is recognised, and opened. Those that are recognised by
/// a magic number come before the one that is recognised by a pattern.
const CONTAINERS: [(Sniff, Open); 4] = [
    (is_mp4, |file| Ok(Box::new(Mp4File::open(file)?))),
    (is_flv, |file| Ok(Box::new(FlvFile::open(file)?))),
    (is_mkv, |file| Ok(Box::new(MkvFile::open(file)?))),
    (is_ts, |file| Ok(Box::new(TsFile::open(file)?))),
];

/// Opens a file's reader.
///
/// # Errors
/// It is none of the containers that are read, or its reader refuses it.
pub fn open_container(file: &mut dyn ReadAt) -> Result<Box<dyn ContainerReader>, FileError> {
    let mut head = [0; HEAD_BYTES];
    let held = file.read_at(0, &mut head)?;
    let head = head.get(..held).unwrap_or_default();
    if head.is_empty() {
        return Err(FileError::Truncated { at: 0 });
    }
    if let Some((what, remedy)) = foreign(head) {
        return Err(FileError::Unsupported { what: what.to_owned(), remedy });
    }
    let (_, open) =
        CONTAINERS.iter().find(|(sniff, _)| sniff(head)).ok_or(FileError::NotRecognised)?;
    open(file)
}

/// A format that is known and not read, and what would help.
fn foreign(head: &[u8]) -> Option<(&'static str, Remedy)> {
    const ASF: &[u8] = &[0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11];
    if let [b'R', b'I', b'F', b'F', _, _, _, _, kind @ ..] = head {
        return Some(match kind {
            [b'A', b'V', b'I', b' ', ..] => ("an AVI container", Remedy::Both),
            [b'W', b'E', b'B', b'P', ..] => ("a WebP image", Remedy::Both),
            _ => ("a RIFF container (WAV)", Remedy::Both),
        });
    }
    let known: [(&[u8], &'static str, Remedy); 15] = [
        (ASF, "a Windows Media container (ASF)", Remedy::Both),
        (b"\0\0\x01\xba", "an MPEG programme stream (MPEG-PS)", Remedy::Both),
        (b"\0\0\x01\xb3", "raw MPEG video", Remedy::Both),
        (b"OggS", "an Ogg container", Remedy::Both),
        (b".RMF", "a RealMedia container", Remedy::Both),
        (b"fLaC", "FLAC audio", Remedy::Both),
        (b"ID3", "MP3 audio", Remedy::Both),
        (b"\xff\xd8\xff", "a JPEG image", Remedy::Both),
        (b"\x89PNG", "a PNG image", Remedy::Both),
        (b"GIF8", "a GIF image", Remedy::Both),
        (b"DKIF", "an IVF container", Remedy::Both),
        (b"YUV4MPEG2", "uncompressed video", Remedy::Both),
        (b"\x06\x0e\x2b\x34", "an MXF container", Remedy::Both),
        (b"#EXTM3U", "a playlist of links (M3U)", Remedy::Remux),
        (b"%PDF", "a PDF document", Remedy::Both),
    ];
    let found = known.into_iter().find(|(magic, _, _)| head.starts_with(magic));
    found.map(|(_, what, remedy)| (what, remedy)).or_else(|| raw_h264(head))
}

/// Annex B: a start code and an access unit delimiter or an SPS behind it.
fn raw_h264(head: &[u8]) -> Option<(&'static str, Remedy)> {
    let ([0, 0, 1, header, ..] | [0, 0, 0, 1, header, ..]) = head else { return None };
    matches!(header & 0x9f, 7 | 9).then_some(("raw H.264 without a container", Remedy::Remux))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why_not(mut bytes: &[u8]) -> String {
        let refused = open_container(&mut bytes).err();
        refused.expect("not a file that is read").to_string()
    }

    #[test]
    fn known_formats_are_named() {
        for (head, name) in [
            (&b"RIFF\x10\0\0\0AVI LIST"[..], "an AVI container"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "WAV"),
            (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "ASF"),
            (b"\0\0\x01\xba\x44\0", "MPEG-PS"),
            (b"OggS\0\x02", "Ogg"),
            (b"\x89PNG\r\n\x1a\n", "PNG"),
            (b"\0\0\0\x01\x67\x42\xc0\x0a", "raw H.264"),
            (b"\0\0\x01\x09\xf0\0\0\x01", "raw H.264"),
        ] {
            assert!(why_not(head).contains(name), "{name}: {}", why_not(head));
        }
        assert!(why_not(b"").contains("cut off"));
        assert!(why_not(b"hello").contains("not an MP4"));
        assert!(why_not(&[0; 5000]).contains("not an MP4"));
    }

    #[test]
    fn every_sync_byte_is_not_yet_a_transport_stream() {
        assert!(why_not(&[0x47; 50_000]).contains("no programme table"));
    }
}

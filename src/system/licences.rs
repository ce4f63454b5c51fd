//! The licences of all that an image holds: the file that `cargo xtask image` puts into it. Bound:
//! [`LICENCES_BYTES_MAX`] packed, [`LICENCES_TEXT_BYTES_MAX`] of text.

use std::fs::File;
use std::io::{self, Read};

use flate2::read::GzDecoder;

use crate::base::limits::{LICENCES_BYTES_MAX, LICENCES_TEXT_BYTES_MAX};

/// Where it lies.
pub const FILE: &str = "/usr/share/licences.gz";

/// The file; `None` where there is none.
pub fn packed() -> Option<Vec<u8>> {
    let mut packed = Vec::new();
    File::open(FILE).ok()?.take(LICENCES_BYTES_MAX).read_to_end(&mut packed).ok()?;
    Some(packed)
}

/// Writes the text of what [`packed`] gives.
///
/// # Errors
/// What it is written to, or a file that is damaged.
pub fn unpack(packed: &[u8], into: &mut dyn io::Write) -> io::Result<()> {
    io::copy(&mut GzDecoder::new(packed).take(LICENCES_TEXT_BYTES_MAX), into).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{write::GzEncoder, Compression};

    use super::*;

    #[test]
    fn a_text_is_unpacked_and_an_endless_one_is_cut() {
        let pack = |text: &[u8]| {
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            packer.write_all(text).unwrap();
            packer.finish().unwrap()
        };
        let unpacked = |packed: &[u8]| {
            let mut text = Vec::new();
            unpack(packed, &mut text).map(|()| text)
        };
        assert_eq!(unpacked(&pack(b"MIT\n")).unwrap(), b"MIT\n");
        let long = unpacked(&pack(&vec![b'x'; 3 << 20])).unwrap();
        assert_eq!(long.len() as u64, LICENCES_TEXT_BYTES_MAX);
        assert!(unpacked(b"no gzip").is_err());
    }
}

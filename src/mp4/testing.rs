//! Small files, built box by box: what no muxer at hand writes.

use crate::codec::collector::{hex, Collector};
use crate::codec::container::{ContainerReader, FileError, Progress};
use crate::codec::window::InMemory;

use super::file::Mp4File;

/// x264, baseline, 64x48.
pub(super) const SPS: &str = "6742c00ada11ec0440000003004000000f03c489a8";
/// Another one, high profile.
pub(super) const OTHER_SPS: &str = "6764001facb300800934d4140815000003000100000300328f183268";
pub(super) const PPS: &str = "68ce0fc8";

pub(super) fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes(), kind.as_slice(), body].concat()
}

/// A full box of version 0 with 32-bit numbers.
pub(super) fn numbers(kind: &[u8; 4], numbers: &[u32]) -> Vec<u8> {
    flagged(kind, 0, numbers)
}

/// The same with flags.
pub(super) fn flagged(kind: &[u8; 4], flags: u32, numbers: &[u32]) -> Vec<u8> {
    let fields: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    boxed(kind, &[&flags.to_be_bytes(), fields.as_slice()].concat())
}

/// AVCDecoderConfigurationRecord; `sps` may be empty, and then there is no PPS either.
pub(super) fn avcc(sps: &str, length_bytes: u8) -> Vec<u8> {
    let (sps, pps) = (hex(sps), hex(if sps.is_empty() { "" } else { PPS }));
    let count = u8::from(!sps.is_empty());
    let mut record = vec![1, 0x42, 0xc0, 10, 0xfb + length_bytes, 0xe0 + count];
    for (index, set) in [sps, pps].iter().enumerate() {
        record.extend((index == 1).then_some(count));
        if !set.is_empty() {
            record.extend(u16::try_from(set.len()).unwrap().to_be_bytes());
            record.extend(set);
        }
    }
    boxed(b"avcC", &record)
}

/// A VisualSampleEntry.
pub(super) fn picture(kind: &[u8; 4], boxes: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[0; 78], boxes].concat())
}

/// An AudioSampleEntry, or a QuickTime sound description of another version.
pub(super) fn sound(kind: &[u8; 4], version: u8, more: usize, boxes: &[u8]) -> Vec<u8> {
    let mut fields = vec![0; 28 + more];
    fields[9] = version;
    boxed(kind, &[&fields, boxes].concat())
}

/// AAC-LC, 48 kHz, two channels.
pub(super) fn esds() -> Vec<u8> {
    let descriptor = hex("031900010004114015000000000000000000000005021190060102");
    boxed(b"esds", &[&[0; 4], descriptor.as_slice()].concat())
}

/// A track of a film.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) id: u32,
    pub(super) handler: [u8; 4],
    pub(super) enabled: bool,
    pub(super) stsd_version: u8,
    pub(super) entries: Vec<Vec<u8>>,
    /// Instead of `stsz`.
    pub(super) sizes: Option<Vec<u8>>,
    /// Chunks: the description of their samples, counted from 1, and these.
    pub(super) chunks: Vec<(u32, Vec<Vec<u8>>)>,
}

impl Part {
    pub(super) fn video(entries: Vec<Vec<u8>>, chunks: Vec<(u32, Vec<Vec<u8>>)>) -> Part {
        let (handler, enabled, stsd_version, sizes) = (*b"vide", true, 0, None);
        Part { id: 1, handler, enabled, stsd_version, entries, sizes, chunks }
    }

    /// One chunk of three short pictures.
    pub(super) fn pictures(entries: Vec<Vec<u8>>) -> Part {
        Part::video(entries, vec![(1, (1..4).map(|n| nals(&[&[0x65, n]])).collect())])
    }

    /// One chunk of three short sounds.
    pub(super) fn sounds(entries: Vec<Vec<u8>>) -> Part {
        let chunks = vec![(1, (1..4).map(|n| vec![0xa0, n]).collect())];
        Part { id: 2, handler: *b"soun", ..Part::video(entries, chunks) }
    }

    fn samples(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.chunks.iter().flat_map(|(_, samples)| samples)
    }

    /// `trak`; the first chunk stands at `at`.
    fn build(&self, mut at: u32) -> Vec<u8> {
        let count = u32::try_from(self.samples().count()).unwrap();
        let mut sizes = vec![0, count];
        let (mut runs, mut offsets) = (vec![0], vec![0]);
        for (chunk, (description, samples)) in self.chunks.iter().enumerate() {
            let held = u32::try_from(samples.len()).unwrap();
            runs.extend([u32::try_from(chunk + 1).unwrap(), held, *description]);
            offsets.push(at);
            for sample in samples {
                let bytes = u32::try_from(sample.len()).unwrap();
                sizes.push(bytes);
                at += bytes;
            }
        }
        runs[0] = u32::try_from(self.chunks.len()).unwrap();
        offsets[0] = runs[0];
        let entries = u8::try_from(self.entries.len()).unwrap();
        let stsd = [&[self.stsd_version, 0, 0, 0, 0, 0, 0, entries], &*self.entries.concat()];
        let stbl = [
            boxed(b"stsd", &stsd.concat()),
            numbers(b"stts", &[1, count, 1]),
            numbers(b"stsc", &runs),
            self.sizes.clone().unwrap_or_else(|| numbers(b"stsz", &sizes)),
            numbers(b"stco", &offsets),
        ];
        let handler = [&[0; 8], self.handler.as_slice(), &[0; 13]].concat();
        let minf = boxed(b"minf", &boxed(b"stbl", &stbl.concat()));
        let mdhd = numbers(b"mdhd", &[0, 0, 25, count, 0]);
        let mdia = boxed(b"mdia", &[mdhd, boxed(b"hdlr", &handler), minf].concat());
        let tkhd = flagged(b"tkhd", u32::from(self.enabled), &[0, 0, self.id, 0, 0]);
        boxed(b"trak", &[tkhd, mdia].concat())
    }
}

/// NAL units behind lengths of four bytes.
pub(super) fn nals(units: &[&[u8]]) -> Vec<u8> {
    let with_length = |unit: &&[u8]| [&(unit.len() as u32).to_be_bytes(), *unit].concat();
    units.iter().flat_map(with_length).collect()
}

/// A whole file. With `more` behind `moov` it goes on in fragments.
pub(super) fn film(parts: &[Part], more: &[u8]) -> Vec<u8> {
    let mut file = boxed(b"ftyp", b"isom\0\0\0\0isom");
    let media: Vec<Vec<u8>> =
        parts.iter().map(|part| part.samples().flatten().copied().collect()).collect();
    let mut at = u32::try_from(file.len() + 8).unwrap();
    let mut moov = numbers(b"mvhd", &[0, 0, 1000, 0, 0]);
    for (part, media) in parts.iter().zip(&media) {
        moov.extend(part.build(at));
        at += u32::try_from(media.len()).unwrap();
    }
    if !more.is_empty() {
        let trex = parts.iter().map(|part| numbers(b"trex", &[part.id, 1, 1, 6, 0]));
        moov.extend(boxed(b"mvex", &trex.collect::<Vec<_>>().concat()));
    }
    file.extend(boxed(b"mdat", &media.concat()));
    file.extend(boxed(b"moov", &moov));
    file.extend(more);
    file
}

/// What a file comes to.
pub(super) fn play(bytes: &[u8]) -> Result<(Mp4File, Collector), FileError> {
    let mut file = InMemory { bytes, reads: 0 };
    let mut reader = Mp4File::open(&mut file)?;
    let mut sink = Collector::default();
    while reader.next(&mut file, &mut sink)? == Progress::More {}
    assert_eq!(reader.broken(), 0);
    Ok((reader, sink))
}

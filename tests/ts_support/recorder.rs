//! A sink that keeps everything, and ffmpeg's own view of a stream.

use std::process::Command;

use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};

/// Keeps every unit whole.
#[derive(Default)]
pub struct Recorder {
    pub open: [Option<(UnitStart, Vec<u8>)>; 2],
    pub units: Vec<(UnitStart, Vec<u8>)>,
    pub configs: Vec<TrackConfig>,
    pub aborted: usize,
}

impl Recorder {
    pub fn units_of(&self, track: Track) -> impl Iterator<Item = &(UnitStart, Vec<u8>)> {
        self.units.iter().filter(move |(start, _)| start.track == track)
    }

    pub fn count(&self, track: Track) -> usize {
        self.units_of(track).count()
    }

    pub fn keys(&self) -> usize {
        self.units.iter().filter(|(start, _)| start.key).count()
    }

    pub fn nal_units(&self) -> Vec<Vec<u8>> {
        let mut nal_units = Vec::new();
        for (_, unit) in self.units_of(Track::Video) {
            let mut rest = unit.as_slice();
            while let Some((length, behind)) = rest.split_first_chunk::<4>() {
                let (nal, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
                nal_units.push(nal.to_vec());
                rest = behind;
            }
            assert!(rest.is_empty(), "a unit is a row of NAL units and nothing else");
        }
        nal_units
    }
}

impl UnitSink for Recorder {
    fn config(&mut self, config: &TrackConfig) {
        assert!(self.open[config.track().index()].is_none());
        self.configs.push(config.clone());
    }

    fn begin(&mut self, start: UnitStart) {
        assert!(start.pts >= start.dts);
        let open = self.open[start.track.index()].replace((start, Vec::new()));
        assert!(open.is_none(), "a unit begins while another of its track is open");
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        self.open[track.index()].as_mut().expect("an open unit").1.extend_from_slice(bytes);
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        let (_, unit) = self.open[track.index()].as_mut().expect("an open unit");
        unit[offset..offset + 4].copy_from_slice(&bytes);
    }

    fn commit(&mut self, track: Track) {
        self.units.push(self.open[track.index()].take().expect("an open unit"));
    }

    fn abort(&mut self, track: Track) {
        self.open[track.index()].take().expect("an open unit");
        self.aborted += 1;
    }
}

pub fn ffmpeg(arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]).args(arguments);
    let output = command.output().expect("ffmpeg is needed: apt-get install ffmpeg");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffmpeg {arguments:?}: {said}");
    output.stdout
}

pub fn split_annex_b(bytes: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> =
        bytes.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(n, _)| n).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let nal = |(start, end): (&usize, usize)| {
        let mut nal = &bytes[start + 3..end];
        while let [body @ .., 0] = nal {
            nal = body;
        }
        nal.to_vec()
    };
    starts.iter().zip(ends).map(nal).collect()
}

pub fn split_adts(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let [0xff, second, _, a, b, c, ..] = *bytes {
        let length = usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c) >> 5;
        let header = if second & 1 == 1 { 7 } else { 9 };
        let (frame, rest) = bytes.split_at(length);
        frames.push(frame[header..].to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty(), "ffmpeg writes whole frames");
    frames
}

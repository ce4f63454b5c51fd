//! The demultiplexer against ffmpeg: what ffmpeg wraps in MPEG-TS must come out as ffmpeg itself
//! takes it out, whatever the datagrams look like, and after losses only whole units may come out.
//! Captures of real broadcasts are read too when they are there: a folder named by
//! `STREAMCASTER_MEDIA`, or `../shared/media`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use streamcaster::ts::demux::{Demux, ProgrammeState};

/// Keeps every unit whole.
#[derive(Default)]
struct Recorder {
    open: [Option<(UnitStart, Vec<u8>)>; 2],
    units: Vec<(UnitStart, Vec<u8>)>,
    configs: Vec<TrackConfig>,
    aborted: usize,
}

impl Recorder {
    fn units_of(&self, track: Track) -> impl Iterator<Item = &(UnitStart, Vec<u8>)> {
        self.units.iter().filter(move |(start, _)| start.track == track)
    }

    fn count(&self, track: Track) -> usize {
        self.units_of(track).count()
    }

    fn keys(&self) -> usize {
        self.units.iter().filter(|(start, _)| start.key).count()
    }

    fn nal_units(&self) -> Vec<Vec<u8>> {
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

fn ffmpeg(arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]).args(arguments);
    let output = command.output().expect("ffmpeg is needed: apt-get install ffmpeg");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffmpeg {arguments:?}: {said}");
    output.stdout
}

/// A file that ffmpeg made, and what ffmpeg takes out of it.
struct Sample {
    ts: Vec<u8>,
    nal_units: Vec<Vec<u8>>,
    aac_frames: Vec<Vec<u8>>,
    video_units: usize,
}

fn make_sample(name: &str, video: &[&str], muxer: &[&str]) -> Sample {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{name}-{}.ts", std::process::id()));
    let file = path.to_str().expect("a path in UTF-8");
    let mut arguments = vec!["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30"];
    arguments.extend(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "12"]);
    arguments.extend(["-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-b:v", "900k"]);
    arguments.extend(["-pix_fmt", "yuv420p", "-threads", "1"]);
    arguments.extend(video);
    arguments.extend(["-c:a", "aac", "-b:a", "96k"]);
    arguments.extend(muxer);
    arguments.extend(["-f", "mpegts", file]);
    ffmpeg(&arguments);
    let ts = fs::read(&path).expect("what ffmpeg wrote");
    let annex_b = ffmpeg(&["-i", file, "-map", "0:v", "-c", "copy", "-f", "h264", "pipe:1"]);
    let adts = ffmpeg(&["-i", file, "-map", "0:a", "-c", "copy", "-f", "adts", "pipe:1"]);
    fs::remove_file(&path).expect("the file just read");
    let nal_units = split_annex_b(&annex_b);
    let video_units = nal_units.iter().filter(|nal| nal[0] & 0x1f == 9).count();
    assert_eq!(video_units, 360, "ffmpeg puts a delimiter before each access unit");
    Sample { ts, nal_units, aac_frames: split_adts(&adts), video_units }
}

fn b_frames() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| make_sample("b-frames", &["-bf", "2"], &[]))
}

fn split_annex_b(bytes: &[u8]) -> Vec<Vec<u8>> {
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

fn split_adts(mut bytes: &[u8]) -> Vec<Vec<u8>> {
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

/// Sends the datagrams, then a reset, which ends nothing as whole.
fn demultiplex<'a>(datagrams: impl IntoIterator<Item = &'a [u8]>) -> (Recorder, Demux) {
    let (mut recorder, mut demux) = (Recorder::default(), Demux::new(None));
    for datagram in datagrams {
        demux.datagram(datagram, &mut recorder);
    }
    (recorder, demux)
}

/// Every NAL unit and every AAC frame in order. The last video unit may still be open: without
/// a stated length its end is only known by the next one.
fn assert_like_ffmpeg(recorder: &Recorder, sample: &Sample) {
    let nal_units = recorder.nal_units();
    assert!(recorder.count(Track::Video) + 1 >= sample.video_units);
    assert_eq!(nal_units, sample.nal_units[..nal_units.len()]);
    let frames: Vec<_> = recorder.units_of(Track::Audio).map(|(_, f)| f.clone()).collect();
    assert_eq!(frames, sample.aac_frames);
    assert_eq!(recorder.aborted, 0);
    assert_eq!(recorder.configs.len(), 2);
}

fn assert_nothing_wrong(demux: &Demux) {
    let c = demux.counters();
    let wrong = [c.sync_lost_bytes, c.continuity_errors, c.duplicate_packets, c.unusable_packets];
    assert_eq!(wrong, [0; 4], "{c:?}");
    assert_eq!((c.broken_units, c.corrected_times, c.missing_times), (0, 0, 0), "{c:?}");
    assert_eq!(c.early_end_failures, 0);
}

#[test]
fn everything_comes_out_whatever_the_datagrams_length() {
    let sample = b_frames();
    for size in [1316, 188, 376, 1000, 47, 4096, 65_535] {
        let (recorder, demux) = demultiplex(sample.ts.chunks(size));
        assert_like_ffmpeg(&recorder, sample);
        assert_nothing_wrong(&demux);
        let early = demux.counters().early_ends;
        assert!(early >= 330, "{early} of 360 frames did not wait for the next");
        assert_eq!(demux.programme_state(), ProgrammeState::Taken(1));
        assert_eq!(recorder.keys(), 12, "a key unit a second");
    }
}

#[test]
fn everything_comes_out_of_204_byte_packets_and_of_rtp() {
    let sample = b_frames();
    let coded: Vec<u8> = sample
        .ts
        .chunks_exact(188)
        .flat_map(|packet| packet.iter().copied().chain((0..16).map(|n| 0x47 ^ (n * 15))))
        .collect();
    for size in [204 * 7, 204, 1000] {
        let (recorder, demux) = demultiplex(coded.chunks(size));
        assert_like_ffmpeg(&recorder, sample);
        assert_nothing_wrong(&demux);
    }
    let rtp: Vec<Vec<u8>> = sample
        .ts
        .chunks(1316)
        .enumerate()
        .map(|(n, packets)| {
            let [high, low] = (n as u16).to_be_bytes();
            let header = [0x80, 33, high, low, 1, 2, 3, 4, 0x47, 0x47, 0x47, 0x47];
            [&header, packets].concat()
        })
        .collect();
    let (recorder, demux) = demultiplex(rtp.iter().map(Vec::as_slice));
    assert_like_ffmpeg(&recorder, sample);
    assert_nothing_wrong(&demux);
}

#[test]
fn other_muxer_settings_come_out_too() {
    let samples = [
        make_sample("no-b", &["-bf", "0"], &[]),
        make_sample("length", &["-bf", "2"], &["-omit_video_pes_length", "0"]),
        make_sample("cbr", &["-bf", "0"], &["-muxrate", "2M", "-pes_payload_size", "400"]),
        make_sample("m2ts-tables", &["-bf", "3"], &["-pat_period", "0.04", "-flush_packets", "1"]),
    ];
    for sample in &samples {
        let (recorder, demux) = demultiplex(sample.ts.chunks(1316));
        assert_like_ffmpeg(&recorder, sample);
        assert_nothing_wrong(&demux);
    }
}

/// xorshift64*: the same datagrams are hurt on every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// Loses, doubles and delays so many of a hundred datagrams each.
fn hurt<'a>(datagrams: &[&'a [u8]], chance: &mut Chance, hurts: [u64; 3]) -> Vec<&'a [u8]> {
    let [lost, doubled, delayed] = hurts;
    let mut arrived = Vec::new();
    let mut late: Vec<(usize, &[u8])> = Vec::new();
    for (n, datagram) in datagrams.iter().enumerate() {
        late.retain(|(due, late)| {
            if *due <= n {
                arrived.push(*late);
            }
            *due > n
        });
        if chance.percent(lost) {
            continue;
        }
        if chance.percent(delayed) {
            late.push((n + 1 + chance.next() as usize % 5, datagram));
            continue;
        }
        arrived.push(datagram);
        if chance.percent(doubled) {
            arrived.push(datagram);
        }
    }
    arrived
}

#[test]
fn after_losses_doublings_and_delays_only_whole_units_come_out() {
    let sample = b_frames();
    let (clean, _) = demultiplex(sample.ts.chunks(1316));
    let whole: HashSet<(Track, &[u8])> =
        clean.units.iter().map(|(start, unit)| (start.track, unit.as_slice())).collect();
    let video_whole: HashSet<(i64, i64, &[u8])> =
        clean.units_of(Track::Video).map(|(s, unit)| (s.dts.0, s.pts.0, &unit[..])).collect();
    let cases = [[1, 0, 0], [5, 0, 0], [0, 5, 0], [0, 0, 1], [0, 0, 5], [1, 1, 1], [5, 5, 5]];
    for (seed, hurts) in (1..=8).flat_map(|seed| cases.map(|hurts| (seed, hurts))) {
        for size in [188, 1000, 1316] {
            let mut chance = Chance(seed * 0x9e37_79b9);
            let datagrams: Vec<&[u8]> = sample.ts.chunks(size).collect();
            let arrived = hurt(&datagrams, &mut chance, hurts);
            let (hurt, demux) = demultiplex(arrived);
            let what = format!("seed {seed}, {hurts:?} of 100 datagrams of {size}");
            for (start, unit) in &hurt.units {
                assert!(whole.contains(&(start.track, unit)), "{what}: a unit with a hole");
                if start.track == Track::Video {
                    let unit = (start.dts.0, start.pts.0, &unit[..]);
                    assert!(video_whole.contains(&unit), "{what}: a unit at a wrong time");
                }
            }
            let (came, of) = (hurt.count(Track::Video), clean.count(Track::Video));
            // Of a frame in twenty datagrams not one may be missing.
            assert!(came >= 20, "{what}: {came} of {of} came, {:?}", demux.counters());
            assert_eq!(demux.counters().early_end_failures, 0, "{what}");
            if hurts == [0, 5, 0] && size != 1000 {
                assert_eq!(came, of, "{what}: doubled datagrams cost nothing");
                assert_eq!(demux.counters().continuity_errors, 0, "{what}");
            } else {
                assert!(demux.counters().broken_units > 0, "{what}");
            }
        }
    }
}

#[test]
fn damaged_bytes_never_panic_and_never_stop_it() {
    let sample = b_frames();
    for seed in 1..=4 {
        let mut chance = Chance(seed * 77_777);
        let (mut recorder, mut demux) = (Recorder::default(), Demux::new(None));
        for datagram in sample.ts.chunks(1316) {
            let mut datagram = datagram.to_vec();
            if chance.percent(20) {
                for _ in 0..1 + chance.next() % 40 {
                    let place = chance.next() as usize % datagram.len();
                    datagram[place] = chance.next() as u8;
                }
            }
            if chance.percent(3) {
                datagram.truncate(chance.next() as usize % datagram.len());
            }
            demux.datagram(&datagram, &mut recorder);
        }
        assert!(recorder.count(Track::Video) > 60, "{:?}", demux.counters());
        demux.reset(&mut recorder);
        assert!(recorder.open.iter().all(Option::is_none), "a reset closes what is open");
        let before = recorder.count(Track::Video);
        for datagram in sample.ts.chunks(1316) {
            demux.datagram(datagram, &mut recorder);
        }
        assert!(recorder.count(Track::Video) - before + 1 >= sample.video_units);
    }
}

/// The captures' folder; `None`, said aloud, when it is not there: they are not ours to carry
/// along.
fn capture(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STREAMCASTER_MEDIA").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media"));
    let path = folder.join(name);
    if !path.exists() {
        println!("{} is absent: not tested", path.display());
        return None;
    }
    Some(path)
}

struct Seen {
    recorder: Recorder,
    demux: Demux,
}

impl Seen {
    fn streams(&self) -> Vec<(u16, &'static str, bool)> {
        self.demux.streams().map(|s| (s.pid, s.codec, s.carried)).collect()
    }
}

fn see(path: &Path, programme: Option<u16>) -> Seen {
    let ts = fs::read(path).expect("a capture that can be read");
    let (mut recorder, mut demux) = (Recorder::default(), Demux::new(programme));
    for datagram in ts.chunks(1316) {
        demux.datagram(datagram, &mut recorder);
    }
    Seen { recorder, demux }
}

/// Packets ffprobe counts in a stream.
fn ffprobe_count(path: &Path, stream: &str) -> usize {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "quiet", "-count_packets", "-select_streams", stream]);
    command.args(["-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]).arg(path);
    let output = command.output().expect("ffprobe is needed: apt-get install ffmpeg");
    let said = String::from_utf8(output.stdout).expect("ffprobe's numbers");
    said.lines().find_map(|line| line.trim().trim_matches(',').parse().ok()).expect("a count")
}

fn assert_elementary_streams_like_ffmpeg(path: &Path, recorder: &Recorder) {
    let file = path.to_str().expect("a path in UTF-8");
    let annex_b = ffmpeg(&["-i", file, "-map", "0:v", "-c", "copy", "-f", "h264", "pipe:1"]);
    let nal_units = recorder.nal_units();
    assert_eq!(nal_units, split_annex_b(&annex_b)[..nal_units.len()]);
    if recorder.count(Track::Audio) > 0 {
        let adts = ffmpeg(&["-i", file, "-map", "0:a", "-c", "copy", "-f", "adts", "pipe:1"]);
        let frames: Vec<_> = recorder.units_of(Track::Audio).map(|(_, f)| f.clone()).collect();
        assert_eq!(frames, split_adts(&adts)[..frames.len()]);
    }
}

#[test]
fn capture_of_a_broadcast_with_adts_announced_as_mpeg_audio() {
    let Some(path) = capture("broadcast-h264-aac.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.streams(), [(0x64, "AAC", true), (0x65, "H.264", true)]);
    let (video, audio) = (seen.recorder.count(Track::Video), seen.recorder.count(Track::Audio));
    println!("{:?}", seen.demux.counters());
    assert_eq!(video, ffprobe_count(&path, "v:0"));
    assert_eq!(audio, ffprobe_count(&path, "a:0"));
    assert_eq!(seen.recorder.keys(), 6);
    assert_nothing_wrong(&seen.demux);
    assert_elementary_streams_like_ffmpeg(&path, &seen.recorder);
    let counters = seen.demux.counters();
    // It states lengths one byte too short, and that of the first IDR modulo 65,536. What is
    // stuffed before its end must not deceive: a PES of this length is not over.
    assert_eq!((counters.early_ends, counters.early_end_failures), (296, 0));
}

#[test]
fn capture_of_a_broadcast_without_aac() {
    let Some(path) = capture("broadcast-h264-ac3-dvbsub.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.demux.programme_number(), Some(8810));
    let expected =
        [(0x3f2, "H.264", true), (0x3fd, "AC-3", false), (0x413, "DVB subtitles", false)];
    assert_eq!(seen.streams(), expected);
    assert_eq!(seen.recorder.count(Track::Audio), 0);
    println!("{:?} {:?}", seen.demux.counters(), seen.recorder.count(Track::Video));
}

#[test]
fn capture_of_hevc_with_aac_and_scte35() {
    let Some(path) = capture("broadcast-hevc-aac-scte35.ts") else { return };
    let seen = see(&path, None);
    // One service of five was kept, and the PAT left as it was.
    assert_eq!(seen.demux.programme_state(), ProgrammeState::Taken(3012));
    assert_eq!(seen.demux.programmes(), 5);
    let seen = see(&path, Some(3012));
    let expected = [(0x79, "HEVC", false), (0x7a, "AAC", true), (0x81, "SCTE-35", false)];
    assert_eq!(seen.streams(), expected);
    assert!(seen.demux.streams().all(|s| s.carried == s.reason.is_empty()));
    println!("{:?} {:?}", seen.demux.counters(), seen.recorder.count(Track::Audio));
    let seen = see(&path, Some(1));
    assert_eq!(seen.demux.programme_state(), ProgrammeState::Absent(1));
    assert_eq!(seen.demux.streams().count(), 0);
}

#[test]
fn capture_of_a_full_multiplex() {
    let Some(path) = capture("broadcast-multiplex-20-services-short.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.demux.programmes(), 11);
    assert_eq!(seen.demux.programme_number(), Some(8801), "the first with video");
    let names: Vec<_> = seen.demux.streams().map(|s| s.codec).collect();
    let dvb = ["AC-3", "AC-3", "AC-3", "DVB subtitles", "DVB subtitles"];
    assert_eq!(names, [&["H.264"][..], &dvb].concat());
    let seen = see(&path, Some(8806));
    assert_eq!(seen.streams().first(), Some(&(0x262, "H.264", true)));
}

#[test]
fn capture_of_hls_segments() {
    let Some(path) = capture("hls-segment-h264-aac.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.recorder.count(Track::Video), ffprobe_count(&path, "v:0"));
    assert_eq!(seen.recorder.count(Track::Audio), ffprobe_count(&path, "a:0"));
    assert_nothing_wrong(&seen.demux);
    assert_elementary_streams_like_ffmpeg(&path, &seen.recorder);
}

#[test]
fn capture_whose_audio_never_comes() {
    let Some(path) = capture("hls-h264-pmt-names-audio-but-none-comes.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.streams(), [(0x100, "H.264", true), (0x101, "AAC", true)]);
    assert_eq!(seen.recorder.count(Track::Video), ffprobe_count(&path, "v:0"));
    assert_eq!(seen.recorder.count(Track::Audio), 0);
    assert_nothing_wrong(&seen.demux);
}

#[test]
fn capture_whose_tables_come_late() {
    let Some(path) = capture("hls-pat-pmt-mid-segment.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.streams(), [(0x100, "H.264", true), (0x101, "AAC", true)]);
    println!(
        "{:?} v{} a{}",
        seen.demux.counters(),
        seen.recorder.count(Track::Video),
        seen.recorder.count(Track::Audio)
    );
}

#[test]
fn capture_of_a_single_packet() {
    let Some(path) = capture("one-packet-stuffed-pes.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.demux.programme_state(), ProgrammeState::NoTable);
    assert!(seen.recorder.units.is_empty());
    assert_nothing_wrong(&seen.demux);
}

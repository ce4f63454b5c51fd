//! The demultiplexer on captures of real broadcasts, when they are there: in a folder named by
//! `STREAMCASTER_MEDIA`, or in `../shared/media`. They are not ours to carry along.

use std::fs;
use std::path::Path;
use std::process::Command;

use streamcaster::codec::access_unit::{Track, TrackConfig};
use streamcaster::ts::demux::{Demux, ProgrammeState};

use test_support::peers::capture;

use crate::demultiplexed::{assert_nothing_wrong, demultiplex};
use crate::ffmpeg::{ffmpeg, split_adts, split_annex_b};
use crate::recorder::Recorder;

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
    let (recorder, demux) = demultiplex(programme, ts.chunks(1316));
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
    assert_eq!(nal_units, split_annex_b(&annex_b).get(..nal_units.len()).expect("as many"));
    if recorder.count(Track::Audio) > 0 {
        let adts = ffmpeg(&["-i", file, "-map", "0:a", "-c", "copy", "-f", "adts", "pipe:1"]);
        let frames: Vec<_> = recorder.units_of(Track::Audio).map(|(_, f)| f.clone()).collect();
        assert_eq!(frames, split_adts(&adts).get(..frames.len()).expect("as many"));
    }
}

fn size(config: &TrackConfig) -> Option<(u32, u32)> {
    match config {
        TrackConfig::Avc(avc) => Some((avc.width, avc.height)),
        TrackConfig::Aac(_) => None,
    }
}

#[test]
fn capture_of_a_broadcast_with_adts_announced_as_mpeg_audio() {
    let Some(path) = capture("broadcast-h264-aac.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.streams(), [(0x64, "AAC", true), (0x65, "H.264", true)]);
    let (video, audio) = (seen.recorder.count(Track::Video), seen.recorder.count(Track::Audio));
    assert_eq!(video, ffprobe_count(&path, "v:0"));
    assert_eq!(audio, ffprobe_count(&path, "a:0"));
    assert_eq!(seen.recorder.keys(), 6);
    let sizes: Vec<_> = seen.recorder.configs.iter().filter_map(size).collect();
    assert_eq!(sizes, [(1024, 576)]);
    assert_nothing_wrong(&seen.recorder, &seen.demux);
    assert_elementary_streams_like_ffmpeg(&path, &seen.recorder);
    let counters = seen.demux.counters();
    // It states lengths one byte too short, and that of the first IDR modulo 65,536. What is
    // stuffed before its end must not deceive: a PES of this length is not over. The first eight
    // show that its PES are whole units.
    assert_eq!((counters.early_ends, counters.early_end_failures), (288, 0));
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
    // The file was cut out of a longer one and begins between two IDRs; a PES holds one field or
    // two, each an access unit behind its delimiter.
    assert_eq!(seen.recorder.count(Track::Video), 85);
    assert_eq!(ffprobe_count(&path, "v:0"), 95);
    assert_eq!(seen.demux.counters().continuity_errors, 1);
    assert_eq!(seen.demux.counters().early_end_failures, 0);
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
    assert_eq!(seen.recorder.count(Track::Audio), 0, "no packet of it is in the file");
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
    assert_nothing_wrong(&seen.recorder, &seen.demux);
    assert_elementary_streams_like_ffmpeg(&path, &seen.recorder);
}

#[test]
fn capture_whose_audio_never_comes() {
    let Some(path) = capture("hls-h264-pmt-names-audio-but-none-comes.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.streams(), [(0x100, "H.264", true), (0x101, "AAC", true)]);
    assert_eq!(seen.recorder.count(Track::Video), ffprobe_count(&path, "v:0"));
    assert_eq!(seen.recorder.count(Track::Audio), 0);
    assert_nothing_wrong(&seen.recorder, &seen.demux);
}

#[test]
fn capture_whose_tables_come_late() {
    let Some(path) = capture("hls-pat-pmt-mid-segment.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.streams(), [(0x100, "H.264", true), (0x101, "AAC", true)]);
    // Behind the tables no IDR comes any more, but a PES with four frames of audio.
    assert_eq!(seen.recorder.count(Track::Video), 0);
    assert_eq!(seen.recorder.count(Track::Audio), 4);
    assert_nothing_wrong(&seen.recorder, &seen.demux);
}

#[test]
fn capture_of_a_single_packet() {
    let Some(path) = capture("one-packet-stuffed-pes.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.demux.programme_state(), ProgrammeState::NoTable);
    assert!(seen.recorder.units.is_empty());
    assert_nothing_wrong(&seen.recorder, &seen.demux);
}

/// DTS and PTS of each packet by ffprobe's own parser; `None` where it has none.
fn ffprobe_times(path: &Path) -> Vec<(Option<i64>, Option<i64>)> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "quiet", "-select_streams", "v:0", "-show_entries", "packet=dts,pts"]);
    let output = command.args(["-of", "csv=p=0"]).arg(path).output().expect("ffprobe is there");
    let said = String::from_utf8(output.stdout).expect("ffprobe's numbers");
    let time = |field: Option<&str>| field.and_then(|field| field.trim().parse().ok());
    let line = |line: &str| {
        let mut fields = line.split(',');
        let pts = time(fields.next());
        (time(fields.next()), pts)
    };
    said.lines().filter(|line| !line.trim().is_empty()).map(line).collect()
}

/// What no PES packet of them delimits: each unit comes out as ffmpeg's parser finds it, at the time
/// it has by that parser where there is one.
#[test]
fn captures_whose_pes_are_no_access_units() {
    for (name, units, keys) in [
        ("real-shaka-hls-ts-h264_fileSequence0.ts", 180, 3),
        ("real-mediabunny-0-head.ts", 129, 1),
        ("bounded.ts", 250, 5),
        ("perslice_pts.ts", 250, 5),
        ("multi_noaud.ts", 250, 5),
    ] {
        let Some(path) = capture(&format!("field/{name}")) else { continue };
        let ts = fs::read(&path).expect("a capture that can be read");
        let (mut recorder, mut demux) = demultiplex(None, ts.chunks(1316));
        demux.finish(&mut recorder);
        assert_eq!((recorder.count(Track::Video), recorder.keys()), (units, keys), "{name}");
        assert_eq!((demux.counters().broken_units, recorder.aborted), (0, 0), "{name}");
        assert_eq!(demux.counters().early_end_failures, 0, "{name}");
        assert_elementary_streams_like_ffmpeg(&path, &recorder);
        let times = ffprobe_times(&path);
        assert_eq!(times.len(), units, "{name}");
        for ((start, _), (dts, pts)) in recorder.units_of(Track::Video).zip(times) {
            assert!(dts.is_none_or(|dts| dts == start.dts.0), "{name}: {start:?}, {dts:?}");
            assert!(pts.is_none_or(|pts| pts == start.pts.0), "{name}: {start:?}, {pts:?}");
        }
        let starts: Vec<_> = recorder.units_of(Track::Video).map(|(start, _)| start.dts).collect();
        assert!(starts.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
    }
}

#[test]
fn capture_of_an_intra_refresh_stream_joined_late() {
    let Some(path) = capture("field/ir_mid.ts") else { return };
    let seen = see(&path, None);
    assert!(seen.recorder.keys() >= 3, "it is joined at recovery points");
    assert_nothing_wrong(&seen.recorder, &seen.demux);
}

#[test]
fn capture_of_sound_whose_channels_have_no_number() {
    let Some(path) = capture("field/side51.ts") else { return };
    let seen = see(&path, None);
    assert_eq!(seen.recorder.count(Track::Audio), ffprobe_count(&path, "a:0"));
    let channels = seen.recorder.configs.iter().find_map(|config| match config {
        TrackConfig::Aac(aac) => Some(aac.channels),
        TrackConfig::Avc(_) => None,
    });
    assert_eq!(channels, Some(6));
    assert_nothing_wrong(&seen.recorder, &seen.demux);
    assert_elementary_streams_like_ffmpeg(&path, &seen.recorder);
}

//! The demultiplexer against ffmpeg: what ffmpeg wraps in MPEG-TS must come out as ffmpeg itself
//! takes it out, whatever the datagrams look like, and after losses only whole units may come out.

use std::collections::HashSet;

use streamcaster::codec::access_unit::Track;
use streamcaster::ts::demux::{Demux, ProgrammeState};
use test_support::loss::Sent;

use crate::demultiplexed::{assert_nothing_wrong, demultiplex};
use crate::recorder::Recorder;
use samples::{assert_like_ffmpeg, b_frames, hurt, make_sample, Chance, Sample};

#[test]
fn everything_comes_out_whatever_the_datagrams_length() {
    let sample = b_frames();
    for size in [1316, 188, 376, 1000, 47, 4096, 65_535] {
        let (recorder, demux) = demultiplex(None, sample.ts.chunks(size));
        assert_like_ffmpeg(&recorder, sample);
        assert_nothing_wrong(&recorder, &demux);
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
        let (recorder, demux) = demultiplex(None, coded.chunks(size));
        assert_like_ffmpeg(&recorder, sample);
        assert_nothing_wrong(&recorder, &demux);
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
    let (recorder, demux) = demultiplex(None, rtp.iter().map(Vec::as_slice));
    assert_like_ffmpeg(&recorder, sample);
    assert_nothing_wrong(&recorder, &demux);
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
        let (recorder, demux) = demultiplex(None, sample.ts.chunks(1316));
        assert_like_ffmpeg(&recorder, sample);
        assert_nothing_wrong(&recorder, &demux);
    }
}

/// What came of a sample whose datagrams were hurt.
#[derive(Default)]
struct Outcome {
    /// Units that are not one of the source's.
    with_hole: usize,
    /// Frames that had to come.
    due: usize,
}

/// For five datagrams behind a break the demultiplexer takes what would also go on with what stood
/// before it for a break (`ts::continuity`). Where datagrams hold no whole packets, the first goes by
/// while three sync bytes are looked for.
fn sent(sample: &Sample, datagram_bytes: usize, pid: u16) -> Sent<'_> {
    let in_step_after = if datagram_bytes.is_multiple_of(188) { 5 } else { 6 };
    Sent { ts: &sample.ts, datagram_bytes, pid, pmt_pid: 0x1000, in_step_after, ends_itself: false }
}

/// Packets of the sound that arrive where another was due, with the counter that is due: it has four
/// bits, and a datagram that is late may be late by just sixteen packets (ISO 13818-1, 2.4.3.3). A frame
/// of the sound that ends in such a packet has left before the one that was due shows it.
fn fit_by_chance(sample: &Sample, arrived: &[usize], size: usize) -> usize {
    if !size.is_multiple_of(PACKET) {
        // What is cut somewhere else arrives as no packet.
        return 0;
    }
    let is_sound = |packet: &[u8]| packet[1] & 0x1f == 0x01 && packet[2] == 0x01;
    let mut numbers: Vec<Option<usize>> = Vec::new();
    let mut count = 0;
    for packet in sample.ts.chunks(PACKET) {
        numbers.push(is_sound(packet).then_some(count));
        count += usize::from(is_sound(packet));
    }
    let of_datagram = |n: &usize| numbers.chunks(size / PACKET).nth(*n).unwrap_or_default();
    let mut due = 0;
    let mut by_chance = 0;
    for number in arrived.iter().flat_map(of_datagram).flatten() {
        by_chance += usize::from(*number != due && number % 16 == due % 16);
        due = number + 1;
    }
    by_chance
}

fn hurt_and_look(sample: &Sample, clean: &Recorder, hurts: [u64; 3], size: usize) -> Outcome {
    let whole: HashSet<(Track, &[u8])> =
        clean.units.iter().map(|(start, unit)| (start.track, unit.as_slice())).collect();
    let frames: Vec<_> = clean.units_of(Track::Video).collect();
    let times: HashSet<(i64, i64)> =
        frames.iter().map(|(start, _)| (start.dts.0, start.pts.0)).collect();
    let datagrams: Vec<&[u8]> = sample.ts.chunks(size).collect();
    let mut outcome = Outcome::default();
    for seed in 1..=12 {
        let mut chance = Chance(seed * 0x9e37_79b9);
        let arrived = hurt(datagrams.len(), &mut chance, hurts);
        let (hurt, demux) =
            demultiplex(None, arrived.iter().filter_map(|&n| datagrams.get(n).copied()));
        let what = format!("seed {seed}, {hurts:?} of 100 datagrams of {size}");
        let order = arrived.clone();
        let mut sound_with_hole = 0;
        for (start, unit) in &hurt.units {
            let has_hole = usize::from(!whole.contains(&(start.track, unit)));
            match start.track {
                Track::Video => outcome.with_hole += has_hole,
                Track::Audio => sound_with_hole += has_hole,
            }
            let in_time =
                start.track == Track::Audio || times.contains(&(start.dts.0, start.pts.0));
            assert!(in_time, "{what}: {start:?}");
        }
        let by_chance = fit_by_chance(sample, &order, size);
        assert!(sound_with_hole <= by_chance, "{what}: {sound_with_hole} of {by_chance}");
        let came: HashSet<(i64, &[u8])> = hurt
            .units_of(Track::Video)
            .map(|(start, unit)| (start.dts.0, unit.as_slice()))
            .collect();
        let arrived: Vec<Option<usize>> = arrived.into_iter().map(Some).collect();
        let is_key = |n: usize| frames.get(n).is_some_and(|(start, _)| start.key);
        let due = sent(sample, size, 0x100).must_arrive(&arrived, is_key);
        for &number in &due {
            let (start, unit) = frames.get(number).expect("one PES, one frame");
            assert!(
                came.contains(&(start.dts.0, unit.as_slice())),
                "{what}: frame {number} arrived whole"
            );
        }
        outcome.due += due.len();
        assert_eq!(demux.counters().early_end_failures, 0, "{what}");
        if hurts == [0, 5, 0] && size != 1000 {
            assert_eq!(hurt.count(Track::Video), frames.len(), "{what}: doubled costs nothing");
            assert_eq!(demux.counters().continuity_errors, 0, "{what}");
        } else {
            assert!(demux.counters().broken_units > 0, "{what}");
        }
    }
    outcome
}

/// Bytes of a transport packet.
const PACKET: usize = 188;

const LOSSES: [[u64; 3]; 3] = [[1, 0, 0], [5, 0, 0], [0, 5, 0]];
const DELAYS: [[u64; 3]; 4] = [[0, 0, 1], [0, 0, 5], [1, 1, 1], [5, 5, 5]];

#[test]
fn after_losses_and_doublings_only_whole_units_come_out() {
    let sample = b_frames();
    let (clean, _) = demultiplex(None, sample.ts.chunks(1316));
    let mut due = 0;
    for (hurts, size) in LOSSES.iter().flat_map(|hurts| [188, 1000, 1316].map(|n| (*hurts, n))) {
        let outcome = hurt_and_look(sample, &clean, hurts, size);
        assert_eq!(outcome.with_hole, 0, "{hurts:?} of 100 datagrams of {size}");
        due += outcome.due;
    }
    assert!(due > clean.count(Track::Video), "the losses leave something to look for: {due}");
}

/// With stated lengths and without: the four bits of the continuity counter may fit over a hole
/// when a datagram comes late, and nothing with a hole leaves all the same.
#[test]
fn after_delays_only_whole_units_come_out() {
    let stated = make_sample("stated", &["-bf", "2"], &["-omit_video_pes_length", "0"]);
    for sample in [&stated, b_frames()] {
        let (clean, _) = demultiplex(None, sample.ts.chunks(1316));
        let (mut due, sizes) = (0, [188, 1000, 1316]);
        for (hurts, size) in DELAYS.iter().flat_map(|hurts| sizes.map(|n| (*hurts, n))) {
            let outcome = hurt_and_look(sample, &clean, hurts, size);
            assert_eq!(outcome.with_hole, 0, "{hurts:?} of 100 datagrams of {size}");
            due += outcome.due;
        }
        assert!(due > clean.count(Track::Video), "the delays leave something to look for: {due}");
    }
}

#[test]
fn damaged_bytes_never_panic_and_never_stop_it() {
    let sample = b_frames();
    let (clean, _) = demultiplex(None, sample.ts.chunks(1316));
    let frames: Vec<_> = clean.units_of(Track::Video).collect();
    let mut due_in_all = 0;
    // Hardly a datagram in a row is whole, and most are.
    for (seed, [damaged, cut]) in (1..=4).flat_map(|seed| [[20, 3], [3, 1]].map(|d| (seed, d))) {
        let mut chance = Chance(seed * 77_777);
        let (mut recorder, mut demux) = (Recorder::default(), Demux::new(None));
        let mut arrived = Vec::new();
        for (number, datagram) in sample.ts.chunks(1316).enumerate() {
            let mut datagram = datagram.to_vec();
            let is_damaged = chance.percent(damaged);
            if is_damaged {
                for _ in 0..1 + chance.next() % 40 {
                    let place = chance.next() as usize % datagram.len();
                    datagram[place] = chance.next() as u8;
                }
            }
            let is_cut = chance.percent(cut);
            if is_cut {
                datagram.truncate(chance.next() as usize % datagram.len());
            }
            arrived.push(Some(number).filter(|_| !is_damaged && !is_cut));
            demux.datagram(&datagram, &mut recorder);
        }
        let came: HashSet<&[u8]> =
            recorder.units_of(Track::Video).map(|(_, unit)| unit.as_slice()).collect();
        // Damaged sync bytes and lengths throw it out of step until the next whole datagram.
        let sent = Sent { in_step_after: 6, ..sent(sample, 1316, 0x100) };
        let due = sent.must_arrive(&arrived, |n| frames[n].0.key);
        due_in_all += due.len();
        for number in due {
            assert!(came.contains(frames[number].1.as_slice()), "seed {seed}: frame {number}");
        }
        demux.reset(&mut recorder);
        assert!(recorder.is_closed(), "a reset closes what is open");
        let before = recorder.count(Track::Video);
        for datagram in sample.ts.chunks(1316) {
            demux.datagram(datagram, &mut recorder);
        }
        assert!(recorder.count(Track::Video) - before + 1 >= sample.video_units);
    }
    assert!(due_in_all > frames.len(), "the damage leaves something to look for: {due_in_all}");
}

mod samples {
    //! Streams that ffmpeg makes, and what a network does to them.

    use std::fs;
    use std::sync::OnceLock;

    use streamcaster::codec::access_unit::Track;

    use crate::ffmpeg::{made, split_adts, split_annex_b, taken_out};
    use crate::recorder::Recorder;

    /// A file that ffmpeg made, and what ffmpeg takes out of it.
    pub struct Sample {
        pub ts: Vec<u8>,
        pub nal_units: Vec<Vec<u8>>,
        pub aac_frames: Vec<Vec<u8>>,
        pub video_units: usize,
    }

    pub fn make_sample(name: &str, video: &[&str], muxer: &[&str]) -> Sample {
        let mut arguments = vec!["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30"];
        arguments.extend(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "12"]);
        arguments.extend(["-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-b:v", "900k"]);
        arguments.extend(["-pix_fmt", "yuv420p", "-threads", "1"]);
        arguments.extend(video);
        arguments.extend(["-c:a", "aac", "-b:a", "96k"]);
        arguments.extend(muxer);
        let path = made(&format!("{name}.ts"), &arguments);
        let ts = fs::read(&path).expect("what ffmpeg wrote");
        let annex_b = taken_out(&path, &["-map", "0:v", "-c", "copy", "-f", "h264"]);
        let adts = taken_out(&path, &["-map", "0:a", "-c", "copy", "-f", "adts"]);
        let nal_units = split_annex_b(&annex_b);
        let video_units = nal_units.iter().filter(|nal| nal[0] & 0x1f == 9).count();
        assert_eq!(video_units, 360, "ffmpeg puts a delimiter before each access unit");
        Sample { ts, nal_units, aac_frames: split_adts(&adts), video_units }
    }

    pub fn b_frames() -> &'static Sample {
        static SAMPLE: OnceLock<Sample> = OnceLock::new();
        SAMPLE.get_or_init(|| make_sample("b-frames", &["-bf", "2"], &[]))
    }

    /// Every NAL unit and every AAC frame in order. The last video unit may still be open: without
    /// a stated length its end is only known by the next one.
    pub fn assert_like_ffmpeg(recorder: &Recorder, sample: &Sample) {
        let nal_units = recorder.nal_units();
        assert!(recorder.count(Track::Video) + 1 >= sample.video_units);
        assert_eq!(nal_units, sample.nal_units[..nal_units.len()]);
        let frames: Vec<_> = recorder.units_of(Track::Audio).map(|(_, f)| f.clone()).collect();
        assert_eq!(frames, sample.aac_frames);
        assert_eq!(recorder.configs.len(), 2);
    }

    /// xorshift64*: the same datagrams are hurt on every run.
    pub struct Chance(pub u64);

    impl Chance {
        pub fn next(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
        }

        pub fn percent(&mut self, percent: u64) -> bool {
            self.next() % 100 < percent
        }
    }

    /// Loses, doubles and delays so many of a hundred datagrams each: what arrives, by number.
    pub fn hurt(datagrams: usize, chance: &mut Chance, hurts: [u64; 3]) -> Vec<usize> {
        let [lost, doubled, delayed] = hurts;
        let mut arrived = Vec::new();
        let mut late: Vec<(usize, usize)> = Vec::new();
        for n in 0..datagrams {
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
                late.push((n + 1 + chance.next() as usize % 5, n));
                continue;
            }
            arrived.push(n);
            if chance.percent(doubled) {
                arrived.push(n);
            }
        }
        arrived
    }
}

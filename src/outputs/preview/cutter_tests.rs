use super::*;
use crate::codec::access_unit::ConfigRecord;
use crate::program::ring::{Begin, Capacity};

fn ring() -> Ring {
    let mut ring = Ring::new(Capacity {
        video_bytes: 200_000,
        audio_bytes: 50_000,
        units: 1000,
        unit_bytes_max: 50_000,
    });
    ring.set_config(&avc(640));
    ring.set_config(&aac(48_000));
    ring
}

fn avc(width: u32) -> TrackConfig {
    TrackConfig::Avc(AvcConfig {
        record: ConfigRecord::from_slice(b"avc record").expect("small"),
        width,
        height: 360,
        frame_rate: 25.0,
        profile_idc: 77,
        constraints: 0x40,
        level_idc: 31,
    })
}

fn aac(sample_rate_hz: u32) -> TrackConfig {
    TrackConfig::Aac(AacConfig::from_parts(2, sample_rate_hz, 2).expect("a usual one"))
}

fn video(ring: &mut Ring, ticks: i64, key: bool) {
    video_of(ring, ticks, key, 0, 100);
}

fn video_of(ring: &mut Ring, ticks: i64, key: bool, composition_ms: i32, bytes: usize) {
    ring.begin(Begin { track: Track::Video, dts: Ticks(ticks), key });
    ring.write(Track::Video, &tag::video_header(key, AvcPacket::Nalu, composition_ms));
    ring.write(Track::Video, &vec![7; bytes]);
    ring.commit(Track::Video);
}

fn audio(ring: &mut Ring, ticks: i64) {
    ring.begin(Begin { track: Track::Audio, dts: Ticks(ticks), key: false });
    ring.write(Track::Audio, &tag::audio_header(AacPacket::Raw));
    ring.write(Track::Audio, &[9; 50]);
    ring.commit(Track::Audio);
}

/// A sample as a fragment tells it: decoding time, duration, composition, bytes.
type Told = (i64, i64, i32, u32);

/// What the fragment says of a track, by its boxes.
fn told(fragment: &Fragment, id: u32) -> Vec<Told> {
    let word = |at: usize| u32::from_be_bytes(fragment.head[at..at + 4].try_into().unwrap());
    let find = |kind: &[u8; 4], from: usize| {
        let found = fragment.head[from..].windows(4).position(|four| four == kind);
        found.map(|at| from + at + 4)
    };
    let mut samples = Vec::new();
    let mut from = 0;
    while let Some(tfhd) = find(b"tfhd", from) {
        from = tfhd;
        if word(tfhd + 4) != id {
            continue;
        }
        let tfdt = find(b"tfdt", from).unwrap();
        let mut time = i64::from(word(tfdt + 4)) << 32 | i64::from(word(tfdt + 8));
        let trun = find(b"trun", from).unwrap();
        let fields = if id == 1 { 4 } else { 2 };
        for n in 0..word(trun + 4) as usize {
            let at = trun + 12 + n * fields * 4;
            let composition = if id == 1 { word(at + 12).cast_signed() } else { 0 };
            samples.push((time, i64::from(word(at)), composition, word(at + 4)));
            time += i64::from(word(at));
        }
    }
    samples
}

/// Everything that can be had now: codecs announced, and the samples of both tracks.
#[derive(Default)]
struct Taken {
    codecs: Vec<String>,
    fragments: Vec<[Vec<Told>; 2]>,
    ended: bool,
}

impl Taken {
    fn take(&mut self, cutter: &mut Cutter, ring: &Ring) {
        loop {
            match cutter.next(ring) {
                PreviewCut::Wait => return,
                PreviewCut::Init { codecs, bytes } => {
                    assert!(bytes.starts_with(b"\0\0\0\x18ftypiso6"));
                    self.codecs.push(codecs);
                }
                PreviewCut::Fragment(fragment) => {
                    assert!(fragment.units.iter().all(|unit| ring.holds(unit)));
                    self.fragments.push([told(&fragment, 1), told(&fragment, 2)]);
                }
                PreviewCut::OtherTracks => {
                    self.ended = true;
                    return;
                }
            }
        }
    }

    fn track(&self, track: Track) -> Vec<Told> {
        self.fragments.iter().flat_map(|both| both[track as usize].clone()).collect()
    }
}

/// Plays `seconds` of 25 frames per second, a key frame each second, with sound at 48 kHz, from
/// `from` on.
fn play(ring: &mut Ring, from: i64, seconds: i64, cutter: &mut Cutter, taken: &mut Taken) {
    let mut sounds = 0;
    for frame in 0..seconds * 25 {
        let ticks = from + frame * 3600;
        video(ring, ticks, frame % 25 == 0);
        while sounds * 1920 < (frame + 1) * 3600 {
            audio(ring, from + sounds * 1920);
            sounds += 1;
        }
        taken.take(cutter, ring);
    }
}

/// Every sample begins where the one before ends.
fn seamless(samples: &[Told]) {
    for pair in samples.windows(2) {
        assert_eq!(pair[0].0 + pair[0].1, pair[1].0, "{pair:?}");
    }
}

#[test]
fn fragments_are_short_seamless_and_begin_at_zero() {
    let (mut ring, mut cutter, mut taken) = (ring(), Cutter::new(), Taken::default());
    // Programme time is far beyond 32 bits.
    play(&mut ring, 90_000 * 100_000 + 17, 8, &mut cutter, &mut taken);
    assert_eq!(taken.codecs, ["avc1.4d401f,mp4a.40.2"]);
    let (pictures, sounds) = (taken.track(Track::Video), taken.track(Track::Audio));
    assert_eq!((pictures[0].0, sounds[0].0), (0, 0));
    seamless(&pictures);
    seamless(&sounds);
    assert!(pictures.len() >= 25 * 8 - 7);
    assert!(sounds.iter().all(|sound| sound.1 == 1024));
    for [pictures, sounds] in &taken.fragments {
        assert!(pictures.iter().map(|told| told.1).sum::<i64>() <= 90 * 250);
        assert!(sounds.iter().map(|told| told.1).sum::<i64>() <= 48 * 250);
    }
    assert_eq!(cutter.skips(), 0);
}

#[test]
fn composition_times_keep_their_sign() {
    let (mut ring, mut cutter, mut taken) = (ring(), Cutter::new(), Taken::default());
    for frame in 0..60 {
        let composition_ms = [80, 120, -40, 0][usize::try_from(frame).unwrap() % 4];
        video_of(&mut ring, frame * 3600, frame % 25 == 0, composition_ms, 100);
        audio(&mut ring, frame * 3600);
        taken.take(&mut cutter, &ring);
    }
    let got: Vec<i32> = taken.track(Track::Video).iter().map(|told| told.2).take(4).collect();
    assert_eq!(got, [7200, 10_800, -3600, 0]);
}

#[test]
fn a_pause_is_the_last_pictures_and_the_sounds_jump() {
    let (mut ring, mut cutter, mut taken) = (ring(), Cutter::new(), Taken::default());
    play(&mut ring, 0, 2, &mut cutter, &mut taken);
    play(&mut ring, 90_000 * 2 + 45_000, 2, &mut cutter, &mut taken);
    let (pictures, sounds) = (taken.track(Track::Video), taken.track(Track::Audio));
    seamless(&pictures);
    assert_eq!(pictures.iter().filter(|told| told.1 == 3600 + 45_000).count(), 1);
    let jumps = sounds.windows(2).filter(|pair| pair[1].0 - pair[0].0 != 1024);
    // 2 s hold 93.75 sounds: the last one of 94 begins 1984.0 ms in and reaches beyond.
    let jumps: Vec<i64> = jumps.map(|pair| pair[1].0 - pair[0].0).collect();
    assert_eq!(jumps, [120_000 - 93 * 1024]);
}

#[test]
fn a_clock_that_drifts_is_followed_in_steps_of_half_a_sound() {
    let (mut ring, mut cutter, mut taken) = (ring(), Cutter::new(), Taken::default());
    let (mut sound, mut frame) = (0, 0);
    while frame < 25 * 40 {
        video(&mut ring, frame * 3600, frame % 25 == 0);
        // 1000 ppm too slow.
        while sound * 19_219 / 10 < (frame + 1) * 3600 {
            audio(&mut ring, sound * 19_219 / 10);
            sound += 1;
        }
        frame += 1;
        taken.take(&mut cutter, &ring);
    }
    let sounds = taken.track(Track::Audio);
    let off =
        |(n, told): (usize, &Told)| (told.0 - i64::try_from(n).unwrap() * 19_219 * 48 / 900).abs();
    assert!(sounds.iter().enumerate().map(off).max().unwrap() <= 514);
    let steps = sounds.windows(2).filter(|pair| pair[1].0 - pair[0].0 != 1024).count();
    assert!((1..8).contains(&steps), "{steps}");
}

#[test]
fn a_slide_show_does_not_hold_the_sound_up() {
    let (mut ring, mut cutter, mut taken) = (ring(), Cutter::new(), Taken::default());
    for sound in 0..300 {
        if sound % 47 == 0 {
            video(&mut ring, sound * 1920, true);
        }
        audio(&mut ring, sound * 1920);
        taken.take(&mut cutter, &ring);
    }
    let sounds = taken.track(Track::Audio);
    assert!(sounds.len() >= 300 - 12, "{} sounds", sounds.len());
    let pictures = taken.track(Track::Video);
    seamless(&pictures);
    assert_eq!(pictures.len(), 300 / 47);
    assert!(taken.fragments.len() < 40, "{} fragments", taken.fragments.len());
}

#[test]
fn new_parameters_are_announced_before_their_first_picture() {
    let (mut ring, mut cutter, mut taken) = (ring(), Cutter::new(), Taken::default());
    play(&mut ring, 0, 1, &mut cutter, &mut taken);
    ring.set_config(&avc(1280));
    let before = taken.fragments.len();
    video(&mut ring, 90_000, true);
    taken.take(&mut cutter, &ring);
    assert_eq!(taken.codecs.len(), 2);
    assert_eq!(taken.fragments.len(), before + 1, "what waited left with the old parameters");
    assert_eq!(taken.track(Track::Video).len(), 25);
    ring.set_config(&aac(44_100));
    audio(&mut ring, 90_900);
    taken.take(&mut cutter, &ring);
    assert_eq!(taken.codecs.len(), 3);
    // The picture could not wait to know how long it lasts.
    assert_eq!(taken.track(Track::Video).last().unwrap().1, 3600);
    video(&mut ring, 93_600, false);
    audio(&mut ring, 114_300);
    video(&mut ring, 120_000, true);
    taken.take(&mut cutter, &ring);
    let sounds = taken.track(Track::Audio);
    let [.., first, second] = sounds.as_slice() else { panic!("two sounds") };
    assert_eq!((first.0, second.0), (90_900 * 441 / 900, 114_300 * 441 / 900));
}

#[test]
fn sound_that_comes_or_goes_ends_the_stream() {
    let (mut ring, mut cutter, mut taken) = (ring(), Cutter::new(), Taken::default());
    play(&mut ring, 0, 1, &mut cutter, &mut taken);
    for frame in 25..80 {
        video(&mut ring, frame * 3600, frame % 25 == 0);
        taken.take(&mut cutter, &ring);
        let without = frame * 3600 - 46 * 1920;
        assert_eq!(taken.ended, Ticks(without) > PREVIEW_TRACK_GONE_TICKS, "{frame}");
        if taken.ended {
            break;
        }
    }
    assert!(taken.ended);
    let (mut ring, mut cutter, mut taken) = (self::ring(), Cutter::new(), Taken::default());
    for frame in 0..50 {
        video(&mut ring, frame * 3600, frame % 25 == 0);
        taken.take(&mut cutter, &ring);
        assert_eq!(taken.codecs.is_empty(), frame < 25, "a second tells that there is no sound");
    }
    assert_eq!(taken.codecs, ["avc1.4d401f"]);
    audio(&mut ring, 50 * 3600);
    taken.take(&mut cutter, &ring);
    assert!(taken.ended);
}

#[test]
fn a_slow_one_is_skipped_to_the_newest_key_frame() {
    let (mut ring, mut cutter, mut taken) = (ring(), Cutter::new(), Taken::default());
    play(&mut ring, 0, 1, &mut cutter, &mut taken);
    let before = taken.track(Track::Video).len();
    let mut nobody = Taken::default();
    // Nobody takes anything for three seconds.
    let mut asleep = Cutter::new();
    play(&mut ring, 90_000, 3, &mut asleep, &mut nobody);
    taken.take(&mut cutter, &ring);
    assert_eq!(cutter.skips(), 1);
    let pictures = taken.track(Track::Video);
    assert_eq!(pictures[before].0, 270_000, "the key frame at 3 s");
    assert_eq!(taken.track(Track::Audio).iter().filter(|told| told.1 != 1024).count(), 0);
    // Overtaken by the ring altogether.
    play(&mut ring, 360_000, 90, &mut asleep, &mut nobody);
    taken.take(&mut cutter, &ring);
    assert!(cutter.skips() >= 2);
    assert!(!taken.ended);
    assert_eq!(taken.track(Track::Video).last().unwrap().0 / 90_000, 93);
}

#[test]
fn bodies_that_are_no_media_are_left_out() {
    let (mut ring, mut cutter, mut taken) = (ring(), Cutter::new(), Taken::default());
    video(&mut ring, 0, true);
    taken.take(&mut cutter, &ring);
    for (n, body) in [&[][..], &[0x17, 0, 0, 0, 0, 1], &[0x27, 1], &[0xff; 9]].iter().enumerate() {
        ring.begin(Begin { track: Track::Video, dts: Ticks::from_ms(1 + n as i64), key: false });
        ring.write(Track::Video, body);
        ring.commit(Track::Video);
    }
    audio(&mut ring, 1800);
    video(&mut ring, 90_000, true);
    taken.take(&mut cutter, &ring);
    assert_eq!(taken.track(Track::Video), [(0, 90_000, 0, 100)]);
}

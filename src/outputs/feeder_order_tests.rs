use super::*;
use crate::base::limits::DESTINATION_CHUNK_BYTES;

/// A batch goes by one write, and one that stands between two messages loses units, no connection.
#[test]
fn one_overtaken_between_two_messages_of_a_batch_goes_on_at_a_keyframe() {
    let mut ring = ring();
    for n in 0..40 {
        store(&mut ring, Track::Video, n * 40, n == 0, &[1; 100]);
    }
    let mut whole = Socket::with_room(usize::MAX);
    let mut feeder = Feeder::new(1, Audience::Platform, Mono(0));
    assert_eq!(feed(&mut feeder, &ring, &mut whole, usize::MAX, 0), Fed::UpToDate);
    assert_eq!(whole.writes, 3 + 40_usize.div_ceil(BATCH_UNITS_MAX));

    let own: usize = whole.taken.len() - 40 * 112;
    let mut socket = Socket::with_room(0);
    let mut feeder = Feeder::new(1, Audience::Platform, Mono(0));
    assert_eq!(feed(&mut feeder, &ring, &mut socket, own + 2 * 112, 0), Fed::Blocked);
    for n in 40..44 {
        store(&mut ring, Track::Video, n * 40, n == 43, &[2; 40_000]);
    }
    assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
    let times: Vec<u32> =
        messages(&socket.taken, DESTINATION_CHUNK_BYTES).iter().map(|m| m.1).collect();
    assert_eq!(times, [0, 0, 0, 0, 40, 43 * 40]);
    assert_eq!(feeder.reader().skips(), 1);
}

/// What was announced is finished, no unit follows. Resumed, it goes on with a key unit that it has
/// not sent; to resume what was not held skips nothing.
#[test]
fn one_that_is_held_sends_its_own_messages_and_no_unit() {
    for audience in AUDIENCES {
        let mut ring = ring();
        store(&mut ring, Track::Video, 0, true, &[1; 100]);
        let mut socket = Socket::with_room(0);
        let mut feeder = Feeder::new(1, audience, Mono(0));
        assert!(!feeder.is_held());
        assert_eq!(feed(&mut feeder, &ring, &mut socket, 1, 0), Fed::Blocked);
        feeder.hold();
        assert!(feeder.is_held());
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        let kinds = |socket: &Socket| -> Vec<(u8, u32)> {
            let got = messages(&socket.taken, audience.chunk_bytes());
            got.iter().map(|m| (m.0, m.1)).collect()
        };
        let own = [(TYPE_DATA, 0), (TYPE_VIDEO, 0), (TYPE_AUDIO, 0)];
        assert_eq!(kinds(&socket), own, "{audience:?}");

        feeder.resume();
        assert!(!feeder.is_held());
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        feeder.hold();
        store(&mut ring, Track::Video, 40, false, &[2; 100]);
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        feeder.resume();
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        store(&mut ring, Track::Video, 80, true, &[3; 100]);
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        feeder.resume();
        store(&mut ring, Track::Video, 120, false, &[4; 100]);
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        assert_eq!(kinds(&socket)[own.len()..], [0, 80, 120].map(|ms| (TYPE_VIDEO, ms)));
    }
}

/// A configuration that changes on air stands right before the first unit it holds for, with what
/// it makes of the metadata: units before it leave first, and none is lost. Sound that comes behind
/// its picture leaves as it came for a viewer, in the order of time for a platform.
#[test]
fn own_messages_come_before_the_units_they_hold_for_in_each_order() {
    for audience in AUDIENCES {
        let mut ring = ring();
        let mut settled = ring.settled();
        settled.for_viewers = None;
        ring.settle(settled);
        store(&mut ring, Track::Video, 0, true, &[1; 100]);
        let mut socket = Socket::with_room(0);
        let mut feeder = Feeder::new(1, audience, Mono(0));
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        store(&mut ring, Track::Video, 40, false, &[2; 100]);
        store(&mut ring, Track::Audio, 20, false, &[3; 10]);
        ring.set_config(&avc(b"another"));
        store(&mut ring, Track::Video, 80, true, &[4; 100]);
        store(&mut ring, Track::Audio, 60, false, &[5; 10]);
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);

        let got = messages(&socket.taken, audience.chunk_bytes());
        let kinds: Vec<(u8, u32)> = got.iter().map(|m| (m.0, m.1)).collect();
        let (data, video, audio) = (TYPE_DATA, TYPE_VIDEO, TYPE_AUDIO);
        assert_eq!(kinds[..4], [(data, 0), (video, 0), (audio, 0), (video, 0)]);
        let (rest, config) = match audience {
            Audience::Viewer => {
                ([(video, 40), (audio, 20), (data, 80), (video, 80), (video, 80), (audio, 60)], 7)
            }
            Audience::Platform => {
                ([(audio, 20), (video, 40), (audio, 60), (data, 80), (video, 80), (video, 80)], 8)
            }
        };
        assert_eq!(kinds[4..], rest, "{audience:?}");
        assert_eq!(got[config].2, b"\x17\0\0\0\0another");
        assert_eq!(got[config + 1].2, [4; 100]);
        let names: &[u8] = match audience {
            Audience::Viewer => b"\x02\0\x0aonMetaData",
            Audience::Platform => b"\x02\0\x0d@setDataFrame\x02\0\x0aonMetaData",
        };
        assert!(got[0].2.starts_with(names));
        assert!(got[config - 1].2.starts_with(names));
    }
}

/// Platforms refuse, and players scale wrongly, what does not say its size.
#[test]
fn metadata_says_what_picture_and_sound_are() {
    for audience in AUDIENCES {
        let mut ring = ring();
        store(&mut ring, Track::Video, 0, true, &[1; 100]);
        let mut socket = Socket::with_room(0);
        let mut feeder = Feeder::new(1, audience, Mono(0));
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        let metadata = messages(&socket.taken, audience.chunk_bytes()).swap_remove(0).2;
        let said = [("width", 1280.0), ("height", 720.0), ("framerate", 30.0)];
        for (name, value) in said.into_iter().chain([("audiosamplerate", 48_000.0_f64)]) {
            let property = [name.as_bytes(), &[0], &value.to_be_bytes()].concat();
            let is_there = metadata.windows(property.len()).any(|bytes| bytes == property);
            assert!(is_there, "{audience:?}: {name}");
        }
    }
}

/// A session that is to end leaves what is behind it to the next one, which begins with a key frame.
#[test]
fn one_that_ends_before_a_key_frame_sends_what_stands_before_it_and_no_more() {
    for audience in AUDIENCES {
        let mut ring = ring();
        store(&mut ring, Track::Video, 0, true, &[1; 100]);
        let mut socket = Socket::with_room(0);
        let mut feeder = Feeder::new(1, audience, Mono(0));
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        feeder.end_before_key();
        store(&mut ring, Track::Video, 40, false, &[2; 100]);
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        assert!(!feeder.is_held(), "{audience:?}: there is no key frame yet");
        store(&mut ring, Track::Video, 80, true, &[3; 100]);
        store(&mut ring, Track::Video, 120, false, &[4; 100]);
        assert_eq!(feed(&mut feeder, &ring, &mut socket, usize::MAX, 0), Fed::UpToDate);
        assert!(feeder.is_held(), "{audience:?}");
        let times: Vec<u32> = messages(&socket.taken, audience.chunk_bytes())
            .iter()
            .filter(|message| message.0 == TYPE_VIDEO)
            .map(|message| message.1)
            .collect();
        assert_eq!(times, [0, 0, 40], "{audience:?}: the configuration, and two frames");
    }
}

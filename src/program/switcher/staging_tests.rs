use super::super::tests::{aac, avc, card, stored, switcher};
use super::super::Cut;
use super::*;
use crate::base::limits::{STAGING_AUDIO_BYTES_MAX, STAGING_UNITS_MAX};
use crate::codec::access_unit::UnitSink;
use crate::program::testing::{start, whole};

#[test]
fn the_old_source_stays_until_the_new_ones_idr_is_whole() {
    let mut switcher = switcher();
    switcher.sink(Source::Standby, Mono(0)).config(&avc(1));
    switcher.sink(Source::Udp, Mono(0)).config(&avc(2));
    card(&mut switcher, 0, 0..10);
    let now = Mono::from_ms(340);
    whole(&mut switcher, Source::Udp, now, start(Track::Video, 700, false), b"no key");
    switcher.sink(Source::Udp, now).begin(start(Track::Video, 3700, true));
    switcher.sink(Source::Udp, now).write(Track::Video, b"half, ");
    switcher.sink(Source::Udp, now).config(&aac());
    whole(&mut switcher, Source::Udp, now, start(Track::Audio, 3800, false), b"early sound");
    card(&mut switcher, 0, 10..12);
    assert_eq!(switcher.on_air(), Source::Standby);
    switcher.sink(Source::Udp, now).begin(start(Track::Audio, 5720, false));
    switcher.sink(Source::Udp, now).write(Track::Audio, b"open ");
    let now = Mono::from_ms(400);
    switcher.sink(Source::Udp, now).write(Track::Video, b"whole");
    switcher.sink(Source::Udp, now).patch(Track::Video, 0, *b"HALF");
    switcher.sink(Source::Udp, now).commit(Track::Video);
    assert_eq!(switcher.on_air(), Source::Udp);
    let cut = Cut { from: Source::Standby, to: Source::Udp, silent: None };
    assert_eq!(switcher.take_cut(), Some(cut));
    switcher.sink(Source::Udp, now).write(Track::Audio, b"sound");
    switcher.sink(Source::Udp, now).commit(Track::Audio);
    card(&mut switcher, 0, 12..13);
    let stored = stored(&switcher);
    let payloads: Vec<&[u8]> = stored.iter().skip(12).map(|unit| &*unit.2).collect();
    assert_eq!(payloads, [&b"early sound"[..], b"HALF, whole", b"open sound"]);
    let (key, sound) = (stored[13].1, stored[14].1);
    assert_eq!(sound - key, 5720 - 3700, "one offset for audio and video");
    let spacing = key - stored[11].1;
    assert!((spacing - 3000).abs() < 90, "{spacing}");
    let unit = switcher.ring().newest_key().map(|seq| switcher.ring().get(seq));
    let Some(Lookup::Unit(unit)) = unit else { panic!("the IDR") };
    assert_eq!(switcher.ring().config(Track::Video, unit.configs.video), Some(&avc(2)));
}

#[test]
fn an_idr_that_begins_again_keeps_the_sound_beside_it() {
    let mut switcher = switcher();
    card(&mut switcher, 0, 0..3);
    let now = Mono::from_ms(100);
    switcher.choose(Some(Source::Udp), now);
    switcher.sink(Source::Udp, now).config(&avc(2));
    switcher.sink(Source::Udp, now).config(&aac());
    switcher.sink(Source::Udp, now).begin(start(Track::Video, 0, true));
    whole(&mut switcher, Source::Udp, now, start(Track::Audio, 100, false), b"sound");
    whole(&mut switcher, Source::Udp, now, start(Track::Video, 0, true), b"idr");
    let stored = stored(&switcher);
    let payloads: Vec<&[u8]> = stored.iter().skip(3).map(|unit| &*unit.2).collect();
    assert_eq!(payloads, [&b"sound"[..], b"idr"]);
}

/// So much sound beside an IDR that comes slowly that only the latest of it is kept, part of it
/// around the end of its memory.
#[test]
fn sound_beside_a_slow_idr_comes_out_whole() {
    let mut switcher = switcher();
    card(&mut switcher, 0, 0..3);
    let now = Mono::from_ms(100);
    switcher.sink(Source::Udp, now).config(&avc(2));
    switcher.sink(Source::Udp, now).config(&aac());
    switcher.sink(Source::Udp, now).begin(start(Track::Video, 0, true));
    let unit = |n: usize| vec![n as u8; 2000 + n];
    let count = STAGING_AUDIO_BYTES_MAX * 3 / 2 / 2000;
    assert!(count < STAGING_UNITS_MAX);
    for n in 0..count {
        let start = start(Track::Audio, n as i64 * 1920, false);
        whole(&mut switcher, Source::Udp, now, start, &unit(n));
    }
    switcher.sink(Source::Udp, now).write(Track::Video, b"idr");
    switcher.sink(Source::Udp, now).commit(Track::Video);
    assert_eq!(switcher.on_air(), Source::Udp);
    let kept: Vec<Vec<u8>> = stored(&switcher).into_iter().skip(3).map(|unit| unit.2).collect();
    let sound = kept.iter().filter(|bytes| bytes.as_slice() != b"idr");
    let first = count - sound.clone().count();
    assert!(first > 0, "all of it is kept: nothing lies around the end");
    assert!(sound.eq(&(first..count).map(unit).collect::<Vec<_>>()));
}

#[test]
fn an_idr_that_breaks_costs_the_programme_nothing() {
    let mut switcher = switcher();
    card(&mut switcher, 0, 0..3);
    let now = Mono::from_ms(100);
    switcher.sink(Source::Udp, now).begin(start(Track::Video, 0, true));
    switcher.sink(Source::Udp, now).write(Track::Video, b"half");
    switcher.sink(Source::Udp, now).abort(Track::Video);
    whole(&mut switcher, Source::Udp, now, start(Track::Video, 3000, false), b"p");
    whole(&mut switcher, Source::Udp, now, start(Track::Video, 6000, true), &[0; 5000]);
    whole(&mut switcher, Source::Udp, now, start(Track::Video, 9000, false), b"p");
    card(&mut switcher, 0, 3..6);
    assert_eq!(switcher.on_air(), Source::Standby);
    assert_eq!(stored(&switcher).len(), 6);
    whole(&mut switcher, Source::Udp, now, start(Track::Video, 12_000, true), b"idr");
    assert_eq!(switcher.on_air(), Source::Udp);
    assert_eq!(stored(&switcher).len(), 7);
}

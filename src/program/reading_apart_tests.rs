//! What is read at two places of a file: configurations, what breaks, what is far away.

use super::*;

#[test]
fn configurations_stand_before_the_first_unit_they_hold_for() {
    for behind_ms in [0, 2_000, -2_000] {
        let pieces = interleaved(1_500, behind_ms * 90);
        let changes = pieces.len() / 2;
        let before = pieces[..changes].iter().filter(|piece| piece.track == Track::Audio).count();
        let handed = read(&mut reading(pieces));
        let rate = |config: &TrackConfig| match config {
            TrackConfig::Avc(_) => None,
            TrackConfig::Aac(aac) => Some(aac.sample_rate_hz),
        };
        let sound: Vec<_> = handed
            .configs
            .iter()
            .filter_map(|(config, at)| {
                let units = handed.units[..*at].iter();
                Some((rate(config)?, units.filter(|(track, _)| *track == Track::Audio).count()))
            })
            .collect();
        assert_eq!(sound, [(48_000, 0), (44_100, before)], "{behind_ms} ms behind");
        let pictures = handed.configs.iter().filter(|(config, _)| rate(config).is_none());
        assert_eq!(pictures.map(|(_, at)| *at).min(), Some(0), "{behind_ms} ms behind");
    }
}

#[test]
fn what_breaks_off_costs_itself_alone_and_is_counted() {
    let mut pieces = interleaved(750, 400 * 90);
    let broken = |piece: &mut Piece| piece.broken = piece.dts % 7 == 3 && !piece.key;
    pieces.iter_mut().for_each(broken);
    let count = |track| pieces.iter().filter(|piece| piece.broken && piece.track == track).count();
    let (pictures, sounds) = (count(Track::Video), count(Track::Audio));
    assert!(pictures > 50);
    assert!(sounds > 50);
    let whole = pieces.len() - pictures - sounds;
    let mut reading = reading(pieces);
    let handed = read(&mut reading);
    assert_eq!((handed.units.len(), handed.broken, handed.disorder()), (whole, pictures, 0));
    assert_eq!(reading.take_left_out(), sounds as u64);
}

/// A film of 24 Mbit/s whose sound a muxer wrote half a minute before its picture.
#[test]
fn sound_that_stands_far_before_its_picture_waits_for_it() {
    let mut pieces = interleaved(1_500, -30_000 * 90);
    pieces.iter_mut().filter(|piece| piece.track == Track::Video).for_each(|p| p.bytes = 120_000);
    let mut reading = reading(pieces);
    let handed = read(&mut reading);
    assert_eq!((handed.disorder(), reading.take_left_out()), (0, 0));
    assert_eq!(handed.units.len() as i64, 1_500 + 1_500 * FRAME / SOUND);
}

/// Tables say where sound is; a file that has none, or tables, is read once.
#[test]
fn sound_is_read_at_another_place_where_nothing_says_where_it_is() {
    let pieces = Arc::new(interleaved(10, 0));
    let place = |timing, has_sound| {
        let [TrackConfig::Avc(avc), TrackConfig::Aac(aac)] = configs() else { unreachable!() };
        let audio = Some(aac).filter(|_| has_sound);
        let duration = Some(Ticks::from_ms(400));
        let contents = Contents { video: Some(avc), audio, duration, ..Contents::default() };
        let (pieces, breaks_at, open) = (Arc::clone(&pieces), usize::MAX, None);
        let reader = Pieces { contents, pieces, next: 0, at: 0, breaks_at, open, timing };
        FilePlace::new(Box::new(Blank), Box::new(reader))
    };
    assert!(place(Timing::Clock, true).needs_another());
    assert!(place(Timing::Stated, true).needs_another());
    assert!(!place(Timing::Clock, false).needs_another());
    assert!(!place(Timing::Tables, true).needs_another());
    let once = FileReading::new(place(Timing::Tables, false), None);
    let apart = FileReading::new(place(Timing::Clock, true), Some(place(Timing::Clock, true)));
    assert!(apart.reads_apart());
    assert!(!once.reads_apart());
    assert_eq!((once.contents().audio.is_some(), apart.contents().audio.is_some()), (false, true));
    assert_eq!([once.times().timing, apart.times().timing], [Timing::Tables, Timing::Clock]);
    // Where there is no sound, a file's end is its picture's.
    let ends = [once.times().picture_end, apart.times().picture_end];
    assert_eq!(ends, [Some(Ticks::from_ms(400)), None]);
    assert_eq!((once.size(), once.bytes_read()), (u64::MAX, 0));
}

/// Sound of the first recording that ends sooner than its picture: that of the second waits for its
/// own picture.
#[test]
fn the_sound_of_a_joined_recording_does_not_fill_up_the_one_before() {
    let mut pieces = interleaved(750, 0);
    pieces.retain(|piece| piece.track == Track::Video || piece.dts < 25 * 90_000);
    pieces.extend(interleaved(750, 0));
    let mut reading = reading(pieces);
    let handed = read(&mut reading);
    assert_eq!(reading.take_left_out(), 0);
    let last = handed.units.iter().position(|unit| *unit == (Track::Video, 749 * FRAME));
    let (first, second) = handed.units.split_at(last.expect("it is there") + 1);
    for (part, sounds) in [(first, 25 * 90_000 / SOUND + 1), (second, 750 * FRAME / SOUND)] {
        let part = Handed { units: part.to_vec(), ..Handed::default() };
        assert_eq!((part.disorder(), part.of(Track::Audio).len() as i64), (0, sounds));
    }
    assert!(reading.bytes_read() > 1_500 * 4_000);
}

use super::*;
use crate::program::ring::{Capacity, Ring};
use crate::program::switcher::{FillAudio, Switcher};

fn programme() -> Programme {
    let capacity = Capacity {
        video_bytes: 2 << 20,
        audio_bytes: 1 << 17,
        units: 256,
        unit_bytes_max: 1 << 20,
    };
    Programme::new(Switcher::new(Ring::new(capacity), Duration::from_millis(500), FillAudio::No))
}

fn applicant(id: u64, last: u8, by_key: bool) -> Applicant {
    let peer = SocketAddr::from(([192, 0, 2, last], 5000 + id as u16));
    Applicant { id, peer, agent: "encoder".to_owned(), by_key, is_encrypted: false }
}

fn at(ms: u64) -> Mono {
    Mono::from_ms(ms)
}

#[test]
fn the_place_goes_to_who_comes_back_and_to_nobody_else_while_one_is_live() {
    for (who, again, late_ms, granted) in [
        // One that sends stays, for the same address and the same key too.
        (applicant(1, 1, false), applicant(2, 1, false), PUBLISHER_STALE_MS - 1, false),
        (applicant(1, 1, true), applicant(2, 1, true), PUBLISHER_STALE_MS - 1, false),
        (applicant(1, 1, true), applicant(2, 2, true), PUBLISHER_STALE_MS, true),
        // The key displaces one without, and is never displaced by one.
        (applicant(1, 1, false), applicant(2, 2, true), 10, true),
        (applicant(1, 1, true), applicant(2, 2, false), 10, false),
        (applicant(1, 1, true), applicant(2, 1, false), PUBLISHER_STALE_MS * 3, false),
        (applicant(1, 1, false), applicant(2, 2, false), PUBLISHER_STALE_MS - 1, false),
        (applicant(1, 1, false), applicant(2, 2, false), PUBLISHER_STALE_MS, true),
    ] {
        let (publishers, programme) = (Rc::<Publishers>::default(), programme());
        let first = publishers.claim(&who, &programme, at(0)).expect("a free place");
        publishers.heard(at(1000));
        let second = publishers.claim(&again, &programme, at(1000 + late_ms));
        assert_eq!((second.is_some(), first.is_held()), (granted, !granted), "{late_ms}");
        // Who was replaced does not take the place along.
        drop(first);
        assert_eq!(publishers.status(at(2000)).present, granted);
        drop(second);
        assert!(!publishers.status(at(2000)).present);
        assert!(publishers.claim(&applicant(3, 9, false), &programme, at(2000)).is_some());
    }
}

#[test]
fn the_status_names_who_is_there_and_counts_who_was_refused() {
    let (publishers, programme) = (Rc::<Publishers>::default(), programme());
    publishers.refused_key();
    let claim = publishers.claim(&applicant(7, 1, true), &programme, at(40));
    let status = publishers.status(at(50));
    assert_eq!((status.present, status.since, status.refused_key), (true, at(40), 1));
    assert_eq!((status.address.as_str(), status.agent.as_str()), ("192.0.2.1:5007", "encoder"));
    drop(claim);
    let status = publishers.status(at(60));
    assert_eq!((status.present, status.address.as_str(), status.refused_key), (false, "", 1));
}

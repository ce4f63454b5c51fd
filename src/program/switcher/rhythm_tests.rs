use super::*;

const SILENCE: Duration = Duration::from_millis(500);

fn ms(duration: Duration) -> u128 {
    duration.as_millis()
}

/// Sends frames of 40 ms from `from_ms` to `to_ms`, as many as are due in one pulse every
/// `every_ms`; whether it was never waited for in vain.
fn pulses(rhythm: &mut Rhythm, from_ms: u64, to_ms: u64, every_ms: u64) -> bool {
    let mut patient = true;
    for at in (from_ms..to_ms).step_by(every_ms as usize) {
        let now = Mono::from_ms(at);
        if let Some(last) = rhythm.last() {
            patient &= now.since(last) < rhythm.patience(SILENCE);
        }
        for frame in (at..at + every_ms).step_by(40) {
            rhythm.video(Ticks::from_ms(frame as i64), now);
            rhythm.came(now);
        }
    }
    patient
}

#[test]
fn a_source_without_pauses_is_silent_after_the_configured_time() {
    let mut rhythm = Rhythm::new(false);
    assert!(pulses(&mut rhythm, 0, 10_000, 40));
    assert_eq!(rhythm.patience(SILENCE), SILENCE);
    assert_eq!(ms(rhythm.patience(Duration::from_millis(100))), 100);
}

#[test]
fn pulses_are_waited_for_from_the_first_on_and_half_as_long_again() {
    for (every, most) in [(520, 780), (1000, 1500), (2000, 3000)] {
        for connected in [false, true] {
            let mut rhythm = Rhythm::new(connected);
            assert!(pulses(&mut rhythm, 0, 20_000, every), "every {every} ms");
            assert_eq!(ms(rhythm.patience(SILENCE)), most);
        }
    }
    // It has come to its senses: what it was is forgotten.
    let mut rhythm = Rhythm::new(false);
    pulses(&mut rhythm, 0, 10_000, 1000);
    pulses(&mut rhythm, 10_000, 30_000, 40);
    assert_eq!(rhythm.patience(SILENCE), SILENCE);
}

#[test]
fn slides_are_waited_for_once_their_rhythm_is_known() {
    let mut rhythm = Rhythm::new(false);
    rhythm.configured(0.2);
    assert_eq!(ms(rhythm.patience(SILENCE)), 7500, "the stream says it");
    rhythm.configured(0.0);
    assert_eq!(rhythm.patience(SILENCE), SILENCE);
    rhythm.configured(0.01);
    assert_eq!(rhythm.patience(SILENCE), SILENCE, "a frame of 100 s is believed of nobody");
    rhythm.configured(25.0);
    for n in 0..3 {
        rhythm.video(Ticks::from_ms(5000 * n), Mono::from_ms(5000 * n as u64));
    }
    assert_eq!(ms(rhythm.patience(SILENCE)), 7500);
}

#[test]
fn outages_are_no_rhythm() {
    let mut rhythm = Rhythm::new(false);
    for n in 0..4 {
        pulses(&mut rhythm, n * 13_000, n * 13_000 + 10_000, 40);
        assert_eq!(rhythm.patience(SILENCE), SILENCE, "outage {n}");
    }
    // The step of the clock over an outage is no burst, once media flows again.
    pulses(&mut rhythm, 60_000, 60_080, 40);
    assert_eq!(rhythm.patience(SILENCE), SILENCE);
}

#[test]
fn stalls_of_a_connection_lose_nothing_and_are_waited_for() {
    for (connected, most) in [(true, 1050), (false, 500)] {
        let mut rhythm = Rhythm::new(connected);
        for n in 0..3 {
            // A stall of 700 ms after four seconds.
            pulses(&mut rhythm, n * 4740, n * 4740 + 4080, 40);
        }
        assert_eq!(ms(rhythm.patience(SILENCE)), most);
        pulses(&mut rhythm, 15_000, 40_000, 40);
        assert_eq!(rhythm.patience(SILENCE), SILENCE);
    }
}

#[test]
fn a_connection_is_given_time_for_its_first_burst() {
    let mut rhythm = Rhythm::new(true);
    pulses(&mut rhythm, 0, 120, 40);
    assert_eq!(rhythm.patience(SILENCE), FIRST_PATIENCE);
    pulses(&mut rhythm, 120, 3040, 40);
    assert_eq!(rhythm.patience(SILENCE), SILENCE);
}

#[test]
fn a_jump_of_the_clock_is_no_burst() {
    let mut rhythm = Rhythm::new(false);
    rhythm.video(Ticks(0), Mono::from_ms(0));
    rhythm.video(Ticks::from_ms(3_600_000), Mono::from_ms(40));
    assert_eq!(rhythm.patience(SILENCE), SILENCE);
    rhythm.video(Ticks(0), Mono::from_ms(80));
    assert_eq!(rhythm.patience(SILENCE), SILENCE);
}

#[test]
fn pauses_of_two_lengths_are_waited_for_by_the_longer() {
    let mut rhythm = Rhythm::new(true);
    let mut at = 0;
    for every in [1000, 200].repeat(10) {
        pulses(&mut rhythm, at, at + 1, every);
        at += every;
    }
    assert_eq!(ms(rhythm.patience(SILENCE)), 1500);
}

#[test]
fn pauses_that_differ_by_a_fifth_are_of_one_kind() {
    for (shorter, most) in [(1600, 3000), (1599, 2398)] {
        let mut rhythm = Rhythm::new(true);
        pulses(&mut rhythm, 0, 1, 2000);
        pulses(&mut rhythm, 2000, 2001, shorter);
        pulses(&mut rhythm, 2000 + shorter, 2001 + shorter, 40);
        assert_eq!(ms(rhythm.patience(SILENCE)), most);
    }
}

/// Datagrams say no goodbye.
#[test]
fn a_sender_of_datagrams_that_flows_again_is_waited_for_as_it_flows() {
    for (connected, most) in [(false, 500), (true, 1500)] {
        let mut rhythm = Rhythm::new(connected);
        pulses(&mut rhythm, 0, 10_000, 1000);
        pulses(&mut rhythm, 10_000, 11_000, 200);
        assert_eq!(ms(rhythm.patience(SILENCE)), most);
    }
}

/// Longer than a connection stalls: what makes up half of the time is its way, what makes up less
/// is not.
#[test]
fn long_pauses_are_regular_where_they_make_up_half_of_the_time() {
    for (flows, most) in [(400, 3000), (2040, 3000), (2080, 500)] {
        let mut rhythm = Rhythm::new(true);
        for n in 0..3 {
            // The last picture comes 40 ms before the end.
            let from = n * (flows + 1960);
            pulses(&mut rhythm, from, from + flows, 40);
        }
        assert_eq!(ms(rhythm.patience(SILENCE)), most, "{flows} ms between them");
    }
}

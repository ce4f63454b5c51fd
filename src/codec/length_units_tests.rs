use super::*;
use crate::codec::collector::{hex, Collector, Random, Said};

/// x264: baseline, 64x48.
const SPS: &str = "6742c00ada11ec0440000003004000000f03c489a8";
const PPS: &str = "68ce0fc8";
const RECORD: &str = "0142c00affe100156742c00ada11ec0440000003004000000f03c489a801000468ce0fc8";
/// The same at level 2.
const OTHER_SPS: &str = "6742c014da11ec0440000003004000000f03c489a8";
/// Recovery points with recovery_frame_cnt 0 and 1.
const AT_ONCE: &str = "0606018480";
const GRADUAL: &str = "0606014480";

fn record() -> AvcConfig {
    AvcConfig::from_record(&hex(RECORD)).unwrap()
}

fn unit(nals: &[&str], length_bytes: usize) -> Vec<u8> {
    let mut unit = Vec::new();
    for nal in nals {
        let nal = hex(nal);
        unit.extend(&u32::try_from(nal.len()).unwrap().to_be_bytes()[4 - length_bytes..]);
        unit.extend(nal);
    }
    unit
}

struct Bench {
    units: LengthUnits,
    sink: Collector,
    random: Random,
    dts: i64,
}

impl Bench {
    fn new(record: Option<&AvcConfig>, length_bytes: u8) -> Bench {
        let mut units = LengthUnits::new();
        units.set_record(record, length_bytes);
        Bench { units, sink: Collector::default(), random: Random(5), dts: 0 }
    }

    /// Feeds a unit in pieces of any size.
    fn feed(&mut self, unit: &[u8]) -> UnitOutcome {
        self.dts += 3600;
        let Bench { units, sink, random, .. } = self;
        units.begin(Ticks(self.dts), Ticks(self.dts), unit.len(), sink);
        let mut rest = unit;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(1 + random.below(rest.len()));
            units.data(piece, sink);
            rest = behind;
        }
        units.end(sink)
    }

    /// The units go on at another place, in a sink that has heard nothing.
    fn restart(&mut self) {
        self.units.restart(&mut self.sink);
        self.sink = Collector::default();
    }

    fn nals(&mut self, nals: &[&str]) -> UnitOutcome {
        let length_bytes = usize::from(self.units.length_bytes());
        self.feed(&unit(nals, length_bytes))
    }

    fn keys(&self) -> Vec<bool> {
        self.sink.units().iter().map(|(start, _)| start.key).collect()
    }

    fn levels(&self) -> Vec<u8> {
        let level = |config: &TrackConfig| match config {
            TrackConfig::Avc(avc) => avc.level_idc,
            TrackConfig::Aac(_) => 0,
        };
        self.sink.configs().iter().map(level).collect()
    }
}

#[test]
fn lengths_of_every_size_become_four_bytes() {
    for length_bytes in 1..=4 {
        let mut bench = Bench::new(Some(&record()), length_bytes);
        for _ in 0..50 {
            bench.sink.said.clear();
            assert_eq!(bench.nals(&["09f0", "", "65aabb", "", "65cc"]), UnitOutcome::Whole);
            assert_eq!(bench.sink.nals(), [hex("09f0"), hex("65aabb"), hex("65cc")]);
        }
        assert!(bench.keys()[0]);
        assert_eq!(bench.units.head.capacity(), ACCESS_UNIT_HEAD_BYTES_MAX);
    }
}

#[test]
fn a_unit_is_a_key_unit_when_its_slices_say_so() {
    let mut bench = Bench::new(Some(&record()), 4);
    for nals in [&["09f0", "65"][..], &["41"], &["06050100", "09f0", "61"], &["65", "41"], &["01"]]
    {
        assert_eq!(bench.nals(nals), UnitOutcome::Whole);
    }
    assert_eq!(bench.keys(), [true, false, false, true, false]);
}

#[test]
fn recovery_points_are_judged_as_everywhere_and_taken_at_an_entry() {
    let mut bench = Bench::new(Some(&record()), 4);
    for _ in 0..3 {
        bench.nals(&[AT_ONCE, "41"]);
    }
    assert_eq!(bench.keys(), [false, true, true], "an IDR may come yet");
    for recovery_point in [AT_ONCE, GRADUAL] {
        let mut bench = Bench::new(Some(&record()), 4);
        bench.nals(&["65"]);
        bench.restart();
        for nals in [&["41"][..], &[recovery_point, "41"]] {
            bench.nals(nals);
        }
        assert_eq!(bench.keys(), [false, true], "where a file was entered");
    }
}

#[test]
fn sets_among_the_pictures_are_the_configuration_where_no_record_is() {
    let mut bench = Bench::new(None, 4);
    assert_eq!(bench.nals(&["41"]), UnitOutcome::Unconfigured { key: false });
    assert_eq!(bench.nals(&["65"]), UnitOutcome::Unconfigured { key: true });
    assert_eq!(bench.units.config(), None);
    assert_eq!(bench.nals(&["09f0", SPS, PPS, "65"]), UnitOutcome::Whole);
    assert_eq!(bench.sink.nals(), [hex("09f0"), hex(SPS), hex(PPS), hex("65")]);
    assert_eq!(bench.sink.configs(), [TrackConfig::Avc(record())]);
    assert_eq!(bench.units.config(), Some(&record()));
    bench.nals(&[SPS, PPS, "65"]);
    bench.nals(&["41"]);
    assert_eq!((bench.levels(), bench.keys()), (vec![10], vec![true, true, false]));
}

#[test]
fn sets_that_differ_from_the_record_hold_from_a_key_unit_on() {
    let mut bench = Bench::new(Some(&record()), 4);
    bench.nals(&["65"]);
    bench.nals(&[OTHER_SPS, "41"]);
    assert_eq!(bench.levels(), [10], "not in the middle of a GOP");
    bench.nals(&["65"]);
    assert_eq!(bench.levels(), [10, 20]);
    // A sequence header that is repeated before every key unit changes nothing.
    bench.units.set_record(Some(&record()), 4);
    bench.nals(&[OTHER_SPS, "65"]);
    assert_eq!(bench.levels(), [10, 20]);
    // Another place: the record holds, and what the pictures there say.
    bench.restart();
    bench.nals(&["65"]);
    assert_eq!(bench.levels(), [10]);
    bench.restart();
    bench.nals(&[OTHER_SPS, "65"]);
    assert_eq!(bench.levels(), [20]);
}

#[test]
fn a_new_record_holds_at_once() {
    let mut bench = Bench::new(Some(&record()), 4);
    bench.nals(&["65"]);
    let other = AvcConfig::from_record(&hex(&RECORD.replace("6742c00a", "6742c014"))).unwrap();
    bench.units.set_record(Some(&other), 2);
    assert_eq!(bench.units.config(), Some(&other));
    bench.nals(&["41aa"]);
    assert_eq!(bench.levels(), [10, 20]);
    // One that cannot be used ends the track, until sets come among the pictures.
    bench.units.set_record(None, 4);
    assert_eq!(
        (bench.nals(&["65"]), bench.units.config()),
        (UnitOutcome::Unconfigured { key: true }, None)
    );
    bench.nals(&[SPS, PPS, "65"]);
    assert_eq!(bench.levels(), [10, 20, 10]);
}

#[test]
fn what_has_no_slice_goes_with_the_next_unit() {
    let mut bench = Bench::new(None, 4);
    assert_eq!(bench.nals(&[SPS, PPS]), UnitOutcome::Held);
    assert_eq!(bench.nals(&["65"]), UnitOutcome::Whole);
    assert_eq!(bench.sink.nals(), [hex(SPS), hex(PPS), hex("65")]);
    let (start, _) = bench.sink.units()[0];
    assert_eq!((start.dts, start.key), (Ticks(7200), true));
    // But not to another place.
    bench.nals(&["0605"]);
    bench.restart();
    bench.nals(&["65"]);
    assert_eq!(bench.sink.nals(), [hex("65")]);
}

#[test]
fn lengths_that_do_not_add_up_cost_the_unit() {
    for broken in [
        "000000036588",
        "000000016500",
        "00000001650000000100ff",
        "00000000",
        "",
        "00",
        "0000000209f0000000056588",
        "ffffffff65",
    ] {
        let mut bench = Bench::new(Some(&record()), 4);
        assert_eq!(bench.feed(&hex(broken)), UnitOutcome::Broken, "{broken}");
        assert!(bench.sink.units().is_empty());
        assert_eq!(bench.nals(&["65"]), UnitOutcome::Whole);
        assert_eq!(bench.sink.nals(), [hex("65")], "nothing is left of {broken}");
    }
    // Cut short, and abandoned.
    let mut bench = Bench::new(Some(&record()), 4);
    bench.units.begin(Ticks(0), Ticks(0), 100, &mut bench.sink);
    bench.units.data(&hex("0000000a65"), &mut bench.sink);
    assert_eq!(bench.units.end(&mut bench.sink), UnitOutcome::Broken);
    bench.units.begin(Ticks(0), Ticks(0), 100, &mut bench.sink);
    bench.units.data(&hex("0000000a65"), &mut bench.sink);
    assert_eq!(bench.units.abort(&mut bench.sink), Some(UnitOutcome::Broken));
    assert_eq!(bench.units.abort(&mut bench.sink), None);
    assert!(bench.sink.said.iter().all(|said| !matches!(said, Said::Unit(..))));
}

#[test]
fn a_head_has_a_bound_and_nal_units_have_none() {
    let mut bench = Bench::new(Some(&record()), 4);
    let sei = "06".repeat(ACCESS_UNIT_HEAD_BYTES_MAX - 20);
    assert_eq!(bench.nals(&[&sei, "65"]), UnitOutcome::Whole);
    assert_eq!(bench.nals(&[&sei, &sei, "65"]), UnitOutcome::Broken);
    assert_eq!(bench.nals(&vec!["06"; 5000]), UnitOutcome::Broken, "without a slice");
    let mut many = vec!["65aa"; 50_000];
    many.extend(vec![""; 50_000]);
    assert_eq!(bench.nals(&many), UnitOutcome::Whole);
    assert_eq!(bench.units.head.capacity(), ACCESS_UNIT_HEAD_BYTES_MAX);
}

#[test]
fn any_bytes_do_no_harm() {
    let mut random = Random(31);
    for _ in 0..20_000 {
        let mut bench = Bench::new(None, 1 + random.byte() % 4);
        for _ in 0..4 {
            let mut bytes = unit(
                &[SPS, PPS, AT_ONCE, "65aabbcc", "41"],
                usize::from(bench.units.length_bytes()),
            );
            for _ in 0..random.below(4) {
                let place = random.below(bytes.len());
                bytes[place] = random.byte() % 16;
            }
            bench.feed(&bytes);
        }
    }
}

//! What came, compared with what was packed.

use test_support::units::{AccessUnit, Track};

use crate::recorder::Unit;

/// Units of one track, `shift` earlier than packed.
pub fn of_track(units: &[AccessUnit], track: Track, shift: i64) -> Vec<AccessUnit> {
    let own = units.iter().filter(|unit| unit.track == track).cloned();
    own.map(|unit| AccessUnit { dts: unit.dts - shift, pts: unit.pts - shift, ..unit }).collect()
}

/// What is wrong with the units that came, if something is. Times of the units before `timed_from`
/// are not looked at; others may differ by `ticks`.
pub fn difference(
    sent: &[AccessUnit],
    came: &[&Unit],
    timed_from: usize,
    ticks: i64,
) -> Option<String> {
    for (n, unit) in sent.iter().enumerate() {
        let Some((start, payload)) = came.get(n) else {
            return Some(format!("{} of {} units came", came.len(), sent.len()));
        };
        if *payload != unit.payload() {
            let (sent, came) = (kinds(&unit.payload()), kinds(payload));
            return Some(format!("unit {n} is not what was sent: {came:?} for {sent:?}"));
        }
        if start.key != unit.key {
            return Some(format!("unit {n}: key is {}", start.key));
        }
        let times = (start.dts.0, start.pts.0);
        let off = (times.0 - unit.dts).abs().max((times.1 - unit.pts).abs());
        if n >= timed_from && off > ticks {
            let sent = (unit.dts, unit.pts);
            return Some(format!("unit {n}: times {times:?}, and {sent:?} were sent"));
        }
    }
    (came.len() > sent.len()).then(|| format!("{} units for {}", came.len(), sent.len()))
}

/// Type and length of each NAL unit.
pub fn kinds(mut unit: &[u8]) -> Vec<(u8, usize)> {
    let mut kinds = Vec::new();
    while let Some((length, rest)) = unit.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (nal, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        kinds.push((nal.first().map_or(0, |header| header & 31), nal.len()));
        unit = rest;
    }
    kinds
}

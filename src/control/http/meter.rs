//! What the gate counts, for those who tell it. Purpose: the gate's thread writes, the workers
//! read, nobody waits. Bound: a few numbers, and two lines in the log for each run of refusals.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::base::events::Condition;
use crate::system::clock;

/// The gate's numbers.
#[derive(Debug, Default)]
pub struct Meter {
    refused: AtomicU64,
    complaint: Mutex<Condition>,
    /// Connections that have a seat.
    pub connections: Gauge,
    /// Clients of `/api/events`.
    pub events: Gauge,
    /// Clients of the preview.
    pub previews: Gauge,
    /// Uploads under way.
    pub uploads: Gauge,
    /// Orders to the update service under way.
    pub firmware: Gauge,
}

/// Page and API: the numbers at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HttpUse {
    /// Connections and requests the gate has turned away since the start.
    pub refused: u64,
    /// Connections that have a seat.
    pub connections: usize,
    /// Clients of `/api/events`.
    pub events: usize,
    /// Clients of the preview.
    pub previews: usize,
    /// Uploads under way.
    pub uploads: usize,
}

impl Meter {
    /// Counts a connection or request that was turned away, and says so.
    pub fn refuse(&self, peer: IpAddr, why: &dyn Display) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if complaint.occurs(clock::mono()) {
            log::info!("control: refused {peer}: {why}");
        }
    }

    /// All numbers, now. Says when nobody is turned away any more.
    pub fn read(&self) -> HttpUse {
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(over) = complaint.over(clock::mono()) {
            log::info!("control: connections are no longer refused ({over})");
        }
        drop(complaint);
        HttpUse {
            refused: self.refused.load(Ordering::Relaxed),
            connections: self.connections.read(),
            events: self.events.read(),
            previews: self.previews.read(),
            uploads: self.uploads.read(),
        }
    }
}

/// How many hold a place.
#[derive(Debug, Default)]
pub struct Gauge(AtomicUsize);

impl Gauge {
    /// A place, given back when dropped; nothing when `most` are taken.
    pub fn take(&self, most: usize) -> Option<GaugePlace<'_>> {
        // Counted first and given back if too many: it is dropped either way.
        let before = self.0.fetch_add(1, Ordering::AcqRel);
        let place = GaugePlace(self);
        (before < most).then_some(place)
    }

    /// So many hold one, counted elsewhere.
    pub fn set(&self, count: usize) {
        self.0.store(count, Ordering::Release);
    }

    fn read(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A place of a [`Gauge`].
#[derive(Debug)]
pub struct GaugePlace<'a>(&'a Gauge);

impl Drop for GaugePlace<'_> {
    fn drop(&mut self) {
        self.0 .0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_counted_and_given_back() {
        let meter = Meter::default();
        let held: Vec<_> = (0..3).map(|_| meter.events.take(3)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(meter.events.take(3).is_none());
        meter.refuse([192, 0, 2, 1].into(), &"a test");
        assert_eq!(meter.read(), HttpUse { refused: 1, events: 3, ..HttpUse::default() });
        drop(held);
        assert_eq!(meter.read().events, 0);
        assert!(meter.events.take(1).is_some());
    }
}

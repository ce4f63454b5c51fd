//! Whether a destination gets the programme or is held back. Purpose: what its platform would not take
//! is not sent there, and a moment's excess ends no broadcast. Non-goals: what a platform takes
//! (operator's platforms). Pure: `now` comes in. Bound: this struct.

use std::time::Duration;

use crate::base::time::Mono;

/// What is otherwise than before must last so long to count: as long as bit rates are measured.
const COUNTS_AFTER: Duration = Duration::from_secs(10);

/// The verdict on one destination.
#[derive(Default)]
pub struct HoldBack {
    verdict: Fit,
    /// Since when the programme has been otherwise than the verdict.
    otherwise: Option<Mono>,
}

#[derive(Default, PartialEq, Eq)]
enum Fit {
    /// Nobody has looked at the programme yet.
    #[default]
    Unseen,
    Fits,
    Held(String),
}

/// What a look at the programme has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldTurn {
    /// It is held back from now on.
    Held,
    /// It is pushed to from now on.
    Released,
}

impl HoldBack {
    /// Looks at what the platform has against the programme.
    pub fn look(&mut self, objection: Option<String>, now: Mono) -> Option<HoldTurn> {
        let is_otherwise = match (&mut self.verdict, &objection) {
            // No broadcast is interrupted by the first look.
            (Fit::Unseen, _) => return Some(self.turn(objection)),
            (Fit::Held(words), Some(newer)) => {
                words.clone_from(newer);
                false
            }
            (Fit::Fits, None) => false,
            (Fit::Fits, Some(_)) | (Fit::Held(_), None) => true,
        };
        if !is_otherwise {
            self.otherwise = None;
            return None;
        }
        let since = *self.otherwise.get_or_insert(now);
        (now.since(since) >= COUNTS_AFTER).then(|| self.turn(objection))
    }

    fn turn(&mut self, objection: Option<String>) -> HoldTurn {
        self.otherwise = None;
        let turn = if objection.is_some() { HoldTurn::Held } else { HoldTurn::Released };
        self.verdict = objection.map_or(Fit::Fits, Fit::Held);
        turn
    }

    /// Whether it is pushed to.
    pub fn fits(&self) -> bool {
        self.verdict == Fit::Fits
    }

    /// Why it is held back.
    pub fn reason(&self) -> Option<&str> {
        match &self.verdict {
            Fit::Held(words) => Some(words),
            Fit::Unseen | Fit::Fits => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(hold: &mut HoldBack, objection: &str, s: u64) -> Option<HoldTurn> {
        let objection = (!objection.is_empty()).then(|| objection.to_owned());
        hold.look(objection, Mono::from_ms(s * 1000))
    }

    #[test]
    fn the_first_look_decides_at_once() {
        let mut hold = HoldBack::default();
        assert!(!hold.fits() && hold.reason().is_none());
        assert_eq!(look(&mut hold, "no sound", 0), Some(HoldTurn::Held));
        assert_eq!((hold.fits(), hold.reason()), (false, Some("no sound")));
        let mut hold = HoldBack::default();
        assert_eq!(look(&mut hold, "", 0), Some(HoldTurn::Released));
        assert!(hold.fits());
    }

    #[test]
    fn only_what_lasts_counts() {
        let mut hold = HoldBack::default();
        look(&mut hold, "", 0);
        // Nine seconds of excess, again and again.
        for s in 1..100 {
            assert_eq!(look(&mut hold, if s % 10 == 0 { "" } else { "high" }, s), None);
        }
        let held = (100..120).find(|s| look(&mut hold, "high", *s).is_some());
        assert_eq!((held, hold.reason()), (Some(101), Some("high")));
        assert_eq!(look(&mut hold, "higher", 112), None);
        assert_eq!(hold.reason(), Some("higher"), "the newest words");
        // It fits for a moment only, then for good.
        assert_eq!(look(&mut hold, "", 113), None);
        assert_eq!(look(&mut hold, "high", 122), None);
        let fits = (123..140).find(|s| look(&mut hold, "", *s).is_some());
        assert_eq!((fits, hold.fits()), (Some(133), true));
    }
}

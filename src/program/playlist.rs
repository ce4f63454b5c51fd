//! What a list plays next. Purpose: the order of a list's files, round after round, in which the
//! list can be changed while one of them plays, and a place that can be written down and found
//! again. Non-goals: whether a file can be played. Bound: one copy of the list.

use serde::{Deserialize, Serialize};

/// A list, and where it stands in it.
#[derive(Clone, Debug)]
pub struct Walk<T> {
    files: Vec<T>,
    /// Indexes of `files`, in the order of this round.
    order: Vec<usize>,
    standing: WalkStanding,
    rules: Rules,
    seed: u64,
    round: u64,
}

/// How a list is gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Begin again at the end.
    pub repeat: bool,
    /// In another order each round.
    pub shuffle: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WalkStanding {
    /// At this place of the order.
    At(usize),
    /// The file that plays is no longer in the list; this place comes behind it.
    Before(usize),
}

/// Where a walk stands, to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaylistPlace {
    /// Which of the list's files, counted from 0 in the list's own order.
    pub index: usize,
    /// What its orders come from.
    pub seed: u64,
    /// Which round.
    pub round: u64,
}

impl<T: Clone + PartialEq> Walk<T> {
    /// At the beginning of a list; `None` when it is empty.
    pub fn new(files: &[T], rules: Rules, seed: u64) -> Option<Walk<T>> {
        let order = order(files.len(), rules, seed, 0);
        let files = files.to_vec();
        let walk = Walk { files, order, standing: WalkStanding::At(0), rules, seed, round: 0 };
        (!walk.files.is_empty()).then_some(walk)
    }

    /// At a place that was written down, if the list still has this file there or elsewhere; else
    /// at its beginning.
    pub fn at(files: &[T], rules: Rules, place: PlaylistPlace, file: &T) -> Option<Walk<T>> {
        let mut walk = Walk::new(files, rules, place.seed)?;
        walk.round = place.round;
        walk.order = order(files.len(), rules, place.seed, place.round);
        let nearest = nearest(files, file, place.index);
        if let Some(at) = walk.order.iter().position(|index| Some(*index) == nearest) {
            walk.standing = WalkStanding::At(at);
        }
        Some(walk)
    }

    /// The file it stands at; `None` when that was taken off the list.
    pub fn current(&self) -> Option<&T> {
        match self.standing {
            WalkStanding::At(at) => self.file(&self.order, at),
            WalkStanding::Before(_) => None,
        }
    }

    /// Which of the list's files that is, counted from 0 in the list's own order; of the one that
    /// follows when it was taken off.
    pub fn index(&self) -> usize {
        let (WalkStanding::At(at) | WalkStanding::Before(at)) = self.standing;
        self.order.get(at).copied().unwrap_or(0)
    }

    /// How many files the list has.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The file behind this one; `None` at the end of a list that does not repeat.
    pub fn next(&self) -> Option<&T> {
        let at = self.next_at();
        if at < self.order.len() {
            return self.file(&self.order, at);
        }
        let round = self.rules.repeat.then(|| self.order_of(self.round.wrapping_add(1)))?;
        self.file(&round, 0)
    }

    /// Goes to the file behind this one, and returns it.
    pub fn advance(&mut self) -> Option<T> {
        let at = self.next_at();
        if at < self.order.len() {
            self.standing = WalkStanding::At(at);
        } else if self.rules.repeat {
            self.round = self.round.wrapping_add(1);
            self.order = self.order_of(self.round);
            self.standing = WalkStanding::At(0);
        } else {
            return None;
        }
        self.current().cloned()
    }

    /// The list has changed. The file it stands at stays current, wherever it now is; one that was
    /// taken off is followed by what followed it. A shuffled list begins a new round behind it.
    pub fn edit(&mut self, files: &[T], rules: Rules) {
        let kept = self.current().and_then(|file| nearest(files, file, self.index()));
        // What comes behind it in the old order and is still there.
        let behind = self.order.get(self.next_at()..).unwrap_or_default().iter();
        let behind = behind.filter_map(|index| self.files.get(*index)?.into());
        let follower = behind.filter_map(|file| files.iter().position(|new| new == file)).next();
        (self.files, self.rules) = (files.to_vec(), rules);
        if rules.shuffle {
            self.seed = self.seed.wrapping_add(1);
            self.round = 0;
        }
        self.order = self.order_of(self.round);
        let place = |index: usize| self.order.iter().position(|each| *each == index);
        self.standing = match (kept.and_then(place), follower.and_then(place)) {
            (Some(at), _) if rules.shuffle => {
                self.order.swap(0, at);
                WalkStanding::At(0)
            }
            (Some(at), _) => WalkStanding::At(at),
            (None, Some(at)) if rules.shuffle => {
                self.order.swap(0, at);
                WalkStanding::Before(0)
            }
            (None, Some(at)) => WalkStanding::Before(at),
            (None, None) => WalkStanding::Before(self.order.len()),
        };
    }

    /// Where it stands, to be written down.
    pub fn place(&self) -> PlaylistPlace {
        PlaylistPlace { index: self.index(), seed: self.seed, round: self.round }
    }

    fn next_at(&self) -> usize {
        match self.standing {
            WalkStanding::At(at) => at + 1,
            WalkStanding::Before(at) => at,
        }
    }

    fn order_of(&self, round: u64) -> Vec<usize> {
        order(self.files.len(), self.rules, self.seed, round)
    }

    fn file(&self, order: &[usize], at: usize) -> Option<&T> {
        self.files.get(*order.get(at)?)
    }
}

/// The files' order in a round. Which file is a round's last does not depend on the round before,
/// so that no round has to be computed but its own and the one before.
fn order(files: usize, rules: Rules, seed: u64, round: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..files).collect();
    if !rules.shuffle || files < 2 {
        return order;
    }
    // Of two files that alternate there is one order only.
    let round = if files == 2 { 0 } else { round };
    let shuffled = |order: &mut Vec<usize>, round: u64| {
        let seed = seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        fastrand::Rng::with_seed(seed).shuffle(order);
    };
    let last = (round > 0).then(|| {
        let mut before = order.clone();
        shuffled(&mut before, round.wrapping_sub(1));
        before.last().copied()
    });
    shuffled(&mut order, round);
    if last.is_some_and(|last| last.as_ref() == order.first()) {
        // Never with the last one: the next round counts on it.
        order.swap(0, 1);
    }
    order
}

/// Where a file stands in a list, nearest to a place when more than once.
fn nearest<T: PartialEq>(files: &[T], file: &T, place: usize) -> Option<usize> {
    let places = files.iter().enumerate().filter(|(_, each)| *each == file);
    places.map(|(index, _)| index).min_by_key(|index| index.abs_diff(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_ORDER: Rules = Rules { repeat: false, shuffle: false };
    const AGAIN: Rules = Rules { repeat: true, shuffle: false };
    const SHUFFLED: Rules = Rules { repeat: true, shuffle: true };

    fn walk(files: &[char], rules: Rules) -> Walk<char> {
        Walk::new(files, rules, 42).expect("a list")
    }

    fn played(walk: &mut Walk<char>, times: usize) -> String {
        let mut played = String::from_iter(walk.current());
        for _ in 1..times {
            let next = walk.next().copied();
            assert_eq!(walk.advance(), next, "what was foretold comes");
            played.extend(next);
        }
        played
    }

    #[test]
    fn a_list_is_played_once_or_again_and_again() {
        assert_eq!(played(&mut walk(&['a', 'b', 'c'], IN_ORDER), 9), "abc");
        assert_eq!(played(&mut walk(&['a', 'b', 'c'], AGAIN), 8), "abcabcab");
        assert_eq!(played(&mut walk(&['a'], AGAIN), 3), "aaa");
        assert_eq!(played(&mut walk(&['a'], SHUFFLED), 3), "aaa");
        assert!(Walk::<char>::new(&[], AGAIN, 1).is_none());
    }

    #[test]
    fn each_round_of_a_shuffled_list_has_every_file_once_and_none_twice_in_a_row() {
        for files in 2..9 {
            let names: Vec<char> = ('a'..='z').take(files).collect();
            for seed in 0..40 {
                let mut walk = Walk::new(&names, SHUFFLED, seed).expect("a list");
                let played: Vec<char> = played(&mut walk, files * 30).chars().collect();
                assert!(played.windows(2).all(|pair| pair[0] != pair[1]), "{played:?}");
                for round in played.chunks(files) {
                    let mut round = round.to_vec();
                    round.sort_unstable();
                    assert_eq!(round, names);
                }
            }
        }
        let mut long = walk(&['a', 'b', 'c', 'd', 'e', 'f'], SHUFFLED);
        let played = played(&mut long, 60);
        let rounds: Vec<char> = played.chars().collect();
        assert_ne!(
            rounds.first_chunk::<6>(),
            rounds.split_at(6).1.first_chunk(),
            "another order each round"
        );
    }

    #[test]
    fn the_file_that_plays_stays_when_the_list_changes() {
        let mut list = walk(&['a', 'b', 'c', 'd'], IN_ORDER);
        list.advance();
        list.edit(&['x', 'b', 'c'], AGAIN);
        assert_eq!((list.current(), list.index()), (Some(&'b'), 1));
        assert_eq!(played(&mut list, 5), "bcxbc");
        // The same file twice: the nearer one.
        let mut list = walk(&['a', 'b', 'a', 'c'], IN_ORDER);
        list.advance();
        list.advance();
        list.edit(&['a', 'x', 'y', 'a', 'z'], IN_ORDER);
        assert_eq!(played(&mut list, 3), "az");
    }

    #[test]
    fn a_file_taken_off_is_followed_by_what_followed_it() {
        let mut list = walk(&['a', 'b', 'c', 'd'], IN_ORDER);
        list.advance();
        list.edit(&['a', 'd', 'e'], IN_ORDER);
        assert_eq!(list.current(), None);
        assert_eq!((list.next(), list.index()), (Some(&'d'), 1));
        list.edit(&['a', 'e', 'd'], IN_ORDER);
        assert_eq!(played(&mut list, 3), "d", "also when it changes again");
        let mut last = walk(&['a', 'b'], AGAIN);
        last.advance();
        last.edit(&['a', 'c'], AGAIN);
        assert_eq!(last.next(), Some(&'a'), "nothing is behind it: the next round");
        assert_eq!((last.len(), last.is_empty()), (2, false));
        last.edit(&[], AGAIN);
        assert_eq!((last.len(), last.is_empty()), (0, true));
        assert_eq!(last.next(), None);
        assert_eq!(last.advance(), None);
    }

    #[test]
    fn a_shuffled_list_that_changes_plays_all_the_others() {
        let mut list = walk(&['a', 'b', 'c', 'd', 'e'], SHUFFLED);
        list.advance();
        let current = *list.current().expect("one plays");
        list.edit(&['a', 'b', 'c', 'd', 'e', 'f'], SHUFFLED);
        let mut round: Vec<char> = played(&mut list, 6).chars().collect();
        assert_eq!(round.first(), Some(&current));
        round.sort_unstable();
        assert_eq!(round, ['a', 'b', 'c', 'd', 'e', 'f']);
    }

    #[test]
    fn behind_a_file_taken_off_a_shuffled_list_all_the_others_are_played() {
        let all = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
        for gone in all {
            let mut list = walk(&all, SHUFFLED);
            while list.current() != Some(&gone) {
                list.advance();
            }
            let left: Vec<char> = all.into_iter().filter(|file| *file != gone).collect();
            list.edit(&left, SHUFFLED);
            let mut round: Vec<char> = std::iter::from_fn(|| list.advance()).take(6).collect();
            round.sort_unstable();
            assert_eq!(round, left, "{gone} is gone");
        }
    }

    #[test]
    fn a_place_is_found_again() {
        for rules in [AGAIN, SHUFFLED] {
            let files = ['a', 'b', 'c', 'd', 'e'];
            let mut list = walk(&files, rules);
            played(&mut list, 13);
            let file = *list.current().expect("one plays");
            let mut found = Walk::at(&files, rules, list.place(), &file).expect("a list");
            assert_eq!(played(&mut found, 20), played(&mut list, 20));
        }
        let place = PlaylistPlace { index: 7, seed: 1, round: 0 };
        let lost = Walk::at(&['a', 'b'], AGAIN, place, &'z').expect("a list");
        assert_eq!(lost.current(), Some(&'a'));
    }
}

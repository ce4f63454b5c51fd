//! A value for each track of a programme.

use std::ops::{Index, IndexMut};

use super::access_unit::Track;

/// A value for each track, found by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerTrack<T> {
    /// The picture's.
    pub video: T,
    /// The sound's.
    pub audio: T,
}

impl<T> PerTrack<T> {
    /// The values that `make` gives, the picture's first.
    pub fn of(make: impl FnMut(Track) -> T) -> PerTrack<T> {
        let [video, audio] = Track::ALL.map(make);
        PerTrack { video, audio }
    }

    /// Each track and its value, the picture's first.
    pub fn iter(&self) -> impl Iterator<Item = (Track, &T)> {
        Track::ALL.into_iter().zip([&self.video, &self.audio])
    }

    /// The values, the picture's first.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        [&self.video, &self.audio].into_iter()
    }

    /// The same, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        [&mut self.video, &mut self.audio].into_iter()
    }
}

impl<T: Clone> PerTrack<T> {
    /// The same for both.
    pub fn both(value: T) -> PerTrack<T> {
        PerTrack { video: value.clone(), audio: value }
    }
}

impl<T> Index<Track> for PerTrack<T> {
    type Output = T;

    fn index(&self, track: Track) -> &T {
        match track {
            Track::Video => &self.video,
            Track::Audio => &self.audio,
        }
    }
}

impl<T> IndexMut<Track> for PerTrack<T> {
    fn index_mut(&mut self, track: Track) -> &mut T {
        match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        }
    }
}

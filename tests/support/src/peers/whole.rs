//! A source that comes out whole: unchanged, in order, none left out, to its end.

use super::frames::{one_run, only_grows, same_distances, Recording};

/// Asserts that the received frames hold one whole run of the source that reaches to its end, of
/// `frames_min` frames at least, with the source's distances in time;
/// returns where in them it begins, for video and audio.
pub fn whole_run(
    what: &str,
    received: &Recording,
    source: &Recording,
    frames_min: usize,
) -> (usize, usize) {
    let video = one_run(&format!("{what} video"), &received.video, &source.video, frames_min);
    let audio =
        one_run(&format!("{what} audio"), &received.audio, &source.audio, frames_min * 9 / 10);
    // The end of the very last unit is nowhere said: nothing follows it.
    for (track, run, all) in
        [("video", video, source.video.len()), ("audio", audio, source.audio.len())]
    {
        assert!(run.source_at + run.frames + 1 >= all, "{what} {track}: {run:?} of {all}");
    }
    let first = received.video.get(video.received_at).expect("the run begins within");
    assert!(first.key, "{what}: the source comes on air with {first:?}");
    same_distances(what, received, source, [video, audio]);
    only_grows(&format!("{what} video"), &received.video);
    only_grows(&format!("{what} audio"), &received.audio);
    (video.received_at, audio.received_at)
}

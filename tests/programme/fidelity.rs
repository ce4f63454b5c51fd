//! Files of every container reach a viewer frame by frame, with the distances in time that they
//! have in the file; a file without sound gets silence.

use crate::clips::{Clip, Recipe, PLAIN};
use crate::frames::{
    longest_step_ms, one_run, only_grows, runs, same_distances, Frame, Recording, Run,
};
use crate::scene::Scene;

/// An AAC frame at 44.1 kHz, rounded up, and a millisecond of rounding.
const AUDIO_STEP_MS_MAX: i64 = 25;

#[test]
fn mp4_files_come_out_frame_by_frame() {
    let fragments: &[&str] = &["-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    let last = Clip::of(Recipe { name: "moov-last.mp4", b_frames: 2, audio_hz: 44_100, ..PLAIN });
    let whole = Clip::of(Recipe { name: "whole.mp4", b_frames: 2, audio_hz: 44_100, ..PLAIN });
    let edited = whole.remuxed("edited.mp4", &["-ss", "1.32"]);
    let clips = [
        Clip::of(Recipe { name: "faststart.mp4", more: &["-movflags", "+faststart"], ..PLAIN }),
        last,
        edited,
        Clip::of(Recipe { name: "fragmented.mp4", b_frames: 2, more: fragments, ..PLAIN }),
        Clip::of(Recipe {
            name: "vfr.mp4",
            more: &[
                "-vf",
                "select=not(eq(mod(n\\,5)\\,2))*not(eq(mod(n\\,7)\\,3))",
                "-vsync",
                "vfr",
            ],
            ..PLAIN
        }),
        Clip::of(Recipe { name: "odd.m4v", picture: ("338x190", 30), ..PLAIN }),
        Clip::of(Recipe { name: "mute.mp4", audio_hz: 0, b_frames: 1, ..PLAIN }),
    ];
    play(&clips);
}

#[test]
fn other_files_come_out_frame_by_frame() {
    let clips = [
        Clip::of(Recipe { name: "b.mov", b_frames: 2, audio_hz: 44_100, ..PLAIN }),
        Clip::of(Recipe { name: "b.ts", b_frames: 2, ..PLAIN }),
        Clip::of(Recipe { name: "plain.flv", audio_hz: 44_100, ..PLAIN }),
        Clip::of(Recipe { name: "b.mkv", b_frames: 2, audio_hz: 44_100, ..PLAIN }),
        Clip::of(Recipe { name: "plain.ts", ..PLAIN }),
        Clip::of(Recipe { name: "b.flv", b_frames: 2, ..PLAIN }),
        Clip::of(Recipe { name: "mute.ts", audio_hz: 0, ..PLAIN }),
    ];
    play(&clips);
}

/// A second of stillness is no reason for standby, nor is a slide; no frame of it comes sooner.
#[test]
fn slow_files_come_out_at_their_own_pace() {
    let still = &["-vf", "select='not(between(t,1,4))'", "-vsync", "vfr"];
    let clips = [
        Clip::of(Recipe { name: "slides.mp4", seconds: 8, more: &["-r", "0.5"], ..PLAIN }),
        Clip::of(Recipe { name: "stands.mkv", seconds: 5, audio_hz: 0, more: still, ..PLAIN }),
    ];
    let mut scene = Scene::with(&clips.iter().collect::<Vec<_>>());
    for clip in &clips {
        scene.switch_to(clip.name);
        scene.wait_frame(clip, clip.frames.video.len() - 1);
        scene.wait_status("/current_video_source", "standby");
    }
    scene.program.assert_well();
    let seen = scene.player.stop();
    only_grows("video", &seen.frames.video);
    for clip in &clips {
        let (received, source) = (pictures(&seen.frames), pictures(&clip.frames));
        let run = one_run(clip.name, &received.video, &source.video, source.video.len());
        for (is, was) in of_run(&received.video, run).windows(2).zip(source.video.windows(2)) {
            let step = |pair: &[Frame]| pair.last().map(|last| last.dts_ms - pair[0].dts_ms);
            assert_eq!(step(is), step(was), "{}: {is:?}", clip.name);
        }
    }
}

/// Plays one after the other, and compares.
fn play(clips: &[Clip]) {
    let scene = Scene::with(&clips.iter().collect::<Vec<_>>());
    for clip in clips {
        scene.switch_to(clip.name);
        scene.wait_frame(clip, clip.frames.video.len() - 1);
        scene.wait_status("/current_video_source", "standby");
    }
    let seen = scene.end();
    for clip in clips {
        compare(clip, &seen.frames);
    }
    only_grows("video", &seen.frames.video);
}

/// Asserts that all of a clip was received as it is; parameter sets and delimiters may differ in
/// the first frame, behind the cut.
fn compare(clip: &Clip, received: &Recording) {
    let (what, source) = (clip.name, &clip.frames);
    let pictures = pictures(received);
    let expected = self::pictures(source);
    let video = one_run(what, &pictures.video, &expected.video, expected.video.len());
    let frames = of_run(&received.video, video);
    assert!(frames.first().is_some_and(|first| first.key), "{what} begins with no key frame");
    for (at, (is, was)) in frames.iter().zip(&source.video).enumerate().skip(1) {
        assert_eq!(is.digest, was.digest, "{what}: frame {at} of {}", was.bytes);
        assert_eq!(is.key, was.key, "{what}: frame {at}");
    }
    if source.audio.is_empty() {
        let [Some(first), Some(last)] = [frames.first(), frames.last()] else { return };
        let beside = received
            .audio
            .iter()
            .filter(|frame| frame.dts_ms >= first.dts_ms && frame.dts_ms < last.dts_ms);
        let beside: Vec<Frame> = beside.copied().collect();
        assert!(beside.len() > 100, "{what}: {} silent frames", beside.len());
        let step = longest_step_ms(&beside);
        assert!(step <= AUDIO_STEP_MS_MAX, "{what}: no sound for {step} ms");
        return;
    }
    let [Some(first), Some(last)] = [source.video.first(), source.video.last()] else { return };
    // Sound outside the pictures' time gives way to the sound beyond the cut.
    let inside = first.dts_ms + AUDIO_STEP_MS_MAX..last.dts_ms - AUDIO_STEP_MS_MAX;
    let inside = source.audio.iter().filter(|frame| inside.contains(&frame.dts_ms)).count();
    let near = frames.first().map_or(0, |frame| frame.dts_ms - 1000);
    let near = near..near + 2000 + last.dts_ms - first.dts_ms;
    let mut received = self::pictures(received);
    received.audio.retain(|frame| near.contains(&frame.dts_ms));
    // Silence at a clip's end may be that of others too.
    let longest = runs(&received.audio, &source.audio).into_iter().max_by_key(|run| run.frames);
    let audio = longest.expect("sound of the clip");
    assert!(audio.frames >= inside, "{what}: {audio:?} of {inside} beside its picture");
    same_distances(what, &received, &expected, [video, audio]);
}

fn of_run(frames: &[Frame], run: Run) -> &[Frame] {
    frames.get(run.received_at..run.received_at + run.frames).unwrap_or_default()
}

/// The same with frames told by their pictures alone.
fn pictures(recording: &Recording) -> Recording {
    let picture = |frame: &Frame| Frame { digest: frame.picture, ..*frame };
    Recording { video: recording.video.iter().map(picture).collect(), ..recording.clone() }
}

use std::future::{poll_fn, Future};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::*;
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, UnitSink, UnitStart};
use crate::program::ring::Capacity;
use crate::program::source::Source;
use crate::program::switcher::{FillAudio, Switcher};
use crate::program::testing::configs;

const FRAME: i64 = 3600;

/// A programme, its previews, and the encoder that feeds it.
struct World {
    programme: Rc<Programme>,
    executor: LocalExecutor<'static>,
    desk: PreviewDesk,
    inbox: Rc<PreviewInbox>,
    frame: i64,
    picture_bytes: usize,
}

impl World {
    fn new() -> World {
        let capacity = Capacity {
            video_bytes: 1 << 20,
            audio_bytes: 1 << 16,
            units: 1024,
            unit_bytes_max: 1 << 19,
        };
        let switcher =
            Switcher::new(Ring::new(capacity), Duration::from_millis(500), FillAudio::Yes);
        let (desk, inbox) = channel();
        let world = World {
            programme: Rc::new(Programme::new(switcher)),
            executor: LocalExecutor::new(),
            desk,
            inbox: Rc::new(inbox),
            frame: 0,
            picture_bytes: 1000,
        };
        world.feed(|sink| configs().iter().for_each(|config| sink.config(config)));
        let (inbox, programme) = (Rc::clone(&world.inbox), Rc::clone(&world.programme));
        let run = async move {
            let executor = LocalExecutor::new();
            executor.run(inbox.run(&executor, &programme)).await;
        };
        world.executor.spawn(run).detach();
        world
    }

    fn feed(&self, batch: impl FnOnce(&mut crate::program::switcher::SourceSink<'_>)) {
        let now = Mono::from_ms(1000 + self.frame.unsigned_abs() * 40);
        self.programme.feed(Source::Standby, now, batch);
    }

    /// Frames of 25 per second, a key frame each second, with a sound each.
    fn play(&mut self, frames: usize) {
        for _ in 0..frames {
            let (dts, bytes) = (Ticks(self.frame * FRAME), vec![7; self.picture_bytes]);
            let key = self.frame % 25 == 0;
            self.feed(|sink| {
                for (track, bytes) in [(Track::Video, bytes.as_slice()), (Track::Audio, &[9; 50])] {
                    sink.begin(UnitStart {
                        track,
                        dts,
                        pts: dts,
                        key: key && track == Track::Video,
                    });
                    sink.write(track, bytes);
                    sink.commit(track);
                }
            });
            self.frame += 1;
            self.settle();
        }
    }

    /// Lets every task go as far as it can.
    fn settle(&self) {
        for _ in 0..10_000 {
            if !self.executor.try_tick() {
                return;
            }
        }
        panic!("the tasks do not come to rest");
    }

    fn count(&self) -> usize {
        self.settle();
        self.inbox.status().count
    }
}

/// The piece that is there now; `None`: it would have to be waited for. The inner `None` is the end.
fn take(preview: &Preview) -> Option<Option<PreviewPiece>> {
    let mut next = pin!(preview.next());
    smol::block_on(poll_fn(|cx| match next.as_mut().poll(cx) {
        Poll::Ready(piece) => Poll::Ready(Some(piece)),
        Poll::Pending => Poll::Ready(None),
    }))
}

/// All there is now, and whether that is the end.
fn drain(world: &World, preview: &Preview) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        world.settle();
        match take(preview) {
            Some(Some(PreviewPiece::Bytes(bytes))) => {
                assert!(bytes.len() <= PREVIEW_PIECE_BYTES_MAX);
                all.extend(bytes);
            }
            Some(Some(PreviewPiece::Codecs(_))) => {}
            Some(None) => return (all, true),
            None => return (all, false),
        }
    }
}

#[test]
fn a_preview_begins_with_its_codecs_and_brings_every_byte() {
    let mut world = World::new();
    world.picture_bytes = 70_000;
    world.play(1);
    let preview = world.desk.open().unwrap();
    world.settle();
    assert_eq!(
        take(&preview),
        Some(Some(PreviewPiece::Codecs("avc1.42c01e,mp4a.40.2".to_owned())))
    );
    let mut bytes = Vec::new();
    for _ in 0..49 {
        world.play(1);
        bytes.extend(drain(&world, &preview).0);
    }
    let sevens = bytes.iter().filter(|byte| **byte == 7).count();
    // All whole pictures of all whole fragments, and not much in their boxes.
    let pictures = sevens / 70_000;
    assert!((42..50).contains(&pictures), "{sevens}");
    assert!(sevens % 70_000 < 100, "{sevens}");
    assert_eq!(world.inbox.status().bytes_out, bytes.len() as u64);
}

#[test]
fn one_more_than_there_may_be_is_refused_and_leaving_frees_the_seat() {
    let mut world = World::new();
    world.play(1);
    let mut previews: Vec<Preview> =
        (0..PREVIEWS_MAX).map(|_| world.desk.open().unwrap()).collect();
    assert_eq!(world.desk.open().err(), Some(PreviewError::Full));
    assert_eq!(world.count(), PREVIEWS_MAX);
    previews.pop();
    world.play(1);
    assert_eq!(world.count(), PREVIEWS_MAX - 1, "it was noticed with the next picture");
    previews.push(world.desk.open().unwrap());
    drop(previews);
    world.play(25);
    assert_eq!(world.count(), 0);
    let status = world.inbox.status();
    assert_eq!((status.served, status.refused), (PREVIEWS_MAX as u64 + 1, 1));
}

#[test]
fn nothing_is_done_while_nobody_looks() {
    let mut world = World::new();
    world.play(1);
    drop(world.desk.open().unwrap());
    world.play(2);
    for _ in 0..50 {
        world.feed(|sink| {
            let dts = Ticks(90_000 * 9);
            sink.begin(UnitStart { track: Track::Video, dts, pts: dts, key: true });
            sink.write(Track::Video, &[7; 10]);
            sink.commit(Track::Video);
        });
        assert!(!world.executor.try_tick(), "something was woken");
    }
}

#[test]
fn one_that_takes_nothing_holds_a_few_pieces_and_is_skipped() {
    let mut world = World::new();
    world.play(1);
    let (slow, quick) = (world.desk.open().unwrap(), world.desk.open().unwrap());
    let mut undisturbed = 0;
    for _ in 0..25 * 20 {
        world.play(1);
        undisturbed += drain(&world, &quick).0.len();
        assert!(slow.pieces.len() <= PREVIEW_PIECES_MAX);
    }
    assert!(undisturbed > 1000 * 25 * 19, "{undisturbed} bytes");
    let (_, ended) = drain(&world, &slow);
    assert!(!ended);
    assert_eq!(world.inbox.status().skips, 1);
    world.play(25);
    assert!(drain(&world, &slow).0.len() > 20_000, "it goes on");
}

#[test]
fn one_that_is_overtaken_within_a_fragment_ends() {
    let mut world = World::new();
    world.picture_bytes = 100_000;
    world.play(1);
    let preview = world.desk.open().unwrap();
    // The channel is full in the midst of a fragment; then the ring turns over.
    world.play(100);
    let (_, ended) = drain(&world, &preview);
    assert!(ended);
    assert_eq!(world.inbox.status().closed_slow, 1);
    assert_eq!(world.inbox.status().count, 1, "until who watches lets go");
    drop(preview);
    assert_eq!(world.count(), 0);
}

#[test]
fn without_a_data_plane_it_is_refused() {
    let (desk, inbox) = channel();
    drop(inbox);
    assert_eq!(desk.open().err(), Some(PreviewError::Ending));
    assert_eq!(desk.counts.open.load(Ordering::Relaxed), 0);
}

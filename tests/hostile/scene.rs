//! A program, a viewer that watches it, and what must hold when the attack is over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::footing::Footing;
use crate::frames::{longest_step_ms, only_grows};
use crate::player::{Player, Seen};
use crate::program::{number, Program};
use crate::wait::{self, seconds};

/// Memory that may stay with the allocator when an attack is over, KiB.
const RSS_LEFT_KIB_MAX: u64 = 8 << 10;
/// The longest the viewer may wait for its next frame: the machine is busy attacking.
const FRAME_WAIT_MAX: Duration = Duration::from_millis(2_500);
/// The longest step between two timestamps: the silence that standby covers, and frames on both
/// sides of it.
const STEP_MS_MAX: i64 = 1_200;

/// A program under attack.
pub struct Scene {
    /// The program.
    pub program: Program,
    viewer: Player,
    before: Footing,
    most: Arc<Mutex<Footing>>,
    watching: Arc<AtomicBool>,
    watch: Option<JoinHandle<()>>,
    began: Instant,
}

impl Scene {
    /// Starts a program and a viewer, and waits until the viewer has its picture.
    pub fn start(config: &str) -> Scene {
        let program = Program::start(config);
        let viewer = Player::start(program.rtmp, "stream");
        assert!(wait::holds(seconds(10), || viewer.video_frames() > 30), "{}", program.told());
        let before = Footing::of(program.pid()).expect("it runs");
        let most = Arc::new(Mutex::new(before));
        let watching = Arc::new(AtomicBool::new(true));
        let watch = {
            let (most, watching, pid) = (Arc::clone(&most), Arc::clone(&watching), program.pid());
            std::thread::spawn(move || {
                while watching.load(Ordering::Relaxed) {
                    let Some(now) = Footing::of(pid) else { return };
                    let mut most = most.lock().expect("no panic");
                    *most = most.at_most(now);
                    drop(most);
                    std::thread::sleep(Duration::from_millis(50));
                }
            })
        };
        let began = Instant::now();
        Scene { program, viewer, before, most, watching, watch: Some(watch), began }
    }

    /// A number of the status.
    pub fn counted(&self, pointer: &str) -> u64 {
        number(&self.program.status(), pointer)
    }

    /// Waits until the status has counted at least so many.
    pub fn wait_counted(&self, pointer: &str, at_least: u64) {
        let reached = || self.counted(pointer) >= at_least;
        assert!(wait::holds(seconds(10), reached), "{pointer} < {at_least}: {}", self.told());
    }

    /// Status and log, for a failed expectation.
    pub fn told(&self) -> String {
        self.program.told()
    }

    /// The attack is over: the program is what it was, the viewer missed nothing, and the log
    /// was not flooded. `growth` is what it may have held more meanwhile.
    pub fn end(mut self, growth: Footing) -> Seen {
        let (pid, before) = (self.program.pid(), self.before);
        let most = *self.most.lock().expect("no panic");
        let is_back = || {
            let Some(now) = Footing::of(pid) else { return false };
            now.threads <= before.threads + growth.threads
                && now.descriptors <= before.descriptors
                && now.rss_kib <= before.rss_kib + RSS_LEFT_KIB_MAX
        };
        let back = wait::holds(seconds(20), is_back);
        let after = Footing::of(pid).expect("it runs");
        self.watching.store(false, Ordering::Relaxed);
        self.watch.take().map(JoinHandle::join);
        let story = format!("before {before:?}\nmost {most:?}\nafter {after:?}");
        println!("{story}");
        assert!(back, "it does not come back:\n{story}\n{}", self.program.told());
        assert!(most.rss_kib <= before.rss_kib + growth.rss_kib, "memory grew:\n{story}");
        assert!(most.threads <= before.threads + growth.threads, "threads grew:\n{story}");
        assert!(
            most.descriptors <= before.descriptors + growth.descriptors,
            "descriptors grew:\n{story}"
        );
        let got = self.viewer.video_frames();
        let goes_on = wait::holds(seconds(5), || self.viewer.video_frames() > got + 20);
        assert!(goes_on, "the programme stopped:\n{}", self.program.told());
        self.program.assert_well();
        self.assert_log_is_calm();
        let seen = self.viewer.stop();
        only_grows("video", &seen.frames.video);
        only_grows("audio", &seen.frames.audio);
        let step_ms = longest_step_ms(&seen.frames.video);
        assert!(step_ms <= STEP_MS_MAX, "a hole of {step_ms} ms");
        let arrivals = seen.video_arrivals.iter();
        let waits = arrivals.clone().zip(arrivals.skip(1)).map(|(a, b)| b.duration_since(*a));
        let longest = waits.max().unwrap_or_default();
        println!("longest step {step_ms} ms, longest wait {longest:?}");
        assert!(longest <= FRAME_WAIT_MAX, "the viewer waited {longest:?}");
        seen
    }

    /// Each kind of line is said at most once a second, but for news, which come in one burst.
    fn assert_log_is_calm(&self) {
        const BURST: u64 = 64;
        let printed = self.program.printed();
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for line in printed.lines() {
            let words = line.split_whitespace().filter(|w| w.chars().all(|c| !c.is_ascii_digit()));
            *kinds.entry(words.take(4).collect::<Vec<_>>().join(" ")).or_default() += 1;
        }
        let elapsed_s = self.began.elapsed().as_secs();
        for (kind, count) in &kinds {
            let news = if kind.contains("viewer") { 2 * BURST + elapsed_s } else { 0 };
            let allowed = elapsed_s + 5 + news;
            assert!(*count <= allowed, "{count} lines of {kind:?} in {elapsed_s} s:\n{printed}");
        }
        let all = printed.lines().count() as u64;
        assert!(all <= 3 * elapsed_s + 2 * BURST + 60, "{all} lines in {elapsed_s} s:\n{printed}");
    }
}

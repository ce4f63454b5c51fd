//! An intra-refresh stream joined in its middle: no IDR comes any more, and it comes on air all the
//! same, at a recovery point.

use std::path::Path;
use std::sync::Arc;

use test_support::peers::clips::{Clip, Recipe, PLAIN};

use crate::case::Stage;
use crate::files::folder;
use crate::pool;
use crate::program::Folder;
use crate::sender::{Schedule, Sender};
use crate::wait::seconds;

const REFRESHED: Recipe = Recipe {
    name: "refreshed.ts",
    seconds: 10,
    gop_frames: 50,
    more: &["-x264-params", "intra-refresh=1"],
    ..PLAIN
};

#[test]
fn an_intra_refresh_stream_joined_late_comes_on_air() {
    let made = Folder::new();
    let clip = Clip::of(REFRESHED);
    let bytes = std::fs::read(&clip.path).expect("a clip");
    // Whole packets of 188 bytes, without the first fifth and the IDR in it.
    let late = made.file("joined-late.ts");
    let from = bytes.len() / 188 / 5 * 188;
    std::fs::write(&late, bytes.get(from..).expect("the rest")).expect("a file");
    let mut cases = vec![late];
    cases.extend(folder().map(|folder| folder.join("ir_mid.ts")));
    pool::run(&cases, |path| path.display().to_string(), |path| comes_on_air(path));
}

fn comes_on_air(path: &Path) {
    let stage = Stage::over(&Arc::<Folder>::default());
    let sender = Sender::start(Schedule::of(path), stage.program.udp);
    stage.program.wait_on_air("udp", seconds(8));
    sender.finish();
    stage.program.wait_on_air("standby", seconds(10));
    let outcome = stage.end();
    let sources = [crate::compare::parsed(path, &Folder::new())];
    for (peer, report) in
        [("viewer", outcome.viewer(&sources)), ("nginx", outcome.destination(&sources))]
    {
        report.assert_clean(&format!("{} at {peer}", path.display()));
        let shown: Vec<_> = report.video.iter().filter(|passage| passage.source == 0).collect();
        let all = sources.iter().map(|source| source.video.len()).sum::<usize>();
        let whole = matches!(shown.as_slice(), [one] if one.is_whole() && one.last + 2 >= all);
        assert!(whole, "{} at {peer}: {shown:?} of {all}: {report}", path.display());
    }
}

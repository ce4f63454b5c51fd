//! The plug is pulled while settings are written: a few rounds of what `cargo xtask emulate
//! --torture` does for as long as one likes.

use std::time::Instant;

use crate::machine::image;
use crate::processor::Processor;
use crate::xtask;

#[test]
fn the_plug_may_be_pulled_at_any_moment() {
    image();
    let _processor = Processor::take();
    let start = Instant::now();
    let mut torture = xtask(&["emulate", "--torture", "--rounds", "5", "--seed", "20"]);
    let output = torture.output().expect("cargo, which runs this, starts");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), &output.stderr);
    println!("{said}in {:.1?}", start.elapsed());
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(why));
    assert!(said.contains("none was lost"), "{said}");
}

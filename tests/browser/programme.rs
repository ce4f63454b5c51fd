//! The picture in the page: it moves, and it is what is on air now.

use crate::page::{Page, DESK};
use crate::world::{World, CLOCK_BITS, CLOCK_HZ};

/// What the preview shows, read as the eye would: a hash of its pixels, and the clock burnt in.
const LOOK: &str = "(() => { const video = document.querySelector('#preview'); \
    if (video.readyState < 2 || !video.videoWidth) return null; \
    const canvas = document.createElement('canvas'); canvas.width = 640; canvas.height = 360; \
    const pen = canvas.getContext('2d'); pen.drawImage(video, 0, 0, 640, 360); \
    const { data } = pen.getImageData(0, 0, 640, 360); let pixels = 0; \
    for (let at = 0; at < data.length; at += 4) pixels = (pixels * 31 + data[at]) % 1000003; \
    let ticks = 0; for (let bit = 0; bit < BITS; bit += 1) \
      if (data[(20 * 640 + bit * 40 + 20) * 4] > 128) ticks += 2 ** bit; \
    return { pixels, shown_s: ticks / HZ, now_s: Date.now() / 1000, at: video.currentTime }; })()";

fn look() -> String {
    LOOK.replace("BITS", &CLOCK_BITS.to_string()).replace("HZ", &CLOCK_HZ.to_string())
}

impl Page {
    /// Waits until the picture in the page is another one a moment later.
    pub fn wait_moving(&mut self) {
        let look = look();
        self.eval(&format!("window.look = () => {look}"));
        self.wait_for("(window.before = window.look()) !== null");
        self.wait_for(
            "(() => { const now = window.look(); \
             return now && now.pixels !== window.before.pixels && now.at > window.before.at; })()",
        );
    }
}

#[test]
fn the_picture_moves_and_is_of_now() {
    let mut world = World::start();
    let start = world.send_live();
    let mut page = world.enter(DESK);
    page.wait_text("#what", "MPEG-TS over UDP");
    page.wait_moving();
    // From the encoder's clock to the eye.
    page.wait_for(&format!(
        "(() => {{ const now = window.look(); if (!now) return false; \
         const behind = now.now_s - {start} - now.shown_s; \
         window.behind = behind; return behind > 0 && behind <= 1.5; }})()"
    ));
    println!("the picture in the page is {:.2} s behind", page.eval("window.behind"));
    // Nobody looks: the program makes nothing.
    page.click("#preview-toggle");
    page.wait_for("!document.querySelector('#preview').src");
    page.click("#preview-toggle");
    page.wait_moving();
}

#[test]
fn the_picture_goes_on_over_a_change_of_what_is_on_air() {
    let world = World::start();
    world.add_clip("film.mp4");
    let mut page = world.enter(DESK);
    page.wait_moving();
    page.view("library");
    page.click_named("#videos", "Put on air: film.mp4");
    page.wait_text("#tally-what", "film.mp4");
    page.view("onair");
    page.wait_text("#what", "film.mp4");
    page.wait_for("document.querySelector('#preview').videoWidth === 320");
    page.wait_moving();
    page.click("#stop");
    page.wait_for("document.body.dataset.state === 'standby'");
    page.wait_for("document.querySelector('#preview').videoWidth !== 320");
    page.wait_moving();
}

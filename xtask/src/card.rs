//! `cargo xtask card`: makes the standby card, `src/inputs/standby.flv`, with ffmpeg.
//! Purpose: the loop the audience sees when nothing else is on air, small enough to be built into
//! the binary and to be sent for hours. 64 frames at 30 a second and 100 AAC frames at 48 kHz
//! last 2.1333 s exactly, so the loop has no seam in either track; the light on the line is back
//! where it began, so it has none in the picture either. The same ffmpeg makes the same bytes.
//! Non-goals: other sizes, other words.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Video frames of the loop.
const FRAMES: u32 = 64;
/// AAC frames of the loop.
const AUDIO_FRAMES: u32 = 100;
/// The card is built into the binary, and its transfer is paid for as long as it is on air.
const CARD_BYTES_MAX: u64 = 60 << 10;

const FONTS: &str = "/usr/share/fonts/truetype/dejavu";

/// Makes the card again and puts it in its place.
pub fn run() -> Result<(), String> {
    for font in ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"] {
        if !Path::new(FONTS).join(font).exists() {
            return Err(format!("{FONTS}/{font} is missing: apt-get install fonts-dejavu-core"));
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("xtask does not lie in the workspace")?;
    let work = root.join("target/card");
    std::fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let picture = work.join("picture.h264");
    let silence = work.join("silence.flv");
    let card = root.join("src/inputs/standby.flv");
    make_picture(&picture)?;
    make_silence(&silence)?;
    join(&picture, &silence, &card)?;
    let bytes = std::fs::metadata(&card).map_err(|error| error.to_string())?.len();
    if bytes > CARD_BYTES_MAX {
        return Err(format!("the card has {bytes} bytes, more than {CARD_BYTES_MAX}"));
    }
    println!("{}: {bytes} bytes", card.display());
    Ok(())
}

/// One closed GOP without B-frames, as a raw stream: so the parameter sets stand in front of the
/// IDR too, and a player that ignores a change of configuration between two sources still finds
/// them (nginx-rtmp #201). Supplemental information (the encoder's name and options) is
/// left out: it would be sent again with every loop.
fn make_picture(target: &Path) -> Result<(), String> {
    let x264 = format!(
        "bframes=0:keyint={FRAMES}:min-keyint={FRAMES}:scenecut=0:open-gop=0:ref=2:aq-mode=1:\
         force-cfr=1:threads=1"
    );
    let frames = FRAMES.to_string();
    ffmpeg(
        &[
            &["-filter_complex_threads", "1", "-filter_complex", &picture_filter()],
            &["-frames:v", &frames, "-c:v", "libx264", "-profile:v", "main"],
            &["-preset", "veryslow", "-tune", "stillimage", "-crf", "24", "-threads", "1"],
            &["-x264-params", &x264, "-bsf:v", "filter_units=remove_types=6"],
            &["-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"],
            &["-color_range", "tv"],
        ],
        target,
    )
}

/// A still background with the words, and a light that moves along a line and back.
fn picture_filter() -> String {
    // The background brightens towards the middle by 17 steps of luma: without noise of one step
    // they would be seen as rings. In squares of 2x2 the noise costs a third of the bytes.
    let noise = "mod(abs(sin(floor(X/2)*12.9898+floor(Y/2)*78.233)*43758.5453),1)";
    let brightness = "exp(-(pow((X-640)/600,2)+pow((Y-340)/340,2)))";
    // The line fades at its ends; the light has a core and a glow.
    let ends = "(1-pow((X-300)/301,4))";
    let light = format!("(X-(300+200*sin(2*PI*N/{FRAMES})))");
    let line = "0.26*exp(-pow((Y-31.5)/0.9,2))";
    let core = format!("0.95*exp(-pow((Y-31.5)/1.1,2))*exp(-pow({light}/34,2))");
    let glow = format!("0.26*exp(-pow((Y-31.5)/9,2))*exp(-pow({light}/48,2))");
    let words = [
        ("DejaVuSans-Bold", "Stream", 88, "0xf2f5fb", "674-text_w", 342),
        ("DejaVuSans", "Caster", 88, "0x7fcfff", "674", 342),
        ("DejaVuSans", "The programme will continue shortly", 29, "0x9fabc2", "(w-text_w)/2", 462),
    ];
    let text: Vec<String> = words
        .iter()
        .map(|(font, text, size, colour, x, baseline)| {
            format!(
                "drawtext=fontfile={FONTS}/{font}.ttf:text={text}:fontsize={size}:\
                 fontcolor={colour}:x={x}:y={baseline}-ascent"
            )
        })
        .collect();
    let text = text.join(",");
    let last = FRAMES - 1;
    format!(
        "color=c=black:s=1280x720:r=30:d=0.034,format=yuv444p,\
         geq=lum='28+17*{brightness}+{noise}':cb=137:cr=124,\
         loop=loop={last}:size=1,setpts=N/30/TB,{text}[words];\
         color=c=black:s=600x64:r=30,format=gbrap,\
         geq=r=127:g=207:b=255:a='255*min(1,{ends}*({line}+{core}+{glow}))',\
         trim=end_frame={FRAMES},setpts=N/30/TB,\
         scale=out_color_matrix=bt709:out_range=tv,format=yuva444p[light];\
         [words][light]overlay=x=340:y=356:format=yuv444:shortest=1,format=yuv420p"
    )
}

/// Longer than needed: the encoder's first frames differ from those that follow.
fn make_silence(target: &Path) -> Result<(), String> {
    ffmpeg(
        &[
            &["-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-t", "5"],
            &["-c:a", "aac", "-b:a", "64k", "-threads", "1"],
        ],
        target,
    )
}

fn join(picture: &Path, silence: &Path, target: &Path) -> Result<(), String> {
    let (picture, silence) = (picture.display().to_string(), silence.display().to_string());
    let audio_frames = AUDIO_FRAMES.to_string();
    ffmpeg(
        &[
            &["-framerate", "30", "-i", &picture, "-ss", "2", "-i", &silence],
            &["-map", "0:v", "-map", "1:a", "-bsf:v", "setts=ts=N*1000/30:time_base=1/1000"],
            &["-c", "copy", "-frames:a", &audio_frames],
            &["-bsf:a", "setts=ts=N*1024/(48000*TB)"],
        ],
        target,
    )
}

fn ffmpeg(arguments: &[&[&str]], target: &Path) -> Result<(), String> {
    let target: PathBuf = target.into();
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(arguments.concat())
        .args(["-flags", "+bitexact", "-fflags", "+bitexact"])
        .arg(&target)
        .status()
        .map_err(|error| format!("ffmpeg does not start ({error}): apt-get install ffmpeg"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("ffmpeg failed to make {}: {status}", target.display()))
    }
}

//! The clip that is sent: made once by ffmpeg, then taken apart. Purpose: when each datagram
//! leaves, which frames it completes, and by which bytes a frame is known again at a player.
//! Non-goals: streams of anybody else; the layout is that of ffmpeg's own muxer. Bound: the
//! clip's bytes, twice.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::step;

const PACKET_BYTES: usize = 188;
const PACKETS_IN_DATAGRAM: usize = 7;
/// Where ffmpeg's muxer puts the first two streams; the first carries the PCR.
const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;
/// 27 MHz ticks in a second.
const PCR_HZ: u64 = 27_000_000;
/// A clip's length: enough for the usual run, so that one is made and no other.
const SECONDS_MIN: u32 = 180;
/// Frames in a second, as the clip is made.
pub const FRAME_RATE: u32 = 30;

/// Bytes by which a frame is known again: the last ones of its last slice, which every server
/// must hand on as they came.
pub const TAIL_BYTES: usize = 32;
/// See [`TAIL_BYTES`].
pub type Tail = [u8; TAIL_BYTES];

/// A frame of video or a PES packet's worth of audio.
pub struct Unit {
    /// Video, or audio.
    pub video: bool,
    /// Decoding time, 90 kHz.
    pub dts: u64,
    /// Presentation time, 90 kHz.
    pub pts: u64,
    /// The datagram that carries its last byte.
    pub completed_by: usize,
    /// Annex B, or ADTS frames.
    pub payload: Vec<u8>,
}

/// The clip.
pub struct Clip {
    /// What is sent, and when it leaves, counted from the first.
    pub datagrams: Vec<(Duration, Vec<u8>)>,
    /// Everything in it, in the order of its completion.
    pub units: Vec<Unit>,
    /// The datagram that completes each video frame, by the frame's number.
    pub frames: Vec<usize>,
}

/// Makes a clip of at least `seconds`, unless there is one already.
pub fn make(folder: &Path, seconds: u32) -> Result<PathBuf, String> {
    let seconds = seconds.next_multiple_of(SECONDS_MIN);
    let path = folder.join(format!("clip-{seconds}s.ts"));
    if path.exists() {
        return Ok(path);
    }
    println!("making {} of {seconds} s, once", path.display());
    let unfinished = folder.join("unfinished.ts");
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-y"]);
    command.args(["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30,noise=alls=12:allf=t"]);
    command.args(["-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", &seconds.to_string()]);
    command.args(["-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p"]);
    command.args(["-bf", "2", "-b_strategy", "0", "-g", "60", "-keyint_min", "60"]);
    command.args(["-sc_threshold", "0", "-b:v", "2850k", "-maxrate", "2850k"]);
    command.args(["-bufsize", "1425k", "-c:a", "aac", "-b:a", "128k", "-muxrate", "3400k"]);
    command.args(["-f", "mpegts"]).arg(&unfinished);
    step::run(&mut command, "`cargo xtask setup` installs ffmpeg.")?;
    std::fs::rename(&unfinished, &path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

impl Clip {
    /// Reads a clip and takes it apart.
    pub fn read(path: &Path) -> Result<Clip, String> {
        let stream = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let times = packet_times(&stream).into_iter().step_by(PACKETS_IN_DATAGRAM);
        let datagrams = stream.chunks(PACKET_BYTES * PACKETS_IN_DATAGRAM).map(<[u8]>::to_vec);
        let units = units(&stream);
        let frames = units.iter().filter(|unit| unit.video).map(|unit| unit.completed_by).collect();
        Ok(Clip { datagrams: times.zip(datagrams).collect(), units, frames })
    }

    /// The same, but each frame leaves at once when its last datagram is due, as from a sender
    /// that hands on whole frames (ffmpeg does, by default).
    pub fn in_bursts(mut self) -> Clip {
        let mut frames = self.frames.iter().rev();
        let mut due = self.datagrams.last().map_or(Duration::ZERO, |(at, _)| *at);
        let mut next = frames.next();
        for (index, (at, _)) in self.datagrams.iter_mut().enumerate().rev() {
            if next == Some(&index) {
                due = *at;
                next = frames.find(|frame| **frame != index);
            }
            *at = due;
        }
        self
    }

    /// The number of each video frame by its last bytes.
    ///
    /// # Errors
    /// Two frames that end alike: they could not be told apart.
    pub fn tails(&self) -> Result<HashMap<Tail, u32>, String> {
        let mut tails = HashMap::new();
        let video = self.units.iter().filter(|unit| unit.video);
        for (number, unit) in (0..).zip(video) {
            let tail = unit.payload.last_chunk().ok_or("a frame is too short to be known again")?;
            if let Some(other) = tails.insert(*tail, number) {
                return Err(format!("frames {other} and {number} of the clip end alike"));
            }
        }
        Ok(tails)
    }
}

/// When each packet is due: between two PCR by even steps.
fn packet_times(stream: &[u8]) -> Vec<Duration> {
    let mut times = Vec::new();
    let (mut first, mut last): (Option<u64>, Option<(usize, u64)>) = (None, None);
    let packets = stream.len() / PACKET_BYTES;
    for (index, packet) in stream.chunks_exact(PACKET_BYTES).enumerate() {
        let Some(pcr) = pcr(packet) else { continue };
        let first = *first.get_or_insert(pcr);
        if let Some((from, before)) = last {
            let (steps, ticks) = ((index - from) as u64, pcr - before);
            let due = (0..steps).map(|step| before - first + ticks * step / steps);
            times
                .extend(due.map(|ticks| Duration::from_nanos(ticks * 1000 / (PCR_HZ / 1_000_000))));
        } else {
            times.resize(index, Duration::ZERO);
        }
        last = Some((index, pcr));
    }
    let end = times.last().copied().unwrap_or_default();
    times.resize(packets, end);
    times
}

/// The PCR of a packet of the clip's clock, 27 MHz (ISO/IEC 13818-1, 2.4.3.5).
fn pcr(packet: &[u8]) -> Option<u64> {
    let [0x47, p1, p0, control, length, flags, a, b, c, d, e, f, ..] = packet else { return None };
    let present = control & 0x20 != 0 && *length >= 7 && flags & 0x10 != 0;
    let base = u64::from(u32::from_be_bytes([*a, *b, *c, *d])) << 1 | u64::from(e >> 7);
    let extension = u64::from(u16::from_be_bytes([e & 1, *f]));
    (present && pid(*p1, *p0) == VIDEO_PID).then_some(base * 300 + extension)
}

fn pid(p1: u8, p0: u8) -> u16 {
    u16::from_be_bytes([p1 & 0x1F, p0])
}

fn units(stream: &[u8]) -> Vec<Unit> {
    let mut done = Vec::new();
    let mut open: [Option<Unit>; 2] = [None, None];
    for (index, packet) in stream.chunks_exact(PACKET_BYTES).enumerate() {
        let &[0x47, p1, p0, control, adaptation, ..] = packet else { continue };
        let track = match pid(p1, p0) {
            VIDEO_PID => 0,
            AUDIO_PID => 1,
            _ => continue,
        };
        let skip = if control & 0x20 == 0 { 4 } else { 5 + usize::from(adaptation) };
        let payload = packet.get(skip..).filter(|_| control & 0x10 != 0).unwrap_or_default();
        let Some(slot) = open.get_mut(track) else { continue };
        if p1 & 0x40 != 0 {
            done.extend(slot.take());
            *slot = begun(payload, track == 0);
        } else if let Some(unit) = slot {
            unit.payload.extend_from_slice(payload);
        }
        if let (Some(unit), false) = (slot, payload.is_empty()) {
            unit.completed_by = index / PACKETS_IN_DATAGRAM;
        }
    }
    // What is still open may lack its end, and would never be known again.
    done.sort_by_key(|unit| unit.completed_by);
    done
}

/// A unit from the beginning of its PES packet (ISO/IEC 13818-1, 2.4.3.6).
fn begun(pes: &[u8], video: bool) -> Option<Unit> {
    let &[0, 0, 1, _, _, _, _, flags, header, ..] = pes else { return None };
    let time = |at: usize| {
        let &[a, b, c, d, e] = pes.get(at..)?.first_chunk()?;
        let high = u64::from(a >> 1 & 7) << 30;
        let middle = u64::from(u16::from_be_bytes([b, c]) >> 1) << 15;
        Some(high | middle | u64::from(u16::from_be_bytes([d, e]) >> 1))
    };
    let pts = time(9).filter(|_| flags & 0x80 != 0)?;
    let dts = time(14).filter(|_| flags & 0x40 != 0).unwrap_or(pts);
    let payload = pes.get(9 + usize::from(header)..).unwrap_or_default().to_vec();
    Some(Unit { video, dts, pts, completed_by: 0, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet with the PCR in milliseconds if there is one, and this payload at its end.
    fn packet(pid: u16, start: bool, pcr_ms: Option<u64>, payload: &[u8]) -> Vec<u8> {
        let adaptation = PACKET_BYTES - 5 - payload.len();
        let [p1, p0] = pid.to_be_bytes();
        let mut packet = vec![0x47, p1 | u8::from(start) << 6, p0, 0x30, adaptation as u8];
        let mut field = vec![0xFF; adaptation];
        field[0] = 0;
        if let Some(ms) = pcr_ms {
            let [_, _, _, b4, b3, b2, b1, b0] = ((ms * 90) << 7).to_be_bytes();
            field[..7].copy_from_slice(&[0x10, b4, b3, b2, b1, b0 | 0x7E, 0]);
        }
        packet.extend(field);
        packet.extend(payload);
        packet
    }

    fn pes(pts: u8, dts: u8, payload: &[u8]) -> Vec<u8> {
        let mut pes = vec![0, 0, 1, 0xE0, 0, 0, 0x80, 0xC0, 10];
        pes.extend([0x31, 0, 1, 0, pts << 1 | 1, 0x11, 0, 1, 0, dts << 1 | 1]);
        pes.extend(payload);
        pes
    }

    #[test]
    fn packets_are_spread_between_clock_references() {
        let at = |ms| packet(VIDEO_PID, false, ms, &[]);
        let stream = [at(Some(1000)), at(None), at(None), at(None), at(Some(1040)), at(None)];
        let times: Vec<u128> =
            packet_times(&stream.concat()).iter().map(Duration::as_millis).collect();
        assert_eq!(times, [0, 10, 20, 30, 30, 30]);
    }

    #[test]
    fn a_frame_is_completed_by_the_datagram_of_its_last_packet() {
        let mut stream = packet(VIDEO_PID, true, None, &pes(7, 5, b"be"));
        for _ in 0..7 {
            stream.extend(packet(0x1FFF, false, None, b"null"));
        }
        stream.extend(packet(VIDEO_PID, false, None, b"gun"));
        for _ in 0..7 {
            stream.extend(packet(VIDEO_PID, false, None, b""));
        }
        stream.extend(packet(AUDIO_PID, true, None, &pes(9, 9, b"sound")));
        stream.extend(packet(VIDEO_PID, true, None, &pes(8, 8, b"next")));
        let units = units(&stream);
        let [frame] = &units[..] else { panic!("{} units", units.len()) };
        assert_eq!((frame.completed_by, frame.pts, frame.dts), (1, 7, 5));
        assert_eq!((frame.video, &frame.payload[..]), (true, &b"begun"[..]));
    }

    #[test]
    fn in_bursts_datagrams_wait_for_the_last_of_their_frame() {
        let datagrams = (0..7).map(|ms| (Duration::from_millis(ms), Vec::new())).collect();
        let clip = Clip { datagrams, units: Vec::new(), frames: vec![1, 4, 4] };
        let clip = clip.in_bursts();
        let times: Vec<u128> = clip.datagrams.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(times, [1, 1, 4, 4, 4, 6, 6]);
    }

    #[test]
    fn frames_that_end_alike_are_refused() {
        let unit = |last: u8| {
            let payload = [[last; 1].as_slice(), &[1; TAIL_BYTES]].concat();
            Unit { video: true, dts: 0, pts: 0, completed_by: 0, payload }
        };
        let mut clip = Clip { datagrams: Vec::new(), units: vec![unit(1)], frames: vec![0] };
        assert_eq!(clip.tails().unwrap().get(&[1; TAIL_BYTES]), Some(&0));
        clip.units.push(unit(2));
        assert!(clip.tails().is_err());
    }
}

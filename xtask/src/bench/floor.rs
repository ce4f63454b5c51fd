//! The floor: what no server can do without. Purpose: a loop that receives the same datagrams
//! and, as the last one of a frame arrives, writes the same bytes to every player, one write
//! each. It knows the clip beforehand, so it parses nothing, and keeps nothing. Non-goals:
//! handshakes, slow players, anything else a server is for.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use super::clip::{Clip, Unit};
use super::player::FLOOR_CHUNK_BYTES;

/// Datagrams between two looks at the listener: a tenth of a second.
const ACCEPT_EVERY: usize = 32;
const DATAGRAM_BYTES: usize = 2048;
/// An access unit delimiter: no server hands it on.
const NAL_DELIMITER: u8 = 9;
const NAL_IDR: u8 = 5;

/// Serves for ever.
pub fn serve(clip: &Clip, udp: SocketAddr, tcp: SocketAddr) -> Result<(), String> {
    let messages = messages(clip);
    let socket = UdpSocket::bind(udp).map_err(|error| format!("{udp}: {error}"))?;
    let listener = TcpListener::bind(tcp).map_err(|error| format!("{tcp}: {error}"))?;
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    let mut players: Vec<TcpStream> = Vec::new();
    let mut buffer = [0; DATAGRAM_BYTES];
    let mut next = 0;
    loop {
        let count = socket.recv(&mut buffer).map_err(|error| error.to_string())?;
        let datagram = buffer.get(..count).unwrap_or_default();
        // One that was lost is passed over.
        let rest = clip.datagrams.get(next..).unwrap_or_default();
        let Some(ahead) = rest.iter().position(|(_, expected)| expected == datagram) else {
            continue;
        };
        next += ahead + 1;
        if let Some(bytes) = messages.get(&(next - 1)) {
            players.retain_mut(|player| player.write_all(bytes).is_ok());
        }
        if next % ACCEPT_EVERY == 0 {
            while let Ok((player, _)) = listener.accept() {
                player.set_nodelay(true).map_err(|error| error.to_string())?;
                players.push(player);
            }
        }
    }
}

/// What goes out as each datagram arrives, chunked as this program would do it for players.
fn messages(clip: &Clip) -> BTreeMap<usize, Vec<u8>> {
    let mut messages: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let first = clip.units.first().map_or(0, |unit| unit.dts);
    for unit in &clip.units {
        let ms = (unit.dts.saturating_sub(first) / 90) as u32;
        let wire = messages.entry(unit.completed_by).or_default();
        match unit.video {
            true => chunk(wire, 6, 9, ms, &video(unit)),
            // Frames of 1024 samples at 48 kHz.
            false => (0..).zip(aac_frames(&unit.payload)).for_each(|(index, frame)| {
                let body = [&[0xAF, 1], frame].concat();
                chunk(wire, 4, 8, ms + index * 64 / 3, &body);
            }),
        }
    }
    messages
}

/// A message (RTMP 1.0, 5.3.1).
fn chunk(wire: &mut Vec<u8>, chunk_stream: u8, type_id: u8, ms: u32, body: &[u8]) {
    let [_, t2, t1, t0] = ms.to_be_bytes();
    let [_, l2, l1, l0] = (body.len() as u32).to_be_bytes();
    wire.extend([chunk_stream, t2, t1, t0, l2, l1, l0, type_id, 1, 0, 0, 0]);
    for (index, part) in body.chunks(FLOOR_CHUNK_BYTES).enumerate() {
        wire.extend((index > 0).then_some(0xC0 | chunk_stream));
        wire.extend(part);
    }
}

/// A video tag's body (FLV 10.1, E.4.3).
fn video(unit: &Unit) -> Vec<u8> {
    let nals: Vec<&[u8]> = nals(&unit.payload);
    let key = nals.iter().any(|nal| nal_type(nal) == NAL_IDR);
    let composition = (unit.pts.wrapping_sub(unit.dts) / 90) as u32;
    let [_, c2, c1, c0] = composition.to_be_bytes();
    let mut body = vec![if key { 0x17 } else { 0x27 }, 1, c2, c1, c0];
    for nal in nals.into_iter().filter(|nal| nal_type(nal) != NAL_DELIMITER) {
        body.extend((nal.len() as u32).to_be_bytes());
        body.extend(nal);
    }
    body
}

fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |first| first & 0x1F)
}

/// NAL units between start codes (ITU-T H.264, B.1).
fn nals(annex_b: &[u8]) -> Vec<&[u8]> {
    let codes: Vec<usize> = annex_b
        .windows(3)
        .enumerate()
        .filter_map(|(at, window)| (window == [0, 0, 1]).then_some(at))
        .collect();
    let ends = codes.iter().copied().skip(1).chain([annex_b.len()]);
    let between = |(start, end): (&usize, usize)| {
        let nal = annex_b.get(start + 3..end).unwrap_or_default();
        nal.strip_suffix(&[0]).unwrap_or(nal)
    };
    codes.iter().zip(ends).map(between).collect()
}

/// Frames without their ADTS headers (ISO/IEC 13818-7, 6.2; ffmpeg writes no CRC).
fn aac_frames(mut adts: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let &[0xFF, _, _, a, b, c, _, ..] = adts {
        let len = usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c >> 5);
        let Some((frame, rest)) = adts.split_at_checked(len.max(7)) else { break };
        frames.extend(frame.get(7..));
        adts = rest;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_becomes_a_video_message() {
        let payload = b"\0\0\0\x01\x09\xF0\0\0\0\x01\x65abc\0\0\x01\x65d".to_vec();
        let unit = Unit { video: true, dts: 900, pts: 1800, completed_by: 3, payload };
        let clip = Clip { datagrams: Vec::new(), units: vec![unit], frames: vec![3] };
        let messages = messages(&clip);
        let mut wire = vec![6, 0, 0, 0, 0, 0, 19, 9, 1, 0, 0, 0, 0x17, 1, 0, 0, 10];
        wire.extend(b"\0\0\0\x04\x65abc\0\0\0\x02\x65d");
        assert_eq!(messages.get(&3), Some(&wire));
    }

    #[test]
    fn a_pes_packet_of_sound_becomes_its_frames() {
        let adts = [0xFF, 0xF1, 0x4C, 0x80, 1, 0x20, 0, 5, 6, 0xFF, 0xF1, 0x4C, 0x80, 1, 0, 0, 7];
        assert_eq!(aac_frames(&adts), [&[5, 6][..], &[7][..]]);
        assert!(aac_frames(&adts[..8]).is_empty());
    }
}

//! Which frames of a transport stream a receiver must get whole, derived from which of its
//! datagrams arrived and in which order. Purpose: a bound for tests that lose, repeat, delay and
//! damage datagrams, instead of a share that somebody thought plausible. Bound: the stream is in
//! memory.
//!
//! A frame must come out when everything from its PES's first packet to the first packet of the
//! track's next PES (which ends it) came as it was sent: each datagram once, one behind the other.
//! Nothing before can hurt it then, once the receiver is in step again: its PES begins with the
//! packet that says so, whatever the one before left open. It needs what a receiver learns first:
//! the tables, and of video a key frame with parameter sets.

const PACKET_BYTES: usize = 188;

/// A stream cut into datagrams of one size.
pub struct Sent<'a> {
    /// The stream.
    pub ts: &'a [u8],
    /// How it was cut.
    pub datagram_bytes: usize,
    /// The track.
    pub pid: u16,
    /// The PMT's.
    pub pmt_pid: u16,
    /// How many datagrams, as they were sent, bring a receiver into step behind one that was not,
    /// counted from the first that holds a packet of the track.
    pub in_step_after: usize,
    /// A frame ends with its PES's last packet, because lengths are stated; otherwise the first
    /// packet of the track's next PES ends it.
    pub ends_itself: bool,
}

impl Sent<'_> {
    /// Of the track's frames, one a PES, those that must come out, by number. `arrived` are the
    /// numbers of the datagrams in their order of arrival; `None`: something came that was none.
    /// `is_key` says where a receiver can begin.
    pub fn must_arrive(
        &self,
        arrived: &[Option<usize>],
        is_key: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let runs = runs(arrived);
        let of_track: Vec<usize> =
            self.packets(self.pid).map(|(at, _)| self.datagrams(at, at)[0]).collect();
        let heard = |run: &Run| {
            let heard = of_track.get(of_track.partition_point(|&at| at < run.from));
            heard.copied().unwrap_or(usize::MAX)
        };
        // Nothing was missed before what comes first.
        let in_step = |run: &Run| match run.at {
            0 => run.from,
            _ => heard(run).saturating_add(self.in_step_after),
        };
        let known = |first: usize, last: usize| {
            let run = |run: &&Run| in_step(run) <= first && last < run.until;
            runs.iter().find(run).map(|run| run.at + (first - run.from))
        };
        let tables = [0, self.pmt_pid].map(|pid| {
            let places = self.packets(pid).filter_map(|(at, _)| {
                let [first, last] = self.datagrams(at, at);
                known(first, last).map(|place| (place, at))
            });
            places.min()
        });
        let [Some(pat), Some(pmt)] = tables else { return Vec::new() };
        let packets: Vec<(usize, bool)> = self.packets(self.pid).collect();
        let begins: Vec<usize> =
            (0..).zip(&packets).filter(|(_, (_, b))| *b).map(|(n, _)| n).collect();
        let mut whole = Vec::new();
        let mut has_begun = false;
        for (number, pair) in begins.windows(2).enumerate() {
            let &[begin, next] = pair else { continue };
            let end = next - usize::from(self.ends_itself);
            let [Some(&(begin, _)), Some(&(end, _))] = [begin, end].map(|n| packets.get(n)) else {
                continue;
            };
            let [first, last] = self.datagrams(begin, end);
            if known(first, last).is_some_and(|place| (place, begin) > pat.max(pmt)) {
                has_begun |= is_key(number);
                whole.extend(has_begun.then_some(number));
            }
        }
        whole
    }

    /// What the track's PES hold behind their headers, each of them.
    pub fn payloads(&self) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = Vec::new();
        for (at, begins) in self.packets(self.pid) {
            let packet = self.ts.chunks_exact(PACKET_BYTES).nth(at).unwrap_or_default();
            // Where an adaptation field stands, its length is the first byte (ISO/IEC 13818-1, 2.4.3).
            let head = match packet {
                &[_, _, _, flags, length, ..] if flags & 0x20 != 0 => 5 + usize::from(length),
                _ => 4,
            };
            let payload = packet.get(head..).unwrap_or_default();
            match (begins, all.last_mut()) {
                // start code, stream, length, two bytes of flags, length of what follows (2.4.3.6)
                (true, _) => {
                    let head = payload.get(8).map_or(0, |length| 9 + usize::from(*length));
                    all.push(payload.get(head..).unwrap_or_default().to_vec());
                }
                (false, Some(pes)) => pes.extend(payload),
                (false, None) => {}
            }
        }
        all
    }

    /// Number and payload unit start of a PID's packets.
    fn packets(&self, pid: u16) -> impl Iterator<Item = (usize, bool)> + '_ {
        self.ts.chunks_exact(PACKET_BYTES).enumerate().filter_map(move |(number, packet)| {
            let &[0x47, high, low, flags, ..] = packet else { return None };
            let is_its = u16::from_be_bytes([high & 0x1f, low]) == pid && flags & 0x10 != 0;
            is_its.then_some((number, high & 0x40 != 0))
        })
    }

    /// The first and last datagram that packets from one to another lie in.
    fn datagrams(&self, from: usize, to: usize) -> [usize; 2] {
        let last_byte = (to + 1) * PACKET_BYTES - 1;
        [from * PACKET_BYTES / self.datagram_bytes, last_byte / self.datagram_bytes]
    }
}

/// Datagrams that came one behind the other.
struct Run {
    from: usize,
    until: usize,
    /// The place of the first in the order of arrival.
    at: usize,
}

fn runs(arrived: &[Option<usize>]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut expected = None;
    for (at, number) in arrived.iter().enumerate() {
        match (runs.last_mut(), *number) {
            (Some(run), Some(number)) if expected == Some(number) => run.until = number + 1,
            (_, Some(number)) => runs.push(Run { from: number, until: number + 1, at }),
            (_, None) => {}
        }
        expected = number.map(|number| number + 1);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PAT, PMT, and frames of three packets each, one packet a datagram.
    fn stream(frames: usize) -> Vec<u8> {
        let packet = |pid: u16, begins: bool, counter: usize| {
            let [high, low] = pid.to_be_bytes();
            let mut packet =
                vec![0x47, high | u8::from(begins) << 6, low, 0x10 | counter as u8 & 15];
            packet.resize(PACKET_BYTES, 0xff);
            packet
        };
        let tables = [packet(0, true, 0), packet(0x1000, true, 0)].concat();
        let video = (0..frames * 3).flat_map(|n| packet(0x100, n % 3 == 0, n));
        tables.into_iter().chain(video).collect()
    }

    fn must(arrived: &[Option<usize>]) -> Vec<usize> {
        let ts = stream(5);
        sent(&ts).must_arrive(arrived, |number| number % 2 == 0)
    }

    fn sent(ts: &[u8]) -> Sent<'_> {
        Sent {
            ts,
            datagram_bytes: 188,
            pid: 0x100,
            pmt_pid: 0x1000,
            in_step_after: 0,
            ends_itself: false,
        }
    }

    fn but(lost: &[usize]) -> Vec<Option<usize>> {
        (0..17).filter(|n| !lost.contains(n)).map(Some).collect()
    }

    #[test]
    fn what_arrives_as_it_was_sent_must_come_out() {
        assert_eq!(must(&but(&[])), [0, 1, 2, 3], "the end of the last one is not known");
        // The second frame is packets 5, 6, 7 and ends with 8.
        for lost in [5, 6, 7] {
            assert!(!must(&but(&[lost])).contains(&1), "{lost}");
            assert!(must(&but(&[lost])).contains(&2));
        }
        assert_eq!(
            must(&but(&[8])),
            [0, 3],
            "the first packet of the third, which ends the second"
        );
    }

    #[test]
    fn what_states_its_length_needs_no_next_one() {
        let ts = stream(5);
        let sent = Sent { ends_itself: true, ..sent(&ts) };
        assert_eq!(sent.must_arrive(&but(&[8]), |_| true), [0, 1, 3]);
        assert_eq!(sent.must_arrive(&but(&[7]), |_| true), [0, 2, 3]);
    }

    #[test]
    fn tables_in_a_frames_first_datagram_are_there_in_time() {
        let ts = stream(5);
        let sent = Sent { datagram_bytes: 188 * 3, ..sent(&ts) };
        let arrived: Vec<_> = (0..6).map(Some).collect();
        assert_eq!(sent.must_arrive(&arrived, |_| true), [0, 1, 2, 3]);
    }

    #[test]
    fn payloads_are_what_stands_behind_headers() {
        let mut ts = stream(2);
        let mut head = [0xff; 184];
        head[..12].copy_from_slice(&[0, 0, 1, 0xc0, 0, 0, 0x80, 0x80, 1, 9, 7, 7]);
        ts[2 * PACKET_BYTES + 4..3 * PACKET_BYTES].copy_from_slice(&head);
        // An adaptation field of 180 bytes leaves three.
        ts[3 * PACKET_BYTES + 3..3 * PACKET_BYTES + 5].copy_from_slice(&[0x31, 180]);
        let pes = sent(&ts).payloads();
        assert_eq!(pes.len(), 2);
        assert_eq!(pes[0].len(), 184 - 10 + 3 + 184);
        assert_eq!(pes[0][..2], [7, 7]);
    }

    #[test]
    fn nothing_must_come_before_tables_and_a_key_frame() {
        assert_eq!(must(&but(&[0])), [0; 0]);
        assert_eq!(must(&but(&[3])), [2, 3], "1 is no key frame");
    }

    #[test]
    fn repeated_swapped_and_damaged_datagrams_break_the_run() {
        let mut repeated = but(&[]);
        repeated.insert(7, Some(6));
        assert_eq!(must(&repeated), [0, 2, 3]);
        let mut swapped = but(&[]);
        swapped.swap(9, 10);
        assert_eq!(must(&swapped), [0, 1, 3]);
        let mut damaged = but(&[]);
        damaged[9] = None;
        assert_eq!(must(&damaged), [0, 1, 3]);
    }
}

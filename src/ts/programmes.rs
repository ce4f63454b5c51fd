//! The programmes of a multiplex and which of them is taken (ISO/IEC 13818-1, 2.4.4.3). Purpose:
//! the operator's choice if there is one, else the first programme with a picture that can be
//! carried. Non-goals: network information (programme 0), names. Bound: [`TS_PROGRAMMES_MAX`].
//!
//! Without the operator's word the choice must not depend on where in the stream we came in: a
//! programme is taken only when none that would come before it is still unknown. One whose PMT
//! never comes (a filtered multiplex whose PAT was left as it was) is waited for until the other's
//! has come three times. A programme taken stays while it has a picture that can be carried and
//! the PAT lists it.

use super::psi::PsiSection;
use super::streams::{PmtStreams, Worth};
use crate::base::limits::TS_PROGRAMMES_MAX;

const PAT: u8 = 0;
const PMT: u8 = 2;
/// Sightings of a PMT after which those that have not come are no longer waited for.
const SIGHTINGS: u8 = 3;

/// Where the choice of the programme stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgrammeState {
    /// No PAT has come.
    #[default]
    NoTable,
    /// The PAT is there; the PMT that decide are not yet.
    Waiting,
    /// The operator chose a programme that the stream does not hold.
    Absent(u16),
    /// This programme is taken.
    Taken(u16),
}

struct PatProgramme {
    number: u16,
    pmt_pid: u16,
    /// The PAT section that lists it, and the place in it.
    place: (u8, usize),
    /// `None` until its PMT has come.
    worth: Option<Worth>,
    sightings: u8,
}

/// A line of a PAT section.
struct PatEntry {
    number: u16,
    pmt_pid: u16,
    place: usize,
}

/// The programmes a PAT section lists, network information (number 0) left out.
fn entries(body: &[u8]) -> impl Iterator<Item = PatEntry> + '_ {
    let lines = body.chunks_exact(4).filter_map(<[u8]>::first_chunk).enumerate();
    let entries = lines.map(|(place, [n0, n1, p0, p1])| PatEntry {
        number: u16::from_be_bytes([*n0, *n1]),
        pmt_pid: u16::from_be_bytes([p0 & 0x1f, *p1]),
        place,
    });
    entries.filter(|entry| entry.number != 0)
}

/// The programmes, and the one taken.
pub(super) struct Programmes {
    wanted: Option<u16>,
    has_table: bool,
    table: heapless::Vec<PatProgramme, TS_PROGRAMMES_MAX>,
    taken: Option<u16>,
}

impl Programmes {
    pub(super) const fn new(wanted: Option<u16>) -> Programmes {
        Programmes { wanted, has_table: false, table: heapless::Vec::new(), taken: None }
    }

    pub(super) fn state(&self) -> ProgrammeState {
        match (self.taken, self.wanted) {
            (Some(number), _) => ProgrammeState::Taken(number),
            _ if !self.has_table => ProgrammeState::NoTable,
            (None, Some(number)) if !self.table.iter().any(|p| p.number == number) => {
                ProgrammeState::Absent(number)
            }
            (None, _) => ProgrammeState::Waiting,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.table.len()
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.table.iter().map(|programme| programme.number)
    }

    pub(super) fn taken(&self) -> Option<u16> {
        self.taken
    }

    /// Whether a PMT comes on this PID.
    pub(super) fn has_pmt_on(&self, pid: u16) -> bool {
        self.table.iter().any(|programme| programme.pmt_pid == pid)
    }

    /// Takes a PAT section in. Its content counts, not its version: multiplexers change one
    /// without the other.
    pub(super) fn pat(&mut self, section: &PsiSection<'_>) {
        if section.table != PAT {
            return;
        }
        self.has_table = true;
        self.table.retain(|known| {
            let (other, _) = known.place;
            (other != section.number && other <= section.last_number)
                || entries(section.body).any(|entry| entry.number == known.number)
        });
        for entry in entries(section.body) {
            let place = (section.number, entry.place);
            if let Some(known) = self.table.iter_mut().find(|known| known.number == entry.number) {
                // What its PMT said holds until the one on the new PID comes.
                known.pmt_pid = entry.pmt_pid;
                known.place = place;
                continue;
            }
            if self.table.is_full() && self.wanted == Some(entry.number) {
                self.table.pop();
            }
            let PatEntry { number, pmt_pid, .. } = entry;
            let programme = PatProgramme { number, pmt_pid, place, worth: None, sightings: 0 };
            // Beyond the limit a programme is not remembered, unless it is the wanted one.
            self.table.push(programme).unwrap_or_default();
        }
        self.table.sort_unstable_by_key(|known| known.place);
        let still_listed = |number: &u16| self.table.iter().any(|known| known.number == *number);
        self.taken = self.taken.filter(still_listed);
    }

    /// Takes a PMT section in, which came on this PID. Returns its streams if it is that of the
    /// programme taken.
    pub(super) fn pmt(&mut self, pid: u16, section: &PsiSection<'_>) -> Option<PmtStreams> {
        let number = section.extension;
        let known = self
            .table
            .iter_mut()
            .find(|known| known.number == number && known.pmt_pid == pid)
            .filter(|_| section.table == PMT)?;
        let streams = PmtStreams::parse(section.body);
        known.worth = Some(streams.worth());
        known.sightings = known.sightings.saturating_add(1);
        self.choose();
        (self.taken == Some(number)).then_some(streams)
    }

    fn choose(&mut self) {
        if let Some(wanted) = self.wanted {
            self.taken = self.table.iter().any(|p| p.number == wanted).then_some(wanted);
            return;
        }
        let worth_of_taken =
            self.table.iter().find(|p| Some(p.number) == self.taken).and_then(|p| p.worth);
        if worth_of_taken == Some(Worth::CarriedPicture) {
            return;
        }
        let Some(best) = self.table.iter().filter_map(|p| p.worth).max() else { return };
        let is_best = |programme: &PatProgramme| programme.worth == Some(best);
        let Some(candidate) = self.table.iter().find(|p| is_best(p)) else { return };
        let mut rivals = self.table.iter();
        let rival_unknown = match best {
            Worth::CarriedPicture => rivals.take_while(|p| !is_best(p)).any(|p| p.worth.is_none()),
            _ => rivals.any(|p| p.worth.is_none()),
        };
        if worth_of_taken >= Some(best) || (rival_unknown && candidate.sightings < SIGHTINGS) {
            return;
        }
        self.taken = Some(candidate.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEVC: &[u8] = &[0xe1, 0, 0xf0, 0, 0x24, 0xe1, 0, 0xf0, 0];
    const AVC: &[u8] = &[0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0];
    const RADIO: &[u8] = &[0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 0, 0xf0, 0];

    fn pat(programmes: &mut Programmes, entries: &[(u16, u16)]) {
        pat_section(programmes, entries, 0, 0);
    }

    fn pat_section(programmes: &mut Programmes, entries: &[(u16, u16)], number: u8, last: u8) {
        let bytes = |(number, pid): &(u16, u16)| {
            [number.to_be_bytes(), (0xe000 | pid).to_be_bytes()].concat()
        };
        let body: Vec<u8> = entries.iter().flat_map(bytes).collect();
        let section =
            PsiSection { table: PAT, extension: 1, number, last_number: last, body: &body };
        programmes.pat(&section);
    }

    fn pmt(programmes: &mut Programmes, number: u16, pid: u16, body: &[u8]) -> bool {
        let section = PsiSection { table: PMT, extension: number, number: 0, last_number: 0, body };
        programmes.pmt(pid, &section).is_some()
    }

    #[test]
    fn the_first_with_video_in_the_order_of_the_pat_not_of_arrival() {
        let mut programmes = Programmes::new(None);
        assert_eq!(programmes.state(), ProgrammeState::NoTable);
        pat(&mut programmes, &[(0, 16), (7, 70), (5, 50), (9, 90)]);
        assert_eq!((programmes.count(), programmes.state()), (3, ProgrammeState::Waiting));
        assert!(!pmt(&mut programmes, 9, 90, AVC));
        assert!(!pmt(&mut programmes, 7, 70, RADIO));
        assert!(pmt(&mut programmes, 5, 50, AVC));
        assert_eq!(programmes.state(), ProgrammeState::Taken(5));
        assert!(!pmt(&mut programmes, 7, 70, AVC), "the one taken stays");
    }

    #[test]
    fn a_pmt_that_never_comes_is_not_waited_for_long() {
        let mut programmes = Programmes::new(None);
        pat(&mut programmes, &[(1, 10), (2, 20)]);
        assert!(!pmt(&mut programmes, 2, 20, AVC));
        assert!(!pmt(&mut programmes, 2, 20, AVC));
        assert!(pmt(&mut programmes, 2, 20, AVC));
    }

    #[test]
    fn what_cannot_be_carried_is_taken_only_when_there_is_nothing_better() {
        let mut programmes = Programmes::new(None);
        pat(&mut programmes, &[(1, 10), (2, 20), (3, 30)]);
        assert!(!pmt(&mut programmes, 1, 10, HEVC));
        assert!(!pmt(&mut programmes, 2, 20, RADIO));
        assert!(!pmt(&mut programmes, 3, 30, RADIO), "decided, but for programme 1");
        assert_eq!(programmes.state(), ProgrammeState::Taken(1));
        assert!(pmt(&mut programmes, 1, 10, HEVC));
        assert!(pmt(&mut programmes, 2, 20, AVC), "a picture that can be carried is better");
        assert_eq!(programmes.state(), ProgrammeState::Taken(2));
    }

    #[test]
    fn the_operators_word_holds() {
        let mut programmes = Programmes::new(Some(2));
        pat(&mut programmes, &[(1, 10), (3, 30)]);
        assert!(!pmt(&mut programmes, 1, 10, AVC));
        assert_eq!(programmes.state(), ProgrammeState::Absent(2));
        pat(&mut programmes, &[(1, 10), (2, 20)]);
        assert_eq!(programmes.state(), ProgrammeState::Waiting);
        assert!(pmt(&mut programmes, 2, 20, RADIO));
        pat(&mut programmes, &[(1, 10)]);
        assert_eq!(programmes.state(), ProgrammeState::Absent(2));
    }

    #[test]
    fn a_pmt_counts_only_on_its_own_pid_and_number() {
        let mut programmes = Programmes::new(None);
        pat(&mut programmes, &[(1, 10), (2, 10)]);
        assert!(!pmt(&mut programmes, 3, 10, AVC));
        assert!(!pmt(&mut programmes, 1, 11, AVC));
        assert!(programmes.has_pmt_on(10));
        assert!(!programmes.has_pmt_on(11));
        assert!(pmt(&mut programmes, 1, 10, AVC), "two programmes may share a PMT PID");
        assert!(!pmt(&mut programmes, 2, 10, AVC));
    }

    #[test]
    fn pat_sections_are_kept_apart_and_the_limit_holds() {
        let mut programmes = Programmes::new(Some(999));
        let first: Vec<_> = (1..=40).map(|n| (n, 100 + n)).collect();
        let second: Vec<_> = (41..=80).map(|n| (n, 100 + n)).chain([(999, 20)]).collect();
        pat_section(&mut programmes, &first, 0, 1);
        pat_section(&mut programmes, &second, 1, 1);
        assert_eq!(programmes.count(), TS_PROGRAMMES_MAX);
        assert_eq!(programmes.state(), ProgrammeState::Waiting, "the wanted one has its place");
        pat_section(&mut programmes, &first[..2], 0, 0);
        assert_eq!(programmes.count(), 2, "section 1 is no more");
    }
}

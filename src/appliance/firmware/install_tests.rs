//! Updates onto a disk that forgets: whatever was not waited for may or may not be there after the
//! power went.

use super::super::environment::tests::block;
use super::super::package::tests::{key, package, package_with};
use super::super::slots::tests::system;
use super::*;

const SLOT_BYTES: usize = 1 << 20;
const BEFORE: &str = "order=AB\nA_left=3\nB_left=3\n";

/// A disk in memory. `left` operations succeed; from then on there is no power.
struct Forgetful {
    kept: Vec<u8>,
    /// Written and not waited for, in sectors, in their order.
    unsynced: Vec<(usize, Vec<u8>)>,
    variables: GrubEnvironment,
    left: usize,
    /// Reading gives back another byte.
    lies: bool,
    operations: usize,
}

impl Forgetful {
    fn new(old: &[u8], left: usize) -> Forgetful {
        let mut kept = old.to_vec();
        kept.resize(SLOT_BYTES, 0);
        let variables = GrubEnvironment::parse(&block(BEFORE)).unwrap();
        Forgetful { kept, unsynced: Vec::new(), variables, left, lies: false, operations: 0 }
    }

    fn spend(&mut self) -> io::Result<()> {
        self.operations += 1;
        self.left = self.left.checked_sub(1).ok_or_else(|| io::Error::other("no power"))?;
        Ok(())
    }

    /// The power goes: of what was not waited for, any part is there.
    fn power_goes(&mut self, random: &mut fastrand::Rng) {
        for (at, sector) in std::mem::take(&mut self.unsynced) {
            if random.bool() {
                self.kept[at..at + sector.len()].copy_from_slice(&sector);
            }
        }
    }
}

impl Medium for Forgetful {
    fn slot_bytes(&mut self) -> io::Result<u64> {
        Ok(self.kept.len() as u64)
    }

    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        for (number, sector) in bytes.chunks(512).enumerate() {
            self.unsynced.push((at as usize + number * 512, sector.to_vec()));
        }
        self.spend()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.spend()?;
        for (at, sector) in self.unsynced.drain(..) {
            self.kept[at..at + sector.len()].copy_from_slice(&sector);
        }
        Ok(())
    }

    fn read(&mut self, into: &mut [u8], at: u64) -> io::Result<()> {
        assert!(self.unsynced.is_empty(), "what is read back is on the disk");
        self.spend()?;
        into.copy_from_slice(&self.kept[at as usize..][..into.len()]);
        if self.lies && at > 0 {
            into[0] ^= 1;
        }
        Ok(())
    }

    fn change(
        &mut self,
        with: &dyn Fn(&mut GrubEnvironment),
    ) -> Result<GrubEnvironment, EnvironmentError> {
        self.spend()?;
        // One sector, and waited for.
        with(&mut self.variables);
        Ok(self.variables.clone())
    }
}

fn release() -> SystemIdentity {
    SystemIdentity::parse("version 0.1.0\nrevision old\nmade 1000\n").unwrap()
}

/// What slot A, which runs, takes, any older system being confirmed.
fn demand<'a>(
    release: &'a SystemIdentity,
    keys: &'a [PublicKey],
    allow_downgrade: bool,
) -> UpdateTerms<'a> {
    UpdateTerms {
        running: Slot::A,
        release,
        keys,
        allow_downgrade,
        allow_debug: false,
        is_confirmed: &|_| true,
    }
}

fn run(
    package: &[u8],
    medium: &mut Forgetful,
    allow_downgrade: bool,
) -> Result<PackageHeader, InstallError> {
    let (release, keys) = (release(), [key(7)]);
    let demand = demand(&release, &keys, allow_downgrade);
    install(&demand, package.len() as u64, &mut &*package, medium, &mut |_| ())
}

fn blob() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(9);
    let kernel: Vec<u8> = (0..300_000).map(|_| random.u8(..)).collect();
    system("0.2.0", &kernel)
}

fn holds(medium: &Forgetful, blob: &[u8]) -> bool {
    medium.kept.starts_with(blob)
}

#[test]
fn a_whole_update_comes_first_with_one_try() {
    let (blob, mut medium) = (blob(), Forgetful::new(&[7; 9000], usize::MAX));
    let mut told = Vec::new();
    let package = package(&blob, "0.2.0", 2000, 7);
    let (release, keys) = (release(), [key(7)]);
    let demand = demand(&release, &keys, false);
    let tell = &mut |progress| told.push(progress);
    let length = package.len() as u64;
    let header = install(&demand, length, &mut &package[..], &mut medium, tell).unwrap();
    assert_eq!(header.identity.to_string(), "0.2.0 (abc1234)");
    assert!(holds(&medium, &blob));
    let variables = &medium.variables;
    assert_eq!((variables.first(), variables.on_trial()), (Slot::B, Some(Slot::B)));
    assert_eq!((variables.tries(Slot::A), variables.tries(Slot::B)), (3, 1));
    assert_eq!(told.last(), Some(&InstallProgress::Verifying));
    assert_eq!(told.iter().rev().nth(1), Some(&InstallProgress::Writing(length)));
}

#[test]
fn whenever_the_power_goes_no_slot_that_has_tries_is_half_written() {
    let (old, new) = (system("0.1.0", &[1; 200_000]), blob());
    let package = package(&new, "0.2.0", 2000, 7);
    let mut whole = Forgetful::new(&old, usize::MAX);
    run(&package, &mut whole, false).unwrap();
    assert!(whole.operations > 15, "{}", whole.operations);
    let mut random = fastrand::Rng::with_seed(1);
    for left in 0..whole.operations {
        for _ in 0..8 {
            let mut medium = Forgetful::new(&old, left);
            assert!(run(&package, &mut medium, false).is_err());
            medium.power_goes(&mut random);
            let variables = &medium.variables;
            if variables.tries(Slot::B) > 0 {
                assert!(holds(&medium, &old) || holds(&medium, &new), "after {left} operations");
            }
            assert_eq!(variables.first(), Slot::A, "after {left} operations");
            assert_eq!((variables.tries(Slot::A), variables.on_trial()), (3, None));
            // What says its version is whole, or as far as the step before the boot loader's word.
            let says = super::super::slots::identity_in(&medium.kept);
            let is_whole = holds(&medium, &old) || holds(&medium, &new);
            let was_cleared = medium.kept[..512] == [0; 512];
            assert!(says.is_none() || is_whole || !was_cleared);
        }
    }
}

#[test]
fn what_is_refused_leaves_the_disk_as_it_was() {
    let (old, blob) = (system("0.1.0", &[1; 200_000]), blob());
    let good = package(&blob, "0.2.0", 2000, 7);
    let long = [&good[..], b"x"].concat();
    let large = package(&vec![0; SLOT_BYTES + 1], "0.2.0", 2000, 7);
    for (package, code) in [
        (package(&blob, "0.2.0", 2000, 8), "Refused(WrongSignature)"),
        (b"MZ".repeat(3000), "Refused(NotAnUpdate(Opening))"),
        (Vec::new(), "Refused(NotAnUpdate(Opening))"),
        (good[..1000].to_vec(), "CutShort"),
        (good[..5000].to_vec(), "CutShort"),
        (long, "TooLong"),
        (large, "TooLarge"),
        (package(&blob, "0.2.0", 999, 7), "Older"),
        (package(&blob, "0.1.0", 999, 7), "Older"),
    ] {
        let mut medium = Forgetful::new(&old, usize::MAX);
        let failed = run(&package, &mut medium, false).unwrap_err();
        assert!(format!("{failed:?}").starts_with(code), "{code}: {failed:?}");
        assert!(medium.operations == 0, "{code} wrote something");
        assert!(medium.unsynced.is_empty(), "{code} wrote something");
    }
    let mut medium = Forgetful::new(&old, usize::MAX);
    assert!(run(&package(&blob, "0.0.9", 1, 7), &mut medium, true).is_ok(), "allowed");
    let mut medium = Forgetful::new(&old, usize::MAX);
    assert!(run(&package(&blob, "0.1.0", 1000, 7), &mut medium, false).is_ok(), "the same again");
}

#[test]
fn a_debug_system_takes_no_others_place_unless_that_was_allowed() {
    let blob = blob();
    let debug = package_with(&blob, "0.2.0", 2000, "debug 1\n", 7);
    let (running, keys) = (release(), [key(7)]);
    let open = SystemIdentity { debug: true, ..release() };
    for (runs, allow_debug, is_taken) in
        [(&running, false, false), (&running, true, true), (&open, false, true)]
    {
        let demand = UpdateTerms { allow_debug, ..demand(runs, &keys, false) };
        let mut medium = Forgetful::new(&[7; 9000], usize::MAX);
        let length = debug.len() as u64;
        let outcome = install(&demand, length, &mut &debug[..], &mut medium, &mut |_| ());
        assert_eq!(outcome.is_ok(), is_taken, "{runs} {allow_debug}");
        if let Err(failed) = outcome {
            assert!(matches!(failed, InstallError::Debug(_)), "{failed:?}");
            assert!(medium.operations == 0, "{failed:?}");
            assert!(failed.to_string().contains("(abc1234, DEBUG) is a debug system"), "{failed}");
        }
    }
}

#[test]
fn what_breaks_on_the_way_is_never_tried() {
    let (old, blob) = (system("0.1.0", &[1; 200_000]), blob());
    let good = package(&blob, "0.2.0", 2000, 7);
    let is_left_out = |medium: &Forgetful| {
        let variables = &medium.variables;
        let says = super::super::slots::identity_in(&medium.kept);
        (variables.first(), variables.tries(Slot::B), says) == (Slot::A, 0, None)
    };
    // A byte is another.
    for at in [HEADER_BYTES, HEADER_BYTES + 70_000, good.len() - 1] {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        let mut medium = Forgetful::new(&old, usize::MAX);
        assert!(matches!(run(&damaged, &mut medium, false), Err(InstallError::Damaged)), "{at}");
        assert!(is_left_out(&medium), "{at}");
    }
    // The connection breaks.
    for at in [HEADER_BYTES, HEADER_BYTES + 4000, HEADER_BYTES + 200_000] {
        let (release, keys) = (release(), [key(7)]);
        let demand = demand(&release, &keys, false);
        let mut medium = Forgetful::new(&old, usize::MAX);
        let (length, mut source) = (good.len() as u64, &good[..at]);
        let failed = install(&demand, length, &mut source, &mut medium, &mut |_| ());
        let came = (at - HEADER_BYTES) as u64;
        assert!(
            matches!(failed, Err(InstallError::CutShort { came: c, .. }) if c == came),
            "{at}: {failed:?}"
        );
        assert!(is_left_out(&medium), "{at}");
    }
    // The disk gives something else back.
    let mut medium = Forgetful::new(&old, usize::MAX);
    medium.lies = true;
    assert!(matches!(run(&good, &mut medium, false), Err(InstallError::NotKept)));
    assert!(is_left_out(&medium));
}

#[test]
fn a_system_on_trial_does_not_write_over_the_one_it_would_go_back_to() {
    let blob = blob();
    let mut medium = Forgetful::new(&system("0.1.0", b"x"), usize::MAX);
    medium.variables.set_on_trial(Some(Slot::A));
    let good = package(&blob, "0.2.0", 2000, 7);
    assert!(matches!(run(&good, &mut medium, false), Err(InstallError::OnTrial)));
    assert_eq!(medium.variables.tries(Slot::B), 3);
}

#[test]
fn an_update_smaller_than_a_slots_beginning_is_written_whole() {
    let blob = vec![5; 100];
    let mut medium = Forgetful::new(&[], usize::MAX);
    run(&package(&blob, "0.2.0", 2000, 7), &mut medium, false).unwrap();
    assert!(holds(&medium, &blob));
    assert!(medium.kept[100..].iter().all(|&byte| byte == 0));
}

#[test]
fn a_disk_of_files_takes_an_update() {
    use super::super::slots::tests::{partition, places};

    let places = places("install");
    let environment = partition(&places, "vda", 3, "env");
    let (slot_a, slot_b) =
        (partition(&places, "vda", 4, "slot-a"), partition(&places, "vda", 5, "slot-b"));
    super::super::environment::tests::partition(&environment, &block(BEFORE));
    std::fs::write(slot_a, b"").unwrap();
    std::fs::write(&slot_b, vec![9; SLOT_BYTES]).unwrap();
    let (release, keys, blob) = (release(), [key(7)], blob());
    let demand = demand(&release, &keys, false);
    let package = package(&blob, "0.2.0", 2000, 7);
    let partitions = places.partitions().unwrap();
    let mut disk = SlotPartitions::open(&partitions, Slot::B).unwrap();
    install(&demand, package.len() as u64, &mut &package[..], &mut disk, &mut |_| ()).unwrap();
    let written = std::fs::read(slot_b).unwrap();
    assert_eq!(written.len(), SLOT_BYTES);
    assert!(written.starts_with(&blob));
    assert!(written[blob.len()] == 9);
    let variables = environment::read(&environment).unwrap();
    assert_eq!((variables.first(), variables.tries(Slot::B)), (Slot::B, 1));
    assert_eq!(
        super::super::slots::identity(partitions.of(Slot::B)).unwrap().version.to_string(),
        "0.2.0"
    );
    std::fs::remove_dir_all(&places.root).unwrap();
}

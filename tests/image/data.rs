//! The disk of the data read-only, without its superblock, its journal, its table, all of its
//! content: the programme is on air all the same, what can be read is kept, and both the console
//! and the page say what happened.

use std::process::Command;

use crate::machine::{Card, Disk, Machine, Parts, USUAL};
use crate::service::{answers_in, silence_ms};
use crate::shell::Shell;
use crate::table;
use crate::DATA;

/// The data partition of the image, in bytes; it may have grown since.
const DATA_BYTES: u64 = 64 << 20;

/// Starts a machine on that disk, waits until it is on air, and asks the console and the page for
/// the warning.
fn warned(what: &str, disk: &Disk, parts: Parts, warning: &str, keeps_its_configuration: bool) {
    let machine = Machine::start(disk, parts);
    let shell = Shell::of(&machine, 0);
    shell.on_air_after("true");
    println!("{what}: on air {:.1?} after power-on", machine.power_on.elapsed());
    let screen = shell.screen();
    assert!(screen.contains(&format!("warning    {warning}")), "{what}: {screen}");
    assert_eq!(screen.contains("  password "), !keeps_its_configuration, "{what}: {screen}");
    let status = if keeps_its_configuration {
        assert!(answers_in(&machine), "{what}: the configuration is lost");
        machine.ask_in("GET", "/api/status", "").unwrap_or_default()
    } else {
        // Nobody knows the new password but its console, and there may be no network.
        shell.run(
            "printf 'GET /api/status HTTP/1.0\\r\\nHost: localhost\\r\\nAuthorization: Bearer \
             %s\\r\\n\\r\\n' $(cat /run/streamcaster/data.token) | nc 127.0.0.1 8080",
        )
    };
    assert!(status.contains(warning), "{what}: {status}");
}

#[test]
fn a_disk_that_cannot_be_written_is_read() {
    let disk = Disk::open("read-only");
    let parts = Parts { is_writable: false, ..USUAL };
    warned(
        "read-only",
        &disk,
        parts,
        "the data disk is damaged or locked: it can only be read",
        true,
    );
}

#[test]
fn without_a_data_partition_and_a_network_memory_stands_in() {
    let disk = Disk::open("missing");
    table::forget(&disk, "data");
    let parts = Parts { card: Card::Absent, ..USUAL };
    warned("missing", &disk, parts, "no data disk: nothing is kept over a restart", false);
}

#[test]
fn a_disk_of_noise_begins_again() {
    let disk = Disk::open("noise");
    let mut noise = vec![0; usize::try_from(DATA_BYTES).expect("small")];
    let mut state = 7_u64;
    for byte in &mut noise {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state.to_le_bytes()[3];
    }
    disk.write(&noise, DATA);
    let begins = "the data disk held nothing readable and was formatted";
    warned("noise", &disk, USUAL, begins, false);
}

/// The plug is pulled while the disk is written; what the journal held is gone by the next start,
/// and by the one after it the superblock.
#[test]
fn a_cut_journal_and_a_lost_superblock_are_mended() {
    let disk = Disk::open("mended");
    let machine = Machine::start(&disk, USUAL);
    let shell = Shell::of(&machine, 0);
    shell.on_air_after("true");
    assert!(answers_in(&machine));
    assert_eq!(silence_ms(&machine), Some(500));
    // In the journal, and not yet in its place.
    shell.run("for n in 1 2 3 4; do mkdir /data/videos/$n; sync; done");
    drop(machine);
    let blocks = journal(&disk);
    let half = vec![0; usize::try_from(blocks.len() / 2 * 4096).expect("small")];
    disk.write(&half, DATA + blocks.first * 4096);
    let mended = "the data disk was damaged and has been mended";
    warned("journal cut", &disk, USUAL, mended, true);

    // Blocks of the whole, and of one group: only a second group has a copy of the superblock, which
    // e2fsck looks for by itself.
    let [count, group] = [0x04, 0x20].map(|at| u32::from_le_bytes(disk.read(DATA + 1024 + at)));
    disk.write(&[0; 1024], DATA + 1024);
    if count > group {
        warned("superblock lost", &disk, USUAL, mended, true);
    } else {
        let begins = "the data disk held nothing readable and was formatted";
        warned("superblock lost", &disk, USUAL, begins, false);
    }
}

/// Blocks that follow each other.
struct Blocks {
    first: u64,
    last: u64,
}

impl Blocks {
    fn len(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// The blocks of the journal, which is a file without a name, number 8.
fn journal(disk: &Disk) -> Blocks {
    let file = format!("{}?offset={DATA}", disk.path().display());
    let debugfs = Command::new("/sbin/debugfs").args(["-R", "dump_extents <8>", &file]).output();
    let said = debugfs.expect("debugfs starts: `cargo xtask setup` installs it").stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    // Level, entries, logical blocks, physical blocks: " 0/ 0   1/  1     0 -  2047   66 -  2113".
    let line = said.lines().find(|line| line.trim_start().starts_with("0/"));
    let numbers: Vec<u64> = line
        .unwrap_or_else(|| panic!("no journal: {said}"))
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    let [.., first, last, _] = numbers.as_slice() else { panic!("no blocks: {said}") };
    Blocks { first: *first, last: *last }
}

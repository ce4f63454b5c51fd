//! The machine the program runs on. Purpose: processor, load, memory, network and the data
//! folder's disk, looked at every [`MACHINE_SAMPLE_MS`] and hung up for whoever asks. Non-goals:
//! verdicts (`health`). Bounds: two threads, one of them for the disk alone, because a disk that
//! hangs holds up who asks it: then its figures grow old and are told as such. A history of ten
//! minutes of a few numbers each.

mod history;
mod notice;
mod proc;
mod status;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::StatVfsMountFlags;

use crate::base::limits::{MACHINE_SAMPLE_MS, THREAD_STACK_BYTES};
use crate::net::sockets;
use crate::system::clock;
use history::{LoadHistory, LoadSample};

pub use notice::DiskWarning;
pub use proc::MemoryBytes;
pub use status::{CpuShare, DiskStatus, MachineStatus, NetworkRates};

/// Where the machine's figures hang. The last handle dropped ends the threads; one that hangs in its
/// disk is left behind.
#[derive(Clone, Default)]
pub struct Gauges(Arc<Handle>);

#[derive(Default)]
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().is_ending = true;
        self.0.bell.notify_all();
    }
}

#[derive(Default)]
struct Shared {
    cell: Mutex<Cell>,
    bell: Condvar,
}

#[derive(Default)]
struct Cell {
    machine: MachineStatus,
    budget_bytes: u64,
    is_ending: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Cell> {
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the next look; false when there will be none.
    fn wait(&self) -> bool {
        let period = Duration::from_millis(MACHINE_SAMPLE_MS);
        let waited = self.bell.wait_timeout_while(self.lock(), period, |cell| !cell.is_ending);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_ending
    }
}

impl Gauges {
    /// Begins to look. `data` is the folder whose disk counts, `appliance` the folder of the
    /// appliance's own services, which need not be there; `budget_bytes` is what the process may
    /// occupy.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(data: &Path, appliance: &Path, budget_bytes: u64) -> io::Result<Gauges> {
        let gauges = Gauges::default();
        let mut cell = gauges.shared().lock();
        cell.budget_bytes = budget_bytes;
        cell.machine.disk_warning = DiskWarning::read(appliance);
        drop(cell);
        let (machine, disk) = (Arc::clone(gauges.shared()), Arc::clone(gauges.shared()));
        let (data, clock) = (data.to_owned(), appliance.join(clock::UNSET));
        spawn("machine", move || look_at_machine(&machine, &clock))?;
        spawn("machine-disk", move || look_at_disk(&disk, &data))?;
        Ok(gauges)
    }

    /// The machine as it was last seen.
    pub fn machine(&self) -> MachineStatus {
        self.shared().lock().machine
    }

    /// What the process may occupy, bytes: heap, stacks and its own pages; 0: not known.
    pub fn budget_bytes(&self) -> u64 {
        self.shared().lock().budget_bytes
    }

    fn shared(&self) -> &Arc<Shared> {
        let Handle(shared) = &*self.0;
        shared
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(THREAD_STACK_BYTES);
    thread.spawn(work).map(drop)
}

fn look_at_machine(shared: &Shared, clock_unset: &Path) {
    let mut history = LoadHistory::default();
    loop {
        let sample = read_sample();
        let cpu = history.add(sample);
        let memory = proc_file("meminfo").and_then(|text| proc::memory(&text));
        let load = proc_file("loadavg").and_then(|text| proc::load(&text));
        let (addresses, is_clock_unset) = (sockets::own_addresses(), clock_unset.exists());
        let mut cell = shared.lock();
        let MachineStatus { disk, disk_warning, .. } = cell.machine;
        let seen = MachineStatus { load, memory, addresses, is_clock_unset, ..cpu };
        cell.machine = MachineStatus { disk, disk_warning, ..seen };
        drop(cell);
        if !shared.wait() {
            return;
        }
    }
}

fn read_sample() -> LoadSample {
    let cpu = proc_file("stat").and_then(|text| proc::cpu(&text));
    LoadSample {
        taken: clock::mono(),
        cpu,
        process_ticks: proc_file("self/stat").and_then(|text| proc::process_ticks(&text)),
        network: proc_file("net/dev").and_then(|text| proc::network(&text)),
    }
}

fn proc_file(name: &str) -> Option<String> {
    fs::read_to_string(PathBuf::from("/proc").join(name)).ok()
}

fn look_at_disk(shared: &Shared, data: &Path) {
    loop {
        // The folder is made by the first write to it.
        let seen = rustix::fs::statvfs(data).ok().map(|disk| {
            let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
            DiskStatus {
                taken: clock::mono(),
                total_bytes: bytes(disk.f_blocks),
                free_bytes: bytes(disk.f_bavail),
                used_bytes: bytes(disk.f_blocks.saturating_sub(disk.f_bfree)),
                is_read_only: disk.f_flag.contains(StatVfsMountFlags::RDONLY),
            }
        });
        if seen.is_some() {
            shared.lock().machine.disk = seen;
        }
        if !shared.wait() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Mono;

    #[test]
    fn a_disk_is_told_as_df_does() {
        let disk = DiskStatus {
            used_bytes: 85,
            free_bytes: 15,
            total_bytes: 105,
            ..DiskStatus::default()
        };
        assert!((disk.used_percent() - 85.0).abs() < 1e-9);
        assert!(DiskStatus::default().used_percent() < 1e-9, "a disk without blocks");
        assert!(!disk.is_stale(Mono::from_ms(3 * MACHINE_SAMPLE_MS)));
        assert!(disk.is_stale(Mono::from_ms(3 * MACHINE_SAMPLE_MS + 1)));
    }

    #[test]
    fn the_machine_at_hand_is_seen_and_the_threads_end() {
        let appliance = std::env::temp_dir().join(format!("gauges-{}", std::process::id()));
        fs::create_dir_all(&appliance).expect("a folder");
        fs::write(appliance.join("data.warning"), "it was mended\n").expect("a file");
        fs::write(appliance.join(clock::UNSET), "not set\n").expect("a file");
        let gauges = Gauges::start(Path::new("/"), &appliance, 7).expect("threads");
        let seen = |gauges: &Gauges| {
            let machine = gauges.machine();
            machine.memory.is_some() && machine.disk.is_some()
        };
        let deadline = clock::mono() + Duration::from_secs(30);
        while !seen(&gauges) && clock::mono() < deadline {
            thread::yield_now();
        }
        fs::remove_dir_all(&appliance).expect("our own folder");
        let machine = gauges.machine();
        assert_eq!(machine.disk_warning, DiskWarning::of("it was mended"));
        assert!(machine.is_clock_unset);
        assert!(machine.disk.is_some_and(|disk| disk.total_bytes > 0), "{machine:?}");
        assert!(machine.memory.is_some_and(|m| m.total >= m.available), "{machine:?}");
        assert!(machine.cores.is_some_and(|cores| cores > 0), "{machine:?}");
        assert_eq!(gauges.budget_bytes(), 7);
        let shared = Arc::downgrade(gauges.shared());
        drop(gauges);
        while shared.upgrade().is_some() && clock::mono() < deadline {
            thread::yield_now();
        }
        assert!(shared.upgrade().is_none(), "a thread still holds its share");
    }
}

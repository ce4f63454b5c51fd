//! The machine's figures as `/api/status` tells them. What could not be read is null.

use std::net::IpAddr;

use serde::Serialize;

use crate::control::api::moment::Moment;
use crate::system::sandbox_state::{in_force, Files, InForce};

/// The machine; null is what could not be read.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Machine {
    /// Of all cores.
    cpu_percent: Option<f64>,
    /// This program's, of one core.
    process_cpu_percent: Option<f64>,
    /// Withheld by the hypervisor.
    stolen_percent: Option<f64>,
    cores: Option<u32>,
    /// 1, 5 and 15 minutes.
    load: Option<[f64; 3]>,
    memory_total_bytes: Option<u64>,
    memory_available_bytes: Option<u64>,
    disk_total_bytes: Option<u64>,
    disk_free_bytes: Option<u64>,
    /// The disk has not answered of late.
    disk_stale: bool,
    net_bps_in: Option<u64>,
    net_bps_out: Option<u64>,
    /// What this program has confined itself to; null: it has not tried.
    sandbox: Option<Sandbox>,
    /// By which it speaks to others: of IPv4, of IPv6; none without a route.
    #[cfg_attr(test, schemars(length(max = 2)))]
    addresses: Vec<IpAddr>,
}

/// What this program has confined itself to.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Sandbox {
    /// It reaches no files but its configuration's.
    files: bool,
    /// Those it does not need are refused to it.
    system_calls: bool,
    /// Both in words.
    detail: String,
}

fn sandbox(in_force: &InForce) -> Sandbox {
    Sandbox {
        files: !matches!(in_force.files, Files::Open(_)),
        system_calls: in_force.calls.is_ok(),
        detail: in_force.to_string(),
    }
}

/// Tells them.
pub fn machine(moment: Moment) -> Machine {
    let seen = moment.machine;
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    Machine {
        cpu_percent: seen.cpu.map(|cpu| tenth(cpu.percent)),
        process_cpu_percent: seen.cpu.map(|cpu| tenth(cpu.process_percent)),
        stolen_percent: seen.cpu.map(|cpu| tenth(cpu.stolen_percent)),
        cores: seen.cores,
        load: seen.load,
        memory_total_bytes: seen.memory.map(|memory| memory.total),
        memory_available_bytes: seen.memory.map(|memory| memory.available),
        disk_total_bytes: seen.disk.map(|disk| disk.total_bytes),
        disk_free_bytes: seen.disk.map(|disk| disk.free_bytes),
        disk_stale: seen.disk.is_some_and(|disk| disk.is_stale(moment.now)),
        net_bps_in: seen.network.map(|network| network.bps_in),
        net_bps_out: seen.network.map(|network| network.bps_out),
        sandbox: in_force().map(sandbox),
        addresses: seen.addresses.into_iter().flatten().collect(),
    }
}

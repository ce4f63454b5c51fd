//! The families of `/metrics`, subject by subject.

use crate::control::api::moment::Moment;
use crate::control::build_info::BUILD;
use crate::health::{Check, Health, Verdict};
use crate::operator::snapshot::{
    DestinationState, DestinationStatus, ProgrammeStatus, Snapshot, Source,
};

use super::page::{MetricKind, Page};

/// A share in percent as a ratio, to four places.
fn ratio(percent: f64) -> f64 {
    (percent * 100.0).round() / 10_000.0
}

pub(super) fn whole(page: &mut Page, health: &Health, moment: Moment) {
    let build = [("version", BUILD.version), ("git", BUILD.git)];
    page.family(MetricKind::Gauge, "build_info", "What runs.", [(build, 1)]);
    let uptime_s = moment.now.to_ms() / 1000;
    page.one(MetricKind::Gauge, "uptime_seconds", "Time since the program began.", uptime_s);
    let verdicts = [Verdict::Healthy, Verdict::Degraded, Verdict::Unhealthy];
    let states =
        verdicts.map(|verdict| ([("status", verdict.name())], u8::from(verdict == health.verdict)));
    page.family(
        MetricKind::Gauge,
        "health",
        "The verdict on the whole, 1 for the one it is.",
        states,
    );
    let level = |check: &Check| match check.verdict {
        Verdict::Healthy => 0,
        Verdict::Degraded => 1,
        Verdict::Unhealthy => 2,
    };
    let checks = health.checks.iter().map(|check| ([("check", &*check.name)], level(check)));
    let help = "The verdict of each check: 0 healthy, 1 degraded, 2 unhealthy.";
    page.family(MetricKind::Gauge, "check_status", help, checks);
}

pub(super) fn programme(page: &mut Page, status: &ProgrammeStatus) {
    let sources = [Source::Udp, Source::Rtmp, Source::Pull, Source::File, Source::Standby];
    let on_air =
        sources.map(|source| ([("source", source.name())], u8::from(source == status.on_air)));
    page.family(MetricKind::Gauge, "on_air", "What is on air, 1 for the one that is.", on_air);
    let help = "Cuts from one source or file to another.";
    page.one(MetricKind::Counter, "programme_cuts_total", help, status.cuts);
    let help = "Access units of the programme.";
    page.one(MetricKind::Counter, "programme_units_total", help, status.units);
    page.one(
        MetricKind::Counter,
        "programme_bytes_total",
        "Payload of the programme.",
        status.bytes,
    );
    let rates =
        [([("track", "video")], status.video_bps), ([("track", "audio")], status.audio_bps)];
    let help = "Bit rate of the programme, mean over 10 s.";
    page.family(MetricKind::Gauge, "programme_bits_per_second", help, rates);
    let dropped = [
        ([("reason", "overlap")], status.dropped_overlap),
        ([("reason", "oversize")], status.dropped_oversize),
        ([("reason", "time")], status.dropped_time),
    ];
    let help = "Silent audio units that stood in for audio an input did not have.";
    page.one(MetricKind::Counter, "programme_filled_audio_units_total", help, status.filled_audio);
    let filling = u8::from(status.is_filling);
    page.one(
        MetricKind::Gauge,
        "programme_filling_audio",
        "Whether silence stands in now.",
        filling,
    );
    let help = "Access units left out.";
    page.family(MetricKind::Counter, "programme_dropped_units_total", help, dropped);
}

pub(super) fn inputs(page: &mut Page, snapshot: &Snapshot) {
    let (udp, publisher, pull) = (&snapshot.udp, &snapshot.publisher, &snapshot.pull);
    let live = [
        ([("input", "udp")], u8::from(udp.receiving)),
        ([("input", "rtmp")], u8::from(publisher.present)),
        ([("input", "pull")], u8::from(pull.state == DestinationState::Live)),
    ];
    page.family(MetricKind::Gauge, "input_up", "whether media is received by this input.", live);
    let reasons = [("udp", &udp.reason), ("rtmp", &publisher.reason), ("pull", &pull.reason)];
    let reasons = reasons.into_iter().filter_map(|(input, reason)| {
        Some(([("input", input), ("reason", reason.as_ref()?.why.code())], 1))
    });
    let help = "Why an input that is there is not on air, 1 for the reason it is.";
    page.family(MetricKind::Gauge, "input_reason", help, reasons);
    let bytes = [
        ([("input", "udp")], udp.bytes),
        ([("input", "rtmp")], publisher.bytes),
        ([("input", "pull")], pull.bytes),
    ];
    let help = "Bytes taken by each input, of a publisher since it began.";
    page.family(MetricKind::Counter, "input_received_bytes_total", help, bytes);
    let rates = [
        ([("input", "udp")], udp.bps),
        ([("input", "rtmp")], publisher.bps),
        ([("input", "pull")], pull.bps),
    ];
    page.family(
        MetricKind::Gauge,
        "input_bits_per_second",
        "Bit rate taken, mean over 10 s.",
        rates,
    );
    page.one(MetricKind::Counter, "udp_datagrams_total", "Datagrams taken.", udp.datagrams);
    let lost = [
        ([("reason", "kernel")], udp.kernel_drops),
        ([("reason", "network")], udp.refused_network),
        ([("reason", "sender")], udp.ignored_sender),
        ([("reason", "rate")], udp.over_rate),
    ];
    page.family(MetricKind::Counter, "udp_dropped_datagrams_total", "Datagrams not taken.", lost);
    let help = "Publishers refused for a wrong or missing key.";
    page.one(MetricKind::Counter, "publishers_refused_total", help, publisher.refused_key);
}

pub(super) fn viewers(page: &mut Page, snapshot: &Snapshot) {
    let rtmp = &snapshot.rtmp;
    page.one(MetricKind::Gauge, "viewers", "RTMP viewers.", snapshot.viewers.len());
    let help = "RTMP connections accepted.";
    page.one(MetricKind::Counter, "rtmp_connections_total", help, rtmp.accepted);
    let ended = [
        ([("reason", "full")], rtmp.refused_full),
        ([("reason", "share")], rtmp.refused_share),
        ([("reason", "refused")], rtmp.refused),
        ([("reason", "protocol")], rtmp.protocol_errors),
        ([("reason", "slow")], rtmp.closed_slow),
        ([("reason", "unheard")], rtmp.closed_unheard),
        ([("reason", "for_others")], rtmp.closed_for_others),
    ];
    let help = "RTMP connections refused or closed.";
    page.family(MetricKind::Counter, "rtmp_closed_total", help, ended);
    let help = "Times a viewer was skipped to the newest keyframe.";
    page.one(MetricKind::Counter, "viewer_skips_total", help, rtmp.skips);
    let help = "Bytes received from viewers.";
    page.one(MetricKind::Counter, "viewer_received_bytes_total", help, rtmp.viewer_bytes_in);
    let help = "Bytes received on RTMP connections, of publishers and viewers.";
    page.one(MetricKind::Counter, "rtmp_received_bytes_total", help, rtmp.bytes_in);
    let help = "Bit rate received on RTMP connections, mean over 10 s.";
    page.one(MetricKind::Gauge, "rtmp_received_bits_per_second", help, rtmp.bps_in);
    let previews = &snapshot.previews;
    page.one(MetricKind::Gauge, "previews", "Previews being watched.", previews.count);
    let help = "Bytes sent to previews.";
    page.one(MetricKind::Counter, "preview_sent_bytes_total", help, previews.bytes_out);
    page.one(
        MetricKind::Counter,
        "viewer_sent_bytes_total",
        "Bytes sent to viewers.",
        rtmp.bytes_out,
    );
    let help = "Bit rate sent to viewers, mean over 10 s.";
    page.one(MetricKind::Gauge, "viewer_bits_per_second", help, rtmp.bps_out);
}

pub(super) fn destinations(page: &mut Page, all: &[DestinationStatus]) {
    let label = |each: &DestinationStatus| [("destination", each.name.clone())];
    let labels: Vec<_> = all.iter().map(label).collect();
    let mut tell = |kind, name, help, value: &dyn Fn(&DestinationStatus) -> f64| {
        let samples = labels
            .iter()
            .zip(all)
            .map(|([(label, text)], each)| ([(*label, text.as_str())], value(each)));
        page.family(kind, name, help, samples);
    };
    let up = |each: &DestinationStatus| f64::from(u8::from(each.state == DestinationState::Live));
    tell(MetricKind::Gauge, "destination_up", "Whether media flows to this destination.", &up);
    let enabled =
        |each: &DestinationStatus| f64::from(u8::from(each.state != DestinationState::Idle));
    tell(MetricKind::Gauge, "destination_enabled", "Whether it is switched on.", &enabled);
    let help = "Whether the server said no the last time.";
    let refused =
        |each: &DestinationStatus| f64::from(u8::from(each.state == DestinationState::Refused));
    tell(MetricKind::Gauge, "destination_refused", help, &refused);
    let help = "Whether the server accepts the stream and closes at once, again and again.";
    let rejecting =
        |each: &DestinationStatus| f64::from(u8::from(each.state == DestinationState::Rejecting));
    tell(MetricKind::Gauge, "destination_rejecting", help, &rejecting);
    let help = "Whether the server has stopped reading.";
    let stalled =
        |each: &DestinationStatus| f64::from(u8::from(each.state == DestinationState::Stalled));
    tell(MetricKind::Gauge, "destination_stalled", help, &stalled);
    let help = "Round-trip time of the connection; 0 without one.";
    let rtt = |each: &DestinationStatus| each.rtt_ms.unwrap_or(0.0) / 1000.0;
    tell(MetricKind::Gauge, "destination_round_trip_seconds", help, &rtt);
    let help = "TCP segments sent again.";
    let again = |each: &DestinationStatus| each.retransmits as f64;
    tell(MetricKind::Counter, "destination_retransmits_total", help, &again);
    let help = "Media bytes sent to this destination.";
    tell(MetricKind::Counter, "destination_sent_bytes_total", help, &|each| each.bytes_out as f64);
    let help = "Bit rate sent to this destination, mean over 10 s.";
    tell(MetricKind::Gauge, "destination_bits_per_second", help, &|each| each.bps as f64);
    let help = "Times it went live.";
    tell(MetricKind::Counter, "destination_sessions_total", help, &|each| each.sessions as f64);
    let help = "Times it was skipped to the newest keyframe.";
    tell(MetricKind::Counter, "destination_skips_total", help, &|each| each.skips as f64);
    let help = "Units too late for the order of time: sent with a later time, or left out.";
    tell(MetricKind::Counter, "destination_late_units_total", help, &|each| each.late as f64);
    let help = "How far it is behind the programme.";
    tell(MetricKind::Gauge, "destination_lag_seconds", help, &|each| each.lag_ms as f64 / 1000.0);
}

pub(super) fn memory(page: &mut Page, moment: Moment) {
    let heap = moment.heap;
    let known = |bytes: u64| (bytes > 0).then_some(bytes);
    let help = "Memory the process occupies.";
    page.maybe("process_resident_bytes", help, known(moment.resident_bytes));
    page.maybe("process_budget_bytes", "Memory it may occupy.", known(moment.budget_bytes));
    page.one(MetricKind::Gauge, "heap_used_bytes", "Heap in use.", heap.used_bytes);
    page.one(
        MetricKind::Gauge,
        "heap_peak_bytes",
        "The most heap there was in use.",
        heap.peak_bytes,
    );
    page.one(MetricKind::Gauge, "heap_limit_bytes", "Heap there may be in use.", heap.limit_bytes);
}

pub(super) fn machine(page: &mut Page, moment: Moment) {
    let seen = moment.machine;
    let help = "Processors in use, share of all cores.";
    page.maybe("machine_cpu_ratio", help, seen.cpu.map(|cpu| ratio(cpu.percent)));
    let help = "Processor time withheld by the hypervisor, share of all cores.";
    page.maybe("machine_cpu_stolen_ratio", help, seen.cpu.map(|cpu| ratio(cpu.stolen_percent)));
    let help = "Processor time of this program, share of one core.";
    page.maybe("process_cpu_ratio", help, seen.cpu.map(|cpu| ratio(cpu.process_percent)));
    page.maybe("machine_cpu_cores", "Processor cores.", seen.cores);
    let loads = seen.load.map(|[one, five, fifteen]| {
        [([("minutes", "1")], one), ([("minutes", "5")], five), ([("minutes", "15")], fifteen)]
    });
    let help = "Processes that want to run.";
    page.family(MetricKind::Gauge, "machine_load", help, loads.into_iter().flatten());
    let help = "Memory of the machine.";
    page.maybe("machine_memory_size_bytes", help, seen.memory.map(|memory| memory.total));
    let help = "Memory that can be had without swapping.";
    page.maybe("machine_memory_available_bytes", help, seen.memory.map(|memory| memory.available));
    let help = "Size of the data folder's disk.";
    page.maybe("machine_disk_size_bytes", help, seen.disk.map(|disk| disk.total_bytes));
    let help = "Bytes that may still be written to it.";
    page.maybe("machine_disk_free_bytes", help, seen.disk.map(|disk| disk.free_bytes));
    let age_s = seen.disk.map(|disk| moment.now.since(disk.taken).as_secs());
    page.maybe("machine_disk_age_seconds", "How old the disk's figures are.", age_s);
    let rates = seen.network.map(|network| {
        [([("direction", "in")], network.bps_in), ([("direction", "out")], network.bps_out)]
    });
    let help = "Bit rate over all networks but loopback.";
    page.family(
        MetricKind::Gauge,
        "machine_network_bits_per_second",
        help,
        rates.into_iter().flatten(),
    );
}

//! A snapshot of a programme in full swing, for tests: what its neighbours would tell.

use std::net::{IpAddr, Ipv4Addr};

use crate::base::time::{Mono, Utc};
use crate::codec::access_unit::{AacConfig, AvcConfig, ConfigRecord};
use crate::config::Thresholds;
use crate::control::api::moment::Moment;
use crate::control::http::meter::HttpUse;
use crate::health::host::{CpuShare, DiskStatus, MachineStatus, MemoryBytes, NetworkRates};
use crate::operator::snapshot::{
    DestinationState, DestinationStatus, PlayoutStatus, PreviewsStatus, ProgrammeStatus,
    PublisherStatus, PullStatus, RtmpServerStatus, Snapshot, Source, Text, UdpStatus, ViewerStatus,
};
use crate::system::heap::HeapUse;

/// One hour after the start.
pub const MOMENT: Moment = Moment {
    now: Mono::from_ms(3_600_000),
    utc: Utc(1_795_350_474_018),
    pid: 4711,
    resident_bytes: 21 << 20,
    http: HttpUse { refused: 3, connections: 2, events: 1, previews: 0, uploads: 0 },
    heap: HeapUse { used_bytes: 12 << 20, peak_bytes: 13 << 20, limit_bytes: 31 << 20 },
    budget_bytes: 44 << 20,
    machine: MachineStatus {
        cores: Some(2),
        cpu: Some(CpuShare {
            percent: 12.34,
            core_percent: 24.68,
            process_percent: 3.21,
            stolen_percent: 0.0,
        }),
        cpu_minute: None,
        cpu_steady: None,
        load: Some([0.5, 0.25, 0.125]),
        memory: Some(MemoryBytes { total: 1 << 30, available: 700 << 20 }),
        disk: Some(DiskStatus {
            taken: Mono::from_ms(3_599_000),
            total_bytes: 20_000_000_000,
            free_bytes: 15_000_000_000,
            used_bytes: 5_000_000_000,
            is_read_only: false,
        }),
        disk_warning: None,
        addresses: [Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))), None],
        is_clock_unset: false,
        network: Some(NetworkRates { bps_in: 3_300_000, bps_out: 9_900_000 }),
    },
    thresholds: Thresholds::DEFAULT,
    name: None,
};

/// UDP on air for 50 minutes, three viewers, two destinations.
pub fn on_air() -> Snapshot {
    Snapshot {
        taken: MOMENT.now,
        programme: ProgrammeStatus {
            on_air: Source::Udp,
            on_air_since: Mono::from_ms(600_000),
            video_bps: 3_000_000,
            audio_bps: 128_000,
            video: Some(AvcConfig {
                record: ConfigRecord::new(),
                width: 1920,
                height: 1080,
                frame_rate: 29.97,
                profile_idc: 100,
                constraints: 0,
                level_idc: 40,
            }),
            audio: Some(AacConfig {
                record: ConfigRecord::new(),
                object_type: 2,
                sample_rate_hz: 48_000,
                channels: 2,
            }),
            ..ProgrammeStatus::default()
        },
        udp: UdpStatus {
            receiving: true,
            sender: Some(text("192.0.2.7:50000")),
            bps: 3_300_000,
            ..UdpStatus::default()
        },
        rtmp: RtmpServerStatus::default(),
        publisher: PublisherStatus::default(),
        pull: PullStatus::default(),
        playout: PlayoutStatus::default(),
        viewers: (1..=3).map(viewer).collect(),
        previews: PreviewsStatus::default(),
        destinations: vec![
            destination("twitch", DestinationState::Live),
            destination("backup", DestinationState::BackingOff),
        ],
    }
}

fn viewer(id: u64) -> ViewerStatus {
    ViewerStatus {
        id,
        address: text("[::ffff:198.51.100.4]:40000"),
        agent: text("LNX 9,0,124,2"),
        since: Mono::from_ms(3_000_000),
        av_sync_ms: -21,
        ..ViewerStatus::default()
    }
}

fn destination(name: &str, state: DestinationState) -> DestinationStatus {
    let waits = state == DestinationState::BackingOff;
    DestinationStatus {
        name: text(name),
        state,
        retry_at: waits.then_some(Mono::from_ms(3_604_500)),
        ..DestinationStatus::default()
    }
}

fn text(text: &str) -> Text {
    Text::try_from(text).unwrap()
}

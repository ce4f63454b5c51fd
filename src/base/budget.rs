//! The memory budget. Purpose: what the program will hold at most is computed at start from
//! `limits` and the configuration, and can be printed before anything is bound. Non-goals:
//! enforcing it, measuring it. Bound: one row per kind of buffer.

use super::limits::{
    ACCESS_UNIT_BYTES_MAX, ACCESS_UNIT_HEAD_BYTES_MAX, CONFIG_CHANGED_BYTES_MAX,
    CONFIG_CHANGED_FACTOR, DATAGRAM_BYTES_MAX, DEMULTIPLEXER_BYTES, DESTINATIONS_LEAVING_MAX,
    DESTINATION_BYTES, DISK_WARNING_BYTES_MAX, EVENT_CLIENTS_MAX, EVENT_LOG_LINES_MAX,
    EVENT_STATUS_BYTES_MAX, FILE_READERS_MAX, FILE_READER_BYTES_MAX, FILE_SOUND_BYTES_MAX,
    FIRMWARE_LINE_BYTES_MAX, FIRMWARE_ORDERS_MAX, HTTP_ANSWERS_BYTES_MAX, HTTP_ANSWER_BYTES_MAX,
    HTTP_BODY_BYTES_MAX, HTTP_CONNECTIONS_MAX, HTTP_CONNECTION_BYTES, HTTP_HEAD_BYTES_MAX,
    HTTP_SOCKET_BUFFER_BYTES, LIBRARY_ENTRY_BYTES, LIBRARY_FILES_MAX, LIBRARY_NAMES_BYTES_MAX,
    LIBRARY_SCAN_BYTES, LOG_LINES_MAX, LOG_LINE_BYTES_MAX, LOG_PACK_BYTES,
    MEDIA_RECEIVE_BUFFER_BYTES, PASSWORD_HASH_KIB, PLAYLISTS_MAX, PLAYLIST_BYTES,
    PLAYLIST_COPIES_MAX, PREVIEWS_MAX, PREVIEW_BYTES, PREVIEW_PIECES_MAX, PREVIEW_PIECE_BYTES_MAX,
    PROGRAM_BYTES, READER_THREADS_MAX, READ_AHEADS_PER_FILE, READ_AHEAD_BYTES,
    READ_AHEAD_CALLS_MAX, READ_AHEAD_CALL_BYTES, READ_AHEAD_CONFIGS_MAX, READ_AHEAD_CONFIG_BYTES,
    RING_UNITS_MAX, RTMPS_AUTHORITIES_BYTES, RTMPS_CONNECTION_BYTES, RTMPS_HANDSHAKES_MAX,
    RTMPS_HANDSHAKE_BYTES, RTMPS_SESSIONS_MAX, RTMPS_SESSION_BYTES, RTMP_ARRIVAL_BUFFER_BYTES,
    RTMP_LOBBY_BYTES, RTMP_LOBBY_MAX, RTMP_PENDING_MAX, RTMP_RECEIVE_BUFFER_BYTES,
    RTMP_REFUSALS_MAX, RTMP_REFUSAL_BYTES, RTMP_REFUSAL_COPIES_MAX, RTMP_ROOMY_MAX,
    SMALL_HEAP_BYTES, SOCKET_SEND_BUFFER_BYTES, STAGING_AUDIO_BYTES_MAX, STAGING_UNITS_MAX,
    THREADS_MAX, THREAD_STACK_BYTES, TLS_CONNECTION_BYTES, TRACK_CONFIGS_MAX,
    TRACK_CONFIG_BYTES_MAX, UPLOADS_ACTIVE_MAX, UPLOAD_PIECES_MAX, UPLOAD_PIECE_BYTES,
    UPLOAD_STEP_BYTES_MIN, VIEWER_BYTES,
};

/// Linux grants twice what SO_SNDBUF or SO_RCVBUF ask for, the half of it for its own bookkeeping
/// (socket(7)).
const KERNEL_BUFFER_FACTOR: u64 = 2;

/// What the configuration asks for.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Payload bytes of the ring.
    pub ring_bytes: usize,
    /// Size of one unit's record in the ring's metadata, bytes.
    pub unit_record_bytes: usize,
    /// Viewers served at once.
    pub viewers: usize,
    /// Destinations.
    pub destinations: usize,
    /// Receive buffer of the UDP input, bytes asked for.
    pub receive_buffer_bytes: usize,
    /// Whether there is a certificate: page and RTMP port speak TLS.
    pub has_certificate: bool,
    /// Memory that checking the configured password takes, bytes.
    pub password_bytes: usize,
}

/// Whose memory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The process's heap: what the allocator may hand out, and its limit.
    Heap,
    /// The process besides: the binary's pages and its threads' stacks.
    Process,
    /// The kernel, on the process's behalf: socket buffers.
    Kernel,
}

/// One kind of buffer.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is, for a person.
    pub name: &'static str,
    /// How many times how much, for a person; empty when it is a single thing.
    pub how: String,
    /// All of it, bytes.
    pub bytes: u64,
    /// Whose it is.
    pub owner: Owner,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Budget {
    rows: Vec<Row>,
}

impl Budget {
    /// The budget for a demand.
    pub fn of(demand: &Demand) -> Budget {
        let mut budget = Budget { rows: Vec::new() };
        budget.programme(demand);
        budget.connections(demand);
        budget.kernel(demand);
        budget
    }

    /// Every kind of buffer.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The sum of an owner's rows, bytes.
    pub fn total(&self, owner: Owner) -> u64 {
        let rows = self.rows.iter().filter(|row| row.owner == owner);
        rows.fold(0, |sum, row| sum.saturating_add(row.bytes))
    }

    fn programme(&mut self, demand: &Demand) {
        let configs = 2 * TRACK_CONFIGS_MAX;
        self.one(Owner::Heap, "ring: payload", demand.ring_bytes);
        self.heap("ring: unit records", RING_UNITS_MAX, "units", demand.unit_record_bytes);
        self.heap("ring: track configurations", configs, "records", TRACK_CONFIG_BYTES_MAX);
        let staging_bytes = ACCESS_UNIT_BYTES_MAX + STAGING_AUDIO_BYTES_MAX;
        self.one(Owner::Heap, "staging: payload", staging_bytes);
        self.heap("staging: unit records", STAGING_UNITS_MAX, "units", demand.unit_record_bytes);
        self.one(Owner::Heap, "UDP input: one datagram", DATAGRAM_BYTES_MAX);
        self.one(Owner::Heap, "UDP input: demultiplexer", DEMULTIPLEXER_BYTES);
        let read_ahead = READ_AHEAD_BYTES
            + READ_AHEAD_CALLS_MAX * READ_AHEAD_CALL_BYTES
            + READ_AHEAD_CONFIGS_MAX * READ_AHEAD_CONFIG_BYTES;
        self.heap(
            "files: read ahead",
            READER_THREADS_MAX * READ_AHEADS_PER_FILE,
            "buffers",
            read_ahead,
        );
        let entry_bytes = LIBRARY_ENTRY_BYTES + LIBRARY_SCAN_BYTES;
        self.heap("library: files listed", LIBRARY_FILES_MAX, "files", entry_bytes);
        self.one(Owner::Heap, "library: their names", 2 * LIBRARY_NAMES_BYTES_MAX);
        self.heap("video files: readers", FILE_READERS_MAX, "files", FILE_READER_BYTES_MAX);
        let sound = "video files: sound read elsewhere";
        self.heap(sound, FILE_READERS_MAX, "files", FILE_SOUND_BYTES_MAX);
        let lists = 2 * PLAYLISTS_MAX + PLAYLIST_COPIES_MAX;
        self.heap("playlists, and as they are written down", lists, "lists", PLAYLIST_BYTES);
        self.heap("log ring", LOG_LINES_MAX, "lines", LOG_LINE_BYTES_MAX);
        self.one(Owner::Heap, "log being packed", LOG_PACK_BYTES);
        let (bytes, factor) = (CONFIG_CHANGED_BYTES_MAX, CONFIG_CHANGED_FACTOR);
        self.heap("configuration being changed", bytes, "bytes", factor);
        self.one(Owner::Heap, "the data disk's warning", DISK_WARNING_BYTES_MAX);
        self.one(Owner::Heap, "everything small", SMALL_HEAP_BYTES);
        self.one(Owner::Process, "program and its static data", PROGRAM_BYTES);
        self.owned(Owner::Process, "thread stacks", THREADS_MAX, "threads", THREAD_STACK_BYTES);
    }

    fn connections(&mut self, demand: &Demand) {
        let http = HTTP_CONNECTION_BYTES + HTTP_HEAD_BYTES_MAX + HTTP_BODY_BYTES_MAX;
        let undecided = "RTMP connections not yet playing";
        self.heap("viewers", demand.viewers, "viewers", VIEWER_BYTES);
        self.heap(undecided, RTMP_PENDING_MAX, "connections", VIEWER_BYTES);
        self.heap(
            "RTMP connections before they play or publish",
            RTMP_LOBBY_MAX,
            "connections",
            RTMP_LOBBY_BYTES,
        );
        let refusals = RTMP_REFUSALS_MAX * RTMP_REFUSAL_COPIES_MAX;
        self.heap("RTMP refusals, and their copies", refusals, "refusals", RTMP_REFUSAL_BYTES);
        self.heap("destinations", demand.destinations, "destinations", DESTINATION_BYTES);
        let leaving = DESTINATIONS_LEAVING_MAX;
        self.heap("destinations being closed", leaving, "destinations", DESTINATION_BYTES);
        self.heap(
            "publisher and pull",
            2,
            "sessions",
            DESTINATION_BYTES + ACCESS_UNIT_HEAD_BYTES_MAX,
        );
        self.heap("HTTP connections", HTTP_CONNECTIONS_MAX, "connections", http);
        let pieces = UPLOADS_ACTIVE_MAX * UPLOAD_PIECES_MAX;
        self.heap("uploads being written", pieces, "pieces", UPLOAD_PIECE_BYTES);
        let update = UPLOAD_STEP_BYTES_MIN + 2 * FIRMWARE_LINE_BYTES_MAX;
        self.heap("updates being received", FIRMWARE_ORDERS_MAX, "packages", update);
        self.one(Owner::Heap, "HTTP answers under way", HTTP_ANSWERS_BYTES_MAX);
        // Besides the pieces that wait: one in the making, one at the socket.
        let preview = (PREVIEW_PIECES_MAX + 2) * PREVIEW_PIECE_BYTES_MAX + PREVIEW_BYTES;
        self.heap("previews", PREVIEWS_MAX, "previews", preview);
        if demand.has_certificate {
            let count = HTTP_CONNECTIONS_MAX;
            self.heap("HTTPS connections", count, "connections", TLS_CONNECTION_BYTES);
            // Every viewer, and the publisher.
            let count = demand.viewers.saturating_add(1);
            self.heap("RTMPS viewers and publisher", count, "connections", RTMPS_CONNECTION_BYTES);
            let shaking = RTMPS_CONNECTION_BYTES + RTMPS_HANDSHAKE_BYTES;
            let undecided = "RTMPS connections not yet playing";
            self.heap(undecided, RTMP_PENDING_MAX, "connections", shaking);
        }
        // Destinations come and go, each in clear or encrypted; and the pull.
        let count = demand.destinations.saturating_add(DESTINATIONS_LEAVING_MAX + 1);
        self.heap("RTMPS connections", count, "connections", RTMPS_CONNECTION_BYTES);
        let shaking = RTMPS_HANDSHAKES_MAX;
        self.heap("RTMPS handshakes", shaking, "handshakes", RTMPS_HANDSHAKE_BYTES);
        let remembered = RTMPS_SESSIONS_MAX * RTMPS_SESSION_BYTES + RTMPS_AUTHORITIES_BYTES;
        self.one(Owner::Heap, "RTMPS authorities and sessions", remembered);
        let clients = EVENT_CLIENTS_MAX;
        let event = EVENT_STATUS_BYTES_MAX + 2 * EVENT_LOG_LINES_MAX * LOG_LINE_BYTES_MAX;
        self.heap("HTTP: events being sent", clients, "clients", event);
        self.one(Owner::Heap, "HTTP: a list of the library being made", HTTP_ANSWER_BYTES_MAX);
        // A new password is hashed with the memory that is usual here.
        let hash = demand.password_bytes.max(PASSWORD_HASH_KIB as usize * 1024);
        self.one(Owner::Heap, "a password being checked", hash);
    }

    fn kernel(&mut self, demand: &Demand) {
        let served = demand.viewers.saturating_add(RTMP_PENDING_MAX);
        let readers = served.saturating_add(demand.destinations);
        self.owned(Owner::Kernel, "send buffers", readers, "sockets", SOCKET_SEND_BUFFER_BYTES);
        let heard = readers.saturating_add(RTMP_LOBBY_MAX);
        let bytes = RTMP_RECEIVE_BUFFER_BYTES;
        self.owned(Owner::Kernel, "RTMP receive buffers", heard, "sockets", bytes);
        let bytes = RTMP_ARRIVAL_BUFFER_BYTES;
        self.owned(Owner::Kernel, "RTMP arrivals", RTMP_ROOMY_MAX, "sockets", bytes);
        let bytes = MEDIA_RECEIVE_BUFFER_BYTES;
        self.owned(Owner::Kernel, "publisher and pull", 2, "sockets", bytes);
        self.owned(Owner::Kernel, "UDP receive buffer", 1, "socket", demand.receive_buffer_bytes);
        let http = 2 * HTTP_SOCKET_BUFFER_BYTES;
        self.owned(Owner::Kernel, "HTTP buffers", HTTP_CONNECTIONS_MAX, "sockets", http);
    }

    fn one(&mut self, owner: Owner, name: &'static str, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.rows.push(Row { name, how: String::new(), bytes, owner });
    }

    fn heap(&mut self, name: &'static str, count: usize, what: &str, bytes_each: usize) {
        self.owned(Owner::Heap, name, count, what, bytes_each);
    }

    fn owned(
        &mut self,
        owner: Owner,
        name: &'static str,
        count: usize,
        what: &str,
        bytes_each: usize,
    ) {
        let factor = if owner == Owner::Kernel { KERNEL_BUFFER_FACTOR } else { 1 };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let each = u64::try_from(bytes_each).unwrap_or(u64::MAX).saturating_mul(factor);
        let how = format!("{count} {what} × {}", human(each));
        self.rows.push(Row { name, how, bytes: count.saturating_mul(each), owner });
    }
}

/// A number of bytes for a person: `512 B`, `24 KiB`, `8.5 MiB`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut whole, mut unit) = (bytes, "B");
    let mut tenths = 0;
    for larger in UNITS {
        if whole < 1024 {
            break;
        }
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit = larger;
    }
    match tenths {
        0 => format!("{whole} {unit}"),
        _ => format!("{whole}.{tenths} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::*;
    use super::*;

    fn demand(viewers: usize, destinations: usize) -> Demand {
        Demand {
            ring_bytes: RING_BYTES_DEFAULT,
            unit_record_bytes: 64,
            viewers,
            destinations,
            receive_buffer_bytes: UDP_RECEIVE_BUFFER_BYTES_DEFAULT,
            has_certificate: false,
            password_bytes: 0,
        }
    }

    #[test]
    fn every_viewer_and_destination_is_paid_for() {
        let none = Budget::of(&demand(0, 0));
        let some = Budget::of(&demand(100, 3));
        let process = some.total(Owner::Heap) - none.total(Owner::Heap);
        assert_eq!(
            process,
            (100 * VIEWER_BYTES + 3 * (DESTINATION_BYTES + RTMPS_CONNECTION_BYTES)) as u64
        );
        let kernel = some.total(Owner::Kernel) - none.total(Owner::Kernel);
        assert_eq!(kernel, 103 * 2 * (SOCKET_SEND_BUFFER_BYTES + RTMP_RECEIVE_BUFFER_BYTES) as u64);
    }

    #[test]
    fn totals_are_the_sum_of_the_rows() {
        let budget = Budget::of(&demand(VIEWERS_DEFAULT, DESTINATIONS_DEFAULT));
        let sum: u64 = budget.rows().iter().map(|row| row.bytes).sum();
        assert_eq!(
            budget.total(Owner::Heap) + budget.total(Owner::Process) + budget.total(Owner::Kernel),
            sum
        );
        assert!(budget.rows().iter().all(|row| row.bytes > 0), "{budget:?}");
    }

    #[test]
    fn the_largest_demand_does_not_overflow() {
        let budget = Budget::of(&Demand {
            ring_bytes: usize::MAX,
            unit_record_bytes: usize::MAX,
            viewers: usize::MAX,
            destinations: usize::MAX,
            receive_buffer_bytes: usize::MAX,
            has_certificate: true,
            password_bytes: usize::MAX,
        });
        assert_eq!(budget.total(Owner::Heap), u64::MAX);
    }

    #[test]
    fn tls_is_paid_for_where_it_is_spoken() {
        let plain = demand(7, 1);
        let secure = Demand { has_certificate: true, ..plain };
        let more = Budget::of(&secure).total(Owner::Heap) - Budget::of(&plain).total(Owner::Heap);
        let page = HTTP_CONNECTIONS_MAX * TLS_CONNECTION_BYTES;
        let undecided = RTMP_PENDING_MAX * (RTMPS_CONNECTION_BYTES + RTMPS_HANDSHAKE_BYTES);
        let viewers_and_publisher = 8 * RTMPS_CONNECTION_BYTES;
        assert_eq!(more, (page + undecided + viewers_and_publisher) as u64);
    }

    #[test]
    fn the_defaults_fit_a_small_machine() {
        let budget = Budget::of(&demand(VIEWERS_DEFAULT, DESTINATIONS_DEFAULT));
        assert!(budget.total(Owner::Heap) < 69 << 20, "{}", budget.total(Owner::Heap));
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1024), "1 KiB");
        assert_eq!(human(1536 * 1024), "1.5 MiB");
        assert_eq!(human(8 << 20), "8 MiB");
        assert_eq!(human(u64::MAX), "16383.9 PiB");
    }
}

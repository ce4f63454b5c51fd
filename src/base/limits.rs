//! Every capacity of the program, in one place. Purpose: nothing grows past a number that stands
//! here, and the memory budget is computed from the same numbers. Units stand last in the names.
//! A new buffer, table or queue adds its number here.

// ── The ring ────────────────────────────────────────────────────────────────────────────────
/// Default size of the ring's payload bytes, all tracks together.
pub const RING_BYTES_DEFAULT: usize = 8 << 20;
/// The smallest ring a configuration may ask for.
pub const RING_BYTES_MIN: usize = 2 << 20;
/// The largest ring a configuration may ask for.
pub const RING_BYTES_MAX: usize = 256 << 20;
/// Units the ring's metadata remembers, whatever their bytes.
pub const RING_UNITS_MAX: usize = 4096;
/// The largest access unit stored: a keyframe of 2160p at 20 Mbit/s stays below it.
pub const ACCESS_UNIT_BYTES_MAX: usize = 1 << 20;
/// Track configurations remembered behind the units that still refer to them, per track.
pub const TRACK_CONFIGS_MAX: usize = 16;
/// The largest decoder configuration record (SPS and PPS, or AudioSpecificConfig).
pub const TRACK_CONFIG_BYTES_MAX: usize = 2048;
/// Units kept of a source that waits for its cut: its IDR and what follows.
pub const STAGING_UNITS_MAX: usize = 64;

// ── MPEG-TS ─────────────────────────────────────────────────────────────────────────────────
/// The largest UDP datagram there is.
pub const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Elementary streams followed in one programme, carried or only named.
pub const TS_STREAMS_MAX: usize = 32;
/// Programmes remembered of a PAT (a full multiplex has about 20).
pub const TS_PROGRAMMES_MAX: usize = 64;
/// A PSI section's largest size (ISO/IEC 13818-1, 2.4.4: 1024 bytes for PAT and PMT).
pub const PSI_SECTION_BYTES_MAX: usize = 1024;
/// Non-VCL bytes (AUD, SPS, PPS, SEI) that may stand before an access unit's first slice.
pub const ACCESS_UNIT_HEAD_BYTES_MAX: usize = 16 << 10;
/// Parameter sets of each kind remembered for a video track.
pub const PARAMETER_SETS_MAX: usize = 4;
/// The largest SPS or PPS accepted.
pub const PARAMETER_SET_BYTES_MAX: usize = 512;
/// The largest ADTS frame (13-bit length, ISO/IEC 13818-7, 6.2).
pub const ADTS_FRAME_BYTES_MAX: usize = 8191;

// ── UDP input ───────────────────────────────────────────────────────────────────────────────
/// Receive buffer asked of the kernel; what it granted is reported.
pub const UDP_RECEIVE_BUFFER_BYTES_DEFAULT: usize = 4 << 20;
/// Source networks in the allow-list.
pub const ALLOWED_NETWORKS_MAX: usize = 32;
/// Datagrams taken from the socket before the readers are woken and others get their turn.
pub const UDP_BATCH_DATAGRAMS_MAX: usize = 64;

// ── RTMP ────────────────────────────────────────────────────────────────────────────────────
/// Chunk streams a peer may use at once.
pub const RTMP_CHUNK_STREAMS_MAX: usize = 8;
/// The largest command, data or control message accepted.
pub const RTMP_COMMAND_BYTES_MAX: usize = 8 << 10;
/// Depth of nesting in an AMF0 value.
pub const AMF_DEPTH_MAX: usize = 8;
/// Values in one AMF0 message, those inside objects counted.
pub const AMF_VALUES_MAX: usize = 128;
/// Bytes of replies a session may owe its peer; more closes it.
pub const RTMP_OUTBOX_BYTES_MAX: usize = 16 << 10;
/// The largest chunk a peer may announce and still be believed (the rest is taken as this).
pub const RTMP_PEER_CHUNK_BYTES_MAX: usize = 10 << 20;
/// Chunk size sent to viewers: most units leave with one header.
pub const VIEWER_CHUNK_BYTES: usize = 60_000;
/// Chunk size sent to platforms, as OBS does.
pub const DESTINATION_CHUNK_BYTES: usize = 4096;
/// Length of an app, stream name, key or URL taken from a peer or a configuration.
pub const RTMP_NAME_BYTES_MAX: usize = 512;
/// Message streams a peer may create on a connection.
pub const RTMP_MESSAGE_STREAMS_MAX: usize = 8;
/// Time a peer has for its handshake and its first play or publish.
pub const RTMP_ADMISSION_MS_MAX: u64 = 10_000;

// ── Viewers and destinations ────────────────────────────────────────────────────────────────
/// Viewers served at once, unless the configuration says otherwise.
pub const VIEWERS_DEFAULT: usize = 250;
/// The most viewers a configuration may ask for.
pub const VIEWERS_MAX: usize = 2000;
/// RTMP connections that have not yet said whether they play.
pub const RTMP_PENDING_MAX: usize = 32;
/// Destinations, unless the configuration says otherwise.
pub const DESTINATIONS_DEFAULT: usize = 8;
/// The most destinations a configuration may ask for.
pub const DESTINATIONS_MAX: usize = 32;
/// Kernel send buffer of a viewer or destination: what is unsent waits in the shared ring.
pub const SOCKET_SEND_BUFFER_BYTES: usize = 128 << 10;
/// Slices handed to one vectored write.
pub const WRITE_SLICES_MAX: usize = 64;
/// Time without one byte accepted by a viewer before it is closed.
pub const VIEWER_STALL_MS_MAX: u64 = 20_000;
/// First pause before a destination is tried again.
pub const RETRY_MS_MIN: u64 = 500;
/// Longest pause before a destination is tried again.
pub const RETRY_MS_MAX: u64 = 30_000;
/// Time for a destination's name look-up, connect and handshake, each.
pub const CONNECT_STEP_MS_MAX: u64 = 10_000;
/// Time a live destination may take no byte before it is tried anew.
pub const DESTINATION_STALL_MS_MAX: u64 = 15_000;

// ── Control plane ───────────────────────────────────────────────────────────────────────────
/// HTTP connections at once, both ports together.
pub const HTTP_CONNECTIONS_MAX: usize = 32;
/// A request's line and header fields.
pub const HTTP_HEAD_BYTES_MAX: usize = 8 << 10;
/// A request's body.
pub const HTTP_BODY_BYTES_MAX: usize = 64 << 10;
/// Time a client has to send its request's head.
pub const HTTP_HEAD_MS_MAX: u64 = 5_000;
/// Time a client has for everything else: body, answer, idling between requests.
pub const HTTP_IDLE_MS_MAX: u64 = 15_000;
/// Header fields in a request.
pub const HTTP_FIELDS_MAX: usize = 64;
/// Of the connections, those of one source address (an IPv6 /64 counts as one); loopback is exempt.
pub const HTTP_ADDRESS_CONNECTIONS_MAX: usize = 8;
/// Connections beyond the limit that are told so at once; the rest is closed without a word.
pub const HTTP_REFUSALS_MAX: usize = 16;
/// Bytes read and thrown away behind a last answer, so that the peer can read it.
pub const HTTP_LINGER_BYTES_MAX: usize = 256 << 10;
/// Time spent on that.
pub const HTTP_LINGER_MS_MAX: u64 = 1_000;
/// Time the answering side has for one request.
pub const HTTP_ANSWER_MS_MAX: u64 = 5_000;
/// One answer.
pub const HTTP_ANSWER_BYTES_MAX: usize = 1 << 20;
/// All answers under way together.
pub const HTTP_ANSWERS_BYTES_MAX: usize = 4 << 20;
/// Connections from the gate to the HTTP server behind it.
pub const HTTP_LANES: usize = 2;
/// Threads that answer requests.
pub const HTTP_WORKERS: usize = 2;
/// Kernel buffer of an HTTP connection, each direction.
pub const HTTP_SOCKET_BUFFER_BYTES: usize = 64 << 10;
/// Viewers named one by one in an answer; more are only counted.
pub const HTTP_VIEWERS_LISTED_MAX: usize = 500;

// ── Threads ─────────────────────────────────────────────────────────────────────────────────
/// Threads of the pool for name look-ups.
pub const BLOCKING_THREADS_MAX: usize = 4;
/// Stack of each thread the program starts itself.
pub const THREAD_STACK_BYTES: usize = 256 << 10;

// ── Logs and configuration ──────────────────────────────────────────────────────────────────
/// Lines the log keeps in memory.
pub const LOG_LINES_MAX: usize = 512;
/// Length of one line; the rest is cut.
pub const LOG_LINE_BYTES_MAX: usize = 512;
/// Size at which the log file is rotated, unless the configuration says otherwise.
pub const LOG_FILE_BYTES_DEFAULT: u64 = 1 << 20;
/// Rotated log files kept, unless the configuration says otherwise.
pub const LOG_FILES_DEFAULT: usize = 7;
/// The largest configuration file read.
pub const CONFIG_BYTES_MAX: u64 = 256 << 10;
/// One repeated complaint is logged at most this often.
pub const REPEAT_MS_MIN: u64 = 1000;

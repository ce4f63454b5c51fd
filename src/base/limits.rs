//! Every capacity of the program, in one place. Purpose: nothing grows past a number that stands
//! here, and the memory budget is computed from the same numbers. Units stand last in the names.
//! A new buffer, table or queue adds its number here; where the code relies on how two of them compare,
//! an assertion beside them says so and does not compile otherwise. Non-goals: a time-out or a tuning
//! number that one file goes by, which stands there.

use super::time::{Ticks, TICKS_PER_S};

// ── The ring ────────────────────────────────────────────────────────────────────────────────
/// Default size of the ring's payload bytes, all tracks together.
pub const RING_BYTES_DEFAULT: usize = 8 << 20;
/// The smallest ring a configuration may ask for.
pub const RING_BYTES_MIN: usize = 2 << 20;
/// The largest ring a configuration may ask for.
pub const RING_BYTES_MAX: usize = 256 << 20;
const _: () = assert!(RING_BYTES_MIN <= RING_BYTES_DEFAULT);
const _: () = assert!(RING_BYTES_DEFAULT <= RING_BYTES_MAX);
/// The part of a ring that is audio's: at 3 Mbit/s and 192 kbit/s both parts last equally long.
pub const RING_AUDIO_SHARE: usize = 16;
/// Units the ring's metadata remembers, whatever their bytes.
pub const RING_UNITS_MAX: usize = 4096;
/// The largest access unit stored: a keyframe of 2160p at 20 Mbit/s stays below it.
pub const ACCESS_UNIT_BYTES_MAX: usize = 1 << 20;
// The largest fits the picture's part of the smallest ring: else it would overtake itself.
const _: () = assert!(ACCESS_UNIT_BYTES_MAX <= RING_BYTES_MIN - RING_BYTES_MIN / RING_AUDIO_SHARE);
/// Track configurations remembered behind the units that still refer to them, per track.
pub const TRACK_CONFIGS_MAX: usize = 16;
/// The largest decoder configuration record (SPS and PPS, or AudioSpecificConfig).
pub const TRACK_CONFIG_BYTES_MAX: usize = 2048;
/// Units kept of a source that waits for its cut: its IDR and what follows.
pub const STAGING_UNITS_MAX: usize = 64;
/// Audio bytes kept of it.
pub const STAGING_AUDIO_BYTES_MAX: usize = 64 << 10;
// At a cut all that is staged goes into the ring at once, and its beginning must still be there behind
// its end: its units (the pictures are together no larger than one access unit) and its sound.
const _: () = assert!(STAGING_UNITS_MAX < RING_UNITS_MAX);
const _: () = assert!(STAGING_AUDIO_BYTES_MAX <= RING_BYTES_MIN / RING_AUDIO_SHARE);
/// A live input silent this long is covered by the standby card, unless configured otherwise.
pub const SILENCE_MS_DEFAULT: u64 = 500;
/// The shortest such silence: an encoder's key frame may well take a tenth of a second.
pub const SILENCE_MS_MIN: u64 = 100;
/// The longest such silence.
pub const SILENCE_MS_MAX: u64 = 10_000;
const _: () = assert!(SILENCE_MS_MIN <= SILENCE_MS_DEFAULT);
const _: () = assert!(SILENCE_MS_DEFAULT <= SILENCE_MS_MAX);

// ── MPEG-TS ─────────────────────────────────────────────────────────────────────────────────
/// The largest UDP datagram there is.
pub const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Elementary streams followed in one programme, carried or only named.
pub const TS_STREAMS_MAX: usize = 32;
/// Programmes remembered of a PAT (a full multiplex has about 20).
pub const TS_PROGRAMMES_MAX: usize = 64;
/// Bytes kept while the packet grid is looked for: three packets of the longest kind, so that a
/// sync byte can be confirmed by two more.
pub const TS_SYNC_BYTES_MAX: usize = 3 * 204;
/// Datagrams remembered to recognise one that the network doubled.
pub const TS_RECENT_DATAGRAMS_MAX: usize = 8;
/// PMT sections collected at the same time (one that lies in one packet needs none).
pub const TS_OPEN_SECTIONS_MAX: usize = 4;
/// The largest PTS - DTS believed, 90 kHz: 60 s are far more than any encoder reorders.
pub const COMPOSITION_TICKS_MAX: i64 = 60 * 90_000;
/// The longest frame duration learnt from a stream's DTS, 90 kHz.
pub const FRAME_TICKS_MAX: i64 = 5 * 90_000;
/// A PSI section's largest size (ISO/IEC 13818-1, 2.4.4: 1024 bytes for PAT and PMT).
pub const PSI_SECTION_BYTES_MAX: usize = 1024;
/// Non-VCL bytes (AUD, SPS, PPS, SEI) that may stand before an access unit's first slice.
pub const ACCESS_UNIT_HEAD_BYTES_MAX: usize = 16 << 10;
/// Parameter sets of each kind remembered for a video track.
pub const PARAMETER_SETS_MAX: usize = 4;
/// The largest SPS or PPS accepted.
pub const PARAMETER_SET_BYTES_MAX: usize = 512;
// An access unit may bring all sets of both kinds before its first slice; a decoder configuration
// record has room for one of each, with their lengths and its own fields (ISO/IEC 14496-15, 5.3.3.1).
const _: () =
    assert!(2 * PARAMETER_SETS_MAX * PARAMETER_SET_BYTES_MAX <= ACCESS_UNIT_HEAD_BYTES_MAX);
const _: () = assert!(2 * (2 + PARAMETER_SET_BYTES_MAX) + 11 <= TRACK_CONFIG_BYTES_MAX);

// ── UDP input ───────────────────────────────────────────────────────────────────────────────
/// Receive buffer asked of the kernel; what it granted is reported.
pub const UDP_RECEIVE_BUFFER_BYTES_DEFAULT: usize = 4 << 20;
/// The smallest receive buffer a configuration may ask for: four of the largest datagrams.
pub const UDP_RECEIVE_BUFFER_BYTES_MIN: usize = 256 << 10;
/// The largest receive buffer a configuration may ask for.
pub const UDP_RECEIVE_BUFFER_BYTES_MAX: usize = 64 << 20;
const _: () = assert!(UDP_RECEIVE_BUFFER_BYTES_MIN >= 4 * DATAGRAM_BYTES_MAX);
/// Source networks in the allow-list.
pub const ALLOWED_NETWORKS_MAX: usize = 32;
/// The bit rate taken from a sender, on average: twice what the largest access unit stored allows
/// for. A file sent as fast as it can be read would turn the ring over faster than any viewer reads.
pub const UDP_BPS_MAX: u64 = 50_000_000;
/// Bytes taken from a sender at once on top of that: an encoder's whole start.
pub const UDP_BURST_BYTES_MAX: u64 = 2 << 20;
// A whole key frame passes at once; and what passes at once does not turn the smallest ring over before
// a reader has been woken.
const _: () = assert!(UDP_BURST_BYTES_MAX >= ACCESS_UNIT_BYTES_MAX as u64);
const _: () = assert!(UDP_BURST_BYTES_MAX <= RING_BYTES_MIN as u64);
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
/// The largest chunk a peer may announce and still be believed (the rest is taken as this): no
/// message is longer, so a larger one means the same (RTMP 1.0, 5.4.1). Nothing is allocated.
pub const RTMP_PEER_CHUNK_BYTES_MAX: usize = 0xFF_FFFF;
/// Bytes of unfinished messages kept for a peer, all its chunk streams together.
pub const RTMP_PARTIAL_BYTES_MAX: usize = 16 << 10;
// The largest command that is accepted can be collected.
const _: () = assert!(RTMP_COMMAND_BYTES_MAX <= RTMP_PARTIAL_BYTES_MAX);
/// Events a session holds until its shell takes them.
pub const RTMP_EVENTS_MAX: usize = 16;
/// Acknowledgement window announced to peers, and taken as theirs until they announce one.
pub const RTMP_WINDOW_BYTES: u32 = 2_500_000;
/// The smallest acknowledgement window obeyed: a smaller one would cost an answer per packet.
pub const RTMP_WINDOW_BYTES_MIN: u32 = 1024;
const _: () = assert!(RTMP_WINDOW_BYTES_MIN <= RTMP_WINDOW_BYTES);
/// Pause between two pings to a player: a paused one would otherwise vanish unnoticed.
pub const RTMP_PING_MS: u64 = 30_000;
/// Characters kept of what a peer says about itself or of a server's words of refusal.
pub const RTMP_WORDS_CHARS_MAX: usize = 160;
/// Chunk size sent to viewers: most units leave with one header.
pub const VIEWER_CHUNK_BYTES: usize = 60_000;
/// Chunk size sent to platforms, as OBS does.
pub const DESTINATION_CHUNK_BYTES: usize = 4096;
// A peer takes any chunk size we announce that a chunk size can be (RTMP 1.0, 5.4.1).
const _: () = assert!(VIEWER_CHUNK_BYTES <= RTMP_PEER_CHUNK_BYTES_MAX);
const _: () = assert!(DESTINATION_CHUNK_BYTES <= RTMP_PEER_CHUNK_BYTES_MAX);
/// Length of an app, stream name, key or URL taken from a peer or a configuration.
pub const RTMP_NAME_BYTES_MAX: usize = 512;
// `connect` with the longest app, tcUrl, swfUrl and pageUrl is no longer than a command may be; our own
// fits what a session may owe.
const _: () = assert!(4 * RTMP_NAME_BYTES_MAX <= RTMP_COMMAND_BYTES_MAX);
const _: () = assert!(RTMP_COMMAND_BYTES_MAX <= RTMP_OUTBOX_BYTES_MAX);
/// Message streams a peer may create on a connection.
pub const RTMP_MESSAGE_STREAMS_MAX: usize = 8;
/// Time a peer has for its handshake and its first play or publish.
pub const RTMP_ADMISSION_MS_MAX: u64 = 10_000;

// ── Viewers and destinations ────────────────────────────────────────────────────────────────
/// Viewers served at once, unless the configuration says otherwise.
pub const VIEWERS_DEFAULT: usize = 250;
/// The most viewers a configuration may ask for.
pub const VIEWERS_MAX: usize = 2000;
const _: () = assert!(VIEWERS_DEFAULT <= VIEWERS_MAX);
/// The last one in so many of the viewers' seats is for addresses that hold less than such a part.
pub const VIEWER_SHARES: usize = 8;
/// RTMP connections with a session under way that have not yet said whether they play.
pub const RTMP_PENDING_MAX: usize = 64;
/// Refusals at the RTMP port that are remembered for the status.
pub const RTMP_REFUSALS_MAX: usize = 16;
/// One of them: three short texts and a few numbers.
pub const RTMP_REFUSAL_BYTES: usize = 640;
/// Copies of them: where they are counted, and in the snapshots that are being read.
pub const RTMP_REFUSAL_COPIES_MAX: usize = 4;
/// RTMP connections accepted and not yet listened to, because all sessions are taken.
pub const RTMP_LOBBY_MAX: usize = 1024;
/// Kernel receive buffer of an RTMP connection that may still turn out to be a publisher's. Linux
/// derives the window scale and the largest window from it when the connection begins, and no
/// larger buffer later moves them: 160 KiB a round trip, 6.5 Mbit/s at 200 ms.
pub const RTMP_ARRIVAL_BUFFER_BYTES: usize = 128 << 10;
/// RTMP connections, seated or waiting, that have such a buffer; who comes when so many have not
/// yet said what they want gets that of a viewer at once.
pub const RTMP_ROOMY_MAX: usize = 128;
/// Kernel receive buffer of an RTMP connection: who plays has little to say.
pub const RTMP_RECEIVE_BUFFER_BYTES: usize = 8 << 10;
/// Kernel receive buffer of a connection that brings media: a publisher's, a pull's.
pub const MEDIA_RECEIVE_BUFFER_BYTES: usize = 256 << 10;
/// The shortest stream key a publisher may be asked for.
pub const PUBLISH_KEY_BYTES_MIN: usize = 8;
/// Time a publisher, or a server that is pulled from, may bring no media.
pub const MEDIA_IDLE_MS_MAX: u64 = 10_000;
/// The bit rate taken of a publisher or a pull, on average; what comes faster waits in its socket.
pub const MEDIA_BPS_MAX: u64 = 50_000_000;
/// Bytes taken at once on top of that.
pub const MEDIA_BURST_BYTES_MAX: u64 = 2 << 20;
// As of a datagram's sender.
const _: () = assert!(MEDIA_BURST_BYTES_MAX >= ACCESS_UNIT_BYTES_MAX as u64);
const _: () = assert!(MEDIA_BURST_BYTES_MAX <= RING_BYTES_MIN as u64);
/// Destinations, unless the configuration says otherwise.
pub const DESTINATIONS_DEFAULT: usize = 8;
/// The most destinations a configuration may ask for.
pub const DESTINATIONS_MAX: usize = 32;
const _: () = assert!(DESTINATIONS_DEFAULT <= DESTINATIONS_MAX);
/// Length of a destination's name.
pub const DESTINATION_NAME_BYTES_MAX: usize = 64;
/// The shortest play key: a shorter one is guessed before it is noticed.
pub const PLAY_KEY_BYTES_MIN: usize = 4;
/// Kernel send buffer of a viewer or destination: what is unsent waits in the shared ring.
pub const SOCKET_SEND_BUFFER_BYTES: usize = 128 << 10;
/// Slices handed to one vectored write.
pub const WRITE_SLICES_MAX: usize = 64;
/// Time without one byte accepted by a viewer before it is closed.
pub const VIEWER_STALL_MS_MAX: u64 = 20_000;
/// Time without one byte from a viewer, which is pinged meanwhile, after which nobody may be there.
pub const VIEWER_UNHEARD_MS_MAX: u64 = 90_000;
// Two pings go unanswered, and the second's answer may take as long as any byte to a viewer.
const _: () = assert!(VIEWER_UNHEARD_MS_MAX >= 2 * RTMP_PING_MS + VIEWER_STALL_MS_MAX);
/// What buffers between us and a viewer may hold that nobody has read: Linux lets a receive buffer
/// grow to 6 MiB (tcp_rmem, tcp(7)), and our own send buffer is doubled by the kernel (socket(7)).
pub const VIEWER_BUFFERED_BYTES_MAX: usize = (6 << 20) + 2 * SOCKET_SEND_BUFFER_BYTES;
/// Time for a destination's name look-up, connect and handshake, each.
pub const CONNECT_STEP_MS_MAX: u64 = 10_000;
/// Time a destination has to take the farewell when the program ends.
pub const FAREWELL_MS_MAX: u64 = 1_500;
/// Destinations that end politely while others already begin.
pub const DESTINATIONS_LEAVING_MAX: usize = 4;
/// Samples of a bit rate that are kept.
pub const BPS_HISTORY_SAMPLES_MAX: usize = 60;
/// Samples of a destination's bit rate that are kept of its last day.
pub const BPS_DAY_SAMPLES_MAX: usize = 288;
/// Time a live destination may take no byte before it is tried again.
pub const DESTINATION_STALL_MS_MAX: u64 = 15_000;

// ── Files and playing them ──────────────────────────────────────────────────────────────────
/// Files of the library that are listed; more are counted.
pub const LIBRARY_FILES_MAX: usize = 10_000;
/// Bytes of the names of those files together.
pub const LIBRARY_NAMES_BYTES_MAX: usize = LIBRARY_FILES_MAX * 64;
/// Characters kept of why a file is refused.
pub const LIBRARY_WORDS_CHARS_MAX: usize = 160;
/// An entry of the library's listing besides its name: details or words, and its places in two
/// listings.
pub const LIBRARY_ENTRY_BYTES: usize = 384;
/// What is held of a file's name while the folder is read again.
pub const LIBRARY_SCAN_BYTES: usize = 160;
/// A file written to so shortly ago may be written to again.
pub const GROWING_MS: u64 = 3_000;
/// How much is read of a file to survey it, once it is open.
pub const SURVEY_BYTES_MAX: u64 = 8 << 20;
/// Steps of a file's reader in a survey.
pub const SURVEY_STEPS_MAX: usize = 100_000;
/// The piece of a file that its reader holds in memory.
pub const FILE_WINDOW_BYTES: usize = 64 << 10;
/// Units in a row that a file's reader gives up before it gives up the file.
pub const FILE_BROKEN_UNITS_MAX: u32 = 32;
/// Tags looked at when an FLV file is opened, in search of its tracks' configurations.
pub const FLV_OPENING_TAGS_MAX: usize = 2_000;
/// Bytes of an FLV file searched for the beginning of a tag: more than the largest access unit.
pub const FLV_SEARCH_BYTES_MAX: u64 = 2 << 20;
const _: () = assert!(FLV_SEARCH_BYTES_MAX > ACCESS_UNIT_BYTES_MAX as u64);
/// Tags walked through in one seek in an FLV file.
pub const FLV_SEEK_TAGS_MAX: usize = 100_000;
/// Tags that are not marked as key frames and are looked at all the same, in one seek.
pub const FLV_KEY_LOOKS_MAX: usize = 4096;
/// Elements inside one element of a Matroska file that are looked at.
pub const MKV_CHILDREN_MAX: usize = 4096;
/// The most frames in one block of a Matroska file (RFC 9559, 10.3: a byte counts them).
pub const MKV_LACE_FRAMES_MAX: usize = 256;
/// Bytes stripped from the beginning of all frames of a track (RFC 9559, 5.1.4.1.31.7).
pub const MKV_STRIPPED_BYTES_MAX: usize = 64;
/// Video blocks looked at when a Matroska file is opened, to learn how far frames are reordered.
pub const MKV_LOOK_AHEAD_FRAMES_MAX: usize = 64;
/// Pictures looked at for the first key frame when a Matroska file is opened.
pub const MKV_FIRST_KEY_FRAMES_MAX: usize = 2_000;
/// The deepest reordering of frames there is (ISO/IEC 14496-10, E.2.1: max_num_reorder_frames).
pub const REORDER_FRAMES_MAX: usize = 16;
// The deepest reordering shows within the blocks that are looked at.
const _: () = assert!(REORDER_FRAMES_MAX < MKV_LOOK_AHEAD_FRAMES_MAX);
/// Elements looked at for that, and in one seek.
pub const MKV_SEEK_ELEMENTS_MAX: usize = 100_000;
/// Cue points looked at in one seek: a key frame every second for more than two days.
pub const MKV_CUE_POINTS_MAX: usize = 200_000;
/// Length of a file's name (NAME_MAX of Linux).
pub const FILE_NAME_BYTES_MAX: usize = 255;
/// How far into an MPEG-TS file its first key frame is looked for: broadcasts without IDR are
/// recognised only after some ten seconds.
pub const TS_FILE_HEAD_BYTES_MAX: u64 = 32 << 20;
/// How far into it a programme table with a picture that can be carried is looked for.
pub const TS_FILE_TABLE_BYTES_MAX: u64 = 4 << 20;
/// What is read at its end to tell how long it plays, and in one step of a seek.
pub const TS_FILE_PROBE_BYTES_MAX: u64 = 2 << 20;
/// How far before the place asked for a key frame is looked for.
pub const TS_FILE_BACK_BYTES_MAX: u64 = 64 << 20;
/// Playlists kept.
pub const PLAYLISTS_MAX: usize = 16;
/// Files in one playlist.
pub const PLAYLIST_FILES_MAX: usize = 500;
/// Length of a playlist's name.
pub const PLAYLIST_NAME_BYTES_MAX: usize = 64;
/// What one playlist holds when it is full, in memory or as the text that is written down.
pub const PLAYLIST_BYTES: usize = PLAYLIST_FILES_MAX * (FILE_NAME_BYTES_MAX + 10) + 512;
/// Copies of playlists besides those kept: of what plays, of what follows, of what is paused, of
/// one that is just being replaced.
pub const PLAYLIST_COPIES_MAX: usize = 4;
/// Files open for playing at once, each with a thread of its own that may hang on its disk: the one
/// on air, the one that follows, and the standby file.
pub const READER_THREADS_MAX: usize = 3;
/// Read-ahead buffers of access units that go round between a file's reader and the data plane: together they
/// hold the largest access unit.
pub const READ_AHEADS_PER_FILE: usize = 8;
/// Payload bytes in a read-ahead buffer.
pub const READ_AHEAD_BYTES: usize = 128 << 10;
// A file goes on air once its first key frame lies in these buffers: one that all of them together do
// not hold would never be ready.
const _: () = assert!(READ_AHEADS_PER_FILE * READ_AHEAD_BYTES >= ACCESS_UNIT_BYTES_MAX);
/// Steps (a unit begins, a piece of payload, a unit ends) in a read-ahead buffer.
pub const READ_AHEAD_CALLS_MAX: usize = 1024;
/// What remembers one of them.
pub const READ_AHEAD_CALL_BYTES: usize = 32;
/// Track configurations in a read-ahead buffer.
pub const READ_AHEAD_CONFIGS_MAX: usize = 4;
/// One of them: its record, and what it says.
pub const READ_AHEAD_CONFIG_BYTES: usize = TRACK_CONFIG_BYTES_MAX + 128;
/// The largest file of remembered state read: all playlists, full, with long names.
pub const STATE_BYTES_MAX: u64 = 4 << 20;
const _: () = assert!(STATE_BYTES_MAX >= (PLAYLISTS_MAX * PLAYLIST_BYTES) as u64);
/// Readers of video files at once: those that play, and the one of the library's survey.
pub const FILE_READERS_MAX: usize = READER_THREADS_MAX + 1;
/// How far behind its picture sound is looked for in a file: 16 s at 8 Mbit/s.
pub const FILE_SOUND_AHEAD_BYTES_MAX: u64 = 16 << 20;
/// Sound held that one step of a reader has yielded: what fits into the largest PES packet.
pub const FILE_SOUND_HELD_BYTES: usize = 64 << 10;
/// Audio units held: two Matroska blocks of 256 frames.
pub const FILE_SOUND_HELD_UNITS: usize = 512;
// A PES packet's length has 16 bits (ISO/IEC 13818-1, 2.4.3.7).
const _: () = assert!(FILE_SOUND_HELD_BYTES > 0xFFFF);
const _: () = assert!(FILE_SOUND_HELD_UNITS >= 2 * MKV_LACE_FRAMES_MAX);
/// What remembers one of them.
pub const FILE_SOUND_UNIT_BYTES: usize = 64;
/// Configurations of the sound held.
pub const FILE_SOUND_HELD_CONFIGS: usize = 4;
/// An MP4 reader's window onto one of its tables.
pub const MP4_WINDOW_BYTES: usize = 4 << 10;
/// Windows of an MP4 reader: seven tables and the fragments of two tracks, the boxes around them,
/// and the audio's samples.
pub const MP4_WINDOWS_MAX: usize = 2 * 8 + 2;
/// Boxes looked at on one level of an MP4 file's header.
pub const MP4_BOXES_MAX: usize = 1024;
/// Tracks looked at in an MP4 file.
pub const MP4_TRACKS_MAX: usize = 32;
/// Decoder configurations of one track of an MP4 file.
pub const MP4_DESCRIPTIONS_MAX: usize = 4;
/// Entries of an MP4 track's edit list that are looked at.
pub const MP4_EDITS_MAX: u32 = 64;
/// The largest sample an MP4 file may announce: far beyond what is stored, so that a picture that
/// is too large costs itself and not the file.
pub const MP4_SAMPLE_BYTES_MAX: u32 = 64 << 20;
const _: () = assert!(MP4_SAMPLE_BYTES_MAX as usize > ACCESS_UNIT_BYTES_MAX);
/// Boxes passed over and empty table entries skipped in one call to an MP4 reader.
pub const MP4_STEPS_MAX: usize = 256;
/// Samples in a row of an MP4 track between which no time passes: nothing would pace them.
pub const MP4_STILL_SAMPLES_MAX: u32 = 256;
/// First samples of an MP4 track searched for the reach of its composition offsets.
pub const MP4_REORDER_SAMPLES_MAX: usize = 256;
/// Fragments of an MP4 file whose places are remembered, evenly spread.
pub const MP4_LANDMARKS_MAX: usize = 256;
/// Samples of an MP4 track whose NAL units are looked at in one search for a key picture.
pub const MP4_KEY_LOOKS_MAX: usize = 2048;
/// Samples and boxes of a fragmented MP4 file gone over when it is opened, to know how long it
/// plays, or in a seek.
pub const MP4_WALK_STEPS_MAX: usize = 8_000_000;
/// Uploads known at once: under way, broken off, or waiting for their name to become free.
pub const UPLOADS_KNOWN_MAX: usize = 16;
/// Uploads whose bytes come in at once.
pub const UPLOADS_ACTIVE_MAX: usize = 2;
/// The largest file uploaded.
pub const UPLOAD_BYTES_MAX: u64 = 1 << 40;
/// A piece of an upload on its way from the network to the disk.
pub const UPLOAD_PIECE_BYTES: usize = 256 << 10;
/// Pieces of one upload in memory: one is filled while the other is written.
pub const UPLOAD_PIECES_MAX: usize = 2;
/// How much of a file clients are advised to send in one request.
pub const UPLOAD_REQUEST_BYTES: u64 = 8 << 20;
/// What uploads leave free on the disk: logs, settings and remembered state are written there too.
pub const UPLOAD_RESERVE_BYTES: u64 = 64 << 20;
/// Bytes after which an upload is handed to the disk itself: what is written and not yet there is
/// memory that the kernel lends.
pub const UPLOAD_SYNC_BYTES: u64 = 8 << 20;
/// What may wait for the uploads' thread: two pieces of each upload, and commands.
pub const UPLOAD_ORDERS_MAX: usize = 16;
const _: () = assert!(UPLOADS_ACTIVE_MAX * UPLOAD_PIECES_MAX + COMMANDS_MAX <= UPLOAD_ORDERS_MAX);
/// Time an uploading client has for the next [`UPLOAD_STEP_BYTES_MIN`].
pub const UPLOAD_STEP_MS_MAX: u64 = 30_000;
/// What it must send in that time.
pub const UPLOAD_STEP_BYTES_MIN: usize = 16 << 10;
const _: () = assert!(UPLOAD_STEP_BYTES_MIN <= UPLOAD_PIECE_BYTES);
/// Commands from the control plane under way.
pub const COMMANDS_MAX: usize = 8;
/// Time who gives a command waits for what comes of it. Less than the control plane's own.
pub const COMMAND_MS_MAX: u64 = 4_000;
// Who asked over HTTP gets the command's own answer, not the control plane's word that there is none.
const _: () = assert!(COMMAND_MS_MAX < HTTP_ANSWER_MS_MAX);

// ── Proxies in front of us ──────────────────────────────────────────────────────────────────
/// The longest header of the PROXY protocol: 52 bytes name an IPv6 client, the rest is room for all
/// that is registered behind them (a host name of 255 bytes, an id of 128, a certificate's names).
pub const PROXY_HEADER_BYTES_MAX: usize = 1 << 10;
/// Time a proxy has to send it. The protocol asks for 3 s at least, for a segment that is sent again.
pub const PROXY_HEADER_MS_MAX: u64 = 5_000;

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
// One address leaves most connections to others.
const _: () = assert!(2 * HTTP_ADDRESS_CONNECTIONS_MAX < HTTP_CONNECTIONS_MAX);
/// Connections beyond the limit that are told so at once; the rest is closed without a word.
pub const HTTP_REFUSALS_MAX: usize = 16;
/// Bytes read and thrown away behind a last answer, so that the peer can read it.
pub const HTTP_LINGER_BYTES_MAX: usize = 256 << 10;
/// Time the answering side has for one request.
pub const HTTP_ANSWER_MS_MAX: u64 = 5_000;
/// One answer: the names of as many files as the library lists, and what is known of thousands.
pub const HTTP_ANSWER_BYTES_MAX: usize = 3 << 20;
/// All answers under way together.
pub const HTTP_ANSWERS_BYTES_MAX: usize = 6 << 20;
// The largest answer can be given while another one is on its way.
const _: () = assert!(2 * HTTP_ANSWER_BYTES_MAX <= HTTP_ANSWERS_BYTES_MAX);
/// Threads that answer requests.
pub const HTTP_WORKERS: usize = 3;
/// Commands carried out at once: fewer than workers, so that the state is always told.
pub const HTTP_COMMANDS_MAX: usize = 2;
/// Kernel buffer of an HTTP connection, each direction.
pub const HTTP_SOCKET_BUFFER_BYTES: usize = 64 << 10;
/// Viewers named one by one in an answer; more are only counted.
pub const HTTP_VIEWERS_LISTED_MAX: usize = 500;
/// Clients of the server-sent events at once.
pub const EVENT_CLIENTS_MAX: usize = 8;
// However many long streams there are, connections are left for requests.
const _: () = assert!(
    EVENT_CLIENTS_MAX + PREVIEWS_MAX + UPLOADS_ACTIVE_MAX + FIRMWARE_ORDERS_MAX
        <= HTTP_CONNECTIONS_MAX / 2
);
/// Time the client of a long stream has to take what it is sent next.
pub const STREAM_SEND_MS_MAX: u64 = 10_000;
/// How often the state is told by server-sent events.
pub const EVENT_PERIOD_MS: u64 = 1_000;
/// Lines of the log in one event.
pub const EVENT_LOG_LINES_MAX: usize = 64;
const _: () = assert!(EVENT_LOG_LINES_MAX <= LOG_LINES_MAX);
/// The state as an event: viewers as many as are listed, destinations as many as there may be.
pub const EVENT_STATUS_BYTES_MAX: usize = 192 << 10;
/// A file with a certificate or a key.
pub const TLS_FILE_BYTES_MAX: u64 = 64 << 10;
/// What a TLS connection of the control port has encrypted and not sent, at most, bytes.
pub const TLS_UNSENT_BYTES_MAX: usize = 32 << 10;
/// A TLS connection of the control port: handshake messages that came in pieces (64 KiB), what is
/// unsent, a record that was read, keys and state.
pub const TLS_CONNECTION_BYTES: usize = (64 << 10) + TLS_UNSENT_BYTES_MAX + (18 << 10) + (14 << 10);
/// What an RTMPS connection has encrypted and not sent, at most: a record and its frame, bytes.
pub const RTMPS_UNSENT_BYTES_MAX: usize = 17 << 10;
/// An RTMPS connection: what is unsent, a record that comes in, in a vector that grows by doubling, what
/// was in the one before, keys and state. So much was measured at the most (tests/tls_memory.rs); one
/// whose peer reads and sends little holds 8 KiB.
pub const RTMPS_CONNECTION_BYTES: usize =
    RTMPS_UNSENT_BYTES_MAX + (32 << 10) + (16 << 10) + (8 << 10);
/// Handshakes with servers at once; others wait for one of them, a connecting step's time at most.
pub const RTMPS_HANDSHAKES_MAX: usize = 4;
/// What a handshake may take besides: the peer's messages, certificates among them (rustls).
pub const RTMPS_HANDSHAKE_BYTES: usize = 64 << 10;
/// Servers whose session is remembered, so that the next handshake with them costs less.
pub const RTMPS_SESSIONS_MAX: usize = 16;
/// What is remembered of one.
pub const RTMPS_SESSION_BYTES: usize = 4 << 10;
/// The authorities whose signatures on servers' certificates are believed.
pub const RTMPS_AUTHORITIES_BYTES: usize = 128 << 10;
/// An update package sent to the control plane: a header of 1 KiB, and what fits into a slot.
pub const FIRMWARE_REQUEST_BYTES_MAX: u64 = (64 << 20) + 1024;
/// Orders to the update service at once.
pub const FIRMWARE_ORDERS_MAX: usize = 1;
/// A line it says.
pub const FIRMWARE_LINE_BYTES_MAX: usize = 4 << 10;
/// What it has written down of the system.
pub const FIRMWARE_TOLD_BYTES_MAX: u64 = 16 << 10;
/// Bytes of a file or a package read and thrown away behind an answer that does not take it: a browser
/// looks for the answer when it has sent everything. As much as a package may have.
pub const UPLOAD_LINGER_BYTES_MAX: u64 = FIRMWARE_REQUEST_BYTES_MAX;

// ── Passwords and sessions ──────────────────────────────────────────────────────────────────
/// Memory of a hash that is made here, KiB: argon2id with little memory, as OWASP's password
/// storage cheat sheet has it.
pub const PASSWORD_HASH_KIB: u32 = 7_168;
/// Passes over that memory.
pub const PASSWORD_HASH_PASSES: u32 = 5;
/// The most memory a configured hash may ask for, KiB.
pub const PASSWORD_HASH_KIB_MAX: u32 = 64 << 10;
/// The most passes a configured hash may ask for.
pub const PASSWORD_HASH_PASSES_MAX: u32 = 20;
/// The most lanes a configured hash may ask for.
pub const PASSWORD_HASH_LANES_MAX: u32 = 4;
/// Length of a configured hash.
pub const PASSWORD_HASH_TEXT_BYTES_MAX: usize = 256;
/// The shortest password, characters.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// The longest password.
pub const PASSWORD_BYTES_MAX: usize = 128;
/// Requests that wait for it: with the one that computes, fewer than there are workers.
pub const PASSWORD_WAITING_MAX: usize = 1;
// A worker is left that answers what needs no password.
const _: () = assert!(1 + PASSWORD_WAITING_MAX < HTTP_WORKERS);
/// Addresses remembered that sent a wrong password.
pub const TRIES_ADDRESSES_MAX: usize = 64;
/// Pause between two passwords that are checked for anybody from anywhere, on average: a hash takes
/// a tenth of a second of a small machine's only processor.
pub const PASSWORD_TRY_MS: u64 = 500;
/// Pause between two passwords of strangers.
pub const STRANGER_TRY_MS: u64 = 750;
/// Pause between two passwords of who logged in before.
pub const KNOWN_TRY_MS: u64 = 1_500;
// Both together, a second: 1/S + 1/K <= 1/P.
const _: () =
    assert!(PASSWORD_TRY_MS * (STRANGER_TRY_MS + KNOWN_TRY_MS) <= STRANGER_TRY_MS * KNOWN_TRY_MS);
/// Passwords of who logged in before taken at once on top of that.
pub const KNOWN_TRIES_BURST: u64 = 4;
/// Lanes in which the networks of strangers try.
pub const STRANGER_LANES: usize = 32;
/// Networks are spread over the lanes in another way each so often, and a lane in which nobody has
/// wanted a try since has no part in the budget.
pub const STRANGER_LANE_MS: u64 = 60_000;
// Who waits for as long as the answer says has the turn before that.
const _: () = assert!(STRANGER_LANES as u64 * STRANGER_TRY_MS + 1_000 < STRANGER_LANE_MS);
/// Addresses remembered from which somebody logged in.
pub const KNOWN_SOURCES_MAX: usize = 32;
/// Passwords of strangers taken at once on top of that.
pub const STRANGER_TRIES_BURST: u64 = 4;
/// The shortest such code: 12 letters of 31 are 59 bits.
pub const SETUP_CODE_BYTES_MIN: usize = 12;
/// Right passwords of HTTP Basic remembered, one for each address.
pub const REMEMBERED_MAX: usize = 8;
/// Sessions open at once; one more ends the one that was idle longest.
pub const SESSIONS_MAX: usize = 32;
/// Sessions remembered that are over because of their age or for want of room.
pub const SESSIONS_PAST_MAX: usize = 32;
/// Time a session lasts at most.
pub const SESSION_MS_MAX: u64 = 7 * 86_400_000;
/// Cookies of our name looked at in one request: another server of this host may set one too.
pub const SESSION_COOKIES_MAX: usize = 4;
/// Characters of a caller's words in a line of the audit.
pub const AUDIT_WORDS_CHARS_MAX: usize = 120;
// ── Previews ────────────────────────────────────────────────────────────────────────────────
/// Previews watched at once.
pub const PREVIEWS_MAX: usize = 4;
/// Pieces of a preview that wait to be sent; what comes after them waits in the ring.
pub const PREVIEW_PIECES_MAX: usize = 4;
/// The largest such piece.
pub const PREVIEW_PIECE_BYTES_MAX: usize = 64 << 10;
/// Media time in one movie fragment.
pub const PREVIEW_FRAGMENT_TICKS_MAX: Ticks = Ticks::from_ms(250);
/// Units of a track in one movie fragment: 250 a second.
pub const PREVIEW_UNITS_MAX: usize = 64;
const _: () = assert!(PREVIEW_UNITS_MAX as i64 * TICKS_PER_S >= 250 * PREVIEW_FRAGMENT_TICKS_MAX.0);
/// A preview in user space, its pieces not counted: task, channel, units that wait.
pub const PREVIEW_BYTES: usize = 32 << 10;

// ── The machine and its health ──────────────────────────────────────────────────────────────
/// How often the machine is looked at.
pub const MACHINE_SAMPLE_MS: u64 = 5_000;
/// The line that the appliance may say of its data disk, bytes.
pub const DISK_WARNING_BYTES_MAX: usize = 256;
/// Processors are judged by their mean over this time.
pub const CPU_MINUTE_MS: u64 = 60_000;
/// A load that lasts is the mean over this time.
pub const CPU_STEADY_MS: u64 = 600_000;
// Both are reached in whole samples.
const _: () = assert!(CPU_MINUTE_MS.is_multiple_of(MACHINE_SAMPLE_MS));
const _: () = assert!(CPU_STEADY_MS.is_multiple_of(MACHINE_SAMPLE_MS));
/// The longest such times.
pub const HEALTH_S_MAX: u64 = 86_400;
/// Lines of the log in one answer.
pub const LOG_LINES_ANSWERED_MAX: usize = 500;
/// Lines of the log in an answer that does not say how many it wants.
pub const LOG_LINES_ANSWERED_DEFAULT: usize = 100;
// No more is asked for than the log keeps.
const _: () = assert!(LOG_LINES_ANSWERED_DEFAULT <= LOG_LINES_ANSWERED_MAX);
const _: () = assert!(LOG_LINES_ANSWERED_MAX <= LOG_LINES_MAX);

// ── The probe ───────────────────────────────────────────────────────────────────────────────
/// The largest answer a probe reads.
pub const PROBE_ANSWER_BYTES_MAX: u64 = 256 << 10;
/// The longest a configuration may have frames wait to share a write to a viewer.
pub const VIEWER_BATCH_MS_MAX: usize = 500;
/// How long they may, unless it says otherwise: at 30 per second two or three leave together.
pub const VIEWER_BATCH_MS_DEFAULT: u64 = 70;
const _: () = assert!(VIEWER_BATCH_MS_DEFAULT as usize <= VIEWER_BATCH_MS_MAX);
/// Characters of the line it prints.
pub const PROBE_LINE_CHARS_MAX: usize = 400;
/// Size at which the probe's own log is set aside.
pub const PROBE_LOG_BYTES_MAX: u64 = 64 << 10;

// ── The appliance's disk and clock ──────────────────────────────────────────────────────────
/// The data partition grows when it wins so much; partitions begin and end on multiples of it.
pub const PARTITION_GAIN_BYTES_MIN: u64 = 1 << 20;
/// Partitions whose entries one write of 4 KiB changes together with the header.
pub const PARTITIONS_GROWN_MAX: usize = 24;
// ── The firmware: a process of its own, outside the budget ───────────────────────────────────
/// A small text of the system: its release, its key, what a slot says of itself, why it was left.
pub const FIRMWARE_TEXT_BYTES_MAX: u64 = 1024;
/// What is read, hashed and written of an update at once.
pub const FIRMWARE_PIECE_BYTES: usize = 64 << 10;
/// The beginning of a slot, which is written last: without it the slot holds nothing.
pub const FIRMWARE_HEAD_BYTES: usize = 4096;
/// What is written before the disk is waited for: a small machine's memory is not its disk's.
pub const FIRMWARE_UNSYNCED_BYTES_MAX: u64 = 4 << 20;
/// Time an order takes at most, its update's way here included.
pub const FIRMWARE_ORDER_MS_MAX: u64 = 3_600_000;
/// The address of an update server.
pub const UPDATE_URL_BYTES_MAX: usize = 1024;
/// What is remembered of why it did not answer.
pub const UPDATE_ERROR_BYTES_MAX: usize = 512;
/// The licences of the image's parts, compressed.
pub const LICENCES_BYTES_MAX: u64 = 256 << 10;
/// The same, as text.
pub const LICENCES_TEXT_BYTES_MAX: u64 = 2 << 20;

// ── The event queue ─────────────────────────────────────────────────────────────────────────
/// Events taken from the kernel at once.
pub const REACTOR_EVENTS_MAX: usize = 256;

// ── Descriptors ─────────────────────────────────────────────────────────────────────────────
/// Descriptors open besides connections: listeners, log, event queues, name look-ups.
pub const DESCRIPTORS_BESIDES: usize = 64;

// ── Threads ─────────────────────────────────────────────────────────────────────────────────
/// Threads of the pool for name look-ups and for state written to the disk.
pub const BLOCKING_THREADS_MAX: usize = 4;
/// Threads of the control plane: its gate, and its workers.
pub const HTTP_THREADS_MAX: usize = 1 + HTTP_WORKERS;
/// Threads of the process: data plane, log, library, uploads, the machine's gauges and its disk's,
/// the control plane's sockets (async-io), and those counted above; one for each file that is open
/// for playing.
pub const THREADS_MAX: usize = 7 + BLOCKING_THREADS_MAX + HTTP_THREADS_MAX + READER_THREADS_MAX;
/// Stack of each thread the program starts itself.
pub const THREAD_STACK_BYTES: usize = 256 << 10;

// ── What things cost, for the budget ────────────────────────────────────────────────────────
/// The binary's pages, the standby card in it, and what the allocator keeps beside.
pub const PROGRAM_BYTES: usize = 8 << 20;
/// What the heap holds besides the buffers that have a row of their own: the configuration and
/// the text it was read from, snapshots, timers and tasks, tables of the libraries.
pub const SMALL_HEAP_BYTES: usize = 2 << 20;
/// The demultiplexer and its assemblers: sections, the streams' table, an access unit's head.
pub const DEMULTIPLEXER_BYTES: usize = 64 << 10;
const _: () = assert!(
    TS_SYNC_BYTES_MAX
        + TS_OPEN_SECTIONS_MAX * PSI_SECTION_BYTES_MAX
        + ACCESS_UNIT_HEAD_BYTES_MAX
        + 2 * PARAMETER_SETS_MAX * PARAMETER_SET_BYTES_MAX
        < DEMULTIPLEXER_BYTES
);
/// An MPEG-TS file's reader: its window, the demultiplexer, configurations.
pub const TS_READER_BYTES: usize = FILE_WINDOW_BYTES + DEMULTIPLEXER_BYTES + (16 << 10);
/// An MP4 file's reader: its windows, the one for pictures, landmarks, an access unit's head,
/// configurations.
pub const MP4_READER_BYTES: usize = MP4_WINDOWS_MAX * MP4_WINDOW_BYTES
    + FILE_WINDOW_BYTES
    + MP4_LANDMARKS_MAX * 32
    + ACCESS_UNIT_HEAD_BYTES_MAX
    + (32 << 10);
/// An FLV or Matroska file's reader: its window, an access unit's head, configurations, headers,
/// times.
pub const TAGGED_READER_BYTES: usize = FILE_WINDOW_BYTES + ACCESS_UNIT_HEAD_BYTES_MAX + (24 << 10);
/// What reads a file's sound at another place than its picture: only files without tables need it.
pub const FILE_SOUND_BYTES_MAX: usize = larger(TS_READER_BYTES, TAGGED_READER_BYTES)
    + FILE_SOUND_HELD_BYTES
    + FILE_SOUND_HELD_UNITS * FILE_SOUND_UNIT_BYTES
    + FILE_SOUND_HELD_CONFIGS * READ_AHEAD_CONFIG_BYTES;
/// A video file's reader, of whatever kind.
pub const FILE_READER_BYTES_MAX: usize =
    larger(larger(TS_READER_BYTES, MP4_READER_BYTES), TAGGED_READER_BYTES);

const fn larger(a: usize, b: usize) -> usize {
    if a > b {
        a
    } else {
        b
    }
}

/// A viewer in user space: task, session, reader, header bytes; with a full outbox and an
/// unfinished message as large as they may be.
pub const VIEWER_BYTES: usize = (8 << 10) + RTMP_OUTBOX_BYTES_MAX + RTMP_PARTIAL_BYTES_MAX;
/// A connection in the lobby: its descriptor, address and place, and the table of sources.
pub const RTMP_LOBBY_BYTES: usize = 256;
/// A destination in user space: the same, its URL, key and retry state, and its bit rate's past in
/// its record and in the states that are told.
pub const DESTINATION_BYTES: usize = VIEWER_BYTES + (10 << 10);
// The day's, of four bytes each, lies beside them: where it is taken, and old ones still being told.
const _: () = assert!(3 * 8 * BPS_HISTORY_SAMPLES_MAX + 4 * 4 * BPS_DAY_SAMPLES_MAX < 6 << 10);
/// An HTTP connection in user space, its head and body not counted.
pub const HTTP_CONNECTION_BYTES: usize = 16 << 10;

/// DNS servers that routers may advertise, and those of them that are asked (resolv.conf(5), MAXNS).
pub const NAME_SERVERS_KNOWN_MAX: usize = 8;
/// As many as the C library asks.
pub const NAME_SERVERS_USED_MAX: usize = 3;
const _: () = assert!(NAME_SERVERS_USED_MAX <= NAME_SERVERS_KNOWN_MAX);
/// Their list on its way to who writes it down: a word, and as many of the longest addresses (RFC 4291,
/// 2.2) with a card's number.
pub const NAME_SERVERS_RECORD_BYTES: usize = 160;
const _: () = assert!(3 + NAME_SERVERS_USED_MAX * (1 + 39 + 1 + 10) < NAME_SERVERS_RECORD_BYTES);
/// What the kernel tells of one advertisement's option: 255 units of 8 bytes, and its own heads.
pub const NAME_SERVERS_MESSAGE_BYTES: usize = 4 << 10;

// ── Logs and configuration ──────────────────────────────────────────────────────────────────
/// Lines the log keeps in memory.
pub const LOG_LINES_MAX: usize = 512;
/// Length of one line; the rest is cut.
pub const LOG_LINE_BYTES_MAX: usize = 512;
/// Length of the name of the module that speaks, within the line.
pub const LOG_TARGET_BYTES_MAX: usize = 48;
// Beside the longest name most of a line is left for what it says.
const _: () = assert!(2 * LOG_TARGET_BYTES_MAX < LOG_LINE_BYTES_MAX);
/// Size at which the log file is rotated, unless the configuration says otherwise.
pub const LOG_FILE_BYTES_DEFAULT: u64 = 1 << 20;
/// The smallest log file a configuration may ask for.
pub const LOG_FILE_BYTES_MIN: u64 = 16 << 10;
/// The largest log file a configuration may ask for.
pub const LOG_FILE_BYTES_MAX: u64 = 64 << 20;
/// Rotated log files kept, unless the configuration says otherwise.
pub const LOG_FILES_DEFAULT: usize = 7;
/// The most rotated log files a configuration may ask for.
pub const LOG_FILES_MAX: usize = 99;
const _: () = assert!(LOG_FILES_DEFAULT <= LOG_FILES_MAX);
const _: () = assert!(LOG_FILE_BYTES_MIN <= LOG_FILE_BYTES_DEFAULT);
const _: () = assert!(LOG_FILE_BYTES_DEFAULT <= LOG_FILE_BYTES_MAX);
/// A compressor at work: tables and the window of deflate, what it has made.
pub const LOG_PACK_BYTES: usize = 384 << 10;
/// The longest name of the machine: a label of a host name (RFC 1035, 2.3.4).
pub const MACHINE_NAME_BYTES_MAX: usize = 63;
/// Errors of a configuration told at once; more are counted.
pub const CONFIG_ERRORS_MAX: usize = 32;
/// The largest configuration file read.
pub const CONFIG_BYTES_MAX: u64 = 256 << 10;
/// The largest configuration file read, or made, while the program runs within its budget.
pub const CONFIG_CHANGED_BYTES_MAX: usize = 32 << 10;
/// What a byte of it may cost while it is read and changed: a list of `1,` is the worst.
pub const CONFIG_CHANGED_FACTOR: usize = 48;
// What a request may change the settings to can be sent in one, and read again at the next start.
const _: () = assert!(CONFIG_CHANGED_BYTES_MAX <= HTTP_BODY_BYTES_MAX);
const _: () = assert!(CONFIG_CHANGED_BYTES_MAX as u64 <= CONFIG_BYTES_MAX);
/// Earlier versions of the configuration file kept.
pub const CONFIG_VERSIONS_MAX: usize = 10;
/// Secrets the log knows and never shows: every destination's key, the play key, and room for more.
pub const SECRETS_MAX: usize = 64;
// The keys of all destinations, also of those that leave while their places are taken, and the play key,
// the publishers', the pull's, the setup code and the probe's token.
const _: () = assert!(DESTINATIONS_MAX + DESTINATIONS_LEAVING_MAX + 8 <= SECRETS_MAX);

//! A player's or publisher's session, seen from the server (RTMP 1.0, 7.2). Purpose: answer what
//! real clients ask (ffmpeg, librtmp, VLC, mpv, OBS, hardware encoders) so that a shell only
//! decides who may play and who may publish. An unknown command is answered or ignored, never a
//! reason to close.
//!
//! Non-goals: sending media (the shell does, with
//! [`MediaMessage`](super::chunk_writer::MediaMessage), between two messages of the outbox); what
//! the media of a publisher is; more than one playback or publication on a connection.
//!
//! Bound: [`RTMP_EVENTS_MAX`] events, [`RTMP_MESSAGE_STREAMS_MAX`] message streams, and
//! [`RTMP_ADMISSION_MS_MAX`] to say what the peer wants.

mod ending;
mod play;
mod publish;
mod refusal;

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::limits::{
    RTMP_ADMISSION_MS_MAX, RTMP_EVENTS_MAX, RTMP_MESSAGE_STREAMS_MAX, RTMP_NAME_BYTES_MAX,
    RTMP_PING_MS, RTMP_WINDOW_BYTES, VIEWER_CHUNK_BYTES,
};
use crate::base::redact::Secret;
use crate::base::time::Mono;

use super::amf::{AmfReader, AmfValue, AmfWriter};
use super::connection::{CommandMessage, Incoming, RtmpConnection, SessionError};
use super::handshake::Handshake;
use super::media::MediaSink;
use super::message::{
    control, peer_bandwidth, user_control, EVENT_PING_REQUEST, TYPE_COMMAND, TYPE_WINDOW_SIZE,
};
use super::outbox::Outbox;
use super::words::{printable, without_query};
use super::RtmpSession;

pub use ending::Ending;
pub use refusal::RtmpRefusal;

/// The one application served.
pub const APP: &str = "live";

/// What the shell has to decide or to do.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// The peer wants to play. Answer with [`ServerSession::accept_play`] or
    /// [`ServerSession::refuse`].
    Play {
        /// Stream name without its query, at most [`RTMP_NAME_BYTES_MAX`] bytes.
        name: String,
        /// The `key` of the stream name's query, or else of the application's, as it was sent:
        /// percent-encoding is not undone.
        key: Option<Secret>,
    },
    /// The peer wants to publish. Answer with [`ServerSession::accept_publish`] or
    /// [`ServerSession::refuse`].
    Publish {
        /// Stream name without its query, which may be the stream key; at most
        /// [`RTMP_NAME_BYTES_MAX`] bytes.
        name: Secret,
        /// As in [`Play`](ServerEvent::Play).
        key: Option<Secret>,
    },
    /// The player was stopped (true) or started again (false). Already answered.
    Pause(bool),
    /// The playback or publication accepted before is over; the connection may ask for another.
    Stop,
}

/// What a peer says of itself in `connect`: printable, bounded, without queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerInfo {
    /// `flashVer`: the program.
    pub flash_version: String,
    /// `pageUrl`.
    pub page_url: String,
    /// `swfUrl`.
    pub swf_url: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Handshake, connect, createStream, or between two playbacks; until then the peer has time.
    Admission {
        until: Mono,
    },
    /// The shell has been asked. The time for admission goes on if the peer withdraws.
    Asked {
        message_stream: u32,
        until: Mono,
    },
    Playing {
        message_stream: u32,
        ping_at: Mono,
    },
    Publishing {
        message_stream: u32,
        ping_at: Mono,
    },
    /// Refused or ended: to be closed once the outbox is empty.
    Closing,
}

/// A session with a peer that connected to us.
pub struct ServerSession {
    connection: RtmpConnection,
    stage: Stage,
    connected: bool,
    app_key: Option<Secret>,
    /// The application asked for, if there is no such.
    rejected_app: Option<String>,
    peer: PeerInfo,
    /// Message streams created: bit n is number n + 1.
    streams: u8,
    /// Pause between two pings.
    ping: Duration,
    events: VecDeque<ServerEvent>,
}

const _: () = assert!(RTMP_MESSAGE_STREAMS_MAX <= 8, "message streams are kept in eight bits");

impl ServerSession {
    /// A session on a connection accepted now.
    pub fn new(now: Mono) -> ServerSession {
        ServerSession {
            connection: RtmpConnection::new(Handshake::server()),
            stage: admission(now),
            connected: false,
            app_key: None,
            rejected_app: None,
            peer: PeerInfo::default(),
            streams: 0,
            ping: Duration::from_millis(RTMP_PING_MS),
            events: VecDeque::new(),
        }
    }

    /// Pings each `pause`, from the next time on that it plays or publishes.
    pub fn ping_each(&mut self, pause: Duration) {
        self.ping = pause;
    }

    /// The next thing to decide or to do.
    pub fn event(&mut self) -> Option<ServerEvent> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        event
    }

    /// What the peer said of itself.
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }

    /// The application the peer asked for, without its query, when it was refused for that.
    pub fn rejected_app(&self) -> Option<&str> {
        self.rejected_app.as_deref()
    }

    /// Answers [`ServerEvent::Play`] or [`ServerEvent::Publish`] with no; the connection closes.
    pub fn refuse(&mut self, refusal: RtmpRefusal) -> Result<(), SessionError> {
        let Stage::Asked { message_stream, .. } = self.stage else { return Ok(()) };
        let (code, description) = refusal.code_and_description();
        self.stage = Stage::Closing;
        self.status(message_stream, "error", code, description)
    }

    fn command(
        &mut self,
        command: &CommandMessage,
        now: Mono,
        media: &mut dyn MediaSink,
    ) -> Result<(), SessionError> {
        let mut values = AmfReader::new(&command.values)?;
        let name = values.text().unwrap_or_default();
        let transaction = values.number().unwrap_or_default();
        let object = values.value().unwrap_or(AmfValue::Null);
        let on = command.message_stream;
        match name {
            "connect" => self.connect(transaction, object),
            "createStream" => self.create_stream(transaction),
            "play" => self.play(on, values.text().unwrap_or_default()),
            "publish" => self.publish(on, values.text().unwrap_or_default()),
            "pause" | "pauseRaw" => self.pause(on, values.value()),
            "deleteStream" => self.delete_stream(values.number().unwrap_or_default(), now, media),
            "closeStream" => self.close_stream(on, now, media),
            "seek" => {
                let description = "A live stream cannot be sought in.";
                self.status(on, "error", "NetStream.Seek.Failed", description)
            }
            "getStreamLength" => self.result(transaction, |answer| answer.null().number(0.0)),
            "FCSubscribe" => {
                self.notice("onFCSubscribe", "NetStream.Play.Start")?;
                self.result(transaction, |answer| answer.null().null())
            }
            "FCPublish" => {
                self.notice("onFCPublish", "NetStream.Publish.Start")?;
                self.result(transaction, |answer| answer.null().null())
            }
            "FCUnpublish" => {
                self.notice("onFCUnpublish", "NetStream.Unpublish.Success")?;
                self.result(transaction, |answer| answer.null().null())?;
                self.unpublish(now, media)
            }
            "releaseStream" | "_checkbw" | "FCUnsubscribe" => {
                self.result(transaction, |answer| answer.null().null())
            }
            // Answers to what we sent, and switches that change nothing for a live stream.
            "_result" | "_error" | "onStatus" | "receiveAudio" | "receiveVideo" => Ok(()),
            _ => self.no_such_command(transaction),
        }
    }

    fn connect(&mut self, transaction: f64, object: AmfValue<'_>) -> Result<(), SessionError> {
        let text = |name| object.get(name).and_then(AmfValue::text).unwrap_or_default();
        let (app, query) = split_query(text("app"));
        self.peer = PeerInfo {
            flash_version: printable(text("flashVer")),
            page_url: without_query(text("pageUrl")),
            swf_url: without_query(text("swfUrl")),
        };
        self.connection.push(&control(TYPE_WINDOW_SIZE, RTMP_WINDOW_BYTES))?;
        self.connection.push(&peer_bandwidth(RTMP_WINDOW_BYTES))?;
        if self.connected || app.trim_matches('/') != APP {
            let (code, mut description) = RtmpRefusal::App.code_and_description();
            if self.connected {
                description = "This connection has been connected before.";
            } else {
                self.rejected_app = Some(without_query(app));
            }
            self.stage = Stage::Closing;
            let answer = answer("_error", transaction).null();
            let answer = info(answer, "error", code, description).end();
            return self.connection.push_values(0, TYPE_COMMAND, &answer.into_bytes());
        }
        self.connected = true;
        self.app_key = query_key(query);
        self.connection.set_chunk_bytes(VIEWER_CHUNK_BYTES)?;
        self.result(transaction, |answer| {
            let answer = answer.object().key("fmsVer").string("FMS/3,0,1,123");
            let answer = answer.key("capabilities").number(31.0).end();
            let code = "NetConnection.Connect.Success";
            // AMF0, even if the peer asked for AMF3.
            info(answer, "status", code, "Connection succeeded.")
                .key("objectEncoding")
                .number(0.0)
                .end()
        })
    }

    fn create_stream(&mut self, transaction: f64) -> Result<(), SessionError> {
        let free = self.streams.trailing_ones();
        if !self.connected || free as usize >= RTMP_MESSAGE_STREAMS_MAX {
            return self.failed(transaction, "No message stream can be created.");
        }
        self.streams |= 1 << free;
        self.result(transaction, |answer| answer.null().number(f64::from(free + 1)))
    }

    fn delete_stream(
        &mut self,
        number: f64,
        now: Mono,
        media: &mut dyn MediaSink,
    ) -> Result<(), SessionError> {
        if number < 1.0 || number > RTMP_MESSAGE_STREAMS_MAX as f64 || number.fract() != 0.0 {
            return Ok(());
        }
        self.streams &= !(1 << (number as u32 - 1));
        self.close_stream(number as u32, now, media)
    }

    fn close_stream(
        &mut self,
        on: u32,
        now: Mono,
        media: &mut dyn MediaSink,
    ) -> Result<(), SessionError> {
        match self.stage {
            Stage::Playing { message_stream, .. } if message_stream == on => {
                self.stage = admission(now);
                self.raise(ServerEvent::Stop)
            }
            Stage::Publishing { message_stream, .. } if message_stream == on => {
                self.unpublish(now, media)
            }
            Stage::Asked { message_stream, until } if message_stream == on => {
                self.stage = Stage::Admission { until };
                // The question that nobody needs answered any more.
                self.events.retain(|event| {
                    !matches!(event, ServerEvent::Play { .. } | ServerEvent::Publish { .. })
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn ping(&mut self, now: Mono) -> Result<(), SessionError> {
        self.connection.push(&user_control(EVENT_PING_REQUEST, now.to_ms() as u32))
    }

    fn no_such_command(&mut self, transaction: f64) -> Result<(), SessionError> {
        if transaction == 0.0 {
            return Ok(());
        }
        self.failed(transaction, "This command is not supported.")
    }

    fn raise(&mut self, event: ServerEvent) -> Result<(), SessionError> {
        if self.events.len() >= RTMP_EVENTS_MAX {
            return Err(SessionError::TooManyEvents);
        }
        self.events.push_back(event);
        Ok(())
    }

    fn result(
        &mut self,
        transaction: f64,
        rest: impl FnOnce(AmfWriter) -> AmfWriter,
    ) -> Result<(), SessionError> {
        let answer = rest(answer("_result", transaction));
        self.connection.push_values(0, TYPE_COMMAND, &answer.into_bytes())
    }

    fn failed(&mut self, transaction: f64, description: &str) -> Result<(), SessionError> {
        let answer = answer("_error", transaction).null();
        let answer = info(answer, "error", "NetConnection.Call.Failed", description).end();
        self.connection.push_values(0, TYPE_COMMAND, &answer.into_bytes())
    }

    /// onStatus (7.2.2), on the message stream it is about.
    fn status(
        &mut self,
        on: u32,
        level: &str,
        code: &str,
        description: &str,
    ) -> Result<(), SessionError> {
        let status = info(answer("onStatus", 0.0).null(), level, code, description).end();
        self.connection.push_values(on, TYPE_COMMAND, &status.into_bytes())
    }

    /// The commands FMLE expects to be told of its own.
    fn notice(&mut self, name: &str, code: &str) -> Result<(), SessionError> {
        let notice = info(answer(name, 0.0).null(), "status", code, "Noted.").end();
        self.connection.push_values(0, TYPE_COMMAND, &notice.into_bytes())
    }
}

impl RtmpSession for ServerSession {
    fn input_media(
        &mut self,
        mut bytes: &[u8],
        now: Mono,
        media: &mut dyn MediaSink,
    ) -> Result<(), SessionError> {
        self.connection.tick(now);
        while self.stage != Stage::Closing {
            match self.connection.next(&mut bytes, media)? {
                None => break,
                Some(Incoming::HandshakeDone | Incoming::StreamEnd(_)) => {}
                Some(Incoming::Command(command)) => self.command(&command, now, media)?,
            }
        }
        self.connection.acknowledge()
    }

    fn owed(&mut self) -> &mut Outbox {
        self.connection.owed()
    }

    fn is_closing(&self) -> bool {
        self.stage == Stage::Closing
    }

    fn deadline(&self) -> Option<Mono> {
        match self.stage {
            Stage::Admission { until } => Some(until),
            Stage::Playing { ping_at, .. } | Stage::Publishing { ping_at, .. } => Some(ping_at),
            Stage::Asked { .. } | Stage::Closing => None,
        }
    }

    /// Ends an admission that took too long; pings a player or publisher. Whether one that does not
    /// answer is closed, its shell decides, which knows what else it does.
    fn on_deadline(&mut self, now: Mono) -> Result<(), SessionError> {
        match self.stage {
            Stage::Admission { until } if now >= until => {
                let in_handshake = self.connection.in_handshake();
                let what = if in_handshake { "the handshake" } else { "play or publish" };
                Err(SessionError::TimedOut { what })
            }
            Stage::Playing { message_stream, ping_at } if now >= ping_at => {
                self.stage = Stage::Playing { message_stream, ping_at: now + self.ping };
                self.ping(now)
            }
            Stage::Publishing { message_stream, ping_at } if now >= ping_at => {
                self.stage = Stage::Publishing { message_stream, ping_at: now + self.ping };
                self.ping(now)
            }
            _ => Ok(()),
        }
    }
}

fn admission(now: Mono) -> Stage {
    Stage::Admission { until: now + Duration::from_millis(RTMP_ADMISSION_MS_MAX) }
}

fn answer(name: &str, transaction: f64) -> AmfWriter {
    AmfWriter::new().string(name).number(transaction)
}

/// An information object, left open.
fn info(writer: AmfWriter, level: &str, code: &str, description: &str) -> AmfWriter {
    let writer = writer.object().key("level").string(level).key("code").string(code);
    writer.key("description").string(description)
}

fn split_query(name: &str) -> (&str, &str) {
    name.split_once('?').unwrap_or((name, ""))
}

fn query_key(query: &str) -> Option<Secret> {
    let key = query.split('&').find_map(|pair| pair.strip_prefix("key="))?;
    // One that is too long is a wrong one.
    Some(Secret::new(if key.len() <= RTMP_NAME_BYTES_MAX { key } else { "" }))
}

#[cfg(test)]
mod tests;

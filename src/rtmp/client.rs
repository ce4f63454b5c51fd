//! A session with a server, seen from who publishes to it or plays from it (RTMP 1.0, 7.2).
//! Purpose: as a publisher, say what OBS says, in its order and with its transaction ids, because
//! that is what platforms are made for: Set Chunk Size before connect, releaseStream, FCPublish,
//! createStream, publish; FCUnpublish and deleteStream at the end. As a player: createStream,
//! play, deleteStream; media goes to the shell as it comes. Servers' own order is tolerated.
//!
//! Non-goals: sending media (the shell does, with
//! [`MediaMessage`](super::chunk_writer::MediaMessage), between two messages of the outbox);
//! authentication inside RTMP (authmod=adobe, llnw): that is a refusal in the server's words.
//!
//! Bound: [`CONNECT_STEP_MS_MAX`] for the handshake and again for everything up to the server's
//! consent.

use std::time::Duration;

use crate::base::limits::{CONNECT_STEP_MS_MAX, DESTINATION_CHUNK_BYTES};
use crate::base::redact::Secret;
use crate::base::time::Mono;

use super::amf::{AmfReader, AmfValue, AmfWriter};
use super::connection::{CommandMessage, Incoming, RtmpConnection, SessionError};
use super::handshake::Handshake;
use super::media::MediaSink;
use super::message::{buffer_length, TYPE_COMMAND};
use super::outbox::Outbox;
use super::url::{RtmpUrl, StreamKey};
use super::words::without_secrets;
use super::RtmpSession;

/// What OBS and FMLE call themselves: some platforms look at it.
const FLASH_VERSION: &str = "FMLE/3.0 (compatible; FMSc/1.0)";

const CONNECT: f64 = 1.0;
const RELEASE_STREAM: f64 = 2.0;
const FC_PUBLISH: f64 = 3.0;
const CREATE_STREAM: f64 = 4.0;
const PUBLISH: f64 = 5.0;
const FC_UNPUBLISH: f64 = 6.0;
const DELETE_STREAM: f64 = 7.0;
const PLAY: f64 = 8.0;

/// `start` of a play command: live only, no recording (RTMP 1.0, 7.2.2.1; in milliseconds, as all
/// players send it).
const LIVE_ONLY: f64 = -1000.0;
/// What is asked of a server to hold ready for us, milliseconds (Set Buffer Length, 7.1.7).
const BUFFER_MS: u32 = 1000;

/// What the server decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// Media may be sent.
    Published {
        /// The message stream to send it on.
        message_stream: u32,
    },
    /// The server has agreed to be played: media comes when it has some.
    Playing,
    /// The server said no, before or while publishing or playing. The words are the server's, printable and
    /// bounded, the stream key replaced. The connection is to be closed.
    Refused {
        /// Its status code, such as `NetStream.Publish.BadName`; may be empty.
        code: String,
        /// Its description; may be empty.
        description: String,
    },
    /// The server ended the publication or the playback. The connection is to be closed.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Handshake {
        until: Mono,
    },
    /// Waits for the answer to connect.
    Connect {
        until: Mono,
    },
    /// Waits for a message stream.
    CreateStream {
        until: Mono,
    },
    /// Waits for consent.
    Ask {
        until: Mono,
        message_stream: u32,
    },
    Agreed {
        message_stream: u32,
    },
    Closing,
}

/// What the session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Publisher,
    Player,
}

/// A session on a connection we made.
pub struct ClientSession {
    connection: RtmpConnection,
    role: Role,
    stage: Stage,
    url: RtmpUrl,
    key: StreamKey,
    /// What is not to be seen in the server's words.
    hidden: Vec<Secret>,
    event: Option<ClientEvent>,
    /// What the server said last, once.
    said: Option<String>,
}

impl ClientSession {
    /// A session to publish, on a connection made now. Its first bytes are in the outbox.
    pub fn new(url: RtmpUrl, key: StreamKey, now: Mono) -> Result<ClientSession, SessionError> {
        let hidden = vec![key.secret().clone()];
        ClientSession::of(Role::Publisher, url, key, hidden, now)
    }

    /// A session to play the stream of that name, which may have a query with a key, likewise.
    pub fn play(url: RtmpUrl, name: StreamKey, now: Mono) -> Result<ClientSession, SessionError> {
        let hidden = name.hidden_of_name();
        ClientSession::of(Role::Player, url, name, hidden, now)
    }

    fn of(
        role: Role,
        url: RtmpUrl,
        key: StreamKey,
        hidden: Vec<Secret>,
        now: Mono,
    ) -> Result<ClientSession, SessionError> {
        let (handshake, hello) = Handshake::client()?;
        let mut connection = RtmpConnection::new(handshake);
        connection.push(&hello)?;
        let stage = Stage::Handshake { until: step(now) };
        Ok(ClientSession { connection, role, stage, url, key, hidden, event: None, said: None })
    }

    /// The server's newest decision, once.
    pub fn event(&mut self) -> Option<ClientEvent> {
        self.event.take()
    }

    /// What the server said last, once: a status, an error or its goodbye, without keys.
    pub fn said(&mut self) -> Option<String> {
        self.said.take()
    }

    /// What we wait for, for a person, until the server has decided: some servers say no by
    /// closing the connection without a word.
    pub fn awaited(&self) -> Option<&'static str> {
        match self.stage {
            Stage::Handshake { .. } => Some("the handshake"),
            Stage::Connect { .. } => Some("the answer to connect"),
            Stage::CreateStream { .. } => Some("the answer to createStream"),
            Stage::Ask { .. } if self.role == Role::Player => Some("the answer to play"),
            Stage::Ask { .. } => Some("the answer to publish"),
            Stage::Agreed { .. } | Stage::Closing => None,
        }
    }

    /// Messages of media left out because another of their kind was open, or their aggregate was
    /// broken.
    pub fn media_left_out(&self) -> u64 {
        self.connection.media_left_out()
    }

    /// Ends the publication or playback in good order; the connection is to be closed once the outbox is
    /// empty.
    pub fn finish(&mut self) -> Result<(), SessionError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Closing);
        if let Stage::Ask { message_stream, .. } | Stage::Agreed { message_stream } = stage {
            if self.role == Role::Publisher {
                let key = self.key.secret().expose();
                let unpublish = request("FCUnpublish", FC_UNPUBLISH).null().string(key);
                self.connection.push_values(0, TYPE_COMMAND, &unpublish.into_bytes())?;
            }
            let delete = request("deleteStream", DELETE_STREAM).null();
            let delete = delete.number(f64::from(message_stream));
            self.connection.push_values(0, TYPE_COMMAND, &delete.into_bytes())?;
        }
        Ok(())
    }

    fn connect(&mut self, now: Mono) -> Result<(), SessionError> {
        self.stage = Stage::Connect { until: step(now) };
        self.connection.set_chunk_bytes(DESTINATION_CHUNK_BYTES)?;
        let tc_url = self.url.tc_url();
        let connect = request("connect", CONNECT)
            .object()
            .key("app")
            .string(&self.url.app)
            .key("type")
            .string("nonprivate")
            .key("flashVer")
            .string(FLASH_VERSION)
            .key("swfUrl")
            .string(&tc_url)
            .key("tcUrl")
            .string(&tc_url)
            .end();
        self.connection.push_values(0, TYPE_COMMAND, &connect.into_bytes())
    }

    fn command(&mut self, command: &CommandMessage) -> Result<(), SessionError> {
        let mut values = AmfReader::new(&command.values)?;
        let name = values.text().unwrap_or_default();
        let transaction = values.number().unwrap_or_default();
        values.value();
        let info = values.value().unwrap_or(AmfValue::Null);
        match name {
            "_result" => self.result(transaction, info),
            "_error" => {
                self.hear(info);
                if self.awaits(transaction) {
                    self.refused(info);
                }
                Ok(())
            }
            "onStatus" => {
                self.hear(info);
                self.status(info);
                Ok(())
            }
            "close" => {
                self.said = Some("close".to_owned());
                self.ended();
                Ok(())
            }
            // The bandwidth check of Flash Media Server waits for an answer.
            "_onbwcheck" => {
                let answer = request("_result", transaction).null();
                self.connection.push_values(0, TYPE_COMMAND, &answer.into_bytes())
            }
            _ => Ok(()),
        }
    }

    /// Whether the stage we are in depends on the answer to this transaction.
    fn awaits(&self, transaction: f64) -> bool {
        match self.stage {
            Stage::Connect { .. } => transaction == CONNECT,
            Stage::CreateStream { .. } => transaction == CREATE_STREAM,
            Stage::Ask { .. } if self.role == Role::Player => transaction == PLAY,
            Stage::Ask { .. } => transaction == PUBLISH,
            _ => false,
        }
    }

    fn result(&mut self, transaction: f64, info: AmfValue<'_>) -> Result<(), SessionError> {
        match self.stage {
            Stage::Connect { until } if transaction == CONNECT => {
                if info.get("level").and_then(AmfValue::text) == Some("error") {
                    self.refused(info);
                    return Ok(());
                }
                self.stage = Stage::CreateStream { until };
                if self.role == Role::Publisher {
                    let key = self.key.secret().expose();
                    for message in [
                        request("releaseStream", RELEASE_STREAM).null().string(key),
                        request("FCPublish", FC_PUBLISH).null().string(key),
                    ] {
                        self.connection.push_values(0, TYPE_COMMAND, &message.into_bytes())?;
                    }
                }
                let create = request("createStream", CREATE_STREAM).null();
                self.connection.push_values(0, TYPE_COMMAND, &create.into_bytes())
            }
            Stage::CreateStream { until } if transaction == CREATE_STREAM => {
                let message_stream = info
                    .number()
                    .filter(|id| (0.0..=f64::from(u32::MAX)).contains(id) && id.fract() == 0.0)
                    .ok_or(SessionError::Answer { to: "createStream" })?
                    as u32;
                self.stage = Stage::Ask { until, message_stream };
                self.ask(message_stream)
            }
            _ => Ok(()),
        }
    }

    fn ask(&mut self, message_stream: u32) -> Result<(), SessionError> {
        let name = self.key.secret().expose();
        let request = match self.role {
            Role::Publisher => request("publish", PUBLISH).null().string(name).string("live"),
            Role::Player => {
                // Some servers send the first media ahead of their consent.
                self.connection.media().take();
                request("play", PLAY).null().string(name).number(LIVE_ONLY)
            }
        };
        self.connection.push_values(message_stream, TYPE_COMMAND, &request.into_bytes())?;
        match self.role {
            Role::Publisher => Ok(()),
            Role::Player => self.connection.push(&buffer_length(message_stream, BUFFER_MS)),
        }
    }

    /// What is played is over.
    fn stream_end(&mut self, on: u32) {
        if self.role == Role::Player && self.stage == (Stage::Agreed { message_stream: on }) {
            self.ended();
        }
    }

    fn status(&mut self, info: AmfValue<'_>) {
        let code = info.get("code").and_then(AmfValue::text).unwrap_or_default();
        let level = info.get("level").and_then(AmfValue::text).unwrap_or_default();
        let (awaited, agreed) = match self.role {
            Role::Publisher => ("NetStream.Publish.Start", None),
            Role::Player => ("NetStream.Play.Start", Some(ClientEvent::Playing)),
        };
        match (self.stage, code) {
            (Stage::Ask { message_stream, .. }, code) if code == awaited => {
                self.stage = Stage::Agreed { message_stream };
                self.event = agreed.or(Some(ClientEvent::Published { message_stream }));
            }
            (
                Stage::Agreed { .. },
                "NetStream.Play.UnpublishNotify"
                | "NetStream.Play.Stop"
                | "NetStream.Play.Complete",
            ) if self.role == Role::Player => self.ended(),
            (Stage::Ask { .. } | Stage::Agreed { .. }, "NetStream.Unpublish.Success") => {
                self.ended();
            }
            (Stage::Agreed { .. }, "NetConnection.Connect.Closed") => self.ended(),
            _ if level == "error" => self.refused(info),
            _ => {}
        }
    }

    fn hear(&mut self, info: AmfValue<'_>) {
        let text = |name| info.get(name).and_then(AmfValue::text).unwrap_or_default();
        let words = format!("{} {}", text("code"), text("description"));
        self.said = Some(without_secrets(words.trim(), &self.hidden));
    }

    fn refused(&mut self, info: AmfValue<'_>) {
        let text = |name| info.get(name).and_then(AmfValue::text).unwrap_or_default();
        self.event = Some(ClientEvent::Refused {
            code: without_secrets(text("code"), &self.hidden),
            description: without_secrets(text("description"), &self.hidden),
        });
        self.stage = Stage::Closing;
    }

    fn ended(&mut self) {
        self.stage = Stage::Closing;
        self.event = Some(ClientEvent::Closed);
    }
}

impl RtmpSession for ClientSession {
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
                Some(Incoming::HandshakeDone) => self.connect(now)?,
                Some(Incoming::StreamEnd(on)) => self.stream_end(on),
                Some(Incoming::Command(command)) => self.command(&command)?,
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
            Stage::Handshake { until }
            | Stage::Connect { until }
            | Stage::CreateStream { until }
            | Stage::Ask { until, .. } => Some(until),
            Stage::Agreed { .. } | Stage::Closing => None,
        }
    }

    /// Ends a step that took too long.
    fn on_deadline(&mut self, now: Mono) -> Result<(), SessionError> {
        match (self.deadline(), self.awaited()) {
            (Some(until), Some(what)) if now >= until => Err(SessionError::TimedOut { what }),
            _ => Ok(()),
        }
    }
}

fn step(now: Mono) -> Mono {
    now + Duration::from_millis(CONNECT_STEP_MS_MAX)
}

fn request(name: &str, transaction: f64) -> AmfWriter {
    AmfWriter::new().string(name).number(transaction)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;

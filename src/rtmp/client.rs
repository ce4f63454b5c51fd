//! A push's session, seen from the publisher (RTMP 1.0, 7.2). Purpose: say what OBS says, in its
//! order and with its transaction ids, because that is what platforms are made for: Set Chunk
//! Size before connect, releaseStream, FCPublish, createStream, publish; FCUnpublish and
//! deleteStream at the end. Servers' own order is tolerated.
//!
//! Non-goals: sending media (the shell does, with
//! [`MediaMessage`](super::chunk_writer::MediaMessage), between two messages of the outbox);
//! authentication inside RTMP (authmod=adobe, llnw): that is a refusal in the server's words.
//!
//! Bound: [`CONNECT_STEP_MS_MAX`] for the handshake and again for everything up to the server's
//! consent.

use std::time::Duration;

use crate::base::limits::{CONNECT_STEP_MS_MAX, DESTINATION_CHUNK_BYTES};
use crate::base::time::Mono;

use super::amf::{AmfReader, AmfWriter, Value};
use super::connection::{Command, Connection, Incoming, SessionError};
use super::handshake::Handshake;
use super::message::TYPE_COMMAND;
use super::url::{RtmpUrl, StreamKey};
use super::words::without_secret;
use super::Session;

/// What OBS and FMLE call themselves: some platforms look at it.
const FLASH_VERSION: &str = "FMLE/3.0 (compatible; FMSc/1.0)";

const CONNECT: f64 = 1.0;
const RELEASE_STREAM: f64 = 2.0;
const FC_PUBLISH: f64 = 3.0;
const CREATE_STREAM: f64 = 4.0;
const PUBLISH: f64 = 5.0;
const FC_UNPUBLISH: f64 = 6.0;
const DELETE_STREAM: f64 = 7.0;

/// What the server decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// Media may be sent.
    Published {
        /// The message stream to send it on.
        message_stream: u32,
    },
    /// The server said no, before or while publishing. The words are the server's, printable and
    /// bounded, the stream key replaced. The connection is to be closed.
    Refused {
        /// Its status code, such as `NetStream.Publish.BadName`; may be empty.
        code: String,
        /// Its description; may be empty.
        description: String,
    },
    /// The server ended the publication. The connection is to be closed.
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
    Publish {
        until: Mono,
        message_stream: u32,
    },
    Published {
        message_stream: u32,
    },
    Closing,
}

/// A session on a connection we made.
pub struct ClientSession {
    connection: Connection,
    stage: Stage,
    url: RtmpUrl,
    key: StreamKey,
    event: Option<ClientEvent>,
}

impl ClientSession {
    /// A session on a connection made now. Its first bytes are in the outbox.
    pub fn new(url: RtmpUrl, key: StreamKey, now: Mono) -> Result<ClientSession, SessionError> {
        let (handshake, hello) = Handshake::client()?;
        let mut connection = Connection::new(handshake);
        connection.push(&hello)?;
        let stage = Stage::Handshake { until: step(now) };
        Ok(ClientSession { connection, stage, url, key, event: None })
    }

    /// The server's newest decision, once.
    pub fn event(&mut self) -> Option<ClientEvent> {
        self.event.take()
    }

    /// What we wait for, for a person, until the server has decided: some servers say no by
    /// closing the connection without a word.
    pub fn awaited(&self) -> Option<&'static str> {
        match self.stage {
            Stage::Handshake { .. } => Some("the handshake"),
            Stage::Connect { .. } => Some("the answer to connect"),
            Stage::CreateStream { .. } => Some("the answer to createStream"),
            Stage::Publish { .. } => Some("the answer to publish"),
            Stage::Published { .. } | Stage::Closing => None,
        }
    }

    /// Ends the publication in good order; the connection is to be closed once the outbox is
    /// empty.
    pub fn finish(&mut self) -> Result<(), SessionError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Closing);
        if let Stage::Publish { message_stream, .. } | Stage::Published { message_stream } = stage {
            let key = self.key.secret().expose();
            let unpublish = request("FCUnpublish", FC_UNPUBLISH).null().string(key);
            self.connection.push_values(0, TYPE_COMMAND, &unpublish.into_bytes())?;
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

    fn command(&mut self, command: &Command) -> Result<(), SessionError> {
        let mut values = AmfReader::new(&command.values)?;
        let name = values.text().unwrap_or_default();
        let transaction = values.number().unwrap_or_default();
        values.value();
        let info = values.value().unwrap_or(Value::Null);
        match name {
            "_result" => self.result(transaction, info),
            "_error" => {
                if self.awaits(transaction) {
                    self.refused(info);
                }
                Ok(())
            }
            "onStatus" => {
                self.status(info);
                Ok(())
            }
            "close" => {
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
            Stage::Publish { .. } => transaction == PUBLISH,
            _ => false,
        }
    }

    fn result(&mut self, transaction: f64, info: Value<'_>) -> Result<(), SessionError> {
        match self.stage {
            Stage::Connect { until } if transaction == CONNECT => {
                if info.get("level").and_then(Value::text) == Some("error") {
                    self.refused(info);
                    return Ok(());
                }
                self.stage = Stage::CreateStream { until };
                let key = self.key.secret().expose();
                for message in [
                    request("releaseStream", RELEASE_STREAM).null().string(key),
                    request("FCPublish", FC_PUBLISH).null().string(key),
                    request("createStream", CREATE_STREAM).null(),
                ] {
                    self.connection.push_values(0, TYPE_COMMAND, &message.into_bytes())?;
                }
                Ok(())
            }
            Stage::CreateStream { until } if transaction == CREATE_STREAM => {
                let message_stream = info
                    .number()
                    .filter(|id| (0.0..=f64::from(u32::MAX)).contains(id) && id.fract() == 0.0)
                    .ok_or(SessionError::Answer { to: "createStream" })?
                    as u32;
                self.stage = Stage::Publish { until, message_stream };
                let key = self.key.secret().expose();
                let publish = request("publish", PUBLISH).null().string(key).string("live");
                self.connection.push_values(message_stream, TYPE_COMMAND, &publish.into_bytes())
            }
            _ => Ok(()),
        }
    }

    fn status(&mut self, info: Value<'_>) {
        let code = info.get("code").and_then(Value::text).unwrap_or_default();
        let level = info.get("level").and_then(Value::text).unwrap_or_default();
        match (self.stage, code) {
            (Stage::Publish { message_stream, .. }, "NetStream.Publish.Start") => {
                self.stage = Stage::Published { message_stream };
                self.event = Some(ClientEvent::Published { message_stream });
            }
            (Stage::Publish { .. } | Stage::Published { .. }, "NetStream.Unpublish.Success") => {
                self.ended();
            }
            (Stage::Published { .. }, "NetConnection.Connect.Closed") => self.ended(),
            _ if level == "error" => self.refused(info),
            _ => {}
        }
    }

    fn refused(&mut self, info: Value<'_>) {
        let text = |name| info.get(name).and_then(Value::text).unwrap_or_default();
        self.event = Some(ClientEvent::Refused {
            code: without_secret(text("code"), self.key.secret()),
            description: without_secret(text("description"), self.key.secret()),
        });
        self.stage = Stage::Closing;
    }

    fn ended(&mut self) {
        self.stage = Stage::Closing;
        self.event = Some(ClientEvent::Closed);
    }
}

impl Session for ClientSession {
    fn input(&mut self, mut bytes: &[u8], now: Mono) -> Result<(), SessionError> {
        self.connection.tick(now);
        while self.stage != Stage::Closing {
            match self.connection.next(&mut bytes)? {
                None => break,
                Some(Incoming::HandshakeDone) => self.connect(now)?,
                Some(Incoming::Command(command)) => self.command(&command)?,
            }
        }
        self.connection.acknowledge()
    }

    fn outbox(&self) -> &[u8] {
        self.connection.outbox()
    }

    fn sent(&mut self, count: usize) {
        self.connection.sent(count);
    }

    fn is_closing(&self) -> bool {
        self.stage == Stage::Closing
    }

    fn deadline(&self) -> Option<Mono> {
        match self.stage {
            Stage::Handshake { until }
            | Stage::Connect { until }
            | Stage::CreateStream { until }
            | Stage::Publish { until, .. } => Some(until),
            Stage::Published { .. } | Stage::Closing => None,
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

//! Playing (RTMP 1.0, 7.2.2.1, 7.2.2.8). Non-goals and bound: those of the session.

use crate::base::limits::RTMP_NAME_BYTES_MAX;
use crate::base::time::Mono;
use crate::rtmp::amf::{AmfValue, AmfWriter};
use crate::rtmp::connection::SessionError;
use crate::rtmp::message::{user_control, EVENT_STREAM_BEGIN, EVENT_STREAM_EOF, TYPE_DATA};

use super::{query_key, split_query, ServerEvent, ServerSession, Stage};

impl ServerSession {
    /// The message stream media is to be sent on: there is one while a playback is accepted.
    pub fn playing(&self) -> Option<u32> {
        match self.stage {
            Stage::Playing { message_stream, .. } => Some(message_stream),
            _ => None,
        }
    }

    /// Answers [`ServerEvent::Play`]: media may follow the outbox. Nothing happens when the peer
    /// has withdrawn its request meanwhile; then [`playing`](ServerSession::playing) is `None`.
    pub fn accept_play(&mut self, now: Mono) -> Result<(), SessionError> {
        let Stage::Asked { message_stream: id, .. } = self.stage else { return Ok(()) };
        self.stage = Stage::Playing { message_stream: id, ping_at: now + self.ping };
        self.connection.push(&user_control(EVENT_STREAM_BEGIN, id))?;
        self.status(id, "status", "NetStream.Play.Reset", "Playing and resetting.")?;
        self.status(id, "status", "NetStream.Play.Start", "Started playing.")?;
        let access = AmfWriter::new().string("|RtmpSampleAccess").boolean(true).boolean(true);
        self.connection.push_values(id, TYPE_DATA, &access.into_bytes())
    }

    /// Ends the playback from our side, in good order; the connection closes.
    pub fn end_play(&mut self) -> Result<(), SessionError> {
        if let Some(id) = self.playing() {
            self.connection.push(&user_control(EVENT_STREAM_EOF, id))?;
            let description = "The server is stopping.";
            self.status(id, "status", "NetStream.Play.UnpublishNotify", description)?;
        }
        self.stage = Stage::Closing;
        Ok(())
    }

    pub(super) fn play(&mut self, on: u32, name: &str) -> Result<(), SessionError> {
        let description = match self.stage {
            _ if !self.connected => "Connect first.",
            Stage::Admission { until } if name.len() <= RTMP_NAME_BYTES_MAX => {
                let (name, query) = split_query(name);
                let key = query_key(query).or_else(|| self.app_key.clone());
                self.stage = Stage::Asked { message_stream: on, until };
                return self.raise(ServerEvent::Play { name: name.to_owned(), key });
            }
            Stage::Admission { .. } => "The stream's name is too long.",
            _ => "This connection plays or publishes already.",
        };
        self.status(on, "error", "NetStream.Play.Failed", description)
    }

    pub(super) fn pause(
        &mut self,
        on: u32,
        flag: Option<AmfValue<'_>>,
    ) -> Result<(), SessionError> {
        if self.playing() != Some(on) {
            return Ok(());
        }
        let paused = flag == Some(AmfValue::Boolean(true));
        let (code, description) = if paused {
            ("NetStream.Pause.Notify", "Paused.")
        } else {
            ("NetStream.Unpause.Notify", "Playing again.")
        };
        // Only the last of several counts.
        if let Some(ServerEvent::Pause(last)) = self.events.back_mut() {
            *last = paused;
        } else {
            self.raise(ServerEvent::Pause(paused))?;
        }
        self.status(on, "status", code, description)
    }
}

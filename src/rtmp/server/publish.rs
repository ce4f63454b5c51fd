//! Publishing (RTMP 1.0, 7.2.2.6). The stream key may come as the stream's name or as `?key=`
//! behind it or behind the application; none of what the peer called its stream is ever repeated
//! to it. Non-goals and bound: those of the session.

use crate::base::limits::RTMP_NAME_BYTES_MAX;
use crate::base::redact::Secret;
use crate::base::time::Mono;
use crate::rtmp::connection::SessionError;
use crate::rtmp::media::MediaSink;
use crate::rtmp::message::{user_control, EVENT_STREAM_BEGIN};

use super::ending::Ending;
use super::{admission, query_key, split_query, ServerEvent, ServerSession, Stage};

impl ServerSession {
    /// Whether a publication is under way, so that media is taken.
    pub fn is_publishing(&self) -> bool {
        matches!(self.stage, Stage::Publishing { .. })
    }

    /// Messages of media left out because another of their kind was open, or their aggregate was
    /// broken.
    pub fn media_left_out(&self) -> u64 {
        self.connection.media_left_out()
    }

    /// Answers [`ServerEvent::Publish`]: media is taken from now on. Nothing happens when the peer
    /// has withdrawn its request meanwhile; then
    /// [`is_publishing`](ServerSession::is_publishing) is false.
    pub fn accept_publish(&mut self, now: Mono) -> Result<(), SessionError> {
        let Stage::Asked { message_stream: id, .. } = self.stage else { return Ok(()) };
        self.stage = Stage::Publishing { message_stream: id, ping_at: now + self.ping };
        self.connection.media().take();
        self.connection.push(&user_control(EVENT_STREAM_BEGIN, id))?;
        self.status(id, "status", "NetStream.Publish.Start", "Publishing.")
    }

    /// Ends the publication from our side, in good order; the connection closes. What media is
    /// open is the shell's to abort.
    pub fn end_publish(&mut self, ending: Ending) -> Result<(), SessionError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Closing);
        let Stage::Publishing { message_stream, .. } = stage else { return Ok(()) };
        let [level, code, description] = ending.status();
        self.status(message_stream, level, code, description)
    }

    pub(super) fn publish(&mut self, on: u32, name: &str) -> Result<(), SessionError> {
        let description = match self.stage {
            _ if !self.connected => "Connect first.",
            Stage::Admission { until } if name.len() <= RTMP_NAME_BYTES_MAX => {
                let (name, query) = split_query(name);
                let key = query_key(query).or_else(|| self.app_key.clone());
                self.stage = Stage::Asked { message_stream: on, until };
                return self.raise(ServerEvent::Publish { name: Secret::new(name), key });
            }
            Stage::Admission { .. } => "The stream's name is too long.",
            _ => "This connection plays or publishes already.",
        };
        self.status(on, "error", "NetStream.Publish.Denied", description)
    }

    /// The peer ends what it publishes: FCUnpublish, closeStream, deleteStream.
    pub(super) fn unpublish(
        &mut self,
        now: Mono,
        media: &mut dyn MediaSink,
    ) -> Result<(), SessionError> {
        let Stage::Publishing { message_stream, .. } = self.stage else { return Ok(()) };
        self.stage = admission(now);
        self.connection.media().refuse(media);
        self.raise(ServerEvent::Stop)?;
        let description = "The publication is over.";
        self.status(message_stream, "status", "NetStream.Unpublish.Success", description)
    }
}

//! Why a publication ends by our will, and how its publisher is told. Bound: none needed.

/// Why we end a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Another publisher takes its place.
    TakenOver,
    /// No media came for too long.
    Idle,
    /// The program ends.
    Shutdown,
}

impl Ending {
    /// Level, code and words. Those of an error make encoders say so instead of going on into
    /// nothing.
    pub(super) const fn status(self) -> [&'static str; 3] {
        match self {
            Ending::TakenOver => {
                ["error", "NetStream.Publish.BadName", "Another publisher has taken over."]
            }
            Ending::Idle => ["error", "NetStream.Publish.Idle", "No media came for too long."],
            Ending::Shutdown => {
                ["status", "NetStream.Unpublish.Success", "The server is stopping."]
            }
        }
    }
}

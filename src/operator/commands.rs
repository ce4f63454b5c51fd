//! What the control plane may ask of the data plane. Purpose: a bounded way down, and one answer
//! back. The data plane takes commands when it comes to them; who asked waits, with a deadline,
//! and the programme never waits for anyone. Also the words both sides use for what is commanded: a
//! file's name, a playlist. Non-goals: reading the state (the snapshot). Bound: [`COMMANDS_MAX`]
//! commands wait to be taken; one more is refused at once.

use std::fmt;
use std::sync::{mpsc, Arc};
use std::time::Duration;

use smol::channel::{bounded, Receiver, Sender, TrySendError};

use crate::base::limits::{COMMANDS_MAX, COMMAND_MS_MAX, FILE_NAME_BYTES_MAX};

/// The name of a file in the library.
pub type FileName = heapless::String<FILE_NAME_BYTES_MAX>;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a handful at a time; a name has its bound inside")]
pub enum Command {
    /// Put this on air; the old source stays until it is ready.
    Switch(Selection),
    /// No choice any more: a live input if there is one, else standby. Playing a file ends.
    Stop,
    /// Leave the file for standby and remember where it was.
    Pause,
    /// Go on with the file where it was left.
    Resume,
    /// Go to the key frame nearest to this time of the file that plays, milliseconds.
    Seek(u64),
    /// End the file that plays: the playlist's next, or what comes when a file ends.
    Next,
    /// Play the file that plays again and again, or not.
    Loop(bool),
    /// Keep this list under this name; the one that plays goes on with its new order. `before`: only
    /// if the list is this one now.
    SetPlaylist {
        /// Its name.
        name: String,
        /// What it is to be.
        list: Playlist,
        /// What it must be now.
        before: Option<Arc<Playlist>>,
    },
    /// Forget the list of this name; the file that plays goes on to its end.
    RemovePlaylist(String),
    /// Open this input again, as if the program had just begun.
    Reopen(LiveInput),
}

impl Command {
    /// Whether it changes the playlists, which is written down before it is done.
    pub fn edits_playlists(&self) -> bool {
        matches!(self, Command::SetPlaylist { .. } | Command::RemovePlaylist(_))
    }
}

/// An input that can be opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveInput {
    /// The UDP input: its socket, and the multicast group it is in.
    Udp,
    /// The RTMP pull: its connection.
    Pull,
}

/// What is to be on air.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a handful at a time; a name has its bound inside")]
pub enum Selection {
    /// A file of the library.
    File {
        /// Its name.
        name: FileName,
        /// Where to begin, milliseconds.
        at_ms: u64,
        /// ReopenBells and again.
        looped: bool,
    },
    /// A playlist, from the beginning.
    Playlist(String),
    /// The UDP input, as soon as it has a key frame.
    Udp,
    /// The RTMP publisher, likewise.
    Rtmp,
    /// The RTMP pull, likewise.
    Pull,
    /// The standby card or file.
    Standby,
}

/// A list of files to play.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Playlist {
    /// Its files, in order.
    pub files: Vec<FileName>,
    /// Begin again at the end.
    pub repeat: bool,
    /// In another order each round.
    pub shuffle: bool,
}

/// What came of a command: words for a person, whether it was done or not.
pub type Outcome = Result<String, Declined>;

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// Of what kind.
    pub kind: DeclinedKind,
    /// One sentence for a person.
    pub words: String,
}

/// Of what kind a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclinedKind {
    /// There is no such file or list.
    NotFound,
    /// The command makes no sense as it is, or not now.
    Invalid,
    /// The file cannot be played.
    Unplayable,
    /// It has been changed by somebody else.
    Changed,
    /// There is no room on the disk to write it down.
    DiskFull,
    /// The disk does not take it.
    Disk,
    /// The data plane or the disk did not answer in time, or a limit is reached.
    Busy,
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// A command under way.
pub struct Order {
    /// What is asked.
    pub command: Command,
    answer: mpsc::SyncSender<Outcome>,
}

impl Order {
    /// A command, and where what comes of it can be read.
    pub fn new(command: Command) -> (Order, mpsc::Receiver<Outcome>) {
        let (answer, outcome) = mpsc::sync_channel(1);
        (Order { command, answer }, outcome)
    }

    /// Tells who asked what came of it.
    pub fn answer(self, outcome: Outcome) {
        // Who asked may have stopped waiting.
        let _ = self.answer.try_send(outcome);
    }
}

/// The control plane's end.
#[derive(Clone)]
pub struct Desk(Sender<Order>);

/// The data plane's end.
pub type Inbox = Receiver<Order>;

/// Both ends.
pub fn channel() -> (Desk, Inbox) {
    let (desk, inbox) = bounded(COMMANDS_MAX);
    (Desk(desk), inbox)
}

impl Desk {
    /// Asks, and waits for what comes of it, [`COMMAND_MS_MAX`] at most.
    ///
    /// # Errors
    /// It was declined, or nobody answered in time; then it may still be done later.
    pub fn ask(&self, command: Command) -> Outcome {
        let (order, outcome) = Order::new(command);
        let busy = |words: &str| Declined { kind: DeclinedKind::Busy, words: words.to_owned() };
        match self.0.try_send(order) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(busy("Too many commands are under way; try again in a moment."));
            }
            Err(TrySendError::Closed(_)) => return Err(busy("The program is ending.")),
        }
        outcome.recv_timeout(Duration::from_millis(COMMAND_MS_MAX)).unwrap_or_else(|_| {
            Err(busy("The command did not finish in time; look at the state before you try again."))
        })
    }
}

//! Refusals: every status and code there is, and the form of their answer. Purpose: what may go
//! wrong is written once, for the answers and for the API's document. Non-goals: sentences, which
//! are their maker's. Bound: one answer.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::control::http::answer::{self, Answer};

macro_rules! problems {
    ($($name:ident $status:literal $code:literal)*) => {
        /// A refusal, by its status and by its code for programs.
        #[expect(missing_docs, reason = "the code says it")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Problem { $($name,)* }

        impl Problem {
            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Problem::$name => $status,)* }
            }

            /// The API's code.
            pub const fn code(self) -> &'static str {
                match self { $(Problem::$name => $code,)* }
            }
        }

        /// Each of them.
        #[cfg(test)]
        pub const PROBLEMS: &[Problem] = &[$(Problem::$name,)*];
    };
}

problems! {
    Invalid 400 "INVALID_REQUEST"
    CodeNeeded 401 "CODE_NEEDED"
    LoginNeeded 401 "LOGIN_NEEDED"
    WrongPassword 401 "WRONG_PASSWORD"
    Forbidden 403 "FORBIDDEN"
    ForeignNetwork 403 "INVALID_REQUEST"
    OnlyThisMachine 403 "PASSWORD_NOT_SET"
    WrongCode 403 "WRONG_CODE"
    WrongConfirmation 403 "WRONG_CONFIRMATION"
    WrongPageCode 403 "WRONG_PAGE_CODE"
    DestinationNotFound 404 "DESTINATION_NOT_FOUND"
    InputNotFound 404 "INPUT_NOT_FOUND"
    NotFound 404 "NOT_FOUND"
    PlaylistNotFound 404 "PLAYLIST_NOT_FOUND"
    UploadNotFound 404 "UPLOAD_NOT_FOUND"
    VideoNotFound 404 "VIDEO_NOT_FOUND"
    MethodNotAllowed 405 "INVALID_REQUEST"
    RequestTooSlow 408 "INVALID_REQUEST"
    PackageTooSlow 408 "CUT_SHORT"
    ConfigInvalid 409 "CONFIG_INVALID"
    ConfigReadOnly 409 "CONFIG_READ_ONLY"
    ConfigTooLarge 409 "CONFIG_TOO_LARGE"
    ConfirmationRequired 409 "CONFIRMATION_REQUIRED"
    DebugVersion 409 "DEBUG_VERSION"
    DestinationExists 409 "DESTINATION_EXISTS"
    DestinationsFull 409 "DESTINATIONS_FULL"
    NoOtherSystem 409 "NO_OTHER_SYSTEM"
    NotAnAppliance 409 "NOT_AN_APPLIANCE"
    NothingToConfirm 409 "NOTHING_TO_CONFIRM"
    OlderVersion 409 "OLDER_VERSION"
    PasswordNotSet 409 "PASSWORD_NOT_SET"
    SetElsewhere 409 "SET_ELSEWHERE"
    TooManyPlaylists 409 "TOO_MANY_PLAYLISTS"
    TooOld 409 "TOO_OLD"
    UploadActive 409 "UPLOAD_ACTIVE"
    UploadsFull 409 "UPLOADS_FULL"
    VideoExists 409 "VIDEO_EXISTS"
    VideoOnAir 409 "VIDEO_ON_AIR"
    VideoUnplayable 409 "VIDEO_UNPLAYABLE"
    WrongLength 409 "WRONG_LENGTH"
    WrongOffset 409 "WRONG_OFFSET"
    LengthRequired 411 "INVALID_REQUEST"
    ChangedMeanwhile 412 "CHANGED_MEANWHILE"
    BodyTooLarge 413 "INVALID_REQUEST"
    PackageTooLarge 413 "TOO_LARGE"
    UnsupportedType 415 "INVALID_REQUEST"
    BadExpectation 417 "INVALID_REQUEST"
    CutShort 422 "CUT_SHORT"
    Damaged 422 "DAMAGED"
    NotAnUpdate 422 "NOT_AN_UPDATE"
    WrongSignature 422 "WRONG_SIGNATURE"
    TooManyTries 429 "TOO_MANY_TRIES"
    HeadTooLarge 431 "INVALID_REQUEST"
    SlotDisk 500 "DISK"
    Failed 500 "SYSTEM_ERROR"
    Busy 503 "BUSY"
    Disk 503 "DISK_ERROR"
    Unavailable 503 "SYSTEM_ERROR"
    BadVersion 505 "INVALID_REQUEST"
    DiskFull 507 "DISK_FULL"
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// What is wrong with one key of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyError {
    /// As the settings name it; empty when it concerns the whole.
    pub key: String,
    /// For a person.
    pub error: String,
}

/// Every refusal.
#[derive(Serialize)]
pub struct ErrorAnswer {
    /// False.
    pub success: bool,
    /// What is wrong and what to do, for a person.
    pub error: String,
    /// For a program.
    pub code: Problem,
    /// A command line that makes the file playable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What is wrong, key by key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<KeyError>,
    /// Where the upload stands, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The settings' version now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Problem {
    /// The refusal with its sentence; what else is known of it can be added.
    pub fn error(self, text: impl fmt::Display) -> ErrorAnswer {
        let (error, code) = (text.to_string(), self);
        let (remedy, errors, offset, revision) = (None, Vec::new(), None, None);
        ErrorAnswer { success: false, error, code, remedy, errors, offset, revision }
    }

    /// Its answer, when there is no more to say than a sentence.
    pub fn answer(self, text: impl fmt::Display) -> Answer {
        self.error(text).answer()
    }
}

impl ErrorAnswer {
    /// As an answer.
    pub fn answer(&self) -> Answer {
        answer::json(self.code.status(), self)
    }
}

/// No path leads there.
pub fn nothing_here() -> Answer {
    Problem::NotFound.answer("There is nothing at this path.")
}

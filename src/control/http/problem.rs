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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyError {
    /// As the settings name it; empty when it concerns the whole.
    pub key: String,
    /// For a person.
    pub error: String,
}

/// Every refusal.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Error"))]
pub struct ErrorAnswer {
    /// False.
    #[cfg_attr(test, schemars(extend("const" = false)))]
    pub success: bool,
    /// What is wrong and what to do, for a person.
    pub error: String,
    /// For a program.
    pub code: Problem,
    /// A command line that makes the file playable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub remedy: Option<String>,
    /// What is wrong, key by key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<KeyError>,
    /// Where the upload stands, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "u64"))]
    pub offset: Option<u64>,
    /// The settings' version now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
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

/// What the API's document says of all refusals with one status.
#[cfg(test)]
#[derive(Clone, Copy)]
pub struct RefusalRow {
    /// The status.
    pub status: u16,
    /// What they are called there.
    pub name: &'static str,
    /// What they have in common.
    pub description: &'static str,
    /// A field of their head, and its schema.
    pub field: Option<(&'static str, &'static str)>,
    /// One of them.
    pub problem: Problem,
    /// Its sentence.
    pub sentence: &'static str,
}

#[cfg(test)]
const fn refusals(
    name: &'static str,
    description: &'static str,
    problem: Problem,
    sentence: &'static str,
) -> RefusalRow {
    RefusalRow { status: problem.status(), name, description, field: None, problem, sentence }
}

/// One row for each status that the document names.
#[cfg(test)]
pub static REFUSALS: [RefusalRow; 16] = [
    refusals(
        "Invalid",
        "The request is wrong: INVALID_REQUEST, with errors when settings are.",
        Problem::Invalid,
        "The body is not JSON: expected value at line 1 column 1.",
    ),
    RefusalRow {
        field: Some((
            "WWW-Authenticate",
            r#"{ "type": "string", "description": "Not for a browser's scripts" }"#,
        )),
        ..refusals(
            "Unauthorized",
            "LOGIN_NEEDED or WRONG_PASSWORD. CODE_NEEDED: no password is set, and a change needs \
             the code or the token.",
            Problem::LoginNeeded,
            "Log in first: on the page, by POST /api/login, or with HTTP Basic and any user name.",
        )
    },
    refusals(
        "Forbidden",
        "PASSWORD_NOT_SET: without a password only this machine is answered. FORBIDDEN: it came \
         from another site's page, or, without a password, under a name that is not localhost. \
         WRONG_CODE, WRONG_PAGE_CODE: it is not the code.",
        Problem::Forbidden,
        "A page of another site sent this; commands are taken from this machine's own page only.",
    ),
    refusals(
        "NotFound",
        "There is nothing of this name.",
        Problem::NotFound,
        "There is nothing at this path.",
    ),
    RefusalRow {
        field: Some(("Allow", r#"{ "type": "string" }"#)),
        ..refusals(
            "MethodNotAllowed",
            "The path does not take this method.",
            Problem::MethodNotAllowed,
            "This path only takes POST.",
        )
    },
    refusals(
        "TooSlow",
        "What was announced did not come in time.",
        Problem::PackageTooSlow,
        "The package was sent too slowly; the running system is unchanged.",
    ),
    refusals(
        "Conflict",
        "It cannot be done as things stand; the code says why.",
        Problem::VideoExists,
        "There is a file of this name already.",
    ),
    refusals(
        "ChangedMeanwhile",
        "The version is not the one in If-Match.",
        Problem::ChangedMeanwhile,
        "The configuration has changed meanwhile; look at it again.",
    ),
    refusals(
        "TooLarge",
        "The body, the list or the file is larger than may be.",
        Problem::BodyTooLarge,
        "The body is larger than 65536 bytes.",
    ),
    refusals(
        "UnsupportedType",
        "The body's Content-Type is another.",
        Problem::UnsupportedType,
        "Send the body as JSON, with Content-Type: application/json.",
    ),
    refusals(
        "NotInstalled",
        "WRONG_SIGNATURE, NOT_AN_UPDATE, DAMAGED or CUT_SHORT: the package is not one for this \
         appliance, or not whole.",
        Problem::WrongSignature,
        "This package is not signed with the key this appliance trusts.",
    ),
    RefusalRow {
        field: Some((
            "Retry-After",
            r#"{ "type": "integer", "minimum": 1, "description": "Seconds" }"#,
        )),
        ..refusals(
            "TooManyTries",
            "Too many wrong passwords came from there.",
            Problem::TooManyTries,
            "Too many passwords were tried; try again in 4 seconds.",
        )
    },
    refusals(
        "HeadTooLarge",
        "More than 64 header fields or 8 KiB of them.",
        Problem::HeadTooLarge,
        "The request's head is too large.",
    ),
    refusals(
        "Failed",
        "It could not be done; the text says what to do.",
        Problem::Failed,
        "The answer could not be made.",
    ),
    refusals(
        "Unavailable",
        "No room at the moment: try again.",
        Problem::Busy,
        "Other commands are still under way; try again in a moment.",
    ),
    refusals(
        "DiskFull",
        "The disk has no room; what has come is kept.",
        Problem::DiskFull,
        "The disk is full.",
    ),
];

//! `/api/firmware` in the API's document. Only tests have it.

use schemars::JsonSchema;
use serde_json::json;

use super::*;
use crate::control::api::document::Document;
use crate::control::api::done::CarriedOut;

/// Without the appliance: available is false, reason says why, and nothing
/// else is there.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Firmware")]
struct FirmwareDocument {
    #[schemars(extend("const" = true))]
    success: bool,
    available: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    reason: Option<String>,
    #[serde(flatten)]
    told: Option<state::FirmwareReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<Latest>,
}

/// What the API's document says of it.
pub fn describe(document: &mut Document) {
    document
        .operation(
            "GET /api/firmware",
            "system",
            "firmware",
            "The appliance's own system: which version runs, and from which slot",
        )
        .about("Where the program does not run on the appliance, available is false and reason says so.")
        .answers::<FirmwareDocument>(200, "The system", example());
    install(document);
    other_system(document);
}

/// What came of an order.
fn done(message: &str, version: &str, revision: &str, slot: &str) -> Value {
    json!({
        "success": true, "message": message, "version": version, "revision": revision,
        "slot": slot,
    })
}

fn install(document: &mut Document) {
    let flag = || json!({ "type": "string", "enum": ["0", "1"] });
    document
        .operation(
            "POST /api/firmware",
            "system",
            "updateFirmware",
            "Installs an update package into the other slot and restarts the machine",
        )
        .about(
            "The package is checked as it arrives and read back when it is written: WRONG_SIGNATURE, \
             NOT_AN_UPDATE, OLDER_VERSION, DEBUG_VERSION, DAMAGED, CUT_SHORT or DISK leave the \
             running system as it is. The machine restarts two seconds after a 200 and runs the new \
             system on trial: kept after three healthy minutes, else the machine goes back by \
             itself. NOT_AN_APPLIANCE: the program does not run on the appliance.",
        )
        .parameter(
            "query",
            "allow_downgrade",
            "1: also when the package is older than what runs, once somebody has confirmed it: \
             CONFIRMATION_REQUIRED leads to /api/firmware/confirm. TOO_OLD: what runs lets nothing \
             as old take its place",
            flag(),
        )
        .parameter(
            "query",
            "allow_debug",
            "1: also a debug system, on which everybody at the machine's console is root, where what \
             runs is an ordinary one; else it is refused with DEBUG_VERSION",
            flag(),
        )
        .takes_bytes("streamcaster.update, as the build made it")
        .answers::<Done>(
            200,
            "It is installed, and the machine restarts",
            done(
                "Version 0.2.0 (abc1234) is installed; the machine restarts with it now.",
                "0.2.0",
                "abc1234",
                "B",
            ),
        )
        .refuses(&[408, 409, 422]);
}

fn other_system(document: &mut Document) {
    document
        .operation(
            "POST /api/firmware/rollback",
            "system",
            "rollBackFirmware",
            "Restarts the machine with the system in the other slot",
        )
        .about(
            "NO_OTHER_SYSTEM: the other slot holds none. CONFIRMATION_REQUIRED: it is older than what \
             runs, which is not on trial: see /api/firmware/confirm. TOO_OLD: what runs lets nothing \
             as old take its place.",
        )
        .answers::<Done>(
            200,
            "The machine restarts",
            done(
                "The machine restarts now, with version 0.1.0 (f141df0).",
                "0.1.0",
                "f141df0",
                "A",
            ),
        )
        .refuses(&[409]);
    let taken = json!({
        "success": true, "message": "0.1.0 (f141df0) may be started in the next 15 minutes.",
    });
    document
        .operation(
            "POST /api/firmware/confirm",
            "system",
            "confirmFirmware",
            "Confirms an older system that was refused with CONFIRMATION_REQUIRED",
        )
        .about(
            "The update service, not this program, checks the password or the code that the \
             machine's console shows, and lets this one system be started for 15 minutes: order it \
             again. WRONG_CONFIRMATION: it is neither. NOTHING_TO_CONFIRM: no system waits.",
        )
        .takes::<ConfirmRequest>(json!({ "confirmation": "k7mq2wx9tbrc" }))
        .answers::<CarriedOut>(200, "Taken", taken)
        .refuses(&[409]);
}

/// An appliance whose new system is on trial.
fn example() -> Value {
    let system = |version, revision, made: u64, build: u64, digest: &str| {
        json!({
            "version": version, "revision": revision, "made": made, "build": build,
            "kernel": "6.12.117-1~deb12u1", "key": "01c840c29dba2a32", "debug": false,
            "digest": format!("{digest}95b288dec79e2981d6b84457f38b7ce7310a2d702930ec7d07209c7f78ce37"),
        })
    };
    let (mut a, mut b) = (
        system("0.1.0", "f141df0", 1_795_298_400, 20_261_121_220_000, "01"),
        system("0.2.0", "abc1234", 1_795_384_800, 20_261_122_220_000, "51"),
    );
    let mut whole = b.clone();
    (a["tries_left"], b["tries_left"]) = (3.into(), 0.into());
    let more = json!({
        "success": true, "available": true, "slot": "B", "accepts": ["01c840c29dba2a32"],
        "on_trial": true, "slots": { "A": a, "B": b }, "can_roll_back": true, "busy": null,
        "last": {
            "what": "update", "slot": "B", "from": "0.1.0 (f141df0)", "to": "0.2.0 (abc1234)",
            "at": "2026-11-22T22:00:00Z", "outcome": "on trial", "off_air_s": 41.2, "left": null,
        },
        "latest": null,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        whole[name] = value.clone();
    }
    whole
}

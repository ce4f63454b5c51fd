//! Why an input is not on air, in the words of the HTTP API: a code and what it is about for
//! programs and for the page's own language, and a sentence. Bound: the snapshot's texts.

use serde::{Serialize, Serializer};

use crate::control::api::moment::{CivilTime, Moment};
#[cfg(test)]
use crate::control::api::schemas;
use crate::operator::reason::{Parameter, Reason, Why};
use crate::operator::snapshot::RefusalStatus;

/// Why an input that is there is not on air, or its sound is not.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Reason"))]
pub struct ReasonAnswer<'a> {
    #[cfg_attr(test, schemars(extend("enum" = Why::CODES)))]
    code: &'static str,
    since: CivilTime,
    for_s: u64,
    /// What it is about: sender, wanted, present, codec, error, on_air, address, asked,
    /// apart_ms.
    #[serde(serialize_with = "in_order")]
    #[cfg_attr(test, schemars(with = "schemas::Parameters"))]
    parameters: Vec<(&'static str, Parameter<'a>)>,
    /// What happened and what to do, for a person.
    text: String,
}

/// In the order in which the sentence has them, which is how the page's words take them.
fn in_order<S: Serializer>(
    parameters: &[(&'static str, Parameter<'_>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(parameters.iter().copied())
}

/// The answer for a reason, if one stands.
pub fn reason(reason: Option<&Reason>, moment: Moment) -> Option<ReasonAnswer<'_>> {
    let Reason { why, since } = reason?;
    Some(ReasonAnswer {
        code: why.code(),
        since: moment.civil(*since),
        for_s: moment.now.since(*since).as_secs(),
        parameters: why.parameters().into_iter().collect(),
        text: why.to_string(),
    })
}

/// Somebody who was refused at the RTMP port.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Refusal"))]
pub struct RefusalAnswer<'a> {
    #[cfg_attr(test, schemars(with = "schemas::RefusalName"))]
    code: &'static str,
    address: &'a str,
    agent: &'a str,
    /// The application or stream; never a key.
    asked: &'a str,
    first: CivilTime,
    last: CivilTime,
    #[cfg_attr(test, schemars(range(min = 1)))]
    count: u64,
    /// It has published since.
    is_resolved: bool,
    /// What happened and what to do, for a person.
    text: String,
}

/// The answer for somebody who was refused.
pub fn refusal(status: &RefusalStatus, moment: Moment) -> RefusalAnswer<'_> {
    let why = Why::Refused(status.refusal, status.address.clone(), status.asked.clone());
    RefusalAnswer {
        code: status.refusal.name(),
        address: &status.address,
        agent: &status.agent,
        asked: &status.asked,
        first: moment.civil(status.first),
        last: moment.civil(status.last),
        count: status.count,
        is_resolved: status.is_resolved,
        text: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Mono;
    use crate::control::api::sample;
    use crate::operator::snapshot::text;
    use crate::rtmp::server::RtmpRefusal;
    use serde_json::{json, to_value};

    #[test]
    fn a_reason_has_its_code_its_parameters_and_its_time() {
        let since = Mono::from_ms(3_590_000);
        let stands = Reason { why: Why::WrongProgramme(5, text("1, 2")), since };
        let answer = to_value(reason(Some(&stands), sample::MOMENT)).expect("JSON");
        assert_eq!((&answer["code"], &answer["for_s"]), (&json!("wrong_programme"), &json!(10)));
        assert_eq!(answer["parameters"], json!({ "wanted": 5, "present": "1, 2" }));
        assert_eq!(answer["since"], "2026-11-22T12:27:44.018Z");
        assert!(answer["text"].as_str().expect("a text").contains("Programme 5"), "{answer}");
        assert!(reason(None, sample::MOMENT).is_none());
    }

    #[test]
    fn a_refusal_says_who_and_what() {
        let (first, last) = (Mono::from_ms(0), Mono::from_ms(3_600_000));
        let (address, agent, asked) = (text("192.0.2.1"), text("FMLE/3.0"), text("foo"));
        let refusal = RtmpRefusal::App;
        let status = RefusalStatus {
            refusal,
            address,
            agent,
            asked,
            first,
            last,
            count: 7,
            is_resolved: false,
        };
        let answer = to_value(super::refusal(&status, sample::MOMENT)).expect("JSON");
        assert_eq!((&answer["code"], &answer["count"]), (&json!("wrong_app"), &json!(7)));
        assert_eq!(answer["last"], "2026-11-22T12:27:54.018Z");
        assert_eq!((&answer["asked"], &answer["is_resolved"]), (&json!("foo"), &json!(false)));
    }
}

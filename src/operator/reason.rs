//! Why an input that is connected is not on air, and why its sound is not. Purpose: one specific
//! reason, as a code with parameters for programs and for the page's own language, and as an
//! English sentence that says what to do; and when it is logged. Non-goals: finding it
//! (inputs, ports). Bound: values; two texts.
//!
//! A reason is logged when it begins and when it is over, never in between.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::base::time::Mono;
use crate::program::source::Source;
use crate::rtmp::server::RtmpRefusal;
use crate::system::text::Text;

/// A reason that stands, or is gone, for so long is logged: what lasts shorter is the
/// ordinary beginning or end of a stream.
const SETTLED: Duration = Duration::from_secs(3);

/// A reason that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What it is.
    pub why: Why,
    /// Since when.
    pub since: Mono,
}

/// Why an input is not on air, or its sound is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Datagrams come that are no transport stream.
    NotMpegTs(Text),
    /// Datagrams come from a network that is not allowed.
    NotAllowed(Text),
    /// No PAT has come.
    NoPat,
    /// The PAT is there, the PMT of a programme is not.
    NoPmt,
    /// The programme chosen is not in the stream, which has these.
    WrongProgramme(u16, Text),
    /// Nothing in the programme is known.
    NoStreams,
    /// There is sound of this codec, and no picture.
    AudioOnly(Text),
    /// The picture's codec is not carried.
    VideoCodec(Text),
    /// What the picture is in cannot be read.
    Scrambled,
    /// A picture is announced, and none comes.
    NoVideo,
    /// A picture comes, and no frame of it is whole.
    BrokenVideo,
    /// The picture comes without SPS and PPS.
    NoParameterSets,
    /// SPS and PPS come and cannot be used.
    BadParameterSets(Text),
    /// It can be shown from its next key frame on.
    AwaitsKeyFrame,
    /// Media comes faster than it plays.
    TooFast,
    /// The bit rate is higher than what is accepted.
    OverRate,
    /// Connected, and nothing comes.
    NoMedia,
    /// It could be on air: this is instead.
    NotChosen(Source),
    /// Who wanted to send from this address was refused, and had asked for this.
    Refused(RtmpRefusal, Text, Text),
    /// The sound's codec is not carried.
    SoundCodec(Text),
    /// The sound cannot be used.
    SoundUnusable(Text),
    /// The sound's times are so far from the picture's, milliseconds: later if positive.
    SoundTimes(i64),
    /// Sound is announced, and none comes.
    SoundMissing,
    /// There is no sound.
    NoSound,
}

/// What a reason is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Parameter<'a> {
    /// A name, an address.
    Text(&'a str),
    /// A number.
    Number(i64),
}

impl Why {
    /// Every code there is.
    pub const CODES: &'static [&'static str] = &[
        "not_mpegts",
        "sender_not_allowed",
        "no_pat",
        "no_pmt",
        "wrong_programme",
        "no_streams",
        "audio_only",
        "video_codec",
        "scrambled",
        "no_video",
        "broken_video",
        "no_parameter_sets",
        "bad_parameter_sets",
        "waiting_for_key_frame",
        "too_fast",
        "over_rate",
        "no_media",
        "not_chosen",
        "wrong_app",
        "wrong_stream",
        "wrong_key",
        "key_not_set",
        "publishing_off",
        "busy",
        "proxy_header",
        "no_proxy_header",
        "bad_proxy_header",
        "no_certificate",
        "certificate_not_trusted",
        "sound_codec",
        "sound_unusable",
        "sound_times",
        "sound_missing",
        "no_sound",
    ];

    /// Its name in the API; never changes its meaning.
    pub const fn code(&self) -> &'static str {
        match self {
            Why::NotMpegTs(_) => "not_mpegts",
            Why::NotAllowed(_) => "sender_not_allowed",
            Why::NoPat => "no_pat",
            Why::NoPmt => "no_pmt",
            Why::WrongProgramme(..) => "wrong_programme",
            Why::NoStreams => "no_streams",
            Why::AudioOnly(_) => "audio_only",
            Why::VideoCodec(_) => "video_codec",
            Why::Scrambled => "scrambled",
            Why::NoVideo => "no_video",
            Why::BrokenVideo => "broken_video",
            Why::NoParameterSets => "no_parameter_sets",
            Why::BadParameterSets(_) => "bad_parameter_sets",
            Why::AwaitsKeyFrame => "waiting_for_key_frame",
            Why::TooFast => "too_fast",
            Why::OverRate => "over_rate",
            Why::NoMedia => "no_media",
            Why::NotChosen(_) => "not_chosen",
            Why::Refused(refusal, ..) => refusal.name(),
            Why::SoundCodec(_) => "sound_codec",
            Why::SoundUnusable(_) => "sound_unusable",
            Why::SoundTimes(_) => "sound_times",
            Why::SoundMissing => "sound_missing",
            Why::NoSound => "no_sound",
        }
    }

    /// What it is about, each under its name, in the order in which its sentence has them.
    pub fn parameters(&self) -> heapless::Vec<(&'static str, Parameter<'_>), 2> {
        use Parameter::{Number, Text};
        let one = |name, parameter| [Some((name, parameter)), None];
        let parameters = match self {
            Why::NotMpegTs(sender) | Why::NotAllowed(sender) => one("sender", Text(sender)),
            Why::WrongProgramme(wanted, present) => {
                [Some(("wanted", Number(i64::from(*wanted)))), Some(("present", Text(present)))]
            }
            Why::AudioOnly(codec) | Why::VideoCodec(codec) | Why::SoundCodec(codec) => {
                one("codec", Text(codec))
            }
            Why::BadParameterSets(error) | Why::SoundUnusable(error) => one("error", Text(error)),
            Why::NotChosen(on_air) => one("on_air", Text(on_air.name())),
            Why::Refused(_, address, asked) => {
                [Some(("address", Text(address))), Some(("asked", Text(asked)))]
            }
            Why::SoundTimes(ms) => one("apart_ms", Number(*ms)),
            _ => [None, None],
        };
        parameters.into_iter().flatten().collect()
    }

    /// Whether its beginning and its end are logged: an input that only is not chosen, or has no
    /// sound to begin with, is as its operator wants it, and refusals are logged where they happen.
    const fn is_logged(&self) -> bool {
        !matches!(self, Why::NotChosen(_) | Why::NoSound | Why::Refused(..))
    }
}

/// A sentence for a person: what happened, what it means, what to do.
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NotMpegTs(sender) => write!(
                f,
                "{sender} sends something that is not MPEG-TS. Set the encoder's output to \
                     MPEG-TS over UDP (ffmpeg: -f mpegts)."
            ),
            Why::NotAllowed(sender) => write!(
                f,
                "{sender} is not in a network that may send. Add its network to allow in \
                 [input.udp]."
            ),
            Why::WrongProgramme(wanted, present) => write!(
                f,
                "Programme {wanted} is not in the stream, which has {present}. Change \
                     programme in [input.udp], or the number in the encoder."
            ),
            Why::AudioOnly(codec) => write!(
                f,
                "Only sound is received ({codec}), no picture. Switch on H.264 video in the \
                 encoder."
            ),
            Why::VideoCodec(codec) => write!(
                f,
                "The picture is {codec}, which is not supported. Set the encoder's video \
                     codec to H.264 (AVC, x264)."
            ),
            Why::BadParameterSets(error) => write!(
                f,
                "The picture's parameter sets (SPS, PPS) cannot be used: {error}. Set the \
                     encoder to H.264 with 8 bits, 4:2:0, profile High or lower."
            ),
            Why::NotChosen(on_air) => {
                write!(f, "Ready to go on air; on air now: {}.", on_air.name())
            }
            Why::Refused(refusal, address, asked) => refused(f, *refusal, address, asked),
            Why::SoundCodec(codec) => write!(
                f,
                "The sound is {codec}, which is not supported. Set the encoder's audio \
                     codec to AAC-LC."
            ),
            Why::SoundUnusable(error) => {
                write!(f, "The sound cannot be used: {error}. Set the encoder to AAC-LC, stereo.")
            }
            Why::SoundTimes(ms) => sound_times(f, *ms),
            _ => f.write_str(self.plain()),
        }
    }
}

impl Why {
    /// The sentence of a reason that is about nothing further.
    const fn plain(&self) -> &'static str {
        match self {
            Why::NoPat => {
                "Data is received without a PAT, the table of programmes. Check that complete \
                 MPEG-TS is sent, tables included."
            }
            Why::NoPmt => {
                "A PAT is received, but no PMT, the table of the programme's streams. Check that \
                 complete MPEG-TS is sent, tables included."
            }
            Why::NoStreams => {
                "The programme contains no known stream. Send H.264 video and AAC audio."
            }
            Why::Scrambled => "The picture is scrambled (encrypted). Send it unencrypted.",
            Why::NoVideo => {
                "A picture is announced, but none is received. Check the encoder's video source."
            }
            Why::BrokenVideo => {
                "The picture is received, but no frame of it is complete. Check the network for \
                 lost packets."
            }
            Why::NoParameterSets => {
                "The picture is received without parameter sets (SPS, PPS), so that no player \
                 could show it. Set the encoder to repeat headers (x264: repeat-headers=1; \
                 ffmpeg: -bsf:v \
                 dump_extra)."
            }
            Why::AwaitsKeyFrame => {
                "Waiting for a key frame, from which it can be shown. Set the encoder's key \
                 frame interval to 2 s."
            }
            Why::TooFast => {
                "Media arrives faster than real time, and what is too early is left out. Send it \
                 in \
                 real time (ffmpeg: -re)."
            }
            Why::OverRate => {
                "The bit rate is higher than what is accepted. Lower the encoder's \
                              bit rate."
            }
            Why::NoMedia => "Connected, but no media is received. Start the stream in the encoder.",
            Why::SoundMissing => {
                "Sound is announced, but none is received. Check the encoder's audio source."
            }
            Why::NoSound => "There is no sound in it.",
            // They are about something.
            _ => "",
        }
    }
}

fn sound_times(f: &mut fmt::Formatter<'_>, ms: i64) -> fmt::Result {
    let (tenths, side) = (ms.unsigned_abs() / 100, if ms < 0 { "behind" } else { "ahead of" });
    write!(
        f,
        "The sound's times are {}.{} s {side} the picture's: they have another time base. The \
         sound is left out. Restart the encoder; give both one clock.",
        tenths / 10,
        tenths % 10
    )
}

fn refused(
    f: &mut fmt::Formatter<'_>,
    why: RtmpRefusal,
    address: &str,
    asked: &str,
) -> fmt::Result {
    write!(f, "{address} was refused: ")?;
    match why {
        RtmpRefusal::App => write!(
            f,
            "it asked for application \"{asked}\", the only one is \"live\". Set the encoder's \
             server to rtmp://(this machine)/live, and its stream name apart from it."
        ),
        RtmpRefusal::PublishName if asked.is_empty() => {
            write!(f, "it named no stream. Set the stream name (OBS: stream key) to stream.")
        }
        RtmpRefusal::PublishName => write!(
            f,
            "it wanted to publish \"{asked}\", the only stream is \"stream\". Set the stream name \
             (OBS: stream key) to stream."
        ),
        RtmpRefusal::PublishKeyRequired => write!(
            f,
            "its stream key is missing or wrong. Enter the key of [input.rtmp] in the encoder."
        ),
        RtmpRefusal::PublishNeedsSetting => write!(
            f,
            "publishing from its network needs a stream key, and none is set. Set key in \
             [input.rtmp]."
        ),
        RtmpRefusal::PublishDenied => {
            write!(f, "publishing is switched off. Switch on enabled in [input.rtmp].")
        }
        RtmpRefusal::PublishBusy => write!(f, "another publisher is live."),
        RtmpRefusal::ProxyHeader => write!(
            f,
            "it sent a PROXY header, and is not in [proxy] from. If it is your load balancer, add \
             it there."
        ),
        RtmpRefusal::NoProxyHeader => write!(
            f,
            "it is in [proxy] from, and its connection did not begin with a PROXY header. Set \
             send-proxy or send-proxy-v2 on it, or take it out of [proxy] from."
        ),
        RtmpRefusal::BadProxyHeader => write!(f, "its PROXY header cannot be read: {asked}."),
        RtmpRefusal::NoCertificate => write!(
            f,
            "it asked for RTMPS, and there is no certificate. Set tls_certificate and tls_key in \
             [http], or use rtmp:// in the encoder."
        ),
        RtmpRefusal::CertificateNotTrusted => write!(
            f,
            "it left at this server's certificate, which it seems not to trust. Use a certificate of a known authority \
             for the name in its address, or use rtmp:// in the encoder."
        ),
        RtmpRefusal::StreamNotFound => {
            write!(f, "it wanted to play \"{asked}\", the only stream is \"stream\".")
        }
        RtmpRefusal::KeyRequired => write!(f, "its play key is missing or wrong."),
        RtmpRefusal::Full => write!(f, "the maximum number of viewers is connected."),
        RtmpRefusal::ShareTaken => write!(
            f,
            "nearly all viewers' seats are in use, and its address has its share of them. If many \
             watch from there, raise viewers_max in [rtmp]."
        ),
    }
}

/// A reason through time.
#[derive(Clone, Debug, Default)]
pub struct ReasonWatch {
    standing: Option<Reason>,
    changed: Mono,
    /// The one whose beginning was logged last, and not its end.
    logged: Option<Reason>,
}

/// What is to be logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasonNews {
    /// This is over, and lasted so long.
    pub over: Option<(Why, Duration)>,
    /// This begins.
    pub begins: Option<Why>,
}

impl ReasonWatch {
    /// The reason is this at `now`, or there is none; says what is to be logged. To be called
    /// several times a second.
    pub fn look(&mut self, now: Mono, why: Option<Why>) -> ReasonNews {
        let code = |reason: &Option<Reason>| reason.as_ref().map(|reason| reason.why.code());
        let before = code(&self.standing);
        if before == why.as_ref().map(Why::code) {
            if let (Some(reason), Some(why)) = (&mut self.standing, why) {
                reason.why = why;
            }
        } else {
            self.standing = why.map(|why| Reason { why, since: now });
            self.changed = now;
        }
        if now.since(self.changed) < SETTLED {
            return ReasonNews::default();
        }
        let logged = self.standing.clone().filter(|reason| reason.why.is_logged());
        if code(&logged) == code(&self.logged) {
            return ReasonNews::default();
        }
        let gone = std::mem::replace(&mut self.logged, logged.clone());
        ReasonNews {
            over: gone.map(|reason| (reason.why, self.changed.since(reason.since))),
            begins: logged.map(|reason| reason.why),
        }
    }

    /// The reason that stands.
    pub fn standing(&self) -> Option<&Reason> {
        self.standing.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::text::text;

    /// Looks each 250 ms from `from_s` on for `seconds`; what was logged, with its second.
    fn look(
        watch: &mut ReasonWatch,
        from_s: u64,
        seconds: u64,
        why: impl Fn(u64) -> Option<Why>,
    ) -> Vec<(u64, ReasonNews)> {
        let moments = (from_s * 4..(from_s + seconds) * 4).map(|quarter| quarter * 250);
        let logged = moments.map(|ms| (ms / 1000, watch.look(Mono::from_ms(ms), why(ms))));
        logged.filter(|(_, logged)| *logged != ReasonNews::default()).collect()
    }

    #[test]
    fn hours_of_a_reason_are_two_lines() {
        let mut watch = ReasonWatch::default();
        let begins = ReasonNews { begins: Some(Why::NoParameterSets), over: None };
        let logged = look(&mut watch, 0, 7200, |_| Some(Why::NoParameterSets));
        assert_eq!(logged, [(3, begins)]);
        assert_eq!(watch.standing().expect("it stands").since, Mono::from_ms(0));
        let over = Some((Why::NoParameterSets, Duration::from_secs(7200)));
        let logged = look(&mut watch, 7200, 600, |_| None);
        assert_eq!(logged, [(7203, ReasonNews { over, begins: None })]);
    }

    #[test]
    fn one_reason_that_follows_another_ends_it() {
        let mut watch = ReasonWatch::default();
        look(&mut watch, 0, 10, |_| Some(Why::NoPat));
        let logged = look(&mut watch, 10, 60, |_| Some(Why::AudioOnly(text("AAC"))));
        let over = Some((Why::NoPat, Duration::from_secs(10)));
        let begins = Some(Why::AudioOnly(text("AAC")));
        assert_eq!(logged, [(13, ReasonNews { over, begins })]);
    }

    #[test]
    fn a_stream_that_begins_or_ends_as_usual_is_not_told() {
        let mut watch = ReasonWatch::default();
        let logged = look(&mut watch, 0, 600, |ms| match ms % 10_000 {
            0..2_000 => Some(Why::AwaitsKeyFrame),
            2_000..2_500 => Some(Why::NoPat),
            _ => None,
        });
        assert_eq!(logged, []);
        let logged = look(&mut watch, 600, 600, |_| Some(Why::NotChosen(Source::File)));
        assert_eq!(logged, [], "that is as it is wanted");
        assert_eq!(watch.standing().expect("it stands").why.code(), "not_chosen");
        let refused = |_| Some(Why::Refused(RtmpRefusal::App, text("a"), text("b")));
        assert_eq!(look(&mut watch, 1200, 600, refused), [], "logged where it is refused");
    }

    #[test]
    fn a_reason_that_flickers_is_one_reason() {
        let mut watch = ReasonWatch::default();
        let logged = look(&mut watch, 0, 600, |ms| {
            let gone = ms > 30_000 && ms % 5_000 < 1_000;
            (!gone).then_some(Why::BrokenVideo)
        });
        assert_eq!(logged.len(), 1, "{logged:?}");
    }

    /// One of each, in the order of [`Why::CODES`].
    fn all() -> Vec<Why> {
        let (sender, codec, error) = (text("192.0.2.7:5000"), text("HEVC"), text("an error"));
        let refused = |refusal| Why::Refused(refusal, sender.clone(), text("foo"));
        vec![
            Why::NotMpegTs(sender.clone()),
            Why::NotAllowed(sender.clone()),
            Why::NoPat,
            Why::NoPmt,
            Why::WrongProgramme(5, text("1, 2")),
            Why::NoStreams,
            Why::AudioOnly(codec.clone()),
            Why::VideoCodec(codec.clone()),
            Why::Scrambled,
            Why::NoVideo,
            Why::BrokenVideo,
            Why::NoParameterSets,
            Why::BadParameterSets(error.clone()),
            Why::AwaitsKeyFrame,
            Why::TooFast,
            Why::OverRate,
            Why::NoMedia,
            Why::NotChosen(Source::File),
            refused(RtmpRefusal::App),
            refused(RtmpRefusal::PublishName),
            refused(RtmpRefusal::PublishKeyRequired),
            refused(RtmpRefusal::PublishNeedsSetting),
            refused(RtmpRefusal::PublishDenied),
            refused(RtmpRefusal::PublishBusy),
            refused(RtmpRefusal::ProxyHeader),
            refused(RtmpRefusal::NoProxyHeader),
            refused(RtmpRefusal::BadProxyHeader),
            refused(RtmpRefusal::NoCertificate),
            refused(RtmpRefusal::CertificateNotTrusted),
            Why::SoundCodec(codec),
            Why::SoundUnusable(error),
            Why::SoundTimes(-10_049),
            Why::SoundMissing,
            Why::NoSound,
        ]
    }

    #[test]
    fn every_reason_has_a_code_of_its_own_and_a_sentence_about_its_parameters() {
        let codes: Vec<_> = all().iter().map(Why::code).collect();
        assert_eq!(codes, Why::CODES);
        for why in all() {
            let sentence = why.to_string();
            assert!(sentence.ends_with('.'), "{sentence}");
            // What was asked for matters to some refusals only, and a time is worded.
            let worded = |name: &str| matches!(name, "asked" | "apart_ms");
            for (name, parameter) in why.parameters().iter().filter(|(name, _)| !worded(name)) {
                let said = match parameter {
                    Parameter::Text(text) => (*text).to_owned(),
                    Parameter::Number(number) => number.to_string(),
                };
                assert!(sentence.contains(&said), "{name} in {sentence}");
            }
        }
        let times = Why::SoundTimes(-10_049);
        assert!(times.to_string().contains("10.0 s behind"), "{times}");
        let nameless = Why::Refused(RtmpRefusal::PublishName, text("a"), Text::new()).to_string();
        assert!(nameless.contains("named no stream"), "{nameless}");
    }
}

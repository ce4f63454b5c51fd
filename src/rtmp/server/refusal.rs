//! Why a request is refused, in the protocol's codes and in words for a person.

use std::fmt;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtmpRefusal {
    /// There is one application only, and it has another name.
    App,
    /// There is no stream of that name.
    StreamNotFound,
    /// No key, or the wrong one.
    KeyRequired,
    /// As many players as there may be.
    Full,
    /// Few seats are left, and enough from the peer's address play.
    ShareTaken,
    /// Publishing is not served.
    PublishDenied,
    /// Publishing from where the peer is would need a key, and none is set.
    PublishNeedsSetting,
    /// The publisher gave no key, or the wrong one.
    PublishKeyRequired,
    /// There is one stream only, and it has another name.
    PublishName,
    /// Somebody else publishes.
    PublishBusy,
    /// A PROXY header from somebody who is not one of the proxies that are believed.
    ProxyHeader,
    /// No PROXY header from one of those.
    NoProxyHeader,
    /// One that cannot be read.
    BadProxyHeader,
    /// It speaks TLS, and there is no certificate.
    NoCertificate,
    /// It does not believe the certificate.
    CertificateNotTrusted,
}

impl RtmpRefusal {
    /// Its name in the API; never changes its meaning.
    pub const fn name(self) -> &'static str {
        match self {
            RtmpRefusal::App => "wrong_app",
            RtmpRefusal::StreamNotFound => "no_such_stream",
            RtmpRefusal::KeyRequired => "wrong_play_key",
            RtmpRefusal::Full => "full",
            RtmpRefusal::ShareTaken => "too_many_from_address",
            RtmpRefusal::PublishDenied => "publishing_off",
            RtmpRefusal::PublishNeedsSetting => "key_not_set",
            RtmpRefusal::PublishKeyRequired => "wrong_key",
            RtmpRefusal::PublishName => "wrong_stream",
            RtmpRefusal::PublishBusy => "busy",
            RtmpRefusal::ProxyHeader => "proxy_header",
            RtmpRefusal::NoProxyHeader => "no_proxy_header",
            RtmpRefusal::BadProxyHeader => "bad_proxy_header",
            RtmpRefusal::NoCertificate => "no_certificate",
            RtmpRefusal::CertificateNotTrusted => "certificate_not_trusted",
        }
    }

    /// Whether it was a publisher that was refused, or may have been: what asks for another
    /// application, or is refused before it asks, never says what for.
    pub const fn concerns_publishers(self) -> bool {
        !matches!(
            self,
            RtmpRefusal::StreamNotFound
                | RtmpRefusal::KeyRequired
                | RtmpRefusal::Full
                | RtmpRefusal::ShareTaken
        )
    }

    pub(super) const fn code_and_description(self) -> (&'static str, &'static str) {
        match self {
            RtmpRefusal::App => {
                ("NetConnection.Connect.Rejected", "The only application here is 'live'.")
            }
            RtmpRefusal::StreamNotFound => ("NetStream.Play.StreamNotFound", "No such stream."),
            RtmpRefusal::KeyRequired => ("NetStream.Play.Failed", "A valid play key is required."),
            RtmpRefusal::Full => {
                ("NetStream.Play.Failed", "The maximum number of players is connected.")
            }
            RtmpRefusal::ShareTaken => (
                "NetStream.Play.Failed",
                "Nearly all places are in use, and your address has its share of them.",
            ),
            RtmpRefusal::PublishDenied => {
                ("NetStream.Publish.Denied", "This server does not take publishers.")
            }
            RtmpRefusal::PublishNeedsSetting => (
                "NetStream.Publish.Denied",
                "Publishing from this address needs a stream key: set key in [input.rtmp] of \
                 this server's config.toml.",
            ),
            RtmpRefusal::PublishKeyRequired => {
                ("NetStream.Publish.BadName", "A valid stream key is required.")
            }
            RtmpRefusal::PublishName => {
                ("NetStream.Publish.BadName", "The only stream to publish is live/stream.")
            }
            RtmpRefusal::PublishBusy => ("NetStream.Publish.BadName", "Another publisher is live."),
            RtmpRefusal::ProxyHeader | RtmpRefusal::NoProxyHeader | RtmpRefusal::BadProxyHeader => {
                (
                    "NetConnection.Connect.Rejected",
                    "This connection needs a PROXY header, or may \
                                                    not have one.",
                )
            }
            // Neither is ever told by RTMP: there is no connection for it.
            RtmpRefusal::NoCertificate | RtmpRefusal::CertificateNotTrusted => {
                ("NetConnection.Connect.Rejected", "No encrypted connection came about.")
            }
        }
    }
}

impl fmt::Display for RtmpRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, description) = self.code_and_description();
        write!(f, "{code}: {description}")
    }
}

//! Long streams: answers that do not end, and bodies too large to be held. Purpose: a route only
//! says which [`Stream`] the answer is; the gate's side then serves it on the connection itself and
//! closes it, so that no worker waits for a client. Non-goals: who may have one, which is the
//! routes' business. Bounds: [`EVENT_CLIENTS_MAX`], [`PREVIEWS_MAX`], [`UPLOADS_ACTIVE_MAX`] and
//! [`FIRMWARE_ORDERS_MAX`] at once.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use smol::future::or;
use tiny_http::Method;

use crate::base::limits::{
    EVENT_CLIENTS_MAX, EVENT_PERIOD_MS, FIRMWARE_ORDERS_MAX, PREVIEWS_MAX, UPLOADS_ACTIVE_MAX,
};
use crate::control::api::audit;
use crate::control::api::events::{self, EventSource};
use crate::control::api::firmware::{self, Appliance};
use crate::control::api::paths;
use crate::control::api::preview;
use crate::control::api::stream::Stream;
use crate::control::api::uploads;
use crate::control::auth::Auth;
use crate::control::http::answer::Answer;
use crate::control::http::meter::Meter;
use crate::control::http::problem::Problem;
use crate::control::http::service::Service;
use crate::control::http::stream::Carrier;
use crate::library::writer::LibraryWriter;
use crate::outputs::preview::PreviewDesk;

/// What streams are served from; each kind adds what it needs.
pub struct Streams {
    /// The gate's numbers.
    pub meter: Arc<Meter>,
    /// Who may.
    pub auth: Arc<Auth>,
    /// Where previews are asked for.
    pub previews: PreviewDesk,
    /// The events.
    pub events: EventSource,
    /// Where uploads go.
    pub library_writer: LibraryWriter,
    /// Where updates go.
    pub appliance: Appliance,
}

impl Service for Streams {
    type Stream = Stream;

    fn may_be_large(method: &Method, target: &str) -> bool {
        paths::may_be_large(method, target)
    }

    async fn serve(&self, stream: Stream, carrier: &mut Carrier<'_>) -> io::Result<Option<Answer>> {
        let meter = &self.meter;
        let (gauge, most) = match stream {
            Stream::Events { .. } => (&meter.events, EVENT_CLIENTS_MAX),
            Stream::Preview => (&meter.previews, PREVIEWS_MAX),
            Stream::Upload { .. } => (&meter.uploads, UPLOADS_ACTIVE_MAX),
            Stream::Firmware(_) => (&meter.firmware, FIRMWARE_ORDERS_MAX),
        };
        let Some(_place) = gauge.take(most) else {
            meter.refuse(carrier.peer(), &format_args!("too many {} at once", stream.name()));
            return Ok(Some(full(stream)));
        };
        match stream {
            Stream::Events { after } => {
                let served = events::serve(carrier, &self.events, after);
                while_granted(&self.auth, async { served.await.map(|()| None) }).await
            }
            Stream::Preview => {
                while_granted(&self.auth, preview::serve(carrier, &self.previews)).await
            }
            Stream::Upload { id, offset, bytes } => {
                uploads::receive(carrier, &self.library_writer, id, offset, bytes).await.map(Some)
            }
            Stream::Firmware(order) => {
                let (answer, gone) = firmware::carry_out(order, carrier, &self.appliance).await;
                audit::came_of(&order, carrier.peer(), &answer);
                gone.map(|()| Some(answer))
            }
        }
    }
}

/// Ends what is `served` when somebody has lost a right: those who still have theirs ask again.
async fn while_granted(
    auth: &Auth,
    served: impl Future<Output = io::Result<Option<Answer>>>,
) -> io::Result<Option<Answer>> {
    let before = auth.endings();
    let lost = async {
        while auth.endings() == before {
            Timer::after(Duration::from_millis(EVENT_PERIOD_MS)).await;
        }
        Ok(None)
    };
    or(served, lost).await
}

fn full(stream: Stream) -> Answer {
    match stream {
        Stream::Events { .. } => {
            Problem::Unavailable.answer("Too many pages are open; ask for the state instead.")
        }
        Stream::Preview => {
            Problem::Unavailable.answer("Too many previews are open; close one of them.")
        }
        Stream::Upload { .. } => {
            Problem::Unavailable.answer("Other uploads are under way; try again later.")
        }
        Stream::Firmware(_) => {
            Problem::Busy.answer("Another update is under way; wait until it is done.")
        }
    }
}

//! The whole, put together. Purpose: binds every port, starts the control plane and the data
//! plane, and ends both in order. Threads: the one that calls [`run`] is the data plane (one
//! executor); the others are the log's, the library's, the control plane's, one for each file that
//! is open for playing, and the pool for name look-ups and remembered state:
//! [`THREADS_MAX`](crate::base::limits::THREADS_MAX) at most.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use log::{error, info, warn};
use smol::future::FutureExt;
use smol::stream::StreamExt;
use smol::{LocalExecutor, Task};

use crate::base::budget::{Budget, Demand, Owner};
use crate::base::limits::{
    ACCESS_UNIT_BYTES_MAX, DESCRIPTORS_BESIDES, FAREWELL_MS_MAX, HTTP_CONNECTIONS_MAX,
    RING_AUDIO_SHARE, RING_UNITS_MAX, RTMP_LOBBY_MAX, RTMP_PENDING_MAX,
};
use crate::base::rate::Rate;
use crate::base::time::Mono;
use crate::codec::access_unit::{Track, TrackConfig};
use crate::control::auth::calls::NotStored;
use crate::control::auth::{self, Auth};
use crate::control::{self, ControlHandle, ControlOptions};
use crate::inputs::again::anew;
use crate::inputs::deck::{OpenFile, OpenedFile, Readers};
use crate::inputs::playout::Playout;
use crate::inputs::publisher::Publishers;
use crate::inputs::pull::Pull;
use crate::inputs::standby::Standby;
use crate::inputs::udp::UdpInput;
use crate::outputs::destinations::Destination;
use crate::outputs::preview::{self, PreviewInbox};
use crate::outputs::viewers::Viewers;
use crate::ports::rtmp::{Context, RtmpPort};
use crate::program::bell::Bell;
use crate::program::ring::{Capacity, Ring};
use crate::program::switcher::{FillAudio, Switcher};
use crate::program::unit::Unit;
use crate::program::Programme;
use crate::system::clock;
use crate::system::commands::{self, Declined, DeclinedKind, Inbox, LiveInput};
use crate::system::config::Config;
use crate::system::heap;
use crate::system::library::clerk::Clerk;
use crate::system::library::{Library, LibraryError};
use crate::system::logs::LogBook;
use crate::system::machine::Gauges;
use crate::system::password::PasswordHash;
use crate::system::pid_file::PidFile;
use crate::system::reactor::{self, Sleep};
use crate::system::snapshot::{Board, ProgrammeStatus, Snapshot};
use crate::system::sockets::{descriptors_max, raise_descriptors};

/// How often the state is told.
const SNAPSHOT_PERIOD: Duration = Duration::from_millis(250);
/// Pause before a task that ran into a bug is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Why the program could not start.
#[derive(Debug)]
pub struct StartError {
    what: String,
    hint: &'static str,
    cause: io::Error,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StartError { what, hint, cause } = self;
        write!(f, "{what}: {cause}. {hint}")
    }
}

/// What the memory budget is computed from.
pub fn demand(config: &Config) -> Demand {
    Demand {
        ring_bytes: config.programme.ring_bytes,
        unit_record_bytes: std::mem::size_of::<Option<Unit>>(),
        viewers: config.rtmp.viewers_max,
        destinations: config.rtmp.destinations_max,
        receive_buffer_bytes: config.udp.receive_buffer_bytes,
        tls_connections: if config.http.tls.is_some() { HTTP_CONNECTIONS_MAX } else { 0 },
        password_bytes: config.http.password_hash.as_ref().map_or(0, PasswordHash::bytes),
    }
}

/// Everything on the data plane.
struct Plane {
    context: Context,
    udp: UdpInput,
    port: Rc<RtmpPort>,
    viewers: Rc<Viewers>,
    previews: PreviewInbox,
    publishers: Rc<Publishers>,
    pull: Option<Pull>,
    destinations: Vec<Destination>,
    library: Library,
    playout: Playout,
    readers: Readers,
    /// Rings when standby has been put on air.
    standby: Rc<Bell>,
}

/// Runs until a signal asks to end. `data` is the folder for what it writes, `logs` what was
/// logged.
///
/// # Errors
/// A port that cannot be bound, a thread that cannot be started.
pub fn run(config: &Config, data: &Path, logs: LogBook) -> Result<(), StartError> {
    let budget = Budget::of(&demand(config));
    let heap_bytes = budget.total(Owner::Heap);
    heap::set_limit(usize::try_from(heap_bytes).unwrap_or(usize::MAX));
    allow_descriptors(config);
    let board = Board::default();
    let library = Library::start(data.join("videos")).map_err(|cause| StartError {
        what: "the library cannot start".to_owned(),
        hint: "",
        cause,
    })?;
    let clerk =
        Clerk::start(data.join("uploads"), library.clone(), board.clone()).map_err(|cause| {
            StartError { what: "the thread of uploads cannot start".to_owned(), hint: "", cause }
        })?;
    let occupied_bytes = heap_bytes.saturating_add(budget.total(Owner::Process));
    let gauges = Gauges::start(data, config.health, occupied_bytes);
    let gauges = gauges.map_err(|cause| StartError {
        what: "the machine cannot be looked at".to_owned(),
        hint: "",
        cause,
    })?;
    let (desk, inbox) = commands::channel();
    let (previews, asked) = preview::channel();
    let plane = Plane::bind(config, data, library.clone(), inbox, asked)?;
    let options = ControlOptions {
        http: config.http.listen,
        stat: config.stat.listen,
        tls: config.http.tls.clone(),
        board: board.clone(),
        desk,
        previews,
        library,
        logs,
        revision: Arc::new(String::new),
        clerk,
        auth: Arc::new(who_may(config, &data.join("state"))?),
        store_hash: Box::new(|_| {
            let words = "The password cannot be changed from here; put the line that \
                         `streamcaster hash-password` prints into config.toml and restart.";
            Err(NotStored::Elsewhere(words.to_owned()))
        }),
        gauges,
        state: data.join("state"),
    };
    let control = control::start(options).map_err(|cause| StartError {
        what: "the control page cannot start".to_owned(),
        hint: "Choose other addresses with [http] and [stat] listen, or --http and --stat",
        cause,
    })?;
    let signals = Signals::new([Signal::Term, Signal::Int]).map_err(|cause| StartError {
        what: "signals cannot be received".to_owned(),
        hint: "",
        cause,
    })?;
    let _pid_file = PidFile::take(&data.join("state"), control.http());
    plane.announce(&control);
    let executor = Rc::clone(&plane.context.executor);
    reactor::run(executor.run(Rc::clone(&plane).live(board, signals)));
    control.stop();
    info!("ended");
    Ok(())
}

/// Who may use the control page. Without the probe's token the program goes on: the probe then
/// asks as a stranger.
fn who_may(config: &Config, state: &Path) -> Result<Auth, StartError> {
    let probe = auth::issue_probe_token(state);
    let probe = probe.map_err(|error| {
        warn!("state/{} cannot be written: {error}", auth::PROBE_TOKEN_FILE);
    });
    let password = config.http.password_hash.clone();
    if password.is_none() {
        info!(
            "control: no password is set, so only this machine is answered; \
             `streamcaster hash-password` makes one"
        );
    }
    Auth::new(password, probe.ok()).map_err(|cause| StartError {
        what: "there are no random numbers for the control page's sessions".to_owned(),
        hint: "",
        cause,
    })
}

/// Sees to it that every connection there may be can have a descriptor.
fn allow_descriptors(config: &Config) {
    let served = config.rtmp.viewers_max + config.rtmp.destinations_max;
    // Both sides of the control plane's gate, and what the program has open besides.
    let others = RTMP_PENDING_MAX + RTMP_LOBBY_MAX + 3 * HTTP_CONNECTIONS_MAX + DESCRIPTORS_BESIDES;
    let wanted = served + others;
    if let Err(error) = raise_descriptors(wanted) {
        warn!("the limit of open files cannot be raised: {error}");
    }
    let allowed = descriptors_max();
    if allowed < wanted {
        warn!(
            "{allowed} open files are allowed, {wanted} may be needed for {} viewers: \
             raise the hard limit (ulimit -Hn)",
            config.rtmp.viewers_max
        );
    }
}

impl Plane {
    /// Not inlined: its temporaries are the largest there are, and the data plane's stack would
    /// keep room for them for ever.
    #[inline(never)]
    fn bind(
        config: &Config,
        data: &Path,
        library: Library,
        inbox: Inbox,
        previews: PreviewInbox,
    ) -> Result<Rc<Plane>, StartError> {
        let ring = Ring::new(capacity(config.programme.ring_bytes));
        let fill = if config.programme.fill_audio { FillAudio::Yes } else { FillAudio::No };
        let switcher = Switcher::new(ring, config.programme.silence, fill);
        let context = Context {
            executor: Rc::new(LocalExecutor::new()),
            programme: Rc::new(Programme::new(switcher)),
            shutdown: Rc::default(),
        };
        let viewers = Rc::new(Viewers::new(config.rtmp.viewers_max));
        let udp = UdpInput::bind(&config.udp, config.programme.silence).map_err(|cause| {
            let hint = "Choose another address with [input.udp] listen or --udp";
            let what = format!("the UDP input {} cannot be opened", config.udp.listen);
            StartError { what, hint, cause }
        })?;
        let publishers = Rc::<Publishers>::default();
        let port = RtmpPort::bind(config, Rc::clone(&viewers), Rc::clone(&publishers));
        let port = Rc::new(port.map_err(|cause| {
            let hint = "Choose another address with [rtmp] listen or --rtmp";
            let what = format!("the RTMP port {} cannot be opened", config.rtmp.listen);
            StartError { what, hint, cause }
        })?);
        let destinations = config.destinations.iter().cloned().map(Destination::new).collect();
        let pull = config.pull.clone().map(Pull::new);
        let (readers, standby) = (Readers::default(), Rc::<Bell>::default());
        let open = open_file(library.clone());
        let playout =
            Playout::new(open, readers.clone(), inbox, &data.join("state"), Rc::clone(&standby));
        Ok(Rc::new(Plane {
            context,
            udp,
            port,
            viewers,
            previews,
            publishers,
            pull,
            destinations,
            library,
            playout,
            readers,
            standby,
        }))
    }

    fn announce(&self, control: &ControlHandle) {
        info!("listening: udp {}", self.udp.listen());
        info!("listening: rtmp {}", self.port.listen());
        info!("listening: http {}", control.http());
        info!("listening: stat {}", control.stat());
        let (granted, asked) = (self.udp.granted_bytes(), self.udp.asked_bytes());
        if granted < asked {
            warn!(
                "udp: the kernel granted a receive buffer of {granted} bytes instead of {asked}; \
                 `sysctl -w net.core.rmem_max={asked}` allows more"
            );
        }
    }

    /// Starts every task, waits for a signal, and ends what must end politely.
    async fn live(self: Rc<Self>, board: Board, mut signals: Signals) {
        let Context { executor, shutdown, .. } = self.context.clone();
        self.start("standby", Plane::stand_by).detach();
        self.start("files", |plane| async move {
            plane.playout.run(&plane.context.programme).await;
        })
        .detach();
        self.start("state", |plane| async move {
            plane.playout.remember(&plane.context.programme).await;
        })
        .detach();
        self.start("udp", Plane::receive).detach();
        self.start("rtmp", |plane| Rc::clone(&plane.port).run(plane.context.clone())).detach();
        self.start("previews", |plane| async move {
            let Context { executor, programme, .. } = &plane.context;
            plane.previews.run(executor, programme).await;
        })
        .detach();
        self.start("status", move |plane| plane.tell(board.clone())).detach();
        self.start("pull", Plane::pull).detach();
        let pushes = 0..self.destinations.len();
        let pushes: Vec<_> =
            pushes.map(|index| self.start("destination", move |plane| plane.push(index))).collect();
        info!("ready");
        // In a task of its own: what the thread waits for here is looked at with every wake-up.
        let stop = Rc::clone(&shutdown);
        executor
            .spawn(async move {
                tell_signal(signals.next().await);
                stop.ask();
            })
            .detach();
        shutdown.asked().await;
        let farewells = async {
            for push in pushes {
                push.await;
            }
        };
        let late = async {
            Sleep::after(Duration::from_millis(FAREWELL_MS_MAX + 500)).await;
        };
        farewells.or(late).await;
    }

    /// Starts a task that is begun again when it runs into a bug.
    fn start<F: Future<Output = ()> + 'static>(
        self: &Rc<Self>,
        name: &'static str,
        task: impl Fn(Rc<Plane>) -> F + 'static,
    ) -> Task<()> {
        let plane = Rc::clone(self);
        self.context.executor.spawn(kept_alive(name, move || task(Rc::clone(&plane))))
    }

    async fn stand_by(self: Rc<Self>) {
        let open = open_file(self.library.clone());
        let folder = self.library.folder().to_owned();
        let (readers, called) = (self.readers.clone(), Rc::clone(&self.standby));
        Standby::new(open, readers, folder, called).run(&self.context.programme).await;
    }

    async fn push(self: Rc<Self>, index: usize) {
        let Context { programme, shutdown, .. } = &self.context;
        if let Some(destination) = self.destinations.get(index) {
            destination.run(programme, shutdown).await;
        }
    }

    async fn receive(self: Rc<Self>) {
        let again = self.playout.again();
        anew(again.bell(LiveInput::Udp), || self.udp.run(&self.context.programme)).await;
    }

    async fn pull(self: Rc<Self>) {
        let Context { programme, shutdown, .. } = &self.context;
        let again = self.playout.again();
        if let Some(pull) = &self.pull {
            anew(again.bell(LiveInput::Pull), || pull.run(programme, shutdown)).await;
        }
    }

    /// Tells the state, again and again.
    async fn tell(self: Rc<Self>, board: Board) {
        let mut meters = Meters::default();
        loop {
            board.publish(self.snapshot(&mut meters, clock::mono()));
            Sleep::after(SNAPSHOT_PERIOD).await;
        }
    }

    fn snapshot(&self, meters: &mut Meters, now: Mono) -> Snapshot {
        let programme = meters.programme(&self.context.programme, now);
        let mut rtmp = self.port.status();
        rtmp.bps_out = meters.sent.at(now, rtmp.bytes_out);
        Snapshot {
            taken: now,
            programme,
            udp: self.udp.status(now),
            publisher: self.publishers.status(now),
            pull: self.pull.as_ref().map(|pull| pull.status(now)).unwrap_or_default(),
            playout: self.playout.status(&self.context.programme),
            rtmp,
            viewers: self.viewers.status(),
            destinations: self.destinations.iter().map(|each| each.status(now)).collect(),
            previews: self.previews.status(),
        }
    }
}

/// Opens the library's files, with a sentence for those that cannot be played.
fn open_file(library: Library) -> OpenFile {
    Arc::new(move |name| match library.open(name) {
        Ok(opened) => Ok(OpenedFile { bytes: Box::new(opened.file), reader: opened.reader }),
        Err(error) => {
            let kind = match error {
                LibraryError::NotFound => DeclinedKind::NotFound,
                LibraryError::Invalid(_) => DeclinedKind::Invalid,
                _ => DeclinedKind::Unplayable,
            };
            Err(Declined { kind, words: format!("{name} cannot be played: {error}") })
        }
    })
}

fn tell_signal(signal: Option<io::Result<Signal>>) {
    match signal {
        Some(Ok(signal)) => info!("ending, as {signal:?} asks"),
        Some(Err(error)) => warn!("ending: signals can no longer be received: {error}"),
        None => warn!("ending: signals can no longer be received"),
    }
}

/// Bit rates of what is only counted elsewhere.
#[derive(Default)]
struct Meters {
    video: Meter,
    audio: Meter,
    sent: Meter,
}

/// A rate over a counter.
#[derive(Default)]
struct Meter {
    last: u64,
    rate: Rate,
}

impl Meter {
    fn at(&mut self, now: Mono, counter: u64) -> u64 {
        self.rate.add(now, counter.saturating_sub(self.last));
        self.last = counter;
        self.rate.bps(now)
    }
}

impl Meters {
    fn programme(&mut self, programme: &Programme, now: Mono) -> ProgrammeStatus {
        let switcher = programme.switcher();
        let (ring, counters) = (switcher.ring(), switcher.counters());
        let [video_bytes, audio_bytes] = counters.bytes;
        ProgrammeStatus {
            on_air: switcher.on_air(),
            on_air_since: switcher.on_air_since(),
            cuts: counters.cuts,
            time_ms: ring.newest().map_or(0, |unit| unit.dts.to_ms().unsigned_abs()),
            units: counters.units,
            bytes: video_bytes + audio_bytes,
            video_bps: self.video.at(now, video_bytes),
            audio_bps: self.audio.at(now, audio_bytes),
            video: match ring.newest_config(Track::Video) {
                Some(TrackConfig::Avc(avc)) => Some(avc.clone()),
                _ => None,
            },
            audio: match ring.newest_config(Track::Audio) {
                Some(TrackConfig::Aac(aac)) => Some(aac.clone()),
                _ => None,
            },
            dropped_overlap: counters.dropped_overlap,
            dropped_oversize: ring.oversized(),
            dropped_time: counters.dropped_time,
            filled_audio: counters.filled_audio,
            ring_bytes: ring.capacity_bytes() as u64,
            ring_ms: switcher.ring_span().to_ms().unsigned_abs(),
        }
    }
}

/// How a ring's payload bytes are shared out.
fn capacity(ring_bytes: usize) -> Capacity {
    let audio_bytes = ring_bytes / RING_AUDIO_SHARE;
    Capacity {
        video_bytes: ring_bytes - audio_bytes,
        audio_bytes,
        units: RING_UNITS_MAX,
        unit_bytes_max: ACCESS_UNIT_BYTES_MAX,
    }
}

/// Runs a task, and begins it again when it runs into a bug: the programme goes on.
async fn kept_alive<F: Future<Output = ()>>(name: &'static str, mut task: impl FnMut() -> F) {
    while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
        error!("{name} ran into a bug in this program and begins again; please report it");
        Sleep::after(RESTART_PAUSE).await;
    }
}

//! The data plane's parts, and the tasks that run them. Purpose: binds the inputs and the RTMP
//! port, lives on one executor until it is told to end, and says farewell. Bound: one task for
//! each part; what runs into a bug is begun again.

use std::cell::Cell;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_signal::Signals;
use log::{error, info, warn};
use smol::channel::Receiver;
use smol::future::FutureExt;
use smol::{LocalExecutor, Task};

use super::meters::Meters;
use super::start_error::StartError;
use super::{front, signals};
use crate::base::limits::{
    ACCESS_UNIT_BYTES_MAX, FAREWELL_MS_MAX, RING_AUDIO_SHARE, RING_UNITS_MAX,
};
use crate::base::time::Mono;
use crate::config::settings::{LiveSettings, Settings};
use crate::config::Config;
use crate::control::auth::Auth;
use crate::control::ControlHandle;
use crate::inputs::diagnosis::Air;
use crate::inputs::file_reader::{OpenFile, Readers};
use crate::inputs::playout::FilePlayout;
use crate::inputs::publisher::Publishers;
use crate::inputs::pull::PullSource;
use crate::inputs::reopen::repeat_on;
use crate::inputs::standby::Standby;
use crate::inputs::udp::UdpInput;
use crate::library::{Library, LibraryError};
use crate::net::plane_socket::{self, PlaneState};
use crate::net::reactor::Sleep;
use crate::net::served_certificate::ServedCertificate;
use crate::net::tls::Authorities;
use crate::operator::commands::{Declined, DeclinedKind, Inbox, LiveInput};
use crate::operator::snapshot::{Board, Snapshot};
use crate::outputs::destinations::PushDestination;
use crate::outputs::preview::PreviewInbox;
use crate::outputs::pushes::Pushes;
use crate::outputs::viewers::Viewers;
use crate::ports::rtmp::{Context, RtmpPort};
use crate::program::bell::Bell;
use crate::program::ring::{Capacity, Ring};
use crate::program::switcher::{FillAudio, Switcher};
use crate::program::Programme;
use crate::system::clock;
use crate::system::shutdown::Shutdown;

/// Pause between two looks at whether somebody has edited the configuration file.
const CONFIG_LOOK_MS: u64 = 2_000;
/// How often the state is told.
const SNAPSHOT_PERIOD: Duration = Duration::from_millis(250);
/// Time who asked for a restart has to get his answer before the control plane ends.
const ANSWER_PAUSE: Duration = Duration::from_millis(500);
/// Pause before a task that ran into a bug is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Everything on the data plane.
pub struct DataPlane {
    /// What all its tasks share.
    pub context: Context,
    udp: UdpInput,
    port: Rc<RtmpPort>,
    viewers: Rc<Viewers>,
    previews: PreviewInbox,
    publishers: Rc<Publishers>,
    pull: Option<PullSource>,
    pushes: Pushes,
    library: Library,
    playout: FilePlayout,
    readers: Readers,
    /// Rings when standby has been put on air.
    standby: Rc<Bell>,
    /// It is to begin again when it has ended.
    pub restart: Cell<bool>,
}

impl DataPlane {
    /// Not inlined: its temporaries are the largest there are, and the data plane's stack would
    /// keep room for them for ever.
    #[inline(never)]
    pub fn bind(
        config: &Config,
        data: &Path,
        library: Library,
        certificate: Option<Arc<ServedCertificate>>,
        (inbox, previews): (Inbox, PreviewInbox),
    ) -> Result<Rc<DataPlane>, StartError> {
        let ring = Ring::new(capacity(config.programme.ring_bytes));
        let fill = if config.programme.fill_audio { FillAudio::Yes } else { FillAudio::No };
        let switcher = Switcher::new(ring, config.programme.silence, fill);
        let context = Context {
            executor: Rc::new(LocalExecutor::new()),
            programme: Rc::new(Programme::new(switcher)),
            shutdown: Rc::default(),
        };
        let viewers = Rc::new(Viewers::new(config.rtmp.viewers_max, config.rtmp.batch));
        let udp = UdpInput::bind(&config.udp, config.programme.silence).map_err(|cause| {
            let hint = "Choose another address with [input.udp] listen or --udp";
            let what = format!("the UDP input {} cannot be opened", config.udp.listen);
            StartError { what, hint, cause }
        })?;
        let publishers = Rc::<Publishers>::default();
        let port = RtmpPort::bind(config, certificate, Rc::clone(&viewers), Rc::clone(&publishers));
        let port = Rc::new(port.map_err(|cause| {
            let hint = "Choose another address with [rtmp] listen or --rtmp";
            let what = format!("the RTMP port {} cannot be opened", config.rtmp.listen);
            StartError { what, hint, cause }
        })?);
        let authorities = Rc::new(Authorities::with(config.authorities.as_ref()));
        let pull = config.pull.clone();
        let pull = pull.map(|pull| PullSource::new(pull, Rc::clone(&authorities)));
        let (readers, standby) = (Readers::default(), Rc::<Bell>::default());
        let open = open_file(library.clone());
        let playout = FilePlayout::new(
            open,
            readers.clone(),
            inbox,
            &data.join("state"),
            Rc::clone(&standby),
        );
        Ok(Rc::new(DataPlane {
            context,
            udp,
            port,
            viewers,
            previews,
            publishers,
            pull,
            pushes: Pushes::new(authorities),
            library,
            playout,
            readers,
            standby,
            restart: Cell::default(),
        }))
    }

    pub fn announce(&self, control: &ControlHandle) {
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
    pub async fn live(
        self: Rc<Self>,
        board: Board,
        signals: Signals,
        (settings, auth): (Settings, Arc<Auth>),
        live: Receiver<Arc<LiveSettings>>,
    ) {
        let Context { executor, shutdown, .. } = self.context.clone();
        self.start("standby", DataPlane::stand_by).detach();
        self.start("files", |plane| async move {
            plane.playout.run(&plane.context.programme).await;
        })
        .detach();
        self.start("state", |plane| async move {
            plane.playout.remember(&plane.context.programme).await;
        })
        .detach();
        self.start("udp", DataPlane::receive).detach();
        self.start("rtmp", |plane| Rc::clone(&plane.port).run(plane.context.clone())).detach();
        self.start("viewers", |plane| async move {
            plane.viewers.wake(&plane.context.programme).await;
        })
        .detach();
        self.start("previews", |plane| async move {
            let Context { executor, programme, .. } = &plane.context;
            plane.previews.run(executor, programme).await;
        })
        .detach();
        self.start("status", move |plane| plane.tell(board.clone())).detach();
        self.start("pull", DataPlane::pull).detach();
        self.start("settings", move |plane| plane.follow_settings(live.clone())).detach();
        let follow = move |_| DataPlane::follow(settings.clone(), Arc::clone(&auth));
        self.start("configuration", follow).detach();
        self.start("plane socket", DataPlane::answer_probes).detach();
        info!("ready");
        // In a task of its own: what the thread waits for here is looked at with every wake-up.
        let stop = Rc::clone(&shutdown);
        executor
            .spawn(async move {
                signals::asked_to_end(signals).await;
                stop.ask();
            })
            .detach();
        shutdown.asked().await;
        let farewells = self.pushes.end();
        let late = async {
            Sleep::after(Duration::from_millis(FAREWELL_MS_MAX + 500)).await;
        };
        farewells.or(late).await;
    }

    /// Starts a task that is begun again when it runs into a bug.
    fn start<F: Future<Output = ()> + 'static>(
        self: &Rc<Self>,
        name: &'static str,
        task: impl Fn(Rc<DataPlane>) -> F + 'static,
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

    /// Applies each change of what takes effect at once.
    async fn follow_settings(self: Rc<Self>, live: Receiver<Arc<LiveSettings>>) {
        while let Ok(live) = live.recv().await {
            self.apply(&live);
            if live.restart {
                info!("stopping, to restart");
                Sleep::after(ANSWER_PAUSE).await;
                self.restart.set(true);
                self.context.shutdown.ask();
            }
        }
    }

    fn apply(self: &Rc<Self>, live: &LiveSettings) {
        self.context.programme.set_silence(live.silence);
        self.udp.set_silence(live.silence);
        let plane = Rc::clone(self);
        let push = move |destination: Rc<PushDestination>, stop: Rc<Shutdown>| {
            let plane = Rc::clone(&plane);
            kept_alive("destination", move || {
                let (plane, destination) = (Rc::clone(&plane), Rc::clone(&destination));
                let stop = Rc::clone(&stop);
                async move { destination.run(&plane.context.programme, &stop).await }
            })
        };
        self.pushes.set(&live.destinations, &self.context.executor, push);
    }

    /// Looks whether somebody has edited the configuration, again and again.
    async fn follow(settings: Settings, auth: Arc<Auth>) {
        loop {
            let (settings, auth) = (settings.clone(), Arc::clone(&auth));
            smol::unblock(move || front::follow(&settings, &auth)).await;
            Sleep::after(Duration::from_millis(CONFIG_LOOK_MS)).await;
        }
    }

    /// Says how the programme does to who asks past the control plane.
    async fn answer_probes(self: Rc<Self>) {
        let listener = match plane_socket::bind() {
            Ok(listener) => listener,
            Err(error) => {
                warn!("the probe's own socket cannot be opened: {error}");
                return;
            }
        };
        let state = || {
            let switcher = self.context.programme.switcher();
            let age = clock::mono().since(switcher.completed());
            PlaneState {
                on_air: switcher.on_air().name().to_owned(),
                unit_age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            }
        };
        plane_socket::serve(&listener, state).await;
    }

    async fn receive(self: Rc<Self>) {
        let bells = self.playout.reopen_bells();
        repeat_on(bells.bell(LiveInput::Udp), || self.udp.run(&self.context.programme)).await;
    }

    async fn pull(self: Rc<Self>) {
        let Context { programme, shutdown, .. } = &self.context;
        let bells = self.playout.reopen_bells();
        if let Some(pull) = &self.pull {
            repeat_on(bells.bell(LiveInput::Pull), || pull.run(programme, shutdown)).await;
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
        let air = Air::of(&self.context.programme.switcher());
        self.udp.look(air, now);
        self.port.look(air, now);
        self.pull.iter().for_each(|pull| pull.look(air, now));
        let programme = meters.programme(&self.context.programme, now);
        self.pushes.look(&programme, now);
        let mut rtmp = self.port.status();
        rtmp.bps_out = meters.sent.at(now, rtmp.bytes_out);
        rtmp.bps_in = meters.received.at(now, rtmp.bytes_in);
        Snapshot {
            taken: now,
            programme,
            udp: self.udp.status(now),
            publisher: self.publishers.status(now),
            pull: self.pull.as_ref().map(|pull| pull.status(now)).unwrap_or_default(),
            playout: self.playout.status(&self.context.programme),
            rtmp,
            viewers: self.viewers.status(),
            destinations: self.pushes.status(now),
            previews: self.previews.status(),
        }
    }
}

/// Opens the library's files, with a sentence for those that cannot be played.
fn open_file(library: Library) -> OpenFile {
    Arc::new(move |name| match library.open(name) {
        Ok(opened) => Ok(opened.reading),
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
        error!("{name} hit a bug in this program and was restarted; please report it");
        Sleep::after(RESTART_PAUSE).await;
    }
}

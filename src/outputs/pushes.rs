//! The set of destinations, which may change while the programme runs. Purpose: what is wished is
//! compared with what runs; what differs ends politely and begins again, and nobody else notices.
//! A changed destination begins when its old session has ended: a platform takes one publisher
//! per key. Non-goals: how one is pushed to (destinations), who may change them. Bounds: as many
//! as the configuration allows, and [`DESTINATIONS_LEAVING_MAX`] that say farewell while others
//! already begin.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use log::info;
use smol::{LocalExecutor, Task};

use super::destinations::PushDestination;
use crate::base::limits::DESTINATIONS_LEAVING_MAX;
use crate::base::time::Mono;
use crate::config::Destination as Config;
use crate::net::reactor::Sleep;
use crate::net::tls::Authorities;
use crate::operator::snapshot::{DestinationStatus, ProgrammeStatus};
use crate::system::shutdown::Shutdown;

/// Pause before it is looked again whether enough others have left.
const ROOM_PAUSE: Duration = Duration::from_millis(100);

/// All destinations.
pub struct Pushes {
    authorities: Rc<Authorities>,
    running: RefCell<Vec<Running>>,
    /// Those that say farewell.
    leaving: Rc<Cell<usize>>,
    /// Their tasks, and those of destinations that were removed.
    farewells: RefCell<Vec<Task<()>>>,
}

struct Running {
    config: Config,
    session: u64,
    destination: Rc<PushDestination>,
    stop: Rc<Shutdown>,
    task: Task<()>,
}

/// Counts one that says farewell.
struct Leaving(Rc<Cell<usize>>);

impl Leaving {
    fn new(count: &Rc<Cell<usize>>) -> Leaving {
        count.set(count.get() + 1);
        Leaving(Rc::clone(count))
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Pushes {
    /// None yet; servers that are connected to by TLS are judged by these authorities.
    pub fn new(authorities: Rc<Authorities>) -> Pushes {
        let (running, leaving, farewells) = Default::default();
        Pushes { authorities, running, leaving, farewells }
    }

    /// Makes what runs what is wished. Each wish comes with the number of its session: the same
    /// destination with another number gets a session of its own, new. `push` pushes one until
    /// it is asked to stop.
    pub fn set<'e, F: std::future::Future<Output = ()> + 'static>(
        &self,
        wished: &[(Config, u64)],
        executor: &LocalExecutor<'e>,
        push: impl Fn(Rc<PushDestination>, Rc<Shutdown>) -> F + Clone + 'static,
    ) {
        self.farewells.borrow_mut().retain(|task| !task.is_finished());
        let mut before: Vec<Running> = self.running.take();
        let mut after = Vec::with_capacity(wished.len());
        for (config, session) in wished {
            let index = before.iter().position(|each| each.config.name == config.name);
            let old = index.map(|index| before.swap_remove(index));
            let same = |old: &Running| old.config == *config && old.session == *session;
            let next = match old {
                Some(old) if same(&old) => old,
                old => self.begin(config.clone(), *session, old, executor, push.clone()),
            };
            after.push(next);
        }
        for gone in before {
            info!("destination {}: removed", gone.config.name);
            gone.stop.ask();
            let (leaving, task) = (Leaving::new(&self.leaving), gone.task);
            let farewell = executor.spawn(async move {
                task.await;
                drop(leaving);
            });
            self.farewells.borrow_mut().push(farewell);
        }
        *self.running.borrow_mut() = after;
    }

    /// Begins a destination, behind the farewell of the one it takes the place of.
    fn begin<'e, F: std::future::Future<Output = ()> + 'static>(
        &self,
        config: Config,
        session: u64,
        old: Option<Running>,
        executor: &LocalExecutor<'e>,
        push: impl Fn(Rc<PushDestination>, Rc<Shutdown>) -> F + 'static,
    ) -> Running {
        let stop = Rc::<Shutdown>::default();
        let destination = match &old {
            Some(old) => {
                info!("destination {}: restarts", config.name);
                PushDestination::after(config.clone(), &old.destination)
            }
            None => PushDestination::new(config.clone(), Rc::clone(&self.authorities)),
        };
        let destination = Rc::new(destination);
        let farewell = old.map(|old| {
            old.stop.ask();
            (Leaving::new(&self.leaving), old.task)
        });
        let (pushed, stopped) = (Rc::clone(&destination), Rc::clone(&stop));
        let leaving = Rc::clone(&self.leaving);
        let task = executor.spawn(async move {
            if let Some((counted, task)) = farewell {
                task.await;
                drop(counted);
            }
            while leaving.get() > DESTINATIONS_LEAVING_MAX {
                Sleep::after(ROOM_PAUSE).await;
            }
            push(pushed, stopped).await;
        });
        Running { config, session, destination, stop, task }
    }

    /// Each looks whether the programme is one for its platform.
    pub fn look(&self, programme: &ProgrammeStatus, now: Mono) {
        self.running.borrow().iter().for_each(|each| each.destination.look(programme, now));
    }

    /// The state of each, in the order of the configuration.
    pub fn status(&self, now: Mono) -> Vec<DestinationStatus> {
        self.running.borrow().iter().map(|each| each.destination.status(now)).collect()
    }

    /// Ends all of them politely.
    pub async fn end(&self) {
        let running = self.running.take();
        running.iter().for_each(|each| each.stop.ask());
        for each in running {
            each.task.await;
        }
        let farewells = self.farewells.take();
        for farewell in farewells {
            farewell.await;
        }
    }
}

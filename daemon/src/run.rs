//! READ THIS FIRST: start in order, wait, stop in reverse.

use std::io;
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bastion_api::EventKind;
use bastion_api::paths::{self, Env, PathError};
use bastion_aws::{Aws, AwsSurvey, Settings};
use bastion_cloud::{Cloud, Site, Survey};
use bastion_pool::adopt;
use ssm_tunnel::{Budget, Options, Proxies, Roots, Trust};
use thiserror::Error;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::{Config, Faults, Target};
use crate::control::{self, CloudMaker, Desk, Office, Pair, Running, Surveyor};
use crate::events::Events;
use crate::explain;
use crate::host::{self, Asked, Notice};
use crate::keeper::{JournaledSessions, Keeper, Parts, Refusal};
use crate::ledger::Ledger;
use crate::listen::authority::Authority;
use crate::listen::peer::Finder;
use crate::listen::{self, Engines, House, Listeners, Opening, Roster, unix};
use crate::state::{Journal, Left, StateDir, StateError};
use crate::tasks::Tasks;
use crate::tunnels::{self, Sizes, Trouble, Tunnels};

/// What the daemon is started with.
#[derive(Debug)]
pub struct Start {
    /// The config, already without faults.
    pub config: Config,
    /// The state directory, where one was named.
    pub state_dir: Option<PathBuf>,
    /// The control socket that a service manager has bound for us.
    pub inherited: Option<StdUnixListener>,
}

/// Runs the daemon until a signal, or until a vital part of it fails.
pub async fn run(start: Start) -> Result<(), RunError> {
    let Start { config, state_dir, inherited } = start;
    let mut signals = host::Signals::new().map_err(RunError::Signals)?;

    // The state directory first: its lock says that no other daemon runs.
    let env = Env::of_process();
    let state_dir = state_dir.map_or_else(|| paths::state_dir(&env), Ok)?;
    let state = StateDir::open(&state_dir)?;
    if let Some(aside) = state.set_aside() {
        warn!(path = %aside.display(), "the installation's id could not be read and was set aside");
    }
    let (control_socket, socket_path) = control_socket(inherited, &env)?;

    // What everybody uses.
    let clock = Clock::machine();
    let tasks = Tasks::new();
    tasks.spawn("wake watcher", clock.clone().watch_sleep(tasks.stop_token()));
    let events = Events::new(clock.clone());
    let (journal, scribe, left) = Journal::open(state.path())?;
    if let Some(aside) = &left.set_aside {
        warn!(path = %aside.display(), "the journal could not be read and was set aside");
    }
    tasks.spawn_vital("journal", tasks.stop_token(), scribe.run(tasks.stop_token()));
    let ledger = Ledger::open(state.path(), clock.clone())?;
    let roster = Roster::default();
    let (troubles, troubled) = mpsc::unbounded_channel();
    let tunnels = Tunnels::new(tunnels::Parts {
        troubles,
        options: options(&config),
        sizes: Sizes::remembered(state.path()),
        book: Arc::new(JournaledSessions(journal.clone())),
        log: Arc::new(ledger.clone()),
        ..tunnels::Parts::new(tasks.clone(), clock.clone(), events.clone())
    });
    let troubles = tell_troubles(troubled, roster.clone(), events.clone(), clock.clone());
    let stop = tasks.stop_token();
    tasks.spawn("explain troubles of tunnels", async move {
        tokio::select! {
            () = troubles => {}
            () = stop.cancelled() => {}
        }
    });
    let targets = with_clouds(&config, &[]);

    // The keeper, and who explains its failures.
    let (failures, failed) = mpsc::unbounded_channel();
    let (keeper, running) = Keeper::new(Parts {
        targets: targets.clone(),
        left_at: with_clouds_of(&left, &config),
        left,
        started_by: state.started_by(),
        on_stop: config.on_stop,
        journal,
        ledger: ledger.clone(),
        state_dir: state.path().to_owned(),
        clock: clock.clone(),
        events: events.clone(),
        tunnels: Arc::new(tunnels.clone()),
        tasks: tasks.clone(),
        failures,
    });
    tasks.spawn_vital("keeper", tasks.stop_token(), async move {
        running.run().await;
        Ok::<_, std::convert::Infallible>(())
    });
    tasks.spawn("explain failures", tell_failures(failed, events.clone()));

    // The listeners: from here on visits are taken.
    let (closing, curfew) = (CancellationToken::new(), CancellationToken::new());
    let (finder, searching) = Finder::new();
    let authority = Authority::new(state.path());
    if let Err(err) = authority.prepare() {
        warn!(%err, "no certificate: clients that ask for TLS cannot be told what is wrong");
    }
    tasks.spawn("find visitors' programs", searching.run(tasks.stop_token()));
    let house = House {
        keeper: keeper.clone(),
        tunnels,
        roster,
        engines: Engines::remembered(state.path()),
        events: events.clone(),
        ledger: ledger.clone(),
        authority: Arc::new(authority),
        finder,
        clock: clock.clone(),
        uid: host::uid(),
        curfew: curfew.clone(),
    };
    let listeners = Listeners::default();
    let opening = Opening {
        house: house.clone(),
        state_dir: state.path().to_owned(),
        tasks: tasks.clone(),
        closing: closing.clone(),
    };
    for (target, cloud) in &targets {
        listeners.open(target, cloud, &opening);
    }

    // The control socket: from here on calls are answered.
    let count = listen::in_words(targets.len());
    let desk = Desk {
        running: Running::new(config, targets),
        clouds: CloudMaker::new(with_clouds),
        surveyor: Surveyor::new(look_into),
        reloading: Arc::default(),
        house: house.clone(),
        listeners,
        opening,
        tasks: tasks.clone(),
        started_at: clock.calendar(),
    };
    let no_more_calls = CancellationToken::new();
    let serve = control::serve(control_socket, desk.clone(), no_more_calls.clone());
    tasks.spawn_vital("control", no_more_calls.clone(), serve);

    events.tell(None, EventKind::DaemonStarted, format!("serving {count}"));
    host::notify(&[Notice::Ready, Notice::Status(&count)]);
    let (answering, stop) = (keeper.clone(), tasks.stop_token());
    tasks.spawn("tell the service manager that we live", async move {
        let answers = || {
            let keeper = answering.clone();
            async move { keeper.standings().await }
        };
        tokio::select! {
            () = host::watchdog(answers) => {}
            () = stop.cancelled() => {}
        }
    });

    // Wait, and read the config again as often as that is asked for.
    let alarm = tasks.alarm();
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = alarm.cancelled() => break,
        };
        match asked {
            Asked::Stop(signal) => {
                info!(signal, "asked to stop");
                break;
            }
            Asked::Reload => {
                let desk = desk.clone();
                tasks.spawn("reload", async move { drop(control::reload::again(&desk).await) });
            }
        }
    }

    // Stop in reverse; a second signal ends it now.
    host::notify(&[Notice::Stopping]);
    events.tell(None, EventKind::DaemonStopping, "stopping");
    let in_order = async {
        no_more_calls.cancel();
        closing.cancel();
        if timeout(VISIT_GRACE, everybody_left(&house.roster)).await.is_err() {
            info!(visits = house.roster.len(), "ending the visits that are left");
        }
        curfew.cancel();
        if timeout(BASTIONS_GRACE, keeper.stop()).await.is_err() {
            warn!("some bastions could not be told to stop in time");
        }
        tasks.join(TASKS_GRACE).await;
        ledger.synced().await;
    };
    tokio::select! {
        () = in_order => {}
        signal = signals.stop() => warn!(signal, "stopping at once: bastions may be left running"),
    }
    if let Some(path) = socket_path
        && let Err(err) = unix::remove(&path)
    {
        warn!(%err, "removing the control socket");
    }
    drop(state);
    tasks.failure().map_or(Ok(()), |reason| Err(RunError::Vital(reason)))
}

/// Answers one caller what needs no bastion, from a config that may be faulty: no lock, no listener, nothing started.
pub async fn oneshot(
    loaded: Result<Config, Faults>,
    state_dir: Option<PathBuf>,
    caller: UnixStream,
) -> Result<(), RunError> {
    let state_dir = state_dir.map_or_else(|| paths::state_dir(&Env::of_process()), Ok)?;
    let (config, faults) = match loaded {
        Ok(config) => (config, None),
        Err(faults) => (Config::default(), Some(Arc::new(faults))),
    };
    let targets = with_clouds(&config, &[]);
    let office = Office {
        running: Running::new(config, targets),
        faults,
        clouds: CloudMaker::new(with_clouds),
        surveyor: Surveyor::new(look_into),
        engines: Engines::remembered(&state_dir),
        state_dir,
        live: None,
    };
    control::serve_one(caller, office).await.map_err(RunError::Socket)
}

/// Why the daemon did not start, or did not go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// Signals cannot be listened for.
    #[error("listening for signals")]
    Signals(#[source] io::Error),
    /// No place for the state directory or the socket.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The state directory cannot be ours.
    #[error(transparent)]
    State(#[from] StateError),
    /// The control socket cannot be bound.
    #[error("binding the control socket")]
    Bind(#[from] unix::BindError),
    /// The control socket cannot be used.
    #[error("using the control socket")]
    Socket(#[source] io::Error),
    /// A part failed that everything needs.
    #[error("{0}")]
    Vital(String),
}

impl RunError {
    /// What to type, where something helps.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Path(err) => Some(err.hint().to_owned()),
            Self::State(StateError::Locked { pid, .. }) => Some(pid.map_or_else(
                || "bastionctl service stop".to_owned(),
                |pid| format!("bastionctl service stop, or kill {pid}"),
            )),
            Self::State(StateError::Foreign { .. }) => {
                Some("name a directory of your own: --state-dir DIR".to_owned())
            }
            Self::Bind(unix::BindError::TooLong { .. }) => Some(
                "name a shorter path: BASTION_SOCKET=/tmp/bastiond-$UID/control.sock".to_owned(),
            ),
            Self::Bind(unix::BindError::Open { dir, .. }) => {
                Some(format!("chmod 700 {}", dir.display()))
            }
            Self::Bind(unix::BindError::Live { .. } | unix::BindError::Busy { .. }) => {
                Some("another bastiond answers there: bastionctl version".to_owned())
            }
            Self::Signals(_)
            | Self::State(StateError::Io { .. })
            | Self::Bind(unix::BindError::NotASocket { .. } | unix::BindError::System { .. })
            | Self::Socket(_)
            | Self::Vital(_) => None,
        }
    }
}

/// The control socket, and its path where we have bound it and have to remove it.
fn control_socket(
    inherited: Option<StdUnixListener>,
    env: &Env,
) -> Result<(UnixListener, Option<PathBuf>), RunError> {
    let (socket, path) = match inherited {
        Some(socket) => (socket, None),
        None => {
            let path = paths::control_socket(env)?;
            (unix::bind(&path)?, Some(path))
        }
    };
    Ok((UnixListener::from_std(socket).map_err(RunError::Socket)?, path))
}

/// Every target with the cloud of its site; targets of the same site share one, also with those of the config before.
fn with_clouds(config: &Config, known: &[Pair]) -> Vec<Pair> {
    let known = known.iter().map(|(target, cloud)| (target.site.clone(), Arc::clone(cloud)));
    let mut clouds: Vec<(Site, Arc<dyn Cloud>)> = known.collect();
    let mut with_cloud = |target: &Target| {
        let known = clouds.iter().find(|(site, _)| *site == target.site);
        if let Some((_, cloud)) = known {
            return Arc::clone(cloud);
        }
        let cloud = aws(&target.site, config);
        clouds.push((target.site.clone(), Arc::clone(&cloud)));
        cloud
    };
    config.targets.iter().map(|target| (Arc::new(target.clone()), with_cloud(target))).collect()
}

/// A site of each place where an earlier run has left something, whether the config knows it still or not.
fn with_clouds_of(left: &Left, config: &Config) -> Vec<(Site, Arc<dyn Cloud>)> {
    let places = adopt::places(&left.book, &[]).into_iter();
    places.map(|site| (site.clone(), aws(site, config))).collect()
}

/// A site at AWS, spoken to as the config says.
fn aws(site: &Site, config: &Config) -> Arc<dyn Cloud> {
    let settings = Settings { ca_bundle: config.ca_bundle.clone(), ..Settings::default() };
    Arc::new(Aws::with(site.clone(), settings))
}

/// An account at AWS that no config knows yet, spoken to as the config says.
fn look_into(config: &Config, profile: Option<String>, region: Option<String>) -> Arc<dyn Survey> {
    let settings = Settings { ca_bundle: config.ca_bundle.clone(), ..Settings::default() };
    Arc::new(AwsSurvey::new(profile, region, settings))
}

/// Puts the keeper's failures into words, as long as it has any.
async fn tell_failures(
    mut failed: mpsc::UnboundedReceiver<(Arc<Target>, Refusal)>,
    events: Events,
) {
    while let Some((target, refusal)) = failed.recv().await {
        let problem = explain::refusal(&target, &refusal);
        events.tell_problem(Some(&target.name), EventKind::ProblemFound, &problem);
    }
}

/// Puts the troubles of tunnels into words, as long as there are any tunnels.
async fn tell_troubles(
    mut troubled: mpsc::UnboundedReceiver<(Arc<Target>, Trouble)>,
    roster: Roster,
    events: Events,
    clock: Clock,
) {
    while let Some((target, trouble)) = troubled.recv().await {
        let name = target.name.as_str();
        match trouble {
            // Visits go on with the tunnels that there are.
            Trouble::Full { failure, .. } => {
                let problem = explain::refusal(&target, &Refusal::Tunnel(failure));
                events.tell_problem(Some(name), EventKind::ProblemFound, &problem);
            }
            Trouble::Away(failure) => {
                let problem = explain::refusal(&target, &Refusal::Tunnel(failure));
                events.tell_problem(Some(name), EventKind::ProblemFound, &problem);
                roster.note_trouble(name, problem, clock.now());
            }
            Trouble::Refused(failure) => {
                let problem = explain::refusal(&target, &Refusal::Tunnel(failure));
                events.tell_problem(Some(name), EventKind::TunnelClosed, &problem);
                roster.note_trouble(name, problem, clock.now());
            }
            Trouble::Over => roster.clear_trouble(name),
        }
    }
}

/// How tunnels behave: as the config says, else as the environment does.
fn options(config: &Config) -> Options {
    let from_env = |name: &str| std::env::var(name).ok().filter(|said| !said.is_empty());
    let bundle = config.ca_bundle.clone().or_else(|| from_env("AWS_CA_BUNDLE").map(PathBuf::from));
    let proxies = Proxies::from_env(from_env).unwrap_or_else(|err| {
        warn!(%err, "the proxy is not used");
        Proxies::default()
    });
    let bytes = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut options = Options {
        trust: Trust::new(bundle.map_or(Roots::System, Roots::Bundle)),
        proxies,
        budget: Budget::new(bytes(config.unread_in_all)),
        ..Options::default()
    };
    options.channel.unread_per_stream = bytes(config.unread_per_stream);
    options
}

async fn everybody_left(roster: &Roster) {
    while !roster.is_empty() {
        sleep(LOOK_AGAIN).await;
    }
}

/// How long visits may take to end by themselves.
const VISIT_GRACE: Duration = Duration::from_secs(2);

/// How long the cloud may take to take every order to stop: a RunTask on its way has to be answered first, by its second
/// attempt at the latest, and systemd waits 90 s for all of us.
const BASTIONS_GRACE: Duration = Duration::from_secs(60);

/// How long tasks may take to end once they were told to.
const TASKS_GRACE: Duration = Duration::from_secs(5);

/// How often the roster is looked at while the last visits end.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

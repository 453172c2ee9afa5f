//! What keeps bastiond running, and how each of the two is asked for the same thing.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bastion_api::{Problem, ProblemKind};
use clap::ValueEnum;
use tokio::time::sleep;

use super::call::{Call, Mute, Said};
use super::environment::Captured;
use super::files::Wanted;
use super::places::{self, Places};
use super::standing::Standing;
use super::{launchd, systemd};
use crate::clock;
use crate::error::Failure;
use crate::words::clean;

/// A program that starts services and keeps them running.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Kind {
    /// systemd's user manager
    Systemd,
    /// launchd
    Launchd,
}

/// The manager that answers here, and where its files are.
#[derive(Debug)]
pub(super) struct Manager {
    pub(super) kind: Kind,
    pub(super) places: Places,
    /// launchd's name for a user's services: `gui/501`.
    domain: String,
}

impl Kind {
    /// The one of this system.
    pub(super) fn of_system() -> Self {
        if cfg!(target_os = "macos") { Self::Launchd } else { Self::Systemd }
    }

    /// Its name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
        }
    }

    /// The files of the service.
    pub(super) fn files(self, places: &Places, program: &Path, captured: &Captured) -> Vec<Wanted> {
        match self {
            Self::Systemd => systemd::files(places, program, captured),
            Self::Launchd => launchd::files(places, program, captured),
        }
    }

    /// Where it looks for programs, whatever the shell says.
    pub(super) fn usual_path(self) -> &'static str {
        match self {
            Self::Systemd => "/usr/local/bin:/usr/bin:/bin",
            Self::Launchd => "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        }
    }

    /// Whether the service is installed, as far as its files tell.
    pub(super) fn is_installed(self, places: &Places) -> bool {
        let system = ["/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"];
        match self {
            Self::Systemd => [places.units.clone(), places::units(&places.usual)]
                .into_iter()
                .chain(system.map(PathBuf::from))
                .any(|dir| dir.join("bastiond.service").exists()),
            Self::Launchd => launchd::agent(places).exists(),
        }
    }
}

impl Manager {
    /// The manager of this kind; a problem where none answers.
    pub(super) async fn reach(kind: Kind) -> Result<Self, Failure> {
        let places = Places::of_process()?;
        let domain = match kind {
            Kind::Systemd => {
                let said = greeted(&systemd::greet()).await?;
                let places = places.seen_by_systemd(systemd::unit_path(&said));
                return Ok(Self { kind, places, domain: String::new() });
            }
            Kind::Launchd => {
                let uid = uid();
                let gui = format!("gui/{uid}");
                if greeted(&launchd::greet(&gui)).await.is_ok() {
                    gui
                } else {
                    let user = format!("user/{uid}");
                    greeted(&launchd::greet(&user)).await?;
                    user
                }
            }
        };
        Ok(Self { kind, places, domain })
    }

    /// What is asked of it to have the service started now and at every login, in words to type.
    pub(super) fn calls_of_install(&self, now: bool) -> Vec<Call> {
        match self.kind {
            Kind::Systemd => {
                let start = now.then(systemd::start);
                [systemd::look_again(), systemd::enable()].into_iter().chain(start).collect()
            }
            Kind::Launchd => {
                let load = now.then(|| launchd::load(&self.domain, &self.places));
                std::iter::once(launchd::enable(&self.domain)).chain(load).collect()
            }
        }
    }

    /// Starts the service.
    pub(super) async fn start(&self) -> Result<(), Failure> {
        match self.kind {
            Kind::Systemd => systemd::start().run().await,
            Kind::Launchd => {
                if self.is_loaded().await? {
                    return launchd::kick(&self.domain).run().await;
                }
                launchd::enable(&self.domain).run().await?;
                launchd::load(&self.domain, &self.places).run().await
            }
        }
    }

    /// Stops the service; returns when it has ended.
    pub(super) async fn stop(&self) -> Result<(), Failure> {
        match self.kind {
            Kind::Systemd => systemd::stop().run().await,
            Kind::Launchd => self.unload().await,
        }
    }

    /// Stops the service and starts it with what its files say now.
    pub(super) async fn restart(&self) -> Result<(), Failure> {
        match self.kind {
            Kind::Systemd => {
                systemd::look_again().run().await?;
                systemd::restart().run().await
            }
            Kind::Launchd => {
                self.unload().await?;
                self.start().await
            }
        }
    }

    /// Has the service no longer started at login.
    pub(super) async fn disable(&self) -> Result<(), Failure> {
        match self.kind {
            Kind::Systemd => systemd::disable().run().await,
            // An agent without its file is not loaded.
            Kind::Launchd => Ok(()),
        }
    }

    /// Tells it that files are gone.
    pub(super) async fn look_again(&self) -> Result<(), Failure> {
        match self.kind {
            Kind::Systemd => systemd::look_again().run().await,
            Kind::Launchd => Ok(()),
        }
    }

    /// How the service is.
    pub(super) async fn standing(&self) -> Result<Standing, Failure> {
        match self.kind {
            Kind::Systemd => Ok(systemd::standing(&asked(&systemd::look()).await?)),
            Kind::Launchd => {
                let installed = self.kind.is_installed(&self.places);
                let service = asked(&launchd::look(&self.domain)).await?;
                let disabled = asked(&launchd::look_disabled(&self.domain)).await?;
                Ok(launchd::standing(installed, &service, &disabled))
            }
        }
    }

    /// Whether the service goes on when its user has no session left; none where nobody can tell.
    pub(super) async fn lingers(&self) -> Option<bool> {
        match self.kind {
            Kind::Systemd => {
                let said = systemd::lingers(uid()).ask().await.ok().filter(|said| said.ok)?;
                let value = said.out.lines().find_map(|line| line.strip_prefix("Linger="))?;
                Some(value.trim() == "yes")
            }
            Kind::Launchd => None,
        }
    }

    async fn is_loaded(&self) -> Result<bool, Failure> {
        Ok(launchd::is_loaded(&asked(&launchd::look(&self.domain)).await?))
    }

    /// launchd may answer before the service has ended.
    async fn unload(&self) -> Result<(), Failure> {
        if !self.is_loaded().await? {
            return Ok(());
        }
        let unload = launchd::unload(&self.domain);
        let refused = unload.run().await;
        let begun = clock::now();
        while self.is_loaded().await? {
            if clock::now().duration_since(begun) >= STOP {
                return refused.and_then(|()| Err(unload.mute(&Mute::Slow).into()));
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

/// What a call said, whether it ended well or not.
async fn asked(call: &Call) -> Result<Said, Failure> {
    call.ask().await.map_err(|mute| call.mute(&mute).into())
}

/// What a manager answers.
async fn greeted(call: &Call) -> Result<Said, Failure> {
    let why = match call.ask().await {
        Ok(said) if said.ok => return Ok(said),
        Ok(said) => {
            let words =
                said.err.lines().chain(said.out.lines()).find(|line| !line.trim().is_empty());
            words.unwrap_or("it did not say why").trim().to_owned()
        }
        Err(Mute::Missing) => format!("{} is not on PATH", call.program()),
        Err(mute @ (Mute::Slow | Mute::System(_))) => {
            let problem = call.mute(&mute);
            problem.causes.into_iter().next().unwrap_or(problem.message)
        }
    };
    Err(none_here(call.program(), &clean(&why)).into())
}

/// There is nothing here that keeps a service.
fn none_here(program: &str, why: &str) -> Problem {
    let manager = if program == "launchctl" { "launchd" } else { "systemd" };
    let message = format!("{manager} keeps no services for this user here");
    let mut problem = Problem::new("C20", ProblemKind::Failed, message).because(why);
    if manager == "systemd" {
        if env::var_os("WSL_DISTRO_NAME").is_some() {
            let boot = "write \"[boot]\" and \"systemd=true\" into /etc/wsl.conf, then, in Windows: wsl --shutdown";
            problem = problem.hint(boot);
        } else if env::var_os("XDG_RUNTIME_DIR").is_none() {
            problem = problem.hint("log in as this user itself: su and sudo give it no manager");
        }
    }
    problem.hint("bastiond  # in a terminal, until Ctrl-C, or by whatever starts programs here")
}

/// The user whose services these are.
fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// How long a service may take to end: launchd kills it after 90 s.
const STOP: Duration = Duration::from_secs(100);
/// How long until it is looked at again; a person waits.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

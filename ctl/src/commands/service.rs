//! `service`: what keeps bastiond running, as its user.
//!
//! ```text
//!   install ── program.rs      which bastiond?
//!           ├─ environment.rs  what of this shell does it need?
//!           ├─ files.rs        what stands there now, and is it ours to replace?
//!           └─ manager.rs ──▶ systemd.rs, launchd.rs ──▶ call.rs: systemctl, launchctl
//! ```

mod call;
mod ending;
mod environment;
mod files;
pub(crate) mod install;
mod launchd;
pub(crate) mod logs;
mod manager;
mod places;
mod program;
mod standing;
pub(crate) mod status;
mod systemd;
pub(crate) mod uninstall;

use bastion_api::client::Client;
use bastion_api::{Problem, ProblemKind, SCHEMA_VERSION};
use clap::{Args, Subcommand};
use serde::Serialize;
use tokio::time::sleep;

use crate::clock;
use crate::error::Failure;
use crate::ui::Ui;
use crate::words::clean;

pub(crate) use install::Install;
pub(crate) use logs::Logs;
pub(crate) use manager::Kind;

use ending::Ending;
use manager::Manager;
use places::Places;
use standing::Standing;

/// Keep bastiond running: a user unit of systemd's, an agent of launchd's
///
/// It runs as you, from your login on. `install` writes its files and starts it, and takes along what of this shell's
/// environment it needs; run it again whenever that has changed.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Service {
    #[command(subcommand)]
    what: What,
    /// Speak to this manager [default: the system's]
    #[arg(long, global = true, hide = true, value_enum, value_name = "MANAGER")]
    manager: Option<Kind>,
}

#[derive(Debug, Subcommand)]
enum What {
    Install(Install),
    Uninstall(uninstall::Uninstall),
    /// Start bastiond as a service
    #[command(after_help = "Example:\n  bastionctl service start")]
    Start,
    /// Stop bastiond, and with it every visit and, unless on_stop = "leave", every bastion
    ///
    /// Asks first when somebody is connected.
    #[command(after_help = "Example:\n  bastionctl service stop")]
    Stop(Ending),
    /// Stop bastiond and start it with what its files say now
    ///
    /// Asks first when somebody is connected.
    #[command(after_help = "Example:\n  bastionctl service restart --yes")]
    Restart(Ending),
    /// Show whether the service is installed, starts at login and runs
    ///
    /// The exit code is 0 where it runs, and 3 where it does not.
    #[command(after_help = "Example:\n  bastionctl service status")]
    Status,
    #[command(after_help = "Example:\n  bastionctl service logs -n 20")]
    Logs(Logs),
}

/// What came of it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Done<'a> {
    schema_version: u32,
    manager: &'static str,
    action: &'a str,
    running: bool,
    pid: Option<u32>,
    version: Option<String>,
}

impl Service {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let kind = self.manager.unwrap_or(Kind::of_system());
        match self.what {
            What::Install(install) => install.run(kind, client, ui).await,
            What::Uninstall(uninstall) => uninstall.run(kind, client, ui).await,
            What::Start => start(kind, client, ui).await,
            What::Stop(ending) => ending.stop(kind, client, ui).await,
            What::Restart(ending) => ending.restart(kind, client, ui).await,
            What::Status => status::status(kind, client, ui).await,
            What::Logs(logs) => logs.run_of(kind, ui).await,
        }
    }
}

/// What to type so that a daemon runs that a service manager keeps.
pub(crate) fn how_to_start() -> &'static str {
    if is_installed() { "bastionctl service start" } else { "bastionctl service install" }
}

/// What to type so that the daemon is started anew; none where only who started it can.
pub(crate) fn how_to_restart() -> Option<&'static str> {
    is_installed().then_some("bastionctl service restart")
}

/// Whether the service's files are there.
pub(crate) fn is_installed() -> bool {
    Places::find().is_some_and(|places| Kind::of_system().is_installed(&places))
}

/// Installs and starts the service as `service install` does without flags.
pub(crate) async fn install(client: &Client, ui: &mut Ui) -> Result<(), Failure> {
    Install::default().run(Kind::of_system(), client, ui).await
}

async fn start(kind: Kind, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
    let (manager, was) = reach_installed(kind).await?;
    if was.running {
        return tell(&manager, &was, "start", client, ui).await;
    }
    has_its_program(&was)?;
    manager.start().await.map_err(did_not_start)?;
    begun(&manager, "start", client, ui).await
}

/// The manager, and how the service is, where it is installed.
async fn reach_installed(kind: Kind) -> Result<(Manager, Standing), Failure> {
    let manager = Manager::reach(kind).await?;
    let standing = manager.standing().await?;
    if standing.installed {
        return Ok((manager, standing));
    }
    let message = "bastiond is not installed as a service";
    Err(Problem::new("C22", ProblemKind::NotFound, message)
        .hint("bastionctl service install")
        .into())
}

/// A problem where what the service would run is not there.
fn has_its_program(standing: &Standing) -> Result<(), Failure> {
    let Some(lost) = standing.lost() else { return Ok(()) };
    let problem = Problem::new("C23", ProblemKind::NotFound, "the service's program is gone");
    let why = format!("there is no {}", clean(&lost.display().to_string()));
    Err(problem.because(why).hint("bastionctl service install").into())
}

/// Waits until the service that was started answers, and says so.
async fn begun(
    manager: &Manager,
    action: &str,
    client: &Client,
    ui: &mut Ui,
) -> Result<(), Failure> {
    let begun = clock::now();
    loop {
        let standing = manager.standing().await?;
        let answers = standing.running && client.version().await.is_ok();
        if answers {
            return tell(manager, &standing, action, client, ui).await;
        }
        if clock::now().duration_since(begun) >= START {
            let message = "bastiond was started and does not answer";
            let mut problem = Problem::new("C21", ProblemKind::Failed, message).because(format!(
                "{} says: {}",
                manager.kind.word(),
                clean(&standing.state)
            ));
            if let Some(result) = &standing.result {
                problem = problem.because(format!("it ended before: {}", clean(result)));
            }
            return Err(did_not_start(problem.into()));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Says how the service is after what was done to it.
async fn tell(
    manager: &Manager,
    standing: &Standing,
    action: &str,
    client: &Client,
    ui: &mut Ui,
) -> Result<(), Failure> {
    let version = if standing.running { client.version().await.ok() } else { None };
    if ui.settings().json {
        return ui.json(&Done {
            schema_version: SCHEMA_VERSION,
            manager: manager.kind.word(),
            action,
            running: standing.running,
            pid: standing.pid,
            version: version.map(|version| version.version),
        });
    }
    let pid = standing.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    ui.talk(&match version {
        Some(version) => format!("bastiond {} runs{pid}", clean(&version.version)),
        None if standing.running => format!("bastiond runs{pid}"),
        None => "bastiond is stopped".to_owned(),
    });
    Ok(())
}

/// A failure to start the service, with what helps to find out why.
fn did_not_start(failure: Failure) -> Failure {
    match failure {
        Failure::Problem(problem) => {
            problem.hint("bastionctl service logs -n 20").hint("bastionctl config check").into()
        }
        Failure::Client(_)
        | Failure::Told(_)
        | Failure::Signal(_)
        | Failure::Stdout(_)
        | Failure::System(_) => failure,
    }
}

const EXAMPLE: &str = "Example:\n  bastionctl service install";

/// How long a service that was started may take until it answers: it reads a file and binds some ports.
const START: std::time::Duration = std::time::Duration::from_secs(15);
/// How long until it is looked at again; a person waits.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

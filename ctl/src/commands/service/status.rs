//! `service status`: what the manager says, and what the daemon itself says.

use bastion_api::client::Client;
use bastion_api::{ProblemKind, SCHEMA_VERSION, Status, Timestamp};
use serde::Serialize;

use super::environment::Captured;
use super::files::Found;
use super::manager::{Kind, Manager};
use super::standing::Standing;
use crate::error::Failure;
use crate::ui::{Look, Ui};
use crate::words::{clean, since};

/// How the service is.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Told {
    schema_version: u32,
    manager: &'static str,
    installed: bool,
    /// Whether it starts at login.
    enabled: bool,
    running: bool,
    state: String,
    pid: Option<u32>,
    /// How it ended, where it did not end well.
    result: Option<String>,
    version: Option<String>,
    #[cfg_attr(test, schemars(with = "Option<bastion_api::schema::Moment>"))]
    since: Option<Timestamp>,
    /// A daemon that answers and is not the service's.
    stranger: Option<u32>,
    files: Vec<String>,
    altered: Vec<String>,
    /// Whether it goes on when its user has no session left.
    lingers: Option<bool>,
}

pub(super) async fn status(kind: Kind, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
    let manager = Manager::reach(kind).await?;
    let standing = manager.standing().await?;
    // A socket of systemd's is not knocked at: that would start what is only asked about.
    let knock = standing.running || !standing.socket;
    let daemon = if knock { client.status().await.ok() } else { None };
    let (files, altered) = files(&manager);
    let lingers = manager.lingers().await;
    let lost = standing.lost().map(|lost| lost.display().to_string());
    let told = told(kind, &standing, daemon.as_ref(), files, altered, lingers);
    if ui.settings().json {
        ui.json(&told)?;
    } else {
        for line in lines(&told, ui) {
            ui.data(&line)?;
        }
        remark(&told, lost.as_deref(), ui);
    }
    if told.running { Ok(()) } else { Err(Failure::Told(ProblemKind::NotRunning)) }
}

fn told(
    kind: Kind,
    standing: &Standing,
    daemon: Option<&Status>,
    files: Vec<String>,
    altered: Vec<String>,
    lingers: Option<bool>,
) -> Told {
    let ours = daemon.filter(|daemon| standing.pid == Some(daemon.pid));
    let stranger = daemon.filter(|_| ours.is_none()).map(|daemon| daemon.pid);
    Told {
        schema_version: SCHEMA_VERSION,
        manager: kind.word(),
        installed: standing.installed,
        enabled: standing.enabled,
        running: standing.running,
        state: standing.state.clone(),
        pid: standing.pid,
        result: standing.result.clone(),
        version: ours.map(|daemon| daemon.version.clone()),
        since: ours.map(|daemon| daemon.started_at),
        stranger,
        files,
        altered,
        lingers,
    }
}

/// The files that are there, and those of them that somebody has altered.
fn files(manager: &Manager) -> (Vec<String>, Vec<String>) {
    let wanted = manager.kind.files(&manager.places, "/".as_ref(), &Captured::default());
    let (mut files, mut altered) = (Vec::new(), Vec::new());
    for file in wanted {
        let path = file.path.display().to_string();
        match file.found() {
            Ok(Found::Missing) | Err(_) => {}
            Ok(Found::Same | Found::Ours) => files.push(path),
            Ok(Found::Altered) => {
                altered.push(path.clone());
                files.push(path);
            }
        }
    }
    (files, altered)
}

fn lines(told: &Told, ui: &Ui) -> Vec<String> {
    if !told.installed {
        return vec![format!("service  {}", ui.painted("not installed", Look::Busy))];
    }
    let (state, look) = match (told.running, &told.result) {
        (true, _) => ("running", Look::Good),
        (false, Some(_)) => ("failed", Look::Bad),
        (false, None) => ("stopped", Look::Busy),
    };
    let mut service = format!("service  {}", ui.painted(state, look));
    if let Some(started) = told.since {
        service.push_str(&format!(" for {}", since(started)));
    }
    if let Some(pid) = told.pid {
        service.push_str(&format!(" (pid {pid})"));
    }
    if let Some(version) = &told.version {
        service.push_str(&format!(", version {}", clean(version)));
    }
    if let Some(result) = &told.result {
        service.push_str(&format!(": {}", clean(result)));
    }
    let login = if told.enabled { "at login" } else { "only when asked to" };
    let mut lines = vec![service, format!("starts   {login}, by {}", told.manager)];
    for path in &told.files {
        let altered = if told.altered.contains(path) { "  (altered)" } else { "" };
        lines.push(format!("file     {}{altered}", clean(path)));
    }
    lines
}

/// What is to be done about it.
fn remark(told: &Told, lost: Option<&str>, ui: &mut Ui) {
    if let Some(lost) = lost {
        let lost = clean(lost);
        return ui.talk(&format!("{lost} is gone; where it is now: bastionctl service install"));
    }
    if let Some(pid) = told.stranger {
        ui.talk(&format!("a bastiond answers that is not the service's (pid {pid})"));
    }
    if !told.installed {
        ui.talk("to install it: bastionctl service install");
    } else if !told.running {
        ui.talk("to start it: bastionctl service start");
    }
    if told.result.is_some() && !told.running {
        ui.talk("to see why: bastionctl service logs -n 20");
    }
    if told.version.as_deref().is_some_and(|theirs| theirs != env!("CARGO_PKG_VERSION")) {
        let ours = env!("CARGO_PKG_VERSION");
        ui.talk(&format!("bastionctl is {ours}; after an upgrade: bastionctl service restart"));
    }
    if told.installed && told.lingers == Some(false) {
        ui.talk("it ends with your last session; to keep it: loginctl enable-linger");
    }
}

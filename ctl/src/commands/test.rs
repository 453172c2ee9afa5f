use std::time::Duration;

use bastion_api::client::{Client, ClientError};
use bastion_api::{Login, OpenRequest, TestAnswer, Tls};
use clap::Args;
use tokio::time::{MissedTickBehavior, interval};

use super::{about, open};
use crate::clock;
use crate::error::Failure;
use crate::ui::{Look, Step, Ui};
use crate::words::{clean, milliseconds};

/// Speak to a target's database, and tell how far away it is
///
/// Opens the target, connects to its local address as any client would, logs in where the config says with what, and
/// measures. It reads nothing but the server's version, and counts as a visit. Any certificate is believed: this is a test
/// of reach, not of who is reached.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Test {
    /// The target, as the config names it
    target: String,
}

impl Test {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        // Nobody needs a bastion for a target that is found nowhere; why it is not is the daemon's to say.
        if !self.is_nowhere(client).await? {
            open::reach(client, &self.target, &OpenRequest::default(), ui).await?;
        }
        let answer = self.ask(client, ui).await;
        let answer = about(client, &self.target, answer).await?;
        if ui.settings().json {
            return ui.json(&answer);
        }
        for line in lines(&answer, ui) {
            ui.data(&line)?;
        }
        Ok(())
    }

    /// Whether the target has no address on this machine: its port is somebody else's.
    async fn is_nowhere(&self, client: &Client) -> Result<bool, ClientError> {
        let report = client.status().await?;
        let mut named = report.targets.iter().filter(|target| target.name == self.target);
        Ok(named.any(|target| target.addresses.is_empty() && !target.problems.is_empty()))
    }

    /// Asks, and shows meanwhile for how long.
    async fn ask(&self, client: &Client, ui: &mut Ui) -> Result<TestAnswer, ClientError> {
        let begun = clock::now();
        let step = |waited| Step::open_ended(&self.target, "asking the database", waited);
        ui.step(step(Duration::ZERO));
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let asking = client.test(&self.target);
        tokio::pin!(asking);
        loop {
            tokio::select! {
                answer = &mut asking => return answer,
                _ = tick.tick() => ui.step(step(clock::now().duration_since(begun))),
            }
        }
    }
}

/// What was found, a line each: `round trip  31 ms, the middle of 5`.
fn lines(answer: &TestAnswer, ui: &Ui) -> Vec<String> {
    let version = answer.server_version.as_deref().map(clean);
    let server = match (answer.login, version) {
        (Login::NotSpoken, None) if answer.answer_seconds.is_some() => {
            "answers; what it speaks is not known here".into()
        }
        (Login::NotSpoken, None) => {
            "said nothing, which may be its way: what it speaks is not known here".into()
        }
        (_, Some(version)) => format!("{} {version}", answer.engine.word()),
        (_, None) => answer.engine.word().to_owned(),
    };
    let user = answer.user.as_deref().map_or_else(|| "nobody".into(), clean);
    let login = match (answer.login, answer.database.as_deref().map(clean)) {
        (Login::Done, Some(database)) => Some(format!("as {user}, database {database}")),
        (Login::Done, None) => Some(format!("as {user}")),
        (Login::NoPassword, _) => Some("not tried: the config says no password".into()),
        (Login::NoUser, _) => Some("not tried: nobody says as whom".into()),
        (Login::NotSpoken | Login::Unknown, _) => None,
    };
    let tls = answer.tls.and_then(|tls| match tls {
        Tls::None => Some("no"),
        Tls::NotVerified => Some("yes, not verified"),
        Tls::Unknown => None,
    });
    let several = match answer.round_trips {
        0 | 1 => String::new(),
        many => format!(", the middle of {many}"),
    };
    let round_trip = answer.round_trip_seconds.map(|took| milliseconds(took) + &several);
    let bastion = answer.task.as_deref().map(|task| clean(task.rsplit('/').next().unwrap_or(task)));
    let facts = [
        ("target", Some(format!("{} at {}", clean(&answer.target), clean(&answer.address)))),
        ("server", Some(server)),
        ("login", login),
        ("tls", tls.map(str::to_owned)),
        ("first byte", answer.answer_seconds.map(milliseconds)),
        ("logged in", answer.login_seconds.map(milliseconds)),
        ("round trip", round_trip),
        ("bastion", bastion),
    ];
    let line = |(label, fact): (&str, Option<String>)| {
        let label = ui.painted(&format!("{label:LABELS$}"), Look::Title);
        Some(format!("{label}  {}", fact?))
    };
    facts.into_iter().filter_map(line).collect()
}

/// How often the time is written anew: as often as it changes.
const TICK: Duration = Duration::from_secs(1);
/// As wide as the widest label.
const LABELS: usize = "first byte".len();
const EXAMPLE: &str = "Example:\n  bastionctl test prod-db";

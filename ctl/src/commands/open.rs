use std::pin::pin;
use std::time::{Duration, Instant};

use bastion_api::client::{Client, Lines};
use bastion_api::{OpenEvent, OpenRequest, SCHEMA_VERSION, Stage, TargetStatus, Timestamp};
use clap::Args;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::about;
use crate::address::{Address, client_line, url};
use crate::clock;
use crate::error::Failure;
use crate::ui::{Step, Ui};
use crate::words::{clean, duration, whole};

/// Start a target's bastion and print where to connect
///
/// A visit starts it, too; this is for who wants to see it ready first. It counts as a visit that ends when the bastion
/// is ready. Ctrl-C leaves the start running.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl open prod-db --hold 2h")]
pub(crate) struct Open {
    /// The target, as the config names it
    target: String,
    /// Keep the bastion for so long, whether anybody visits or not (30m, 2h)
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    hold: Option<Duration>,
    /// Have N tunnels stand, so that N transfers at once (pg_dump -j N) each have their own
    ///
    /// Each tunnel moves about 0.7 MB/s down, whoever opens it. Visits that begin afterwards spread over all of them; one
    /// that has begun stays where it is. The tunnels live as long as the bastion is wanted.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    fan_out: Option<u32>,
}

/// What is printed of a target that is open.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Opened<'a> {
    schema_version: u32,
    target: &'a TargetStatus,
    address: Option<String>,
    client: Option<String>,
    url: Option<String>,
    elapsed_seconds: f64,
    #[cfg_attr(test, schemars(with = "Option<bastion_api::schema::Moment>"))]
    hold_until: Option<Timestamp>,
}

/// A target that is open.
pub(super) struct Reached {
    /// The target, as it is then.
    pub(super) target: TargetStatus,
    /// How long its start took.
    pub(super) elapsed: f64,
    /// Until when it is held, where that was asked for.
    pub(super) until: Option<Timestamp>,
}

/// How far the start has come, as last told.
struct Told {
    stage: Stage,
    elapsed: f64,
    estimate: Option<f64>,
    at: Instant,
}

impl Open {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let hold_seconds = self.hold.map(|hold| hold.as_secs());
        let request = OpenRequest { hold_seconds, tunnels: self.fan_out };
        show(&reach(client, &self.target, &request, ui).await?, ui)
    }
}

/// Prints where a target that is open is found.
pub(super) fn show(reached: &Reached, ui: &mut Ui) -> Result<(), Failure> {
    let Reached { target, elapsed, until } = reached;
    let address = Address::of(target);
    if ui.settings().json {
        return ui.json(&Opened {
            schema_version: SCHEMA_VERSION,
            address: address.as_ref().map(Address::text),
            client: address.as_ref().and_then(|address| client_line(target, address)),
            url: address.as_ref().and_then(|address| url(target, address)),
            target,
            elapsed_seconds: *elapsed,
            hold_until: *until,
        });
    }
    remark(target, *elapsed, *until, ui);
    let Some(address) = address else {
        // It runs, and is found nowhere: its port is somebody else's.
        return target.problems.first().map_or(Ok(()), |why| Err(why.clone().into()));
    };
    ui.data(&clean(&address.text()))?;
    if let Some(line) = client_line(target, &address) {
        ui.data(&clean(&line))?;
    }
    Ok(())
}

/// Opens a target and shows how it goes; where a signal ends us meanwhile, how to stop it is said.
pub(super) async fn reach(
    client: &Client,
    target: &str,
    request: &OpenRequest,
    ui: &mut Ui,
) -> Result<Reached, Failure> {
    let mut lines = about(client, target, client.open(target, request).await).await?;
    let name = clean(target);
    ui.on_parting(Some(format!("{name} goes on starting; to stop it: bastionctl close {name}")));
    let reached = follow(target, &mut lines, ui).await?;
    ui.on_parting(None);
    Ok(reached)
}

/// Shows each stage until the target is ready; on a terminal the time runs on between two of them.
pub(super) async fn follow(
    name: &str,
    lines: &mut Lines<OpenEvent>,
    ui: &mut Ui,
) -> Result<Reached, Failure> {
    let mut told: Option<Told> = None;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let line = {
            // One and the same wait, however often the time is written anew: it has a deadline.
            let mut next = pin!(lines.next());
            loop {
                tokio::select! {
                    line = &mut next => break line?,
                    _ = tick.tick() => {
                        if let Some(told) = &told {
                            ui.step(told.step(name, clock::now()));
                        }
                    }
                }
            }
        };
        match line {
            Some(OpenEvent::Stage { stage, elapsed_seconds, estimate_seconds }) => {
                let at = clock::now();
                let estimate = estimate_seconds;
                let now = Told { stage, elapsed: elapsed_seconds, estimate, at };
                ui.step(now.step(name, at));
                told = Some(now);
            }
            Some(OpenEvent::Tunnels { standing, wanted }) => {
                told = None;
                ui.step(Step::count(name, "opening tunnels", standing, wanted));
            }
            Some(OpenEvent::Ready { target, elapsed_seconds, hold_until }) => {
                return Ok(Reached { target, elapsed: elapsed_seconds, until: hold_until });
            }
            Some(OpenEvent::Failed { problem }) => return Err(problem.into()),
            Some(OpenEvent::Unknown) => {}
            None => return Err(lines.cut().into()),
        }
    }
}

impl Told {
    /// `prod-db  pulling image  11 s of about 24 s`
    fn step(&self, target: &str, now: Instant) -> Step {
        let elapsed = self.elapsed + now.duration_since(self.at).as_secs_f64();
        Step::start(target, self.stage.words(), elapsed, self.estimate)
    }
}

/// What else is good to know about a target that is open.
fn remark(target: &TargetStatus, elapsed: f64, until: Option<Timestamp>, ui: &mut Ui) {
    let name = clean(&target.name);
    let took = if elapsed < 1.0 {
        "ready".to_owned()
    } else {
        format!("ready after {}", duration(whole(elapsed)))
    };
    let stays = match (until, target.idle_stop_seconds) {
        (Some(until), _) => {
            let left = until.duration_since(clock::today()).as_secs();
            let left = duration(u64::try_from(left + 1).unwrap_or(0));
            format!("; kept for {left}, whether anybody visits or not")
        }
        (None, Some(idle)) => format!("; stops in {} unless somebody visits", duration(idle)),
        (None, None) => String::new(),
    };
    let tunnels = match target.tunnels {
        0 | 1 => String::new(),
        many => format!(", {many} tunnels"),
    };
    ui.talk(&format!("{name}: {took}{tunnels}{stays}"));
    if target.user.is_some() {
        ui.talk(&format!("password: bastionctl password {name}"));
    }
}

/// How often the time is written anew: as often as it changes.
const TICK: Duration = Duration::from_secs(1);

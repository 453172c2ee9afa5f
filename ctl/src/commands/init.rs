//! `init`: from an AWS login to a config.
//!
//! ```text
//!   survey.rs ──▶ choosing.rs ──▶ POST /v1/init ──▶ told.rs
//!   profile,       site, databases   the daemon names,    what was written,
//!   region         flags or asked    and writes           what to type next
//! ```
//!
//! The last question comes before anything is written: whoever leaves earlier leaves nothing behind.

use std::path::PathBuf;

use bastion_api::client::{Client, ClientError};
use bastion_api::{InitAnswer, InitRequest, Problem, ProblemKind, SiteChoice, Survey};
use clap::Args;

use self::stack::{Place, Stack};
use super::service;
use crate::error::Failure;
use crate::ui::Ui;

mod choosing;
pub(crate) mod stack;
mod survey;
mod told;

/// Set it up: look into an AWS account, and write its databases into the config
///
/// Reads only, and asks as little as it can; every question has a flag, and without a terminal nothing is asked. Only
/// adds to the config: what you wrote stays as it is, and a second run with nothing new changes nothing.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Init {
    /// The AWS profile [default: $AWS_PROFILE, else the only one, else default]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The region [default: the profile's]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The ECS cluster that bastions run in
    #[arg(long, value_name = "NAME", conflicts_with = "stack")]
    cluster: Option<String>,
    /// Bastions are tasks of our own, of this task definition
    #[arg(long, value_name = "FAMILY", conflicts_with_all = ["service", "stack"])]
    task_definition: Option<String>,
    /// A bastion is the running task of this service
    #[arg(long, value_name = "NAME", conflicts_with = "stack")]
    service: Option<String>,
    /// The container, where there are several
    #[arg(long, value_name = "NAME", conflicts_with = "stack")]
    container: Option<String>,
    /// The subnets: ids, a name with wildcards, or TAG=VALUE
    #[arg(long, value_name = "SUBNETS", conflicts_with = "stack")]
    subnets: Option<String>,
    /// The security groups: ids, a name, or TAG=VALUE
    #[arg(long, value_name = "GROUPS", conflicts_with = "stack")]
    security_groups: Option<String>,
    /// Only this database, by its identifier; may be given again
    #[arg(long, value_name = "ID", conflicts_with = "stack")]
    database: Vec<String>,
    /// Every database that bastions can reach; do not ask which
    #[arg(long, conflicts_with_all = ["database", "stack"])]
    all: bool,
    /// What the site is called, or the stack
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Add to this config file
    #[arg(long, value_name = "FILE", conflicts_with = "stack")]
    config: Option<PathBuf>,
    /// Do not ask before writing
    #[arg(long, conflicts_with = "stack")]
    yes: bool,
    /// Print what would be added, and write nothing
    #[arg(long, conflicts_with_all = ["stack", "service_install"])]
    dry_run: bool,
    /// Install the service, too
    #[arg(long, conflicts_with = "stack")]
    service_install: bool,
    /// Do not offer to install the service
    #[arg(long, conflicts_with_all = ["service_install", "stack"])]
    no_service_install: bool,
    #[command(flatten)]
    stack: Stack,
}

impl Init {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        if self.stack.is_wanted() {
            let place = Place {
                name: self.name.as_deref(),
                profile: self.profile.as_deref(),
                region: self.region.as_deref(),
            };
            return self.stack.write(place, ui);
        }
        if self.service_install && ui.settings().json {
            let message = "--service-install tells more than fits into one object of JSON";
            let problem = Problem::new("C50", ProblemKind::Usage, message);
            return Err(problem
                .hint("bastionctl service install --json  # as a second step")
                .into());
        }
        ui.on_parting(Some("nothing was written".to_owned()));
        let survey = survey::survey(&self, client, ui).await?;
        if !ui.settings().json {
            told::survey(&survey, ui);
        }
        let others = survey::others(&self, client, &survey).await?;
        let site = choosing::site(&self, &survey, &others, ui).await?;
        let databases = choosing::databases(&self, &survey, &site, ui).await?;
        if !ui.settings().json {
            told::site(&site, ui);
            told::elsewhere(&databases, &site, ui);
        }
        let mut request = self.request(&survey, site, databases)?;
        let answer = client.init(&request).await?;
        if self.dry_run {
            return show(&answer, ui);
        }
        let answer = if answer.text.is_empty() {
            answer
        } else {
            self.confirm(&answer, ui).await?;
            request.write = true;
            client.init(&request).await?
        };
        ui.on_parting(None);
        let told =
            if answer.written && answer.running { Some(client.reload().await?) } else { None };
        if ui.settings().json {
            return ui.json(&answer);
        }
        told::written(&answer, ui);
        if let Some(told) = told.filter(|told| !told.ok) {
            let message = "bastiond could not take the config that was written";
            let mut problem = Problem::new("C51", ProblemKind::Failed, message);
            problem.causes = told.faults.into_iter().map(|fault| fault.reason).collect();
            return Err(problem.hint("bastionctl reload").into());
        }
        for line in told::targets(&answer, ui) {
            ui.data(&line)?;
        }
        // What runs reads the usual file.
        let elsewhere = self.config.is_some() && !told::is_usual(&answer);
        let runs = self.install(elsewhere, client, ui).await?;
        let runs = if elsewhere { answer.running } else { runs };
        told::next(&answer, &survey, elsewhere, runs, ui);
        Ok(())
    }

    fn request(
        &self,
        survey: &Survey,
        site: SiteChoice,
        databases: Vec<bastion_api::DatabaseChoice>,
    ) -> Result<InitRequest, Failure> {
        // The daemon stands in another directory.
        let config = self.config.as_deref().map(std::path::absolute).transpose();
        let config = config.map_err(Failure::System)?;
        Ok(InitRequest {
            profile: survey.profile.clone(),
            region: survey.region.clone(),
            account: survey.account.clone(),
            site,
            databases,
            name: self.name.clone(),
            config: config.map(|path| path.display().to_string()),
            write: false,
        })
    }

    /// Shows what would be written, and asks; where nobody can be asked, it was asked for.
    async fn confirm(&self, answer: &InitAnswer, ui: &mut Ui) -> Result<(), Failure> {
        if self.yes || !ui.can_ask() {
            return Ok(());
        }
        told::proposal(answer, ui);
        if ui.ask("Add it?").await {
            return Ok(());
        }
        Err(gone())
    }

    /// Has the service installed where that is wanted, and says whether a daemon runs.
    async fn install(
        &self,
        elsewhere: bool,
        client: &Client,
        ui: &mut Ui,
    ) -> Result<bool, Failure> {
        let runs = !matches!(client.health().await, Err(ClientError::NotRunning { .. }));
        let wanted = if self.service_install {
            true
        } else if runs
            || elsewhere
            || self.no_service_install
            || service::is_installed()
            || !ui.can_ask()
        {
            false
        } else {
            ui.ask("Install bastiond as a service, so that it runs from your login on?").await
        };
        if wanted {
            service::install(client, ui).await?;
        }
        Ok(runs || wanted)
    }
}

/// What would be added, as data: TOML, or the daemon's whole answer.
fn show(answer: &InitAnswer, ui: &mut Ui) -> Result<(), Failure> {
    if ui.settings().json {
        return ui.json(answer);
    }
    if answer.text.is_empty() {
        told::written(answer, ui);
        return Ok(());
    }
    ui.talk(&format!("to be added to {}:", crate::words::clean(&answer.config)));
    answer.text.lines().try_for_each(|line| ui.data(line))
}

/// The person has left, or does not want it.
fn gone() -> Failure {
    Problem::new("C50", ProblemKind::Failed, "nothing was written").into()
}

const EXAMPLE: &str = "Example:\n  bastionctl init --profile prod";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Cli, Command};

    /// The flags of a command line.
    pub(super) fn init(flags: &str) -> super::Init {
        let line = ["bastionctl", "init"].into_iter().chain(flags.split_whitespace());
        let Command::Init(init) = Cli::parse_from(line).command else { panic!("{flags}") };
        init
    }
}

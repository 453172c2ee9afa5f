use std::process::ExitCode;

use bastion_api::client::Client;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands::audit::Audit;
use crate::commands::by_hand::ByHand;
use crate::commands::close::Close;
use crate::commands::completions::Completions;
use crate::commands::config::Config;
use crate::commands::connect::Connect;
use crate::commands::cost::Cost;
use crate::commands::doctor::Doctor;
use crate::commands::env::Env;
use crate::commands::events::Events;
use crate::commands::export::Export;
use crate::commands::forward::Forward;
use crate::commands::info::Info;
use crate::commands::init::Init;
use crate::commands::man::Man;
use crate::commands::mysql::Mysql;
use crate::commands::open::Open;
use crate::commands::password::Password;
use crate::commands::policy::Policy;
use crate::commands::ports::Ports;
use crate::commands::psql::Psql;
use crate::commands::reload::Reload;
use crate::commands::service::{Logs, Service};
use crate::commands::status::Status;
use crate::commands::test::Test;
use crate::commands::token::Token;
use crate::commands::top::Top;
use crate::commands::version::Version;
use crate::commands::wait::Wait;
use crate::error::Failure;
use crate::ui::{self, Ui};

/// Drive bastiond: a stable local port for every private AWS database
#[derive(Debug, Parser)]
#[command(name = "bastionctl", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How to say it.
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How things are said, the same for every command.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long, global = true, display_order = 100)]
    pub(crate) json: bool,
    /// Say only what was asked for, and errors
    #[arg(long, short, global = true, display_order = 101)]
    pub(crate) quiet: bool,
    /// Say more about errors, such as AWS request ids
    #[arg(long, short, global = true, display_order = 102)]
    pub(crate) verbose: bool,
}

/// One verb each, the most used first.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    #[command(visible_aliases = ["start", "up"])]
    Open(Open),
    #[command(visible_aliases = ["stop", "down"])]
    Close(Close),
    Status(Status),
    Wait(Wait),
    Events(Events),
    Top(Top),
    Test(Test),
    Ports(Ports),
    Psql(Psql),
    Mysql(Mysql),
    Connect(Connect),
    Forward(Forward),
    Info(Info),
    Env(Env),
    Export(Export),
    Password(Password),
    Token(Token),
    Doctor(Doctor),
    ByHand(ByHand),
    Policy(Policy),
    Cost(Cost),
    Audit(Audit),
    Config(Config),
    Reload(Reload),
    Service(Service),
    Logs(Logs),
    Completions(Completions),
    Man(Man),
    Version(Version),
}

impl Cli {
    /// The arguments of this process.
    pub(crate) fn of_process() -> Result<Self, clap::Error> {
        let command = Self::command().term_width(ui::width());
        Self::from_arg_matches(&command.try_get_matches()?)
    }
}

impl Command {
    /// Does it.
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        match self {
            Self::Init(init) => init.run(client, ui).await,
            Self::Open(open) => open.run(client, ui).await,
            Self::Close(close) => close.run(client, ui).await,
            Self::Status(status) => status.run(client, ui).await,
            Self::Wait(wait) => wait.run(client, ui).await,
            Self::Events(events) => events.run(client, ui).await,
            Self::Top(top) => top.run(client, ui).await,
            Self::Test(test) => test.run(client, ui).await,
            Self::Ports(ports) => ports.run(client, ui).await,
            Self::Psql(psql) => psql.run(client, ui).await,
            Self::Mysql(mysql) => mysql.run(client, ui).await,
            Self::Forward(forward) => forward.run(client, ui).await,
            Self::Connect(connect) => connect.run(client, ui).await,
            Self::Info(info) => info.run(client, ui).await,
            Self::Env(env) => env.run(client, ui).await,
            Self::Export(export) => export.run(client, ui).await,
            Self::Password(password) => password.run(client, ui).await,
            Self::Token(token) => token.run(client, ui).await,
            Self::ByHand(by_hand) => by_hand.run(client, ui).await,
            Self::Doctor(doctor) => doctor.run(client, ui).await,
            Self::Policy(policy) => policy.run(client, ui).await,
            Self::Cost(cost) => cost.run(client, ui).await,
            Self::Audit(audit) => audit.run(client, ui).await,
            Self::Config(config) => config.run(client, ui).await,
            Self::Reload(reload) => reload.run(client, ui).await,
            Self::Service(service) => service.run(client, ui).await,
            Self::Logs(logs) => logs.run(ui).await,
            Self::Completions(completions) => completions.run(ui),
            Self::Man(man) => man.run(ui),
            Self::Version(version) => version.run(client, ui).await,
        }
    }
}

/// The tree of commands, for whoever describes it.
pub(crate) fn tree() -> clap::Command {
    Cli::command()
}

/// Prints the help or the version that was asked for, or what is wrong with the arguments.
pub(crate) fn explain(asked: &clap::Error) -> ExitCode {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the kinds are clap's, not ours")]
    let code = match asked.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    };
    // Nothing can be said where nothing can be printed.
    asked.print().ok();
    code
}

const EXIT_CODES: &str = "\
Exit codes:
   0 done                    1 failed                2 usage, or a faulty config
   3 daemon not running      4 log in to AWS again   5 not permitted
   6 not found or ambiguous  7 took too long         8 port conflict
   9 the bastion did not start   10 database unreachable from the bastion
  11 doctor found problems       70 a bug of ours    130, 143 signals";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        let mut tree = tree();
        tree.build();
        tree.clone().debug_assert();
        let mut silent = Vec::new();
        for command in tree.get_subcommands() {
            look(command, "bastionctl", &mut silent);
        }
        assert_eq!(silent, [""; 0]);
    }

    /// Notes what a command, or one under it, does not say.
    fn look(command: &clap::Command, above: &str, silent: &mut Vec<String>) {
        if command.is_hide_set() {
            return;
        }
        let name = format!("{above} {}", command.get_name());
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        if about.is_empty() || about.ends_with('.') {
            silent.push(format!("{name}: a first line without a full stop"));
        }
        let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines: Vec<&str> = example.lines().collect();
        let shown = matches!(lines[..], ["Example:", line, ..] if line.starts_with("  ") && line.contains(&name));
        if !shown {
            silent.push(format!("{name}: an example of its own, not {example:?}"));
        }
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            if argument.get_help().is_none() {
                silent.push(format!("{name}: what {} is", argument.get_id()));
            }
        }
        for command in command.get_subcommands() {
            look(command, &name, silent);
        }
    }
}

//! `completions`: the shell asks bastionctl itself at every Tab, so it knows the targets of the daemon that runs.

use std::env;
use std::ffi::OsStr;
use std::process::ExitCode;
use std::time::Duration;

use bastion_api::SCHEMA_VERSION;
use bastion_api::client::Client;
use bastion_api::paths::{Env, control_sockets};
use clap::{Args, Command, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use serde::Serialize;
use serde_json::Value;

use crate::cli;
use crate::error::Failure;
use crate::ui::Ui;

/// Print what makes a shell complete commands, flags and the names of targets
///
/// Into ~/.bashrc: source <(bastionctl completions bash). Into ~/.zshrc, after compinit: source <(bastionctl completions
/// zsh). Into ~/.config/fish/config.fish: bastionctl completions fish | source.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell that asks.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// What a shell is given.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Script {
    schema_version: u32,
    shell: &'static str,
    script: String,
}

impl Completions {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<(), Failure> {
        let shell: &dyn EnvCompleter = match self.shell {
            Shell::Bash => &Bash,
            Shell::Zsh => &Zsh,
            Shell::Fish => &Fish,
        };
        let mut script = Vec::new();
        shell.write_registration(ASKS, NAME, NAME, NAME, &mut script).map_err(Failure::System)?;
        let mut script = String::from_utf8_lossy(&script).trim().to_owned();
        if matches!(self.shell, Shell::Zsh) {
            script.push_str(ZSH_FIRST);
        }
        if ui.settings().json {
            return ui.json(&Script {
                schema_version: SCHEMA_VERSION,
                shell: shell.name(),
                script,
            });
        }
        ui.data(&script)
    }
}

/// Answers a shell, where this process was started for that.
pub(crate) fn answer() -> Option<ExitCode> {
    let here = env::current_dir().ok();
    let asked = CompleteEnv::with_factory(tree).var(ASKS);
    match asked.try_complete(env::args_os(), here.as_deref()) {
        Ok(true) => Some(ExitCode::SUCCESS),
        Ok(false) => None,
        // A shell that waits for words has no use for a complaint.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// The tree of commands, whose arguments know what may stand in them.
fn tree() -> Command {
    knowing(cli::tree())
}

fn knowing(command: Command) -> Command {
    let command = command.mut_args(|argument| match argument.get_id().as_str() {
        "target" | "targets" => argument.add(ArgValueCompleter::new(targets)),
        "command" => argument.add(ArgValueCompleter::new(commands)),
        "site" | "sites" => argument.add(ArgValueCompleter::new(sites)),
        _ => argument,
    });
    command.mut_subcommands(knowing)
}

/// The commands that have a manual page.
fn commands(begun: &OsStr) -> Vec<CompletionCandidate> {
    let tree = cli::tree();
    let shown = tree.get_subcommands().filter(|command| !command.is_hide_set());
    let about = |command: &Command| command.get_about().map(ToString::to_string);
    candidates(begun, shown.map(|command| (command.get_name().to_owned(), about(command))))
}

fn targets(begun: &OsStr) -> Vec<CompletionCandidate> {
    let known = asked(async |client| client.targets().await.ok());
    let known = known.into_iter().flat_map(|known| known.targets);
    let of = known.map(|target| {
        let what = format!("{} at {}", target.engine.word(), target.site);
        (target.name, Some(what))
    });
    candidates(begun, of)
}

fn sites(begun: &OsStr) -> Vec<CompletionCandidate> {
    let known = asked(async |client| client.config().await.ok());
    let names = match known.map(|config| config.sites) {
        Some(Value::Object(sites)) => sites.into_iter().map(|(name, _)| name).collect(),
        Some(_) | None => Vec::new(),
    };
    candidates(begun, names.into_iter().map(|name| (name, None)))
}

/// Those that go on as it was begun.
fn candidates(
    begun: &OsStr,
    words: impl Iterator<Item = (String, Option<String>)>,
) -> Vec<CompletionCandidate> {
    let begun = begun.to_string_lossy().into_owned();
    words
        .filter(|(word, _)| word.starts_with(&begun))
        .map(|(word, what)| CompletionCandidate::new(word).help(what.map(Into::into)))
        .collect()
}

/// What the running daemon says to that; none where none runs, or none that is quick.
fn asked<T>(question: impl AsyncFnOnce(&Client) -> Option<T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    // No other: to start one for the sake of a word would take longer than a person waits.
    let client = Client::new(control_sockets(&Env::of_process()));
    runtime.block_on(async { tokio::time::timeout(PATIENCE, question(&client)).await.ok()? })
}

/// The variable by which a shell says that it asks.
const ASKS: &str = "BASTIONCTL_COMPLETE";
/// The program's name.
const NAME: &str = "bastionctl";
/// How long a person who has pressed Tab waits for a daemon: below what is felt.
const PATIENCE: Duration = Duration::from_millis(40);

/// What zsh finds in its fpath is a function of that file's name, made by the first Tab, which is to be answered, too.
const ZSH_FIRST: &str = r#"
[[ $funcstack[1] != _bastionctl ]] || _clap_dynamic_completer_bastionctl "$@""#;

const EXAMPLE: &str = "Example:\n  source <(bastionctl completions bash)";

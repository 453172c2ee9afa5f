//! A stable local port for every private AWS database.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use bastiond::args::Args;
use bastiond::run::{self, RunError, Start};
use bastiond::{config, host};
use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let args = Args::parse();
    if args.check {
        return check(&args);
    }
    if args.oneshot {
        return oneshot(&args);
    }
    // Before any other thread runs: it changes the environment.
    let inherited = match host::inherited_control_socket() {
        Ok(inherited) => inherited,
        Err(err) => return fail(&err, FAILED),
    };
    log(args.log.as_deref(), USUAL_LOG);
    let config = match config::load(args.config.as_deref()) {
        Ok(config) => config,
        Err(faults) => {
            say(&faults.to_string());
            return ExitCode::from(USAGE);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("bastiond")
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(err) => return fail(&err, FAILED),
    };
    let ended = runtime.block_on(run::run(Start { config, state_dir: args.state_dir, inherited }));
    // What still runs has had its time.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            let code = fail(&err, exit_code(&err));
            if let Some(hint) = err.hint() {
                say(&format!("hint: {hint}"));
            }
            code
        }
    }
}

/// `--check`: says every fault of the config, and leaves.
fn check(args: &Args) -> ExitCode {
    let loaded = config::load(args.config.as_deref());
    let report = config::report(args.config.as_deref(), &loaded);
    let code = if report.ok { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
    let text = if args.json {
        serde_json::to_string_pretty(&report).unwrap_or_default()
    } else {
        match loaded {
            Ok(config) => match config.path {
                Some(path) => format!("{}: ok", path.display()),
                None => format!("no config file at {}", report.path.unwrap_or_default()),
            },
            Err(faults) => faults.to_string().trim_end().to_owned(),
        }
    };
    // A reader that has left wants no more.
    writeln!(io::stdout(), "{text}").ok();
    code
}

/// `--oneshot`: answers one caller on the socket that it gave us as standard input.
fn oneshot(args: &Args) -> ExitCode {
    // The caller's person reads stderr: only what nothing else tells.
    log(args.log.as_deref(), "error");
    let socket = match host::inherited_caller() {
        Ok(socket) => socket,
        Err(err) => return fail(&err, USAGE),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => return fail(&err, FAILED),
    };
    let loaded = config::load(args.config.as_deref());
    let ended = runtime.block_on(run::oneshot(loaded, args.state_dir.clone(), socket));
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(&err, exit_code(&err)),
    }
}

/// To stderr, which a service manager puts into its journal, with the journal's own time there.
fn log(filter: Option<&str>, usual: &str) {
    let named = filter.map(str::to_owned).or_else(|| std::env::var("BASTION_LOG").ok());
    let filter = match named.as_deref().map(str::parse::<EnvFilter>) {
        Some(Ok(filter)) => filter,
        Some(Err(_)) | None => EnvFilter::new(usual),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // A terminal that has gone takes no line; to complain about that on the same terminal would be our end.
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().init();
    } else {
        log.init();
    }
}

fn exit_code(err: &RunError) -> u8 {
    match err {
        RunError::Path(_) => USAGE,
        RunError::Signals(_)
        | RunError::State(_)
        | RunError::Bind(_)
        | RunError::Socket(_)
        | RunError::Vital(_) => FAILED,
    }
}

fn fail(err: &dyn Error, code: u8) -> ExitCode {
    let mut text = format!("error: {err}");
    let mut next = err.source();
    while let Some(cause) = next {
        text.push_str(&format!("\nbecause: {cause}"));
        next = cause.source();
    }
    say(&text);
    ExitCode::from(code)
}

fn say(text: &str) {
    // Nobody there to read it is no reason to fail differently.
    writeln!(io::stderr(), "{}", text.trim_end()).ok();
}

/// The SDK's own stories are told only to who asks for them.
const USUAL_LOG: &str = "info,aws=warn,aws_config=warn,hyper=warn";

/// Enough for two cores' worth of visits; each costs a stack.
const WORKERS: usize = 2;

/// product.md's exit codes.
const FAILED: u8 = 1;
const USAGE: u8 = 2;

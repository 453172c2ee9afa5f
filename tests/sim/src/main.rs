//! `bastion-sim`: the simulated AWS as a program; under the name of the agent's session worker, that worker.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bastion_sim::container::WORKER;
use bastion_sim::{Sim, SimConfig};
use clap::Parser;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Play AWS on one loopback port
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The port to listen on; 0 takes a free one
    #[arg(long)]
    port: Option<u16>,
    /// A JSON file with settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// End when standard input ends
    #[arg(long)]
    until_stdin_ends: bool,
}

fn main() -> ExitCode {
    let own_name = std::env::args().next().unwrap_or_default();
    if Path::new(&own_name).file_name().is_some_and(|name| name == WORKER) {
        return bastion_sim::agent::worker::run(std::env::args());
    }
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    match play(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = &*error, "bastion-sim");
            say(&mut std::io::stderr(), &format!("bastion-sim: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

fn play(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut config = match &args.config {
            Some(path) => read(path)?,
            None => SimConfig::default(),
        };
        config.port = args.port.unwrap_or(config.port);
        // Before we say that we are there, we must hear when we are told to go.
        let mut told =
            Told { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? };
        let sim = Sim::start(config).await?;
        let env: serde_json::Map<String, serde_json::Value> =
            sim.env().into_iter().map(|(name, value)| (name, value.into())).collect();
        let line = serde_json::json!({ "endpoint": sim.endpoint(), "env": env });
        say(&mut std::io::stdout(), &line.to_string());
        told.wait(args.until_stdin_ends).await?;
        sim.stop().await;
        Ok(())
    })
}

/// The signals that end us.
struct Told {
    term: Signal,
    int: Signal,
}

impl Told {
    async fn wait(&mut self, by_stdin: bool) -> std::io::Result<()> {
        tokio::select! {
            _ = self.term.recv() => Ok(()),
            _ = self.int.recv() => Ok(()),
            ended = end_of_stdin(), if by_stdin => ended,
        }
    }
}

async fn end_of_stdin() -> std::io::Result<()> {
    let mut stdin = tokio::io::stdin();
    let mut rest = [0; 64];
    while stdin.read(&mut rest).await? > 0 {}
    Ok(())
}

fn read(path: &Path) -> Result<SimConfig, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("reading {}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// One line out, at once; whoever started us may have gone, which is no reason to fail.
fn say(to: &mut dyn std::io::Write, line: &str) {
    if writeln!(to, "{line}").and_then(|()| to.flush()).is_err() {
        tracing::debug!("nobody reads");
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

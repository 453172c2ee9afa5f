//! bastiond's command line.

use std::path::PathBuf;

use clap::Parser;

/// Give every private AWS database a stable port on this machine
#[derive(Debug, Parser)]
#[command(name = "bastiond", version, about)]
pub struct Args {
    /// Read this config file [default: $BASTION_CONFIG, else config.toml in the user's config directory]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Check the config, say every fault, and leave
    #[arg(long)]
    pub check: bool,

    /// Print the check's result as JSON
    #[arg(long, requires = "check")]
    pub json: bool,

    /// Answer what needs no bastion on the socket that is standard input, and leave; bastionctl starts us so
    #[arg(long, hide = true, conflicts_with = "check")]
    pub oneshot: bool,

    /// Keep the lock, the installation's id and sockets here [default: the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Log this much: error, warn, info, debug, trace, or a filter by module [default: $BASTION_LOG, else info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

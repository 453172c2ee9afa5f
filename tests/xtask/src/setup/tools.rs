//! Small programs that the stories run as a person would (nc, curl, openssl, systemd's own), and what builds the peers.

use crate::Failure;
use crate::place::on_path;
use crate::setup::Consent;
use crate::setup::packages::{Package, install};

/// Finds or installs every tool that the stories run on this system.
///
/// # Errors
/// When one is missing and may not or cannot be installed.
pub fn ensure(consent: Consent) -> Result<(), Failure> {
    let here = |tool: &&Tool| !(tool.linux_only && cfg!(not(target_os = "linux")));
    for tool in TOOLS.iter().filter(here) {
        if on_path(tool.program, &[]).is_none() {
            install(tool.package, consent)?;
        }
    }
    Ok(())
}

struct Tool {
    program: &'static str,
    linux_only: bool,
    package: Package,
}

const TOOLS: &[Tool] = &[
    Tool {
        program: "nc",
        linux_only: false,
        package: Package { what: "netcat", apt: &["netcat-openbsd"], brew: "netcat" },
    },
    Tool {
        program: "curl",
        linux_only: false,
        package: Package { what: "curl", apt: &["curl"], brew: "curl" },
    },
    Tool {
        program: "openssl",
        linux_only: false,
        package: Package { what: "OpenSSL", apt: &["openssl"], brew: "openssl@3" },
    },
    // What a person's screen shows.
    Tool {
        program: "tmux",
        linux_only: false,
        package: Package { what: "tmux", apt: &["tmux"], brew: "tmux" },
    },
    // A third-party client compiles OpenSSL.
    Tool {
        program: "make",
        linux_only: true,
        package: Package { what: "make", apt: &["make"], brew: "" },
    },
    Tool {
        program: "perl",
        linux_only: true,
        package: Package { what: "Perl", apt: &["perl"], brew: "" },
    },
    Tool {
        program: "unshare",
        linux_only: true,
        package: Package { what: "unshare", apt: &["util-linux"], brew: "" },
    },
    // The shells that a bastion's watchdog may meet.
    Tool {
        program: "dash",
        linux_only: true,
        package: Package { what: "dash", apt: &["dash"], brew: "" },
    },
    Tool {
        program: "busybox",
        linux_only: true,
        package: Package { what: "BusyBox", apt: &["busybox"], brew: "" },
    },
    Tool {
        program: "systemd-socket-activate",
        linux_only: true,
        package: Package { what: "systemd's tools", apt: &["systemd"], brew: "" },
    },
];

//! A terminal of 80 columns and 24 rows, as tmux shows it: what a person sees, and types.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::House;
use crate::clients::path_after;
use crate::databases::postgres_programs;

/// A shell in a terminal; dropped, it is gone with all that it runs.
#[derive(Debug)]
pub struct Terminal {
    tmux: PathBuf,
    socket: PathBuf,
    /// Where screens are kept.
    album: PathBuf,
    kept: std::cell::Cell<usize>,
}

impl Terminal {
    /// A shell in the house, with what a person's environment holds there: our programs on PATH, and AWS's variables.
    ///
    /// Screens that are kept go into the folder `album`.
    ///
    /// # Panics
    /// When there is no tmux, or it does not start.
    pub fn open(house: &House, album: &Path) -> Self {
        let tmux = xtask::place::on_path("tmux", &[]);
        let tmux = tmux.expect("tmux is on PATH (cargo xtask test installs it)");
        let terminal = Self {
            tmux,
            socket: house.path("tmux"),
            album: album.to_owned(),
            kept: std::cell::Cell::new(0),
        };
        drop(fs::remove_dir_all(album));
        fs::create_dir_all(album).expect("the album can be made");
        let ours = house.ctl_alone(&[]);
        let programs = Path::new(ours.get_program()).parent().expect("a program lies in a folder");
        let mut command = Command::new(&terminal.tmux);
        command.env_clear().current_dir(house.path("home"));
        command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
            .env("PATH", path_after(&[programs, &postgres_programs().bin]))
            .env("TERM", "xterm-256color")
            .env("PS1", "$ ")
            .env("LC_ALL", "C.UTF-8");
        command.arg("-S").arg(&terminal.socket).args([
            "-f",
            "/dev/null",
            "-u",
            "new-session",
            "-d",
        ]);
        command.args(["-x", "80", "-y", "24", "sh"]);
        let output = command.output().expect("tmux runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        terminal
    }

    /// Types a line, and Enter.
    pub fn enter(&self, line: &str) {
        self.types(line);
        self.key("Enter");
    }

    /// Types, without Enter.
    pub fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Presses a key by tmux's name for it: `Enter`, `C-c`, `q`, `Down`.
    pub fn key(&self, name: &str) {
        self.tmux(&["send-keys", name]);
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// What stands on the screen.
    pub fn shows(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until this stands on the screen, and gives the screen.
    ///
    /// # Panics
    /// When it does not come within the limit.
    pub async fn until(&self, text: &str, limit: Duration) -> String {
        let looking = async {
            loop {
                let shown = self.shows();
                if shown.contains(text) {
                    return shown;
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        let found = timeout(limit, looking).await;
        found.unwrap_or_else(|_| panic!("no {text:?} within {limit:?}:\n{}", self.shows()))
    }

    /// Keeps the screen as it is, as a numbered file of this name.
    pub fn keep(&self, name: &str) {
        let number = self.kept.get() + 1;
        self.kept.set(number);
        let path = self.album.join(format!("{number:02}-{name}.txt"));
        fs::write(path, self.shows()).expect("the album is ours");
    }

    fn tmux(&self, words: &[&str]) -> Output {
        let mut command = Command::new(&self.tmux);
        let output = command.arg("-S").arg(&self.socket).args(words).output().expect("tmux runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = Command::new(&self.tmux);
        drop(command.arg("-S").arg(&self.socket).arg("kill-server").output());
    }
}

/// How often the screen is looked at: as often as a person sees anything.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

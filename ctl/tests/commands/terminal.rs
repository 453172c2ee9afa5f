//! A terminal, as far as a program can tell: 80 columns, colour, somebody who types.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::daemon::Daemon;
use crate::screen::command;

/// A program on a terminal.
pub(crate) struct Terminal {
    screen: File,
    child: Child,
    seen: String,
}

impl Terminal {
    /// Runs a command line on a terminal of its own; `more` is the environment that it gets besides.
    pub(crate) fn run(daemon: &Daemon, line: &str, more: &[(&str, &str)]) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let name = ptsname(&screen, Vec::new()).unwrap();
        let side = open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        tcsetwinsize(&side, size).unwrap();
        let side = File::from(side);
        let mut command = command(daemon.dir(), line);
        command
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("COLUMNS")
            .envs(more.iter().copied())
            .stdin(Stdio::from(side.try_clone().unwrap()))
            .stdout(Stdio::from(side.try_clone().unwrap()))
            .stderr(Stdio::from(side));
        let child = command.spawn().unwrap();
        Self { screen: File::from(screen), child, seen: String::new() }
    }

    /// Reads on until this stands on the screen.
    pub(crate) fn until(&mut self, text: &str) -> &mut Self {
        self.until_any(&[text.to_owned()])
    }

    /// Reads on until one of these stands on the screen.
    pub(crate) fn until_any(&mut self, texts: &[String]) -> &mut Self {
        while !texts.iter().any(|text| self.seen.contains(text)) {
            assert!(self.read(), "it ended without {texts:?}:\n{}", self.seen);
        }
        self
    }

    /// Reads on until a screen of 80 by 24 shows this: what does not change is not written again.
    pub(crate) fn until_shown(&mut self, text: &str) -> &mut Self {
        while !shown(&self.seen).contains(text) {
            assert!(self.read(), "it ended without {text:?}:\n{:?}", self.seen);
        }
        self
    }

    /// Types.
    pub(crate) fn types(&mut self, text: &str) -> &mut Self {
        self.screen.write_all(text.as_bytes()).unwrap();
        self
    }

    /// Gives the terminal another width.
    pub(crate) fn resize(&mut self, columns: u16) -> &mut Self {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.screen, size).unwrap();
        self
    }

    /// Sends it a signal by its name.
    pub(crate) fn signal(&mut self, name: &str) -> &mut Self {
        signal(&self.child, name);
        self
    }

    /// Everything that was written, and the exit code.
    pub(crate) fn end(mut self) -> (String, i32) {
        self.finish()
    }

    /// The same, of a terminal that is still to be looked at.
    pub(crate) fn finish(&mut self) -> (String, i32) {
        while self.read() {}
        (self.seen.clone(), self.child.wait().unwrap().code().unwrap())
    }

    /// Whether it shows what is typed, and hands it over line by line, as a shell expects it.
    pub(crate) fn is_usual(&self) -> bool {
        let usual = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcgetattr(&self.screen).unwrap().local_modes.contains(usual)
    }

    fn read(&mut self) -> bool {
        let mut waited = [PollFd::new(&self.screen, PollFlags::IN)];
        let ready = poll(&mut waited, Some(&PATIENCE)).unwrap();
        assert_ne!(ready, 0, "it said nothing more after:\n{}", self.seen);
        let mut piece = [0; 4096];
        // Where the last program on the other side has gone, Linux says EIO.
        let read = self.screen.read(&mut piece).unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&piece[..read]));
        read > 0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a screen of 80 by 24 shows of what was written: as far as our programs steer one.
fn shown(written: &str) -> String {
    let mut rows = vec![vec![' '; 80]; 24];
    let (mut x, mut y) = (0, 0);
    let mut rest = written;
    while let Some(char) = rest.chars().next() {
        rest = &rest[char.len_utf8()..];
        match char {
            '\x1b' => {
                let Some(end) = rest[1..].find(|c: char| c.is_ascii_alphabetic()) else { break };
                let (order, number) = (rest.as_bytes()[end + 1], &rest[1..=end]);
                rest = &rest[end + 2..];
                match order {
                    b'H' => {
                        let (row, column) = number.split_once(';').unwrap_or(("1", "1"));
                        (x, y) = (column.parse().unwrap_or(1) - 1, row.parse().unwrap_or(1) - 1);
                    }
                    b'J' if number == "2" => rows = vec![vec![' '; 80]; 24],
                    b'J' => rows.iter_mut().skip(y + 1).for_each(|row| row.fill(' ')),
                    b'K' => rows[y.min(23)].iter_mut().skip(x).for_each(|cell| *cell = ' '),
                    _ => {}
                }
            }
            '\r' => x = 0,
            '\n' => (x, y) = (0, y + 1),
            char => {
                if let Some(cell) = rows.get_mut(y).and_then(|row: &mut Vec<char>| row.get_mut(x)) {
                    *cell = char;
                }
                x += 1;
            }
        }
    }
    rows.iter().map(|row| row.iter().collect::<String>() + "\n").collect()
}

/// Sends a program a signal by its name.
pub(crate) fn signal(child: &Child, name: &str) {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = if name == "INT" { Signal::INT } else { Signal::TERM };
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// How long a program may say nothing on its terminal: much longer than any does on a busy machine.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

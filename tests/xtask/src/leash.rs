//! A guard outside of us: what this program started ends with it, also when it is killed.
//!
//! ```text
//!   we ──── a pipe ────► sh: "hold PGID", "free PGID", "remove DIR"
//!   our end, however it comes, closes the pipe; then sh ends every group still held and removes the directories
//! ```
//!
//! A destructor is not enough: a test's process runs none for its statics, and a killed program none at all. A database
//! server left behind would hold memory and a port for good.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Ends this process group when we are gone.
pub fn hold(group: u32) {
    tell(&format!("hold {group}"));
}

/// Forgets a process group that has ended.
pub fn free(group: u32) {
    tell(&format!("free {group}"));
}

/// Removes this directory when we are gone.
pub fn remove(dir: &Path) {
    tell(&format!("remove {}", dir.display()));
}

fn tell(line: &str) {
    static GUARD: OnceLock<Mutex<Child>> = OnceLock::new();
    let guard = GUARD.get_or_init(|| Mutex::new(start()));
    let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pipe) = guard.stdin.as_mut() {
        // A guard that is gone cannot be told anything; the destructors still do their part.
        drop(writeln!(pipe, "{line}"));
    }
}

fn start() -> Child {
    Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()
        .expect("every system that we run on has sh")
}

/// Groups get TERM, ten seconds, and KILL; PostgreSQL takes TERM for "when the last client has gone", so it gets INT too.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
groups=' '
newline='
'
dirs=''
while read -r verb what; do
    case $verb in
        hold) groups="$groups$what " ;;
        free) groups=$(printf '%s' "$groups" | sed "s/ $what / /") ;;
        remove) dirs="$dirs$what$newline" ;;
    esac
done
for group in $groups; do kill -s TERM -- "-$group"; kill -s INT -- "-$group"; done
tries=0
while [ $tries -lt 100 ]; do
    alive=''
    for group in $groups; do kill -s 0 -- "-$group" && alive=yes; done
    [ -z "$alive" ] && break
    tries=$((tries + 1))
    sleep 0.1
done
for group in $groups; do kill -s KILL -- "-$group"; done
printf '%s' "$dirs" | while IFS= read -r dir; do rm -rf -- "$dir"; done
"#;

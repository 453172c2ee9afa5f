//! The watchdog: the command by which a task ends itself, whatever has become of us.
//!
//! The session is the dead man's switch. As long as the daemon wants a bastion it keeps one session of it alive; when the
//! daemon is gone for good, the service ends the session at its idle limit, and the watchdog the task.

use std::time::Duration;

/// The watchdog of one task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Watchdog {
    /// How long the first session may be in coming.
    pub first: Duration,
    /// How long there may be no session after there was one.
    pub grace: Duration,
    /// How old the task may become, whoever uses it.
    pub life: Duration,
}

impl Watchdog {
    /// The watchdog of a bastion whose start may take so long, and which may become so old.
    pub fn new(start: Duration, life: Duration) -> Self {
        Self { first: start + LATE, grace: GRACE, life }
    }

    /// The container's command, for an image whose entry point is this; most have none.
    ///
    /// RunTask can replace an image's command and not its entry point. One that ends with `-c` is a shell that takes the
    /// script itself; any other is taken to run what it is given, as `exec "$@"` does.
    pub fn command<S: AsRef<str>>(&self, entry_point: &[S]) -> Vec<String> {
        let takes_script = entry_point.last().is_some_and(|word| word.as_ref() == "-c");
        let shell: &[&str] = if takes_script { &[] } else { &["sh", "-c"] };
        let mut command: Vec<String> = shell.iter().map(|word| (*word).to_owned()).collect();
        command.push(script());
        // What `ps` in the container shows beside the script.
        command.push(NAME.to_owned());
        let times = [self.first, self.grace, self.life];
        // A watchdog that ended at once would be of no use to anybody.
        command.extend(times.map(|time| time.as_secs().max(1).to_string()));
        command
    }

    /// How old the task may become that runs this command, where it is a watchdog's.
    pub fn life_in(command: &[String]) -> Option<Duration> {
        let [.., name, _, _, life] = command else { return None };
        let life = (name == NAME).then(|| life.parse().ok())??;
        Some(Duration::from_secs(life))
    }
}

/// What the script is called in its container.
const NAME: &str = "bastiond-watchdog";

/// The script without comments and indentation.
fn script() -> String {
    let lines = include_str!("watchdog.sh").lines().map(str::trim);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    lines.join("\n")
}

/// How much later than the start's deadline the first session may come: the daemon's deadline begins with the wish, and the
/// script with the container, but a machine may sleep in between.
const LATE: Duration = Duration::from_secs(120);

/// How long a bastion without a session stays: long enough for one tunnel to be replaced by another.
const GRACE: Duration = Duration::from_secs(60);

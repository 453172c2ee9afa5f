//! What the screen and the environment say about how things may be shown.

use std::env;
use std::io::{self, IsTerminal};

use rustix::termios::tcgetwinsize;

/// How wide a line may be: the terminal's width where there is one, else what it usually is.
pub(crate) fn width() -> usize {
    screen(io::stderr()).or_else(|| screen(io::stdout())).unwrap_or(USUAL_WIDTH)
}

/// The width of the screen behind a stream, or the one that `$COLUMNS` claims.
pub(super) fn screen(stream: impl IsTerminal + std::os::fd::AsFd) -> Option<usize> {
    let claimed = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let real = stream.is_terminal().then(|| match tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        // A terminal that does not know: serial lines, some containers.
        Ok(_) | Err(_) => USUAL_WIDTH,
    });
    real.or(claimed).map(|columns| columns.max(NARROWEST))
}

/// How many lines the screen has; as many as are wanted where it does not say.
pub(super) fn height() -> usize {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 => usize::from(size.ws_row),
        Ok(_) | Err(_) => usize::MAX,
    }
}

/// Whether the environment has nothing against colour (no-color.org; a dumb terminal has none).
pub(super) fn colour_welcome() -> bool {
    let no = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no && !dumb()
}

/// Whether the terminal can only go on, as a shell inside an editor: nothing that stands there is written again.
pub(super) fn dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether the terminal shows more letters than ASCII's: the locale says so, and it is not a console whose font has few.
pub(super) fn letters() -> bool {
    let said = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = said("LC_ALL").or_else(|| said("LC_CTYPE")).or_else(|| said("LANG"));
    let locale = locale.unwrap_or_default().to_lowercase();
    let utf8 = locale.contains("utf-8") || locale.contains("utf8");
    utf8 && env::var_os("TERM").is_none_or(|term| term != "linux")
}

/// The width of a terminal since the VT100.
pub(super) const USUAL_WIDTH: usize = 80;
/// Below this no line of ours can be laid out.
const NARROWEST: usize = 20;

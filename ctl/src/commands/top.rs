use bastion_api::client::Client;
use bastion_api::{Problem, ProblemKind};
use clap::Args;

use crate::error::Failure;
use crate::top::{Paint, show};
use crate::ui::Ui;

/// Watch all targets on one screen, and open, close and hold them from there
///
/// States, visits by program, throughput, resumes, how long until a bastion is stopped, what today has cost. Press ? for the
/// keys. To quit leaves bastions and visits as they are.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Top {}

impl Top {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let settings = *ui.settings();
        if settings.json {
            return Err(no_terminal("top draws, and has no JSON", WATCH_JSON).into());
        }
        if !settings.in_terminal || !settings.out_terminal {
            return Err(no_terminal("top needs a terminal to draw on", WATCH).into());
        }
        if settings.dumb {
            return Err(
                no_terminal("top cannot draw on a terminal of the type \"dumb\"", WATCH).into()
            );
        }
        // A daemon that is not there is told as every command tells it; one that goes away later is shown.
        let first = client.status().await?;
        show(client, first, Paint { colour: settings.colour, letters: settings.letters }).await
    }
}

fn no_terminal(message: &str, instead: &str) -> Problem {
    Problem::new(CODE, ProblemKind::Usage, message).hint(instead)
}

const CODE: &str = "C40";
/// What shows the same to a program, or to a person without a terminal.
const WATCH: &str = "bastionctl status --watch";
const WATCH_JSON: &str = "bastionctl status --watch --json";
const EXAMPLE: &str = "Example:\n  bastionctl top";

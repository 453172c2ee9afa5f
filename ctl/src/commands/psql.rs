use std::ffi::OsString;

use bastion_api::Engine;
use bastion_api::client::Client;
use clap::Args;

use super::connect::connect;
use crate::error::Failure;
use crate::ui::Ui;

/// Open a PostgreSQL target and run psql on it
///
/// The password is fetched, and is in psql's environment only. What stands behind -- is given to psql. Its exit code is
/// ours.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl psql prod-db -- -c 'select now()'")]
pub(crate) struct Psql {
    /// The target, as the config names it
    target: String,
    /// What psql is told besides
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Psql {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        connect(client, &self.target, Some(Engine::Postgres), self.args, ui).await
    }
}

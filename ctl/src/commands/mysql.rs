use std::ffi::OsString;

use bastion_api::Engine;
use bastion_api::client::Client;
use clap::Args;

use super::connect::connect;
use crate::error::Failure;
use crate::ui::Ui;

/// Open a MySQL or MariaDB target and run mysql on it
///
/// The password is fetched, and is in mysql's environment only. What stands behind -- is given to mysql, or to mariadb
/// where there is no mysql. Its exit code is ours.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl mysql dev-mysql -- -e 'show tables'")]
pub(crate) struct Mysql {
    /// The target, as the config names it
    target: String,
    /// What mysql is told besides
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Mysql {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        connect(client, &self.target, Some(Engine::Mysql), self.args, ui).await
    }
}

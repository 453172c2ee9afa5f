use bastion_api::client::Client;
use clap::Args;

use super::about;
use crate::error::Failure;
use crate::ui::Ui;

/// Print a target's password, fresh from where it is kept
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  PGPASSWORD=$(bastionctl password prod-db) psql")]
pub(crate) struct Password {
    /// The target, as the config names it
    target: String,
}

impl Password {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let answer = about(client, &self.target, client.password(&self.target).await).await?;
        if ui.settings().json {
            return ui.json(&answer);
        }
        // As it is: a password may hold anything, and what reads it must get all of it.
        ui.data(&answer.password)
    }
}

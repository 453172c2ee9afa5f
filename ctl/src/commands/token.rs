use bastion_api::client::Client;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::about;
use crate::error::Failure;
use crate::ui::Ui;

/// Print an IAM token that stands for a database user's password
///
/// It is signed for the database's own name and port, and opens its door for 15 minutes; connections that stand by then
/// go on. The database takes it over TLS only. For a target with password = { iam = true }, psql, mysql and password do
/// this by themselves.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  PGPASSWORD=$(bastionctl token prod-db --user app) psql -U app")]
pub(crate) struct Token {
    /// The target, as the config names it
    target: String,
    /// For whom, where it is not the target's own user
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
}

impl Token {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let asked = client.token(&self.target, self.user.as_deref()).await;
        let answer = about(client, &self.target, asked).await?;
        if ui.settings().json {
            return ui.json(&answer);
        }
        ui.data(&answer.password)
    }
}

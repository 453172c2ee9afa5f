use bastion_api::SCHEMA_VERSION;
use bastion_api::client::Client;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value};

use super::info::{contact_of, remark_on_roots};
use crate::address::shell;
use crate::card::Trust;
use crate::error::Failure;
use crate::ui::Ui;
use crate::variables::{self, Variable};
use crate::words::clean;

/// Print exports for a shell, so that its programs find a target
///
/// Nothing is started: the first visit does that. The password is there only where it is asked for, and then every
/// program of that shell can read it.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eval \"$(bastionctl env prod-db)\"")]
pub(crate) struct Env {
    /// The target, as the config names it
    target: String,
    /// For which shell
    #[arg(long, value_enum, default_value_t = Shell::Sh)]
    shell: Shell,
    /// With the password, too, or a token of 15 minutes
    #[arg(long)]
    with_password: bool,
    /// Have libpq check the certificate's name, too: PGHOST is the database's own then, and PGHOSTADDR the address here
    ///
    /// Only programs that are built on libpq know PGHOSTADDR; others would look for the database's own name.
    #[arg(long)]
    verify_full: bool,
}

/// Whose words are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Shell {
    /// sh, bash, zsh
    Sh,
    /// fish
    Fish,
}

/// What is printed of a target's variables.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Exports<'a> {
    schema_version: u32,
    target: &'a str,
    /// Each variable's value; none of one that must not be set.
    variables: Map<String, Value>,
}

impl Env {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let (info, mut card) = contact_of(client, &self.target).await?;
        let login = if self.with_password {
            let asked = client.password(&self.target).await;
            Some(super::about(client, &self.target, asked).await?)
        } else {
            None
        };
        card = card.or_user(login.as_ref().and_then(|login| login.user.as_deref()));
        let mut set = variables::of_shell(&card, self.verify_full);
        if let Some(login) = login {
            set.push((variables::of_password(card.engine), Some(login.password)));
        }
        if self.verify_full && !matches!(card.trust, Trust::Verify { .. }) {
            ui.talk(&format!("{}: no certificate can be checked", clean(&card.name)));
        }
        remark_on_roots(&info, ui);
        if let Some(lack) = card.lack() {
            ui.talk(&clean(&format!("{}: {lack}", card.name)));
        }
        if ui.settings().json {
            let variables = set.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
            return ui.json(&Exports {
                schema_version: SCHEMA_VERSION,
                target: &self.target,
                variables: variables.collect(),
            });
        }
        if ui.settings().out_terminal {
            ui.copied(
                "# to set them: eval \"$(bastionctl env …)\"; in fish: bastionctl env … | source",
            );
        }
        set.iter().try_for_each(|variable| ui.data(&self.shell.line(variable)))
    }
}

impl Shell {
    /// One variable set, or taken away.
    fn line(self, (name, value): &Variable) -> String {
        match (self, value) {
            (Self::Sh, Some(value)) => format!("export {name}={}", shell(value)),
            (Self::Sh, None) => format!("unset {name}"),
            (Self::Fish, Some(value)) => {
                format!("set -gx {name} '{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
            }
            (Self::Fish, None) => format!("set -e {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shell;

    #[test]
    fn each_shell_reads_the_value_as_it_is() {
        let odd = ("PGUSER", Some("o'hara $x \\".to_owned()));
        assert_eq!(Shell::Sh.line(&odd), r"export PGUSER='o'\''hara $x \'");
        assert_eq!(Shell::Fish.line(&odd), r"set -gx PGUSER 'o\'hara $x \\'");
        assert_eq!(Shell::Sh.line(&("PGHOSTADDR", None)), "unset PGHOSTADDR");
        assert_eq!(Shell::Fish.line(&("PGHOSTADDR", None)), "set -e PGHOSTADDR");
    }
}

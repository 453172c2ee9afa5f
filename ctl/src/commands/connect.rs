use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use bastion_api::client::Client;
use bastion_api::{Engine, OpenRequest, Password, Problem, ProblemKind, ProofKind};
use clap::Args;

use super::open::{Reached, reach};
use super::{about, unknown};
use crate::card::{Card, Trust};
use crate::error::Failure;
use crate::handover::{Kind, Program, exec, first_and_rest};
use crate::ui::Ui;
use crate::variables;
use crate::words::clean;

/// Open a target and run its engine's client on it: psql or mysql
///
/// The password is fetched, and is in the client's environment only. What stands behind -- is given to the client. Its
/// exit code is ours.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl connect prod-db")]
pub(crate) struct Connect {
    /// The target, as the config names it
    target: String,
    /// What the client is told besides
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Connect {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        connect(client, &self.target, None, self.args, ui).await
    }
}

/// Opens a target, asks for its password and hands over to its client, which is to speak this where that is wanted.
pub(super) async fn connect(
    client: &Client,
    name: &str,
    wanted: Option<Engine>,
    args: Vec<OsString>,
    ui: &mut Ui,
) -> Result<(), Failure> {
    let status = client.status().await?;
    let known = status.targets.iter().find(|target| target.name == name);
    let Some(known) = known else {
        return Err(unknown(name, status.targets.iter().map(|target| &*target.name)).into());
    };
    // Whatever can be told without a bastion is told before one is started.
    let program = match known.engine {
        Engine::Postgres | Engine::Mysql => Some(program(name, known.engine, wanted).await?),
        Engine::Other => None,
    };
    let info = about(client, name, client.info(&[name.to_owned()], false).await).await?;
    let contact = info.targets.first().ok_or_else(|| nowhere(name))?;
    let program = match (program, &contact.problem) {
        (Some(program), _) => Some(program),
        (None, None) => Some(self::program(name, contact.target.engine, wanted).await?),
        // What it speaks could not be asked: opening it says why.
        (None, Some(_)) => None,
    };
    let login = match contact.proof {
        ProofKind::Secret | ProofKind::Iam => {
            Some(about(client, name, client.password(name).await).await?)
        }
        ProofKind::Unsaid => None,
    };
    let Reached { target, .. } = reach(client, name, &OpenRequest::default(), ui).await?;
    let program = match program {
        Some(program) => program,
        None => self::program(name, target.engine, wanted).await?,
    };
    let card = Card::of(contact, &info.roots).ok_or_else(|| nowhere(name))?;
    let card = card.or_user(login.as_ref().and_then(|login| login.user.as_deref()));
    if card.danger {
        ui.talk(&format!("{}: danger = true", clean(name)));
    }
    let mut command = match program.kind {
        Kind::Psql => psql(&program, &card, login.as_ref(), args),
        Kind::Mysql | Kind::Mariadb => mysql(&program, &card, login.as_ref(), args, ui),
    };
    ui.hand_over();
    Err(exec(&mut command))
}

async fn program(name: &str, engine: Engine, wanted: Option<Engine>) -> Result<Program, Failure> {
    if let Some(wanted) = wanted
        && engine != wanted
    {
        let message =
            format!("{name} does not speak {}: it speaks {}", wanted.word(), engine.word());
        let hint = match engine {
            Engine::Postgres => format!("bastionctl psql {name}"),
            Engine::Mysql => format!("bastionctl mysql {name}"),
            Engine::Other => format!("engine = {:?} under [target.{name}]", wanted.word()),
        };
        return Err(Problem::new("C14", ProblemKind::Usage, message).hint(hint).into());
    }
    Program::of(engine, name).await
}

pub(super) fn nowhere(name: &str) -> Failure {
    let message = format!("{name} is found nowhere on this machine");
    let problem = Problem::new("C14", ProblemKind::Failed, message);
    problem.hint(format!("bastionctl status {name}")).into()
}

/// All of it by its environment, which a process keeps from other users.
fn psql(program: &Program, card: &Card, login: Option<&Password>, args: Vec<OsString>) -> Command {
    let mut command = Command::new(&program.path);
    for (name, value) in variables::of_libpq(&card.libpq()) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(login) = login {
        command.env(variables::of_password(Engine::Postgres), &login.password);
    }
    command.args(args);
    command
}

/// Arguments, but for the password: MySQL's programs take no user from their environment.
fn mysql(
    program: &Program,
    card: &Card,
    login: Option<&Password>,
    args: Vec<OsString>,
    ui: &mut Ui,
) -> Command {
    let mut command = Command::new(&program.path);
    let (first, rest) = first_and_rest(args);
    if first.is_empty()
        && login.is_some()
        && let Some(file) = option_file_with_password()
    {
        // A password there would win over the one in the environment.
        ui.talk(&format!("{} holds a password, and is left out", file.display()));
        command.arg("--no-defaults");
    }
    command.args(first);
    for (name, value) in card.mysql() {
        command.arg(format!("--{name}={value}"));
    }
    match (&card.trust, program.kind) {
        (Trust::Require, Kind::Mysql) => drop(command.arg("--ssl-mode=REQUIRED")),
        (Trust::Require, Kind::Mariadb) => drop(command.arg("--ssl")),
        // An authority's file implies TLS.
        (Trust::Require | Trust::Prefer | Trust::Verify { .. }, _) => {}
    }
    // MariaDB's own sends a token without being told to, and grumbles where it is.
    if (card.proof, program.kind) == (ProofKind::Iam, Kind::Mysql) {
        command.arg("--enable-cleartext-plugin");
    }
    if let Some(database) = &card.database {
        command.arg(format!("--database={database}"));
    }
    if let Some(login) = login {
        command.env(variables::of_password(Engine::Mysql), &login.password);
    }
    command.args(rest);
    command
}

/// The person's own option file, where it holds a password.
fn option_file_with_password() -> Option<PathBuf> {
    let file = PathBuf::from(std::env::var_os("HOME")?).join(".my.cnf");
    holds_password(&std::fs::read_to_string(&file).ok()?).then_some(file)
}

fn holds_password(text: &str) -> bool {
    text.lines().filter_map(|line| line.split('=').next()).any(|key| key.trim() == "password")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::examples;

    fn login() -> Password {
        serde_json::from_value(serde_json::json!({
            "schema_version": 1, "user": "amy", "password": "hunter2",
        }))
        .unwrap()
    }

    fn program(kind: Kind) -> Program {
        Program { path: "/bin/client".into(), kind }
    }

    fn told(command: &Command) -> (Vec<String>, Vec<String>) {
        let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let env = command.get_envs().filter_map(|(name, value)| {
            Some(format!("{}={}", name.to_string_lossy(), value?.to_string_lossy()))
        });
        (args, env.collect())
    }

    #[test]
    fn psql_is_told_all_by_its_environment() {
        let command =
            psql(&program(Kind::Psql), &examples::postgres(), Some(&login()), vec!["-c".into()]);
        let (args, env) = told(&command);
        assert_eq!(args, ["-c"]);
        for variable in ["PGPASSWORD=hunter2", "PGUSER=postgres", "PGHOSTADDR=127.0.0.1"] {
            assert!(env.contains(&variable.to_owned()), "{variable}: {env:?}");
        }
        let unset =
            |name: &str| command.get_envs().any(|(known, value)| known == name && value.is_none());
        assert!(unset("PGSERVICE"));
    }

    #[test]
    fn a_secret_names_the_user_that_the_config_does_not() {
        let card = Card { user: None, ..examples::postgres() }.or_user(login().user.as_deref());
        let (_, env) = told(&psql(&program(Kind::Psql), &card, Some(&login()), Vec::new()));
        assert!(env.contains(&"PGUSER=amy".to_owned()), "{env:?}");
    }

    #[test]
    fn mysql_and_mariadb_are_told_to_use_tls_each_in_its_own_words() {
        let card = Card { trust: Trust::Require, proof: ProofKind::Iam, ..examples::mysql() };
        let mut ui = Ui::of_process(&crate::cli::Output::default());
        let mut args = |kind, card: &Card| {
            let args = vec!["-e".into(), "select 1".into(), "--defaults-file=/x".into()];
            let command = mysql(&program(kind), card, Some(&login()), args, &mut ui);
            let (args, env) = told(&command);
            assert_eq!(env, ["MYSQL_PWD=hunter2"]);
            args.join(" ")
        };
        let words = "--database=app -e select 1";
        let place = "--defaults-file=/x --protocol=TCP --host=127.0.0.1 --port=13306 --user=admin";
        assert_eq!(
            args(Kind::Mysql, &card),
            format!("{place} --ssl-mode=REQUIRED --enable-cleartext-plugin {words}")
        );
        assert_eq!(args(Kind::Mariadb, &card), format!("{place} --ssl {words}"));
        let sure = Card { trust: examples::postgres().trust, ..card };
        let roots = "--ssl-ca=/home/amy/roots.pem";
        assert_eq!(
            args(Kind::Mysql, &sure),
            format!("{place} {roots} --enable-cleartext-plugin {words}")
        );
    }

    #[test]
    fn a_password_in_an_option_file_is_found_whatever_group_it_is_in() {
        assert!(holds_password("[client]\nuser=amy\n password = x\n"));
        assert!(!holds_password("[client]\nuser=amy\n# password = x\npassword-prompt=1\n"));
    }
}

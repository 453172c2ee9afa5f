//! The session, whoever goes through it, and the end.

use bastion_api::ByHandStep;
use bastion_cloud::{DatabaseRef, Runs, SecretRef};
use dbwire::Engine;
use serde_json::json;

use super::shell::{Aws, kept, option, option_of, quoted};
use super::{Facts, Found, find, task};
use crate::config::Proof;

/// The local port that leads to the database.
pub(super) fn open(facts: &Facts, aws: &Aws) -> ByHandStep {
    let port = facts.port;
    let cluster = facts.site.cluster.rsplit('/').next().unwrap_or(&facts.site.cluster);
    let target = format!("{}_\"${{TASK##*/}}\"_\"$RUNTIME\"", quoted(&format!("ecs:{cluster}")));
    let start = aws.call(
        "ssm start-session",
        [
            option_of("--target", &target),
            option("--document-name", "AWS-StartPortForwardingSessionToRemoteHost"),
            option_of("--parameters", &parameters(facts)),
        ],
    );
    let start = start.replace('\n', "\n  ");
    let mut comments = vec![
        "needs the Session Manager plugin beside the aws command line; it listens on 127.0.0.1".to_owned(),
        "shortly after its start the agent is not known yet (TargetNotConnected): then it is tried again".to_owned(),
    ];
    if let Some(held) = facts.held {
        comments.push(format!("port {port}, for bastiond holds {held}"));
    }
    let until = format!(
        "for try in {{1..30}}; do\n  kill -0 \"$SESSION\" 2>/dev/null || {{ {start} </dev/null & SESSION=$!; }}\n  \
         (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && break\n  sleep 2\ndone"
    );
    ByHandStep {
        title: "Open the session".to_owned(),
        comments,
        commands: vec!["SESSION=".to_owned(), until],
        unknown: None,
    }
}

/// The database's own client, with the password in its environment alone.
pub(super) fn connect(facts: &Facts, aws: &Aws) -> ByHandStep {
    let mut step = ByHandStep { title: "Connect".to_owned(), ..ByHandStep::default() };
    let password = password(facts, aws, &mut step);
    let with = |variable: &str, client: String| match &password {
        Some(password) => format!("{variable}=$({password}) {client}"),
        None => client,
    };
    match facts.engine {
        Engine::Postgres => {
            // A token is never sent in the clear.
            let tls = if facts.proof == Some(Proof::Iam) { "PGSSLMODE=require " } else { "" };
            step.commands.push(with("PGPASSWORD", format!("{tls}{}", psql(facts))));
        }
        Engine::Mysql => {
            // A token goes to the server as it is, over TLS: MySQL's own client has to be told that it may.
            let token = facts.proof == Some(Proof::Iam);
            let may = if token { "LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN=1 " } else { "" };
            step.commands.push(with("MYSQL_PWD", format!("{may}{}", mysql(facts))));
        }
        Engine::Other => {
            step.comments
                .push(format!("your client finds the database at 127.0.0.1:{}", facts.port));
            step.commands.extend(password);
        }
    }
    if let Some(Proof::Secret(_)) = facts.proof {
        step.commands.push("unset SECRET".to_owned());
    }
    step
}

/// The end of the session, and of the task where it is one's own.
pub(super) fn end(facts: &Facts, aws: &Aws) -> ByHandStep {
    // The plugin is a child of the command line's, which ends with it and not the other way round.
    let mut commands = vec!["pkill -P \"$SESSION\" || kill \"$SESSION\"".to_owned()];
    let mut comments = Vec::new();
    match &facts.site.runs {
        Runs::TaskDefinition(_) => commands.push(aws.value(
            "ecs stop-task",
            [
                option("--cluster", &facts.site.cluster),
                option_of("--task", "\"$TASK\""),
                option("--reason", "ended by hand"),
            ],
            "task.desiredStatus",
        )),
        Runs::Service(service) if facts.scale => {
            commands.push(task::scale(facts, aws, service, 0));
        }
        Runs::Service(_) => comments.push("the task is the service's own, and runs on".to_owned()),
    }
    ByHandStep { title: "End it".to_owned(), comments, commands, unknown: None }
}

/// Where the session leads, as one word for the shell.
fn parameters(facts: &Facts) -> String {
    let local = facts.port.to_string();
    match &facts.remote {
        Found::Known(remote) => {
            let port = remote.port.to_string();
            let parameters =
                json!({ "host": [remote.host], "portNumber": [port], "localPortNumber": [local] });
            quoted(&parameters.to_string())
        }
        Found::Unknown { .. } => {
            format!("\"host=$DB_HOST,portNumber=$DB_PORT,localPortNumber={local}\"")
        }
    }
}

/// The command that prints the password, and what has to come before it.
fn password(facts: &Facts, aws: &Aws, step: &mut ByHandStep) -> Option<String> {
    let secret = match facts.proof.as_ref()? {
        Proof::Iam => return Some(token(facts, aws, step)),
        Proof::Secret(secret) => secret,
    };
    let id = match secret {
        SecretRef::Named(name) => quoted(name),
        SecretRef::Managed(database) => managed(facts, database, aws, step)?,
    };
    let command = aws.value(
        "secretsmanager get-secret-value",
        [option_of("--secret-id", &id)],
        "SecretString",
    );
    step.commands.push(kept("SECRET", &command));
    if facts.user.is_none() && facts.engine != Engine::Other {
        step.commands.push(format!("DB_USER=$({})", of_secret(USER_OF)));
    }
    step.comments.push("a secret is JSON with a password, or the password itself".to_owned());
    Some(of_secret(PASSWORD_OF))
}

/// A part of the secret. Through a pipe: what stands behind `<<<` older shells keep in a file.
fn of_secret(part: &str) -> String {
    format!("printf %s \"$SECRET\" | jq -Rrs '{part}'")
}

/// The name of the secret that RDS manages, as one word for the shell.
fn managed(
    facts: &Facts,
    database: &DatabaseRef,
    aws: &Aws,
    step: &mut ByHandStep,
) -> Option<String> {
    if let Some(arn) = &facts.managed_secret {
        return Some(quoted(arn));
    }
    step.commands.push(kept("SECRET_ID", &find::managed_secret(database, aws)?));
    Some("\"$SECRET_ID\"".to_owned())
}

/// A token in a password's place. It is signed for the database's own name: never for the local port's.
fn token(facts: &Facts, aws: &Aws, step: &mut ByHandStep) -> String {
    let (host, port) = match &facts.remote {
        Found::Known(remote) => (quoted(&remote.host), remote.port.to_string()),
        Found::Unknown { .. } => ("\"$DB_HOST\"".to_owned(), "\"$DB_PORT\"".to_owned()),
    };
    step.comments.push("a token lives for 15 minutes, and asks for TLS".to_owned());
    aws.call(
        "rds generate-db-auth-token",
        [
            option_of("--hostname", &host),
            option_of("--port", &port),
            option("--username", facts.user.as_deref().unwrap_or_default()),
        ],
    )
}

fn psql(facts: &Facts) -> String {
    let user = user(facts);
    let mut line = format!("psql -h 127.0.0.1 -p {}", facts.port);
    line.extend(user.map(|user| format!(" -U {user}")));
    line.extend(facts.db_name.as_deref().map(|name| format!(" -d {}", quoted(name))));
    line
}

/// Without `--protocol=TCP` MySQL's client takes a host of this machine for its own socket (D15).
fn mysql(facts: &Facts) -> String {
    let mut line = format!("mysql --protocol=TCP -h 127.0.0.1 -P {}", facts.port);
    line.extend(user(facts).map(|user| format!(" -u {user}")));
    line.extend(facts.db_name.as_deref().map(|name| format!(" {}", quoted(name))));
    line
}

/// The user as one word for the shell: the config's, else the secret's.
fn user(facts: &Facts) -> Option<String> {
    let of_secret = || match facts.proof {
        Some(Proof::Secret(_)) => Some("\"$DB_USER\"".to_owned()),
        Some(Proof::Iam) | None => None,
    };
    facts.user.as_deref().map(quoted).or_else(of_secret)
}

/// As bastiond reads a secret: the password of a JSON object, else the text as it is.
const PASSWORD_OF: &str = ". as $text | (fromjson? | objects | .password) // $text";
/// And the user, where it is such an object.
const USER_OF: &str = "fromjson? | objects | .username // empty";

//! What a person types into each client's form, or pastes into a terminal.

use bastion_api::{Contact, Engine, ProofKind};
use serde::Serialize;

use crate::address::{Address, conninfo, quoted, shell};
use crate::card::{Card, Jdbc, PATIENCE_SECONDS, Trust};

/// One client, and what it is told.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Form {
    /// The client's name.
    pub(crate) client: &'static str,
    /// What does all this at once, or what is good to know.
    pub(crate) note: Option<String>,
    /// What to type, in the client's order.
    pub(crate) fields: Vec<Field>,
    /// Lines to paste.
    pub(crate) lines: Vec<String>,
}

/// One field of a form.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Field {
    /// The tab that it is on; empty where the form has none.
    pub(crate) tab: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// What belongs there.
    pub(crate) value: String,
}

/// All that can be said of a target.
pub(crate) fn of(card: &Card, contact: &Contact) -> Vec<Form> {
    let mut forms = Vec::new();
    let java = card.jdbc();
    match card.engine {
        Engine::Postgres => {
            forms.push(psql(card));
            forms.push(pgadmin(card));
            forms.extend(java.iter().map(|jdbc| dbeaver(card, jdbc)));
            forms.extend(java.iter().map(jdbc_url));
            forms.push(adminer(card, contact, "pgsql"));
        }
        Engine::Mysql => {
            forms.push(mysql(card));
            forms.extend(workbench(card));
            forms.extend(sequel(card));
            forms.extend(java.iter().map(|jdbc| dbeaver(card, jdbc)));
            forms.extend(java.iter().map(jdbc_url));
            forms.push(phpmyadmin(card, contact));
            forms.push(adminer(card, contact, "server"));
        }
        Engine::Other => {}
    }
    forms
}

/// The shell line that calls psql, without a password.
pub(crate) fn psql_line(card: &Card) -> String {
    let said = card.libpq().into_iter().map(|(key, value)| format!("{key}={}", conninfo(&value)));
    format!("psql {}", quoted(&said.collect::<Vec<_>>().join(" ")))
}

/// The shell line that calls mysql, which asks for the password.
pub(crate) fn mysql_line(card: &Card) -> String {
    let said = card.mysql().into_iter().map(|(key, value)| match key {
        "host" => format!("-h {}", shell(&value)),
        "port" => format!("-P {value}"),
        "user" => format!("-u {} -p", shell(&value)),
        key => format!("--{key}={}", shell(&value)),
    });
    let said = said.chain(card.database.as_deref().map(shell));
    format!("mysql {}", said.collect::<Vec<_>>().join(" "))
}

fn psql(card: &Card) -> Form {
    let note = Some(format!("with the password: bastionctl psql {}", card.name));
    Form { client: "psql", note, fields: Vec::new(), lines: vec![psql_line(card)] }
}

fn mysql(card: &Card) -> Form {
    let note = Some(format!("with the password: bastionctl mysql {}", card.name));
    Form { client: "mysql", note, fields: Vec::new(), lines: vec![mysql_line(card)] }
}

fn pgadmin(card: &Card) -> Form {
    let mut form = Rows::default();
    form.add("General", "Name", &card.name);
    for (key, value) in card.libpq() {
        match key {
            "host" => form.add("Connection", "Host name/address", value),
            "port" => form.add("Connection", "Port", value),
            "dbname" => form.add("Connection", "Maintenance database", value),
            "user" => form.add("Connection", "Username", value),
            "hostaddr" => form.add("Parameters", "Host address", value),
            "sslmode" => form.add("Parameters", "SSL mode", value),
            "sslrootcert" => form.add("Parameters", "Root certificate", value),
            "connect_timeout" => form.add("Parameters", "Connection timeout", value),
            _ => {}
        }
    }
    if card.proof != ProofKind::Unsaid {
        form.add("Advanced", "Password exec command", password_line(card));
    }
    // As the tabs stand in its dialog.
    form.0.sort_by_key(|field| PGADMIN.iter().position(|tab| *tab == field.tab));
    let note = Some(format!("all at once: bastionctl export pgadmin {}", card.name));
    Form { client: "pgAdmin", note, fields: form.0, lines: Vec::new() }
}

fn dbeaver(card: &Card, jdbc: &Jdbc) -> Form {
    let mut form = Rows::default();
    form.add("Main", "Server Host", &jdbc.host);
    form.add("Main", "Port", jdbc.port.to_string());
    form.add("Main", "Database", &jdbc.database);
    form.maybe("Main", "Username", card.user.as_deref());
    for (key, value) in &jdbc.properties {
        form.add("Driver properties", key, value);
    }
    let note = Some(format!("all at once: bastionctl export dbeaver {}", card.name));
    Form { client: "DBeaver", note, fields: form.0, lines: Vec::new() }
}

fn jdbc_url(jdbc: &Jdbc) -> Form {
    Form {
        client: "JDBC",
        note: Some("DataGrip's URL, too".to_owned()),
        fields: Vec::new(),
        lines: vec![jdbc.whole()],
    }
}

fn workbench(card: &Card) -> Option<Form> {
    let Address::Tcp { host, port } = &card.address else { return None };
    let mut form = Rows::default();
    form.add("Parameters", "Connection Method", "Standard (TCP/IP)");
    form.add("Parameters", "Hostname", host);
    form.add("Parameters", "Port", port.to_string());
    form.maybe("Parameters", "Username", card.user.as_deref());
    form.maybe("Parameters", "Default Schema", card.database.as_deref());
    let (tls, roots) = match &card.trust {
        Trust::Prefer => ("If available", None),
        Trust::Require => ("Require", None),
        Trust::Verify { roots, .. } => ("Require and Verify CA", Some(roots.as_str())),
    };
    form.add("SSL", "Use SSL", tls);
    form.maybe("SSL", "SSL CA File", roots);
    // Under Preferences: one number for all connections.
    form.add("SQL Editor", "DBMS connection time out", PATIENCE_SECONDS.to_string());
    Some(Form { client: "MySQL Workbench", note: None, fields: form.0, lines: Vec::new() })
}

fn sequel(card: &Card) -> Option<Form> {
    let Address::Tcp { host, port } = &card.address else { return None };
    let mut form = Rows::default();
    form.add("TCP/IP", "Name", &card.name);
    form.add("TCP/IP", "Host", host);
    form.maybe("TCP/IP", "Username", card.user.as_deref());
    form.maybe("TCP/IP", "Database", card.database.as_deref());
    form.add("TCP/IP", "Port", port.to_string());
    if card.trust != Trust::Prefer {
        form.add("TCP/IP", "Require SSL", "yes");
    }
    let note = Some("127.0.0.1, for it takes localhost for a socket".to_owned());
    Some(Form { client: "Sequel Ace", note, fields: form.0, lines: Vec::new() })
}

fn phpmyadmin(card: &Card, contact: &Contact) -> Form {
    let line = contact.docker_port.map(|port| {
        let tls =
            if card.trust == Trust::Prefer { "" } else { " -e PMA_SSL=1 -e PMA_SSL_VERIFY=0" };
        format!("{RUN} -p 127.0.0.1:8080:80 -e PMA_HOST={HOST} -e PMA_PORT={port}{tls} phpmyadmin")
    });
    in_docker("phpMyAdmin in Docker", line, card, contact)
}

fn adminer(card: &Card, contact: &Contact, driver: &'static str) -> Form {
    let line = contact.docker_port.map(|port| {
        format!(
            "{RUN} -p 127.0.0.1:8081:8080 -e ADMINER_DEFAULT_DRIVER={driver} \
             -e ADMINER_DEFAULT_SERVER={HOST}:{port} adminer"
        )
    });
    in_docker("Adminer in Docker", line, card, contact)
}

fn in_docker(client: &'static str, line: Option<String>, card: &Card, contact: &Contact) -> Form {
    let mut form = Rows::default();
    let note = match contact.docker_port {
        Some(port) => {
            form.add("", "Server", format!("{HOST}:{port}"));
            let bridge = contact.docker_host.as_deref().map(|host| format!("{host}:{port}"));
            form.maybe("", "on the bridge", bridge.as_deref());
            form.maybe("", "Username", card.user.as_deref());
            None
        }
        None => {
            let key = match contact.target.port {
                Some(port) => format!("listen = [{port}, \"docker\"]"),
                None => format!("listen = [\"unix\", {}, \"docker\"]", usual_port(card.engine)),
            };
            Some(format!("{key} under [target.{}] lets containers in", card.name))
        }
    };
    Form { client, note, fields: form.0, lines: line.into_iter().collect() }
}

/// A port for a target that has none yet, as `init` would begin to look for one.
fn usual_port(engine: Engine) -> u16 {
    match engine {
        Engine::Postgres | Engine::Other => 15432,
        Engine::Mysql => 13306,
    }
}

fn password_line(card: &Card) -> String {
    format!("bastionctl password {}", card.name)
}

#[derive(Default)]
struct Rows(Vec<Field>);

impl Rows {
    fn add(&mut self, tab: &'static str, name: &'static str, value: impl Into<String>) {
        self.0.push(Field { tab, name, value: value.into() });
    }

    fn maybe(&mut self, tab: &'static str, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(tab, name, value);
        }
    }
}

/// The tabs of pgAdmin's dialog.
const PGADMIN: [&str; 4] = ["General", "Connection", "Parameters", "Advanced"];
/// The name by which a container finds this machine.
const HOST: &str = "host.docker.internal";
/// Docker Desktop knows that name by itself; Docker on Linux is told.
const RUN: &str = "docker run --rm --add-host=host.docker.internal:host-gateway";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::examples::{mysql, postgres};

    fn contact(docker_port: Option<u16>) -> Contact {
        serde_json::from_value(serde_json::json!({
            "target": { "name": "dev-mysql", "site": "dev", "port": 13306 },
            "docker_port": docker_port, "docker_host": "172.17.0.1",
        }))
        .unwrap()
    }

    #[test]
    fn lines_to_paste_hold_all_but_the_password() {
        let expected = r#"psql "host=prod-db.cx1.ap-northeast-1.rds.amazonaws.com hostaddr=127.0.0.1 port=15432 dbname=neuraKnot user=postgres sslmode=verify-full sslrootcert=/home/amy/roots.pem connect_timeout=120""#;
        assert_eq!(psql_line(&postgres()), expected);
        assert_eq!(
            mysql_line(&mysql()),
            "mysql --protocol=TCP -h 127.0.0.1 -P 13306 -u admin -p app"
        );
    }

    #[test]
    fn a_container_is_told_the_bridge_or_which_key_opens_it() {
        let forms = of(&mysql(), &contact(Some(13306)));
        let pma = forms.iter().find(|form| form.client.starts_with("phpMyAdmin")).unwrap();
        let expected = "docker run --rm --add-host=host.docker.internal:host-gateway -p 127.0.0.1:8080:80 \
                        -e PMA_HOST=host.docker.internal -e PMA_PORT=13306 phpmyadmin";
        assert_eq!(pma.lines, [expected]);
        assert!(pma.fields.iter().any(|field| field.value == "172.17.0.1:13306"), "{pma:?}");
        let closed = of(&mysql(), &contact(None));
        let adminer = closed.last().unwrap();
        assert!(adminer.lines.is_empty());
        let note = "listen = [13306, \"docker\"] under [target.dev-mysql] lets containers in";
        assert_eq!(adminer.note.as_deref(), Some(note));
        let mut portless = contact(None);
        portless.target.port = None;
        let note =
            "listen = [\"unix\", 13306, \"docker\"] under [target.dev-mysql] lets containers in";
        assert_eq!(of(&mysql(), &portless).last().unwrap().note.as_deref(), Some(note));
    }
}

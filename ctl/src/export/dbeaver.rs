//! DBeaver's data-sources.json. DBeaver reads every file in its project whose name begins with `data-sources`, so that
//! this one lies beside its own.

use bastion_api::Engine;
use serde_json::{Map, Value, json};

use super::RED;
use crate::card::{Card, Jdbc, Trust};

/// The file.
pub(super) fn write(cards: &[Card]) -> String {
    let folders = cards.iter().map(|card| (folder(card), json!({})));
    let connections = cards.iter().filter_map(|card| {
        let jdbc = card.jdbc()?;
        Some((format!("bastion-{}", card.name), connection(card, &jdbc)?))
    });
    let file = json!({
        "folders": folders.collect::<Map<_, _>>(),
        "connections": connections.collect::<Map<_, _>>(),
    });
    serde_json::to_string_pretty(&file).expect("our keys are strings") + "\n"
}

fn connection(card: &Card, jdbc: &Jdbc) -> Option<Value> {
    let (provider, driver, handler) = match card.engine {
        Engine::Postgres => {
            ("postgresql", "postgres-jdbc", ("postgre_ssl", postgres_tls(&card.trust)))
        }
        Engine::Mysql => ("mysql", "mysql8", ("mysql_ssl", mysql_tls(&card.trust))),
        Engine::Other => return None,
    };
    // What is about TLS DBeaver keeps in a place of its own.
    let properties = jdbc.properties.iter().filter(|(key, _)| !TLS.contains(key));
    let properties: Map<String, Value> =
        properties.map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let mut configuration = json!({
        "host": jdbc.host,
        "port": jdbc.port.to_string(),
        "database": jdbc.database,
        "url": jdbc.url,
        "configurationType": "MANUAL",
        "type": if card.danger { "prod" } else { "dev" },
        "auth-model": "native",
        "properties": properties,
    });
    if let Some(user) = &card.user {
        configuration["user"] = json!(user);
    }
    if card.danger {
        let [red, green, blue] = RED;
        configuration["color"] = json!(format!("{red},{green},{blue}"));
    }
    if let (id, Some(tls)) = handler {
        configuration["handlers"] = json!({
            id: { "type": "CONFIG", "enabled": true, "save-password": false, "properties": tls },
        });
    }
    Some(json!({
        "provider": provider,
        "driver": driver,
        "name": card.name,
        "description": "a target of bastiond",
        "save-password": false,
        "folder": folder(card),
        "configuration": configuration,
    }))
}

fn postgres_tls(trust: &Trust) -> Option<Value> {
    match trust {
        Trust::Prefer => None,
        Trust::Require => Some(json!({ "sslMode": "require" })),
        Trust::Verify { roots, .. } => {
            Some(json!({ "sslMode": "verify-ca", "ssl.ca.cert": roots }))
        }
    }
}

fn mysql_tls(trust: &Trust) -> Option<Value> {
    match trust {
        Trust::Prefer => None,
        Trust::Require => Some(json!({ "ssl.require": "true", "ssl.verify.server": "false" })),
        Trust::Verify { roots, .. } => Some(json!({
            "ssl.require": "true", "ssl.verify.server": "true", "ssl.ca.cert": roots,
        })),
    }
}

/// A folder's name is a path to DBeaver.
fn folder(card: &Card) -> String {
    card.group.replace('/', "-")
}

const TLS: [&str; 3] = ["sslmode", "sslrootcert", "sslMode"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::examples::{mysql, postgres};

    #[test]
    fn a_connection_is_in_its_folder_red_and_patient() {
        let file: Value = serde_json::from_str(&write(&[postgres(), mysql()])).unwrap();
        assert_eq!(file["folders"], json!({ "123456789012 prod": {}, "dev": {} }));
        let expected = json!({
            "provider": "postgresql", "driver": "postgres-jdbc", "name": "prod-db",
            "description": "a target of bastiond", "save-password": false, "folder": "123456789012 prod",
            "configuration": {
                "host": "127.0.0.1", "port": "15432", "database": "neuraKnot",
                "url": "jdbc:postgresql://127.0.0.1:15432/neuraKnot", "configurationType": "MANUAL",
                "type": "prod", "auth-model": "native", "user": "postgres", "color": "179,38,30",
                "properties": { "connectTimeout": "120", "sslResponseTimeout": "120000" },
                "handlers": { "postgre_ssl": {
                    "type": "CONFIG", "enabled": true, "save-password": false,
                    "properties": { "sslMode": "verify-ca", "ssl.ca.cert": "/home/amy/roots.pem" },
                } },
            },
        });
        assert_eq!(file["connections"]["bastion-prod-db"], expected);
        let mysql = &file["connections"]["bastion-dev-mysql"]["configuration"];
        assert_eq!((mysql.get("color"), mysql.get("handlers")), (None, None));
        let properties = json!({ "connectTimeout": "120000", "allowPublicKeyRetrieval": "true" });
        assert_eq!(mysql["properties"], properties);
    }
}

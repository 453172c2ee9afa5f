//! pgAdmin's servers.json, as its own "Import/Export Servers" and `setup.py load-servers` read it.

use bastion_api::ProofKind;
use serde_json::{Map, Value, json};

use super::{PasswordLine, RED};
use crate::card::Card;

/// The file.
pub(super) fn write(cards: &[Card], password: PasswordLine<'_>) -> String {
    let servers =
        cards.iter().zip(1..).map(|(card, number)| (format!("{number}"), server(card, password)));
    let file = json!({ "Servers": servers.collect::<Map<_, _>>() });
    serde_json::to_string_pretty(&file).expect("our keys are strings") + "\n"
}

fn server(card: &Card, password: PasswordLine<'_>) -> Value {
    let mut parameters: Map<String, Value> = Map::new();
    let mut server = json!({
        "Name": card.name,
        "Group": card.group,
        "Comment": "a target of bastiond",
        // pgAdmin insists on both; every PostgreSQL has the one, and most on RDS the other.
        "MaintenanceDB": "postgres",
        "Username": "postgres",
    });
    for (key, value) in card.libpq() {
        match key {
            "host" => server["Host"] = json!(value),
            "port" => server["Port"] = json!(value.parse::<u16>().unwrap_or(POSTGRES)),
            "dbname" => server["MaintenanceDB"] = json!(value),
            "user" => server["Username"] = json!(value),
            "connect_timeout" => {
                parameters.insert(key.to_owned(), json!(value.parse::<u32>().unwrap_or_default()));
            }
            other => {
                parameters.insert(other.to_owned(), json!(value));
            }
        }
    }
    server["ConnectionParameters"] = Value::Object(parameters);
    if let Some(lasts) = lasts(card.proof) {
        server["PasswordExecCommand"] = json!(password(card));
        server["PasswordExecExpiration"] = json!(lasts);
    }
    if card.danger {
        let [red, green, blue] = RED;
        server["BGColor"] = json!(format!("#{red:02x}{green:02x}{blue:02x}"));
        server["FGColor"] = json!("#ffffff");
    }
    server
}

/// For how many seconds pgAdmin may use a password again: a secret may be rotated, and a token lasts 15 minutes. None
/// where there is nothing to ask for.
fn lasts(proof: ProofKind) -> Option<u32> {
    match proof {
        ProofKind::Secret => Some(300),
        ProofKind::Iam => Some(600),
        ProofKind::Unsaid => None,
    }
}

/// PostgreSQL's own port: what a Unix socket without a number in its name has.
const POSTGRES: u16 = 5432;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::Trust;
    use crate::card::examples::postgres;

    fn written(card: Card) -> Value {
        let line = |card: &Card| format!("/bin/bastionctl password {}", card.name);
        let mut file: Value = serde_json::from_str(&write(&[card], &line)).unwrap();
        file["Servers"]["1"].take()
    }

    #[test]
    fn a_server_has_what_connects_it_and_no_password() {
        let expected = json!({
            "Name": "prod-db", "Group": "123456789012 prod", "Comment": "a target of bastiond",
            "Host": "prod-db.cx1.ap-northeast-1.rds.amazonaws.com", "Port": 15432,
            "MaintenanceDB": "neuraKnot", "Username": "postgres",
            "ConnectionParameters": {
                "hostaddr": "127.0.0.1", "sslmode": "verify-full", "sslrootcert": "/home/amy/roots.pem",
                "connect_timeout": 120,
            },
            "PasswordExecCommand": "/bin/bastionctl password prod-db", "PasswordExecExpiration": 300,
            "BGColor": "#b3261e", "FGColor": "#ffffff",
        });
        assert_eq!(written(postgres()), expected);
    }

    #[test]
    fn what_is_harmless_is_not_red_and_what_has_no_secret_asks_for_none() {
        let plain = Card {
            danger: false,
            proof: ProofKind::Unsaid,
            trust: Trust::Prefer,
            database: None,
            user: None,
            ..postgres()
        };
        let server = written(plain);
        for absent in ["BGColor", "FGColor", "PasswordExecCommand", "PasswordExecExpiration"] {
            assert_eq!(server.get(absent), None);
        }
        assert_eq!(server["Username"], "postgres");
        assert_eq!(
            (&server["MaintenanceDB"], &server["Host"]),
            (&json!("postgres"), &json!("127.0.0.1"))
        );
    }
}

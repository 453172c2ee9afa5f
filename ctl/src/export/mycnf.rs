//! An option file of MySQL's and MariaDB's programs: groups whose names end with the target's, so that many stand in one
//! file and `--defaults-group-suffix` chooses.

use bastion_api::ProofKind;

use crate::card::{Card, PATIENCE_SECONDS};

/// The file.
pub(super) fn write(cards: &[Card]) -> String {
    let mut file = String::from(
        "# Targets of bastiond, by bastionctl export mycnf. No password is here.\n\
         # mysql --defaults-file=THIS_FILE --defaults-group-suffix=_TARGET -p\n",
    );
    for card in cards {
        let name = &card.name;
        file.push_str(&format!("\n# {}\n[client_{name}]\n", card.group));
        for (key, value) in card.mysql() {
            file.push_str(&format!("{key}={}\n", quoted(&value)));
        }
        // What only the client itself knows would stop mysqldump in the group of all programs.
        file.push_str(&format!("[mysql_{name}]\nconnect-timeout={PATIENCE_SECONDS}\n"));
        if let Some(database) = &card.database {
            file.push_str(&format!("database={}\n", quoted(database)));
        }
        if card.proof == ProofKind::Iam {
            // MySQL sends a token only when it is told to; MariaDB does without being told.
            file.push_str("enable-cleartext-plugin\n");
        }
    }
    file
}

/// A value as option files take it: quoted where a comment, a space at its ends or a quote could be read into it.
fn quoted(value: &str) -> String {
    let odd = |char: char| char.is_whitespace() || "#'\"\\".contains(char);
    if !value.contains(odd) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::examples::{mysql, postgres};

    #[test]
    fn a_target_has_a_group_for_all_programs_and_one_for_the_client() {
        let card = Card { trust: postgres().trust, proof: ProofKind::Iam, ..mysql() };
        let expected = "\
# dev
[client_dev-mysql]
protocol=TCP
host=127.0.0.1
port=13306
user=admin
ssl-ca=/home/amy/roots.pem
[mysql_dev-mysql]
connect-timeout=120
database=app
enable-cleartext-plugin
";
        let file = write(&[card]);
        assert!(file.ends_with(expected), "{file}");
    }

    #[test]
    fn odd_names_are_quoted() {
        assert_eq!(quoted("app"), "app");
        assert_eq!(quoted("a \"b\" \\#c"), r#""a \"b\" \\#c""#);
    }
}

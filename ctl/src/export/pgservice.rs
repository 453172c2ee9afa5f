//! libpq's pg_service.conf: a section a target, in the words of its connection strings.

use crate::card::Card;

/// The file.
pub(super) fn write(cards: &[Card]) -> String {
    let mut file = String::from(
        "# Targets of bastiond, by bastionctl export pgservice. No password is here.\n",
    );
    for card in cards {
        file.push_str(&format!("\n# {}\n[{}]\n", card.group, card.name));
        for (key, value) in card.libpq() {
            file.push_str(&format!("{key}={value}\n"));
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::examples::postgres;

    #[test]
    fn a_target_is_a_section_of_libpqs_own_words() {
        let expected = "\
# Targets of bastiond, by bastionctl export pgservice. No password is here.

# 123456789012 prod
[prod-db]
host=prod-db.cx1.ap-northeast-1.rds.amazonaws.com
hostaddr=127.0.0.1
port=15432
dbname=neuraKnot
user=postgres
sslmode=verify-full
sslrootcert=/home/amy/roots.pem
connect_timeout=120
";
        assert_eq!(write(&[postgres()]), expected);
    }
}

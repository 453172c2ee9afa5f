//! DataGrip's data sources as its clipboard has them: copied as text, they are imported by "Import from Clipboard".

use bastion_api::Engine;

use crate::card::Card;
use crate::words::digest;

/// The text.
pub(super) fn write(cards: &[Card]) -> String {
    cards.iter().filter_map(source).collect()
}

/// How it is imported, and what it cannot hold.
pub(super) fn advice(file: Option<&str>, cards: &[Card]) -> Vec<String> {
    let copied = if cfg!(target_os = "macos") { "pbcopy" } else { "xclip -selection clipboard" };
    let mut said = vec![
        format!(
            "DataGrip: copy it ({copied} < {}), then in the Database window",
            file.unwrap_or("FILE")
        ),
        "+ > Import from Clipboard".to_owned(),
    ];
    let red: Vec<&str> =
        cards.iter().filter(|card| card.danger).map(|card| card.name.as_str()).collect();
    if !red.is_empty() {
        said.push(format!("DataGrip imports no colours: give red by hand to {}", red.join(", ")));
    }
    said
}

fn source(card: &Card) -> Option<String> {
    let jdbc = card.jdbc()?;
    let (driver, class, dbms) = match card.engine {
        Engine::Postgres => ("postgresql", "org.postgresql.Driver", "POSTGRES"),
        Engine::Mysql => ("mysql.8", "com.mysql.cj.jdbc.Driver", "MYSQL"),
        Engine::Other => return None,
    };
    let (name, group) = (escaped(&card.name), escaped(&card.group));
    let user = card.user.as_deref().map(|user| format!("<user-name>{}</user-name>", escaped(user)));
    let properties: String = jdbc
        .properties
        .iter()
        .map(|(key, value)| format!("<property name=\"{key}\" value=\"{}\"/>", escaped(value)))
        .collect();
    Some(format!(
        "#DataSourceSettings#\n#LocalDataSource: {name}\n#BEGIN#\n\
         <data-source source=\"LOCAL\" name=\"{name}\" group=\"{group}\" uuid=\"{}\">\
         <database-info dbms=\"{dbms}\"/><driver-ref>{driver}</driver-ref><synchronize>true</synchronize>\
         <jdbc-driver>{class}</jdbc-driver><jdbc-url>{}</jdbc-url>{}\
         <driver-properties>{properties}</driver-properties></data-source>\n#END#\n",
        identity(&card.name),
        escaped(&jdbc.url),
        user.unwrap_or_default(),
    ))
}

/// The same target always has the same identity, so that importing again replaces it.
fn identity(name: &str) -> String {
    let [high, low] = [0, 1].map(|seed| digest(std::iter::once(seed).chain(name.bytes())));
    // The version of an identity of one's own making, and the variant (RFC 9562, section 5.8).
    let high = high & !0xf000 | 0x8000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// Text as XML has it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::examples::{mysql, postgres};

    #[test]
    fn each_target_stands_between_datagrips_own_marks() {
        let text = write(&[postgres(), mysql()]);
        assert_eq!(text.matches("#DataSourceSettings#\n#LocalDataSource: ").count(), 2);
        assert_eq!(text.matches("#BEGIN#\n<data-source source=\"LOCAL\"").count(), 2);
        assert_eq!(text.matches("</data-source>\n#END#\n").count(), 2);
        for part in [
            "name=\"prod-db\" group=\"123456789012 prod\" uuid=\"",
            "<driver-ref>postgresql</driver-ref>",
            "<jdbc-url>jdbc:postgresql://127.0.0.1:15432/neuraKnot</jdbc-url><user-name>postgres</user-name>",
            "<property name=\"sslResponseTimeout\" value=\"120000\"/>",
            "<property name=\"sslmode\" value=\"verify-ca\"/>",
            "<driver-ref>mysql.8</driver-ref>",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn an_identity_is_the_same_each_time_and_another_for_another_name() {
        let one = identity("prod-db");
        assert_eq!(one, identity("prod-db"));
        assert_ne!(one, identity("prod-dc"));
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(one.as_bytes()[14] == b'8' && b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }

    #[test]
    fn a_name_cannot_break_out_of_its_place() {
        let odd = Card { user: Some("<a b=\"&\">".to_owned()), ..postgres() };
        assert!(write(&[odd]).contains("<user-name>&lt;a b=&quot;&amp;&quot;&gt;</user-name>"));
    }
}

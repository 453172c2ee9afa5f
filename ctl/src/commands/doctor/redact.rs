//! Takes out of a text what nobody else needs to know: keys, tokens, passwords, addresses of people, the home's name.
//!
//! What goes into a bundle holds no secret to begin with: the daemon writes none. This is for what people have put where it
//! does not belong, and for what programs beside us say. Names of accounts, sites, databases and secrets stay: they are what
//! support goes by.

/// The text without them.
pub(super) fn redacted(text: &str, home: Option<&str>) -> String {
    let text = match home.filter(|home| home.len() > 1) {
        Some(home) => text.replace(home, "~"),
        None => text.to_owned(),
    };
    let mut out = String::with_capacity(text.len());
    let mut in_key = false;
    for line in text.split_inclusive('\n') {
        // A private key has many lines, and none of them says so but the first and the last.
        if line.contains("-----BEGIN ") && line.contains("PRIVATE KEY") {
            in_key = !line.contains("-----END ");
            out.push_str("<private key>\n");
        } else if in_key {
            in_key = !line.contains("-----END ");
        } else {
            out.push_str(&in_line(line));
        }
    }
    out
}

fn in_line(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    // Whether the word before names something whose value nobody needs.
    let mut named = false;
    while !rest.is_empty() {
        let end = rest.find(is_gap).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let behind = after.trim_start_matches(['"', '\'', '\\', ' ']);
        let names =
            is_name_of_secret(word) && (word.ends_with(':') || behind.starts_with([':', '=']));
        let gap = after.find(|letter| !is_gap(letter)).unwrap_or(after.len());
        let (gap, after) = after.split_at(gap);
        if named && !is_noise(word) {
            out.push_str(HIDDEN);
        } else {
            out.push_str(&in_word(word));
        }
        // `password = { … }` and `"password": null` name no value; `Authorization: Bearer …` names one behind another.
        named = (names || (named && is_noise(word))) && !gap.contains(['{', '[', ',']);
        out.push_str(gap);
        rest = after;
    }
    out
}

/// What stands between words: `=` and `:` part a name from its value.
fn is_gap(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '=' | '"' | '\'' | ',' | ';' | '{' | '}' | '[' | ']' | '&' | '?')
        || matches!(letter, '(' | ')' | '<' | '>')
}

/// A word of a value that is no value by itself.
fn is_noise(word: &str) -> bool {
    matches!(word, "" | "null" | "true" | "false" | "Bearer" | "Basic" | ":")
}

fn is_name_of_secret(word: &str) -> bool {
    let plain: String = word
        .trim_end_matches(':')
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric())
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    NAMES.iter().any(|name| plain.ends_with(name))
}

fn in_word(word: &str) -> String {
    if let Some((name, value)) = word.split_once(':')
        && is_name_of_secret(name)
        && !value.is_empty()
    {
        return format!("{name}:{HIDDEN}");
    }
    if let Some((scheme, rest)) = word.split_once("://")
        && let Some((who, place)) = rest.split_once('@')
        && !who.contains('/')
    {
        return format!("{scheme}://{HIDDEN}@{}", in_word(place));
    }
    word.split_inclusive(':').map(in_part).collect()
}

/// A piece of a word between colons: ARNs have many.
fn in_part(part: &str) -> String {
    let (part, colon) = match part.strip_suffix(':') {
        Some(part) => (part, ":"),
        None => (part, ""),
    };
    if is_opaque(part) {
        return format!("{HIDDEN}{colon}");
    }
    let pieces = part.split_inclusive('/').map(|piece| {
        let (piece, slash) = match piece.strip_suffix('/') {
            Some(piece) => (piece, "/"),
            None => (piece, ""),
        };
        if is_access_key(piece) || is_web_token(piece) {
            format!("{HIDDEN}{slash}")
        } else if is_person(piece) {
            format!("<somebody>{slash}")
        } else {
            format!("{piece}{slash}")
        }
    });
    let whole: String = pieces.collect();
    whole + colon
}

/// `AKIA…` and `ASIA…`: no secret by itself, and nothing that support needs.
fn is_access_key(word: &str) -> bool {
    word.len() >= 16
        && ["AKIA", "ASIA"].iter().any(|head| word.starts_with(head))
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// A JSON web token, as logins are kept.
fn is_web_token(word: &str) -> bool {
    word.starts_with("eyJ") && word.len() > 20
}

/// `amy@example.com`: what sessions of roles are called after.
fn is_person(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    word.split_once('@').is_some_and(|(who, host)| !who.is_empty() && host.contains('.'))
}

/// A run of letters and digits without sense: a secret access key has 40, session tokens hundreds. Names have dashes, and
/// what is called by a number has small letters alone.
fn is_opaque(word: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let has = |kind: fn(&u8) -> bool| word.bytes().any(|byte| kind(&byte));
    (word.len() == KEY || word.len() >= TOKEN)
        && word.bytes().all(base64)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
}

/// What stands in its place.
const HIDDEN: &str = "<redacted>";
/// The length of a secret access key.
const KEY: usize = 40;
/// From here on no name is that long without a dash.
const TOKEN: usize = 64;
/// How names end whose values are nobody's business; letters and digits alone, small.
const NAMES: [&str; 13] = [
    "password",
    "passwd",
    "pwd",
    "token",
    "tokenvalue",
    "secretaccesskey",
    "secretkey",
    "secretstring",
    "authorization",
    "signature",
    "credential",
    "clientsecret",
    "apikey",
];

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn whatever_names_a_secret_loses_its_value() {
        for (text, kept) in [
            ("password=hunter2 port=5432", "password=<redacted> port=5432"),
            (
                "\"password\": \"hunter2\", \"user\": \"amy\"",
                "\"password\": \"<redacted>\", \"user\": \"amy\"",
            ),
            ("Authorization: Bearer abc.def", "Authorization: Bearer <redacted>"),
            ("aws_secret_access_key = s3cr3t", "aws_secret_access_key = <redacted>"),
            ("PGPASSWORD=hunter2 psql", "PGPASSWORD=<redacted> psql"),
            ("x?X-Amz-Signature=0a1b&X-Amz-Date=1", "x?X-Amz-Signature=<redacted>&X-Amz-Date=1"),
            ("token:abc", "token:<redacted>"),
        ] {
            assert_eq!(redacted(text, None), kept);
        }
    }

    #[test]
    fn the_name_of_a_secret_stays_and_so_does_what_has_none() {
        for text in [
            "\"password\": { \"secret\": \"prod/neuraKnot\" }",
            "password = { secret = \"prod/neuraKnot\" }",
            "\"password\": null, \"user\": \"postgres\"",
            "arn:aws:ecs:ap-northeast-1:123456789012:task/neuraKnot-prod-cluster/0123456789abcdef0123456789abcdef",
            "neuraknot-prod-db.cx1simulated.ap-northeast-1.rds.amazonaws.com:5432",
            "session amy-0a1b2c3d4e5f6a7b8 opened at 2026-01-02T03:04:05.123Z",
        ] {
            assert_eq!(redacted(text, None), text);
        }
    }

    #[test]
    fn keys_and_tokens_are_known_by_their_looks() {
        let key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1";
        let key = &key[..40];
        let token = "IQoJb3JpZ2luX2VjEJr".repeat(8);
        for secret in [key, "AKIAIOSFODNN7EXAMPLE", "eyJraWQiOiJrZXktMTU2NDAyOD", token.as_str()] {
            let said = redacted(&format!("it says {secret}, and more"), None);
            assert_eq!(said, "it says <redacted>, and more", "{secret}");
        }
        let url = redacted("proxy http://amy:hunter2@proxy.corp:3128/x", None);
        assert_eq!(url, "proxy http://<redacted>@proxy.corp:3128/x");
    }

    #[test]
    fn people_and_their_homes_are_not_named() {
        let text = "sts::123456789012:assumed-role/Dev/amy@example.com in /home/amy/.aws/config";
        let said = "sts::123456789012:assumed-role/Dev/<somebody> in ~/.aws/config";
        assert_eq!(redacted(text, Some("/home/amy")), said);
    }

    #[test]
    fn a_private_key_is_left_out_with_all_its_lines() {
        let text =
            "a\n-----BEGIN EC PRIVATE KEY-----\nMHcC\nAQEE\n-----END EC PRIVATE KEY-----\nb\n";
        assert_eq!(redacted(text, None), "a\n<private key>\nb\n");
    }
}

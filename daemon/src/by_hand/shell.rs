//! Words and commands that bash takes as they are meant, whatever is in them.

use super::Facts;

/// The aws command line, with the flags that every call of this target's needs.
#[derive(Clone, Debug)]
pub(super) struct Aws {
    flags: Vec<String>,
}

impl Aws {
    pub(super) fn of(facts: &Facts) -> Self {
        let flags = [
            ("--profile", facts.site.profile.clone()),
            ("--region", facts.region.clone()),
            ("--ca-bundle", facts.ca_bundle.as_ref().map(|path| path.display().to_string())),
        ];
        let said = flags.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        Self { flags: said.map(|(flag, value)| option(flag, &value)).collect() }
    }

    /// A call: `ecs run-task`, and its options as [`option`] and [`option_of`] make them.
    pub(super) fn call<const N: usize>(&self, call: &str, options: [String; N]) -> String {
        let parts = [format!("aws {call}")].into_iter().chain(options);
        broken(parts.chain(self.flags.iter().cloned()).filter(|part| !part.is_empty()).collect())
    }

    /// The same for its one value, which a query picks.
    pub(super) fn value<const N: usize>(
        &self,
        call: &str,
        options: [String; N],
        query: &str,
    ) -> String {
        let parts = [format!("aws {call}")].into_iter().chain(options);
        let picked = [option("--query", query), "--output text".to_owned()];
        let parts = parts.chain(picked).chain(self.flags.iter().cloned());
        broken(parts.filter(|part| !part.is_empty()).collect())
    }
}

/// An option and its value, taken as it is.
pub(super) fn option(name: &str, value: &str) -> String {
    format!("{name} {}", quoted(value))
}

/// An option whose value is written for the shell already: it has variables.
pub(super) fn option_of(name: &str, value: &str) -> String {
    format!("{name} {value}")
}

/// `NAME=$(command)`
pub(super) fn kept(name: &str, command: &str) -> String {
    format!("{name}=$({command})")
}

/// A word that the shell changes nothing in. No control character stands in it as such.
pub(super) fn quoted(word: &str) -> String {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@%+=,".contains(letter);
    if !word.is_empty() && word.chars().all(safe) {
        word.to_owned()
    } else if word.chars().any(char::is_control) {
        format!("$'{}'", word.chars().map(spelt).collect::<String>())
    } else if word.contains('\'') && !word.contains(['"', '$', '`', '\\', '!']) {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A character as `$'…'` writes it.
fn spelt(letter: char) -> String {
    match letter {
        '\'' | '\\' => format!("\\{letter}"),
        control if control.is_control() => {
            let mut bytes = [0; 4];
            control.encode_utf8(&mut bytes).bytes().map(|byte| format!("\\x{byte:02x}")).collect()
        }
        plain => plain.to_string(),
    }
}

/// A command on one line, or where that is long, each of its parts on its own.
fn broken(parts: Vec<String>) -> String {
    let line = parts.join(" ");
    if line.chars().count() <= LONGEST { line } else { parts.join(" \\\n    ") }
}

/// How long a line of the script may be, in characters, with what [`kept`] adds.
const LONGEST: usize = 72;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn bash_gets_every_word_as_it_is() {
        let odd = [
            "plain-1.2/x:@%+=,",
            "",
            "two words",
            "o'hara",
            "$HOME `id` \\ \"!\"",
            "it's $5",
            "~",
            "{a,b}=[c]*?~",
            "line\nfeed\ttab\u{1b}[31m'\\",
            "héé\u{9b}x",
        ];
        let each = (1..=0x7f_u8).map(|byte| format!("a{}b", char::from(byte)));
        let words: Vec<String> = odd.into_iter().map(str::to_owned).chain(each).collect();
        let said: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let line = format!("printf '%s\\0' {}", said.join(" "));
        assert!(!line.chars().any(char::is_control), "{line}");
        let bash = Command::new("bash").args(["-c", &line]).env("LC_ALL", "C.UTF-8").output();
        let heard = String::from_utf8(bash.unwrap().stdout).unwrap();
        let heard: Vec<&str> = heard.split_terminator('\0').collect();
        assert_eq!(heard, words);
    }

    #[test]
    fn a_long_command_has_a_line_for_each_option_and_a_short_one_is_one_line() {
        let aws = Aws { flags: vec!["--profile p".into()] };
        let short = aws.value("sts get-caller-identity", [], "Account");
        assert_eq!(short, "aws sts get-caller-identity --query Account --output text --profile p");
        let long = aws.call("ecs stop-task", [option("--reason", &"x".repeat(90)), String::new()]);
        let expected =
            format!("aws ecs stop-task \\\n    --reason {} \\\n    --profile p", "x".repeat(90));
        assert_eq!(long, expected);
    }
}

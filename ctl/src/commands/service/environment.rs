//! What of this shell's environment bastiond needs and a service manager does not know. Never a secret.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// What was found, and what was found and is not written down.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Captured {
    /// The variables, in the order in which they are written.
    pub(super) kept: Vec<(String, String)>,
    /// Those that are set and left out.
    pub(super) left_out: Vec<LeftOut>,
}

/// A variable that is set and not written down.
#[derive(Debug, PartialEq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LeftOut {
    /// Its name.
    pub(super) name: String,
    /// Why, in words that follow the name.
    pub(super) why: &'static str,
}

/// A shell's variables, and what else decides about them.
pub(super) struct Shell<'a> {
    /// A variable's value.
    pub(super) var: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether there is such a directory.
    pub(super) is_dir: &'a dyn Fn(&Path) -> bool,
    /// What relative paths are relative to.
    pub(super) here: &'a Path,
    /// Where a service manager looks for programs, whatever the shell says.
    pub(super) usual_path: &'a str,
}

impl Captured {
    /// What is to be written down of this shell; `more` names variables that somebody wants besides.
    pub(super) fn of(shell: &Shell<'_>, more: &[String]) -> Self {
        let mut captured = Self::default();
        captured.kept.push(("PATH".to_owned(), path(shell)));
        let files = FILES.iter().map(|name| (*name, true));
        let words = WORDS.iter().map(|name| (*name, false));
        let more = more.iter().map(|name| (name.as_str(), false));
        for (name, is_file) in files.chain(words).chain(more) {
            if captured.kept.iter().all(|(known, _)| known != name) {
                captured.take(shell, name, is_file);
            }
        }
        for name in SECRETS {
            if (shell.var)(name).is_some_and(|value| !value.is_empty()) {
                captured.leave(name, "is a secret; use a profile");
            }
        }
        captured
    }

    fn take(&mut self, shell: &Shell<'_>, name: &str, is_file: bool) {
        let Some(value) = (shell.var)(name).filter(|value| !value.is_empty()) else { return };
        let Ok(value) = value.into_string() else { return self.leave(name, "is not UTF-8") };
        if value.contains(|char: char| char.is_control()) {
            return self.leave(name, "has a line break or another control character");
        }
        if !is_file && names_somebody(&value) {
            return self.leave(name, "holds a user's name or password");
        }
        // A service manager starts us elsewhere; `~` is looked up by AWS's SDK itself.
        let relative = is_file && !value.starts_with('~') && Path::new(&value).is_relative();
        let value = if relative { absolute(shell.here, &value) } else { value };
        self.kept.push((name.to_owned(), value));
    }

    fn leave(&mut self, name: &str, why: &'static str) {
        self.left_out.push(LeftOut { name: name.to_owned(), why });
    }
}

/// Whether somebody who wants this variable written down would write down a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    // AWS_WEB_IDENTITY_TOKEN_FILE says where one is.
    !name.ends_with("_FILE")
        && ["SECRET", "TOKEN", "PASSW", "PWD", "CREDENTIAL", "ACCESS_KEY", "PRIVATE_KEY", "API_KEY"]
            .iter()
            .any(|word| name.contains(word))
}

/// Whether this can be a variable's name.
pub(super) fn is_name(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

/// The shell's way to programs, without what is of this moment, and then the usual one.
fn path(shell: &Shell<'_>) -> String {
    let said = (shell.var)("PATH").unwrap_or_default();
    let lasting = std::env::split_paths(&said).filter(|dir| lasts(dir) && (shell.is_dir)(dir));
    let usual = std::env::split_paths(OsStr::new(shell.usual_path));
    let mut dirs: Vec<String> = Vec::new();
    for dir in lasting.chain(usual).filter_map(|dir| dir.into_os_string().into_string().ok()) {
        if !dirs.contains(&dir) && !dir.contains(|char: char| char.is_control()) {
            dirs.push(dir);
        }
    }
    dirs.join(":")
}

/// Whether a directory or program is likely to be there tomorrow.
pub(super) fn lasts(path: &Path) -> bool {
    moves(path).is_none() && path.is_absolute()
}

/// Why a path is likely to be gone or elsewhere soon.
pub(super) fn moves(path: &Path) -> Option<&'static str> {
    let names: Vec<&OsStr> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            Component::Prefix(_)
            | Component::RootDir
            | Component::CurDir
            | Component::ParentDir => None,
        })
        .collect();
    let built = names.windows(2).any(|pair| {
        pair[0] == "target" && ["debug", "release"].iter().any(|kind| pair[1] == *kind)
    });
    if built {
        return Some("cargo builds into it");
    }
    let begins = |start: &str| path.starts_with(start);
    if ["/tmp", "/var/tmp", "/private/tmp", "/var/folders", "/private/var/folders"]
        .into_iter()
        .any(begins)
    {
        return Some("it is a place for what is temporary");
    }
    if names.iter().any(|name| *name == "Cellar") || begins("/nix/store") {
        return Some("its name changes with every version");
    }
    names.iter().any(|name| *name == "node_modules").then_some("it belongs to a project")
}

/// Whether a URL may name a user before its host, with a scheme (`http://user@host`) or without (`user:password@host`).
/// Where it would have to be written `%2F`, a password may all the same hold a slash.
fn names_somebody(value: &str) -> bool {
    value.contains('@') && value.contains(':')
}

fn absolute(here: &Path, path: &str) -> String {
    let joined: PathBuf = here.join(path);
    let plain: PathBuf = joined.components().filter(|part| *part != Component::CurDir).collect();
    plain.display().to_string()
}

/// Variables that are paths.
const FILES: [&str; 9] = [
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "BASTION_CONFIG",
    "BASTION_SOCKET",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
];
/// Variables that are words.
const WORDS: [&str; 15] = [
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "BASTION_LOG",
];
/// Variables that are keys, or worthless without one.
const SECRETS: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(vars: &[(&str, &str)], more: &[&str]) -> Captured {
        let var = |name: &str| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let is_dir = |dir: &Path| !dir.ends_with("gone");
        let shell = Shell {
            var: &var,
            is_dir: &is_dir,
            here: Path::new("/home/amy/work"),
            usual_path: "/usr/bin:/bin",
        };
        let more: Vec<String> = more.iter().map(|name| (*name).to_owned()).collect();
        Captured::of(&shell, &more)
    }

    fn value<'a>(captured: &'a Captured, name: &str) -> Option<&'a str> {
        let found = captured.kept.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_way_to_programs_keeps_what_lasts_and_ends_with_the_usual_one() {
        let path = "/home/amy/.local/bin:relative:/opt/gone:/tmp/x/bin:/w/target/debug:/w/node_modules/.bin:\
                    /bin:/home/amy/.local/bin";
        let captured = capture(&[("PATH", path)], &[]);
        assert_eq!(value(&captured, "PATH"), Some("/home/amy/.local/bin:/bin:/usr/bin"));
        assert_eq!(value(&capture(&[], &[]), "PATH"), Some("/usr/bin:/bin"));
    }

    #[test]
    fn files_become_absolute_and_what_is_empty_is_not_set() {
        let vars = [
            ("AWS_CONFIG_FILE", "./aws/config"),
            ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/other"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_PROFILE", ""),
        ];
        let captured = capture(&vars, &[]);
        assert_eq!(value(&captured, "AWS_CONFIG_FILE"), Some("/home/amy/work/aws/config"));
        assert_eq!(value(&captured, "AWS_SHARED_CREDENTIALS_FILE"), Some("~/.aws/other"));
        assert_eq!(value(&captured, "AWS_REGION"), Some("eu-west-1"));
        assert_eq!((value(&captured, "AWS_PROFILE"), captured.left_out.len()), (None, 0));
    }

    #[test]
    fn no_secret_is_ever_written_down() {
        let vars = [
            ("AWS_SECRET_ACCESS_KEY", "hush-1"),
            ("AWS_SESSION_TOKEN", "hush-2"),
            ("HTTPS_PROXY", "http://amy:hush-3@proxy:3128"),
            ("https_proxy", "amy:hush-4@proxy:3128"),
            ("AWS_ENDPOINT_URL", "https://hush-5@endpoint/"),
            ("ALL_PROXY", "socks5://amy:hush/6@proxy:1080"),
            ("NO_PROXY", "localhost,.internal"),
        ];
        let captured = capture(&vars, &[]);
        assert!(!format!("{captured:?}").contains("hush"), "{captured:?}");
        let left: Vec<&str> = captured.left_out.iter().map(|left| left.name.as_str()).collect();
        let expected = [
            "AWS_ENDPOINT_URL",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ];
        assert_eq!(left, expected);
        assert_eq!(value(&captured, "NO_PROXY"), Some("localhost,.internal"));
    }

    #[test]
    fn what_cannot_stand_on_one_line_is_left_out_with_a_word() {
        let captured = capture(&[("AWS_PROFILE", "a\nEnvironment=B=c")], &[]);
        assert_eq!(value(&captured, "AWS_PROFILE"), None);
        assert!(captured.left_out[0].why.contains("line break"), "{captured:?}");
    }

    #[test]
    fn a_variable_that_somebody_names_is_taken_once() {
        let vars = [("GRANTED_ALIAS_CONFIGURED", "true"), ("AWS_REGION", "eu-west-1")];
        let captured = capture(&vars, &["GRANTED_ALIAS_CONFIGURED", "AWS_REGION", "NOT_SET"]);
        assert_eq!(value(&captured, "GRANTED_ALIAS_CONFIGURED"), Some("true"));
        assert_eq!(captured.kept.len(), 3, "{captured:?}");
    }

    #[test]
    fn a_secrets_name_is_known_and_the_name_of_its_file_is_none() {
        for name in
            ["AWS_SECRET_ACCESS_KEY", "db_password", "GITHUB_TOKEN", "X_API_KEY", "PGPASSWORD"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE", "KEYBOARD"] {
            assert!(!is_secret(name), "{name}");
        }
        assert!(is_name("A_1") && !is_name("1A") && !is_name("A=B") && !is_name(""));
    }

    #[test]
    fn what_will_be_elsewhere_tomorrow_is_known() {
        for path in [
            "/w/target/release/bastiond",
            "/tmp/bastiond",
            "/opt/homebrew/Cellar/bastiond/1.0/bin/bastiond",
            "/nix/store/abc-bastiond/bin/bastiond",
        ] {
            assert!(moves(Path::new(path)).is_some(), "{path}");
        }
        for path in
            ["/usr/bin/bastiond", "/home/amy/.cargo/bin/bastiond", "/home/amy/target/bastiond"]
        {
            assert_eq!(moves(Path::new(path)), None, "{path}");
        }
    }
}

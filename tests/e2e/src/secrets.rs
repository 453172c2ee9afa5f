//! Where secrets have no business to be: in the words that a program was started with, which every user of a machine can
//! read, and in files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::House;
use crate::databases::{MARIADB, POSTGRES};

/// A secret where it has no business to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leak {
    /// A process and its words, or a file.
    pub place: String,
    /// The secret.
    pub secret: String,
}

impl House {
    /// Every secret that the stories of this house know: the databases' passwords, and the AWS keys.
    pub fn secrets(&self) -> Vec<String> {
        let keys = self.sim.env().into_iter().filter(|(name, _)| *name == "AWS_SECRET_ACCESS_KEY");
        let passwords = [POSTGRES.password, MARIADB.password].map(str::to_owned);
        passwords.into_iter().chain(keys.map(|(_, key)| key.to_string())).collect()
    }

    /// Every secret in the words of a process that belongs to this house, or in a file of it. A file that a story has
    /// written with a secret in it is named in `but`.
    pub fn leaks(&self, but: &[&Path]) -> Vec<Leak> {
        let secrets = self.secrets();
        let mut leaks = Vec::new();
        for (place, text) in self.words_of_processes() {
            leaks.extend(found(&secrets, &place, text.as_bytes()));
        }
        for file in files(self.dir.path()) {
            if but.contains(&file.as_path()) {
                continue;
            }
            // One that is gone by now holds nothing.
            let bytes = fs::read(&file).unwrap_or_default();
            leaks.extend(found(&secrets, &file.display().to_string(), &bytes));
        }
        leaks
    }

    /// The words of every process that was started in this house: by its directory, or by its environment.
    fn words_of_processes(&self) -> Vec<(String, String)> {
        let house = self.dir.path();
        let name = house.display().to_string();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ours = processes.filter_map(|process| {
            let dir = process.path();
            let cwd = fs::read_link(dir.join("cwd")).ok()?;
            let env = fs::read(dir.join("environ")).unwrap_or_default();
            let ours = cwd.starts_with(house) || contains(&env, name.as_bytes());
            let words = fs::read(dir.join("cmdline")).ok().filter(|_| ours)?;
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            Some((format!("process {}: {words}", process.file_name().display()), words))
        });
        ours.collect()
    }
}

fn found(secrets: &[String], place: &str, text: &[u8]) -> Vec<Leak> {
    let there = secrets.iter().filter(|secret| contains(text, secret.as_bytes()));
    there.map(|secret| Leak { place: place.to_owned(), secret: secret.clone() }).collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(self::files(&path)),
            Ok(kind) if kind.is_file() => files.push(path),
            // Sockets and links hold nothing of their own.
            Ok(_) | Err(_) => {}
        }
    }
    files
}

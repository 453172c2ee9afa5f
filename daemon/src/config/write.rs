//! Adds sites and targets to a config file. Only adds: each byte that a person wrote stays where it is.
//!
//! ```text
//!   [site.NAME], [target.NAME]     at the end of the file, each with a comment that tells what it is
//!   site = { … }, target = { … }   inside these braces, behind the last entry
//! ```
//!
//! `toml_edit` shows the places and writes the new tables. It does not write the file: it would turn each CRLF of a person's
//! into LF. What comes of it is read again, and must mean all that the file meant before, and the new.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml_edit::{Decor, Document, InlineTable, Item, Key, Table, Value};

use super::{Config, Faults, parse};

/// Sites and targets that a config is to have besides.
#[derive(Clone, Debug, Default)]
pub struct Addition {
    /// New sites.
    pub sites: Vec<Entry>,
    /// New targets.
    pub targets: Vec<Entry>,
}

/// One table to be added.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its name, which the config does not have yet.
    pub name: String,
    /// What it is, a line each, without the `#`.
    pub about: Vec<String>,
    /// Its keys, in this order.
    pub keys: Vec<Line>,
    /// What may be set besides, each as it would be written.
    pub more: Vec<String>,
}

/// One key of a table.
#[derive(Clone, Debug)]
pub struct Line {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// What is worth knowing of it; empty where nothing is.
    pub remark: &'static str,
}

impl Line {
    /// A key without a remark.
    pub fn new(key: &'static str, value: impl Into<Value>) -> Self {
        Self { key, value: value.into(), remark: "" }
    }

    /// The same with a remark.
    #[must_use]
    pub fn remark(self, remark: &'static str) -> Self {
        Self { remark, ..self }
    }
}

/// Why nothing was added.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The file has faults: what it means is not known, so nobody may add to it.
    #[error("the config has faults")]
    Faulty(Faults),
    /// The file cannot be read, or written.
    #[error("{deed} {}", path.display())]
    Io {
        /// What was being done.
        deed: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        err: io::Error,
    },
    /// Somebody else wrote the file meanwhile.
    #[error("{} was altered meanwhile", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
    },
    /// What would come of it means something else than it should; nothing was written.
    #[error("what would be written to {} does not mean what it should", path.display())]
    Bug {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, where it cannot be read at all.
        faults: Option<Faults>,
    },
}

/// A config file as it was found.
#[derive(Debug)]
pub struct Found {
    path: PathBuf,
    text: Option<String>,
    config: Config,
}

impl Found {
    /// Reads a config file, which need not exist.
    pub fn read(path: &Path) -> Result<Self, WriteError> {
        let text = match fs::read(path) {
            Ok(bytes) => Some(String::from_utf8(bytes).map_err(|err| {
                let valid = err.utf8_error().valid_up_to();
                WriteError::Faulty(Faults::not_text(path, err.as_bytes(), valid))
            })?),
            Err(err) if err.kind() == io::ErrorKind::NotFound => None,
            Err(err) => return Err(WriteError::Io { deed: "reading", path: path.to_owned(), err }),
        };
        let config =
            parse(path, text.as_deref().unwrap_or_default()).map_err(WriteError::Faulty)?;
        Ok(Self { path: path.to_owned(), text, config })
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        self.text.is_some()
    }

    /// What it means.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Writes the addition into it: the whole file or nothing, and nothing where there is nothing to add. A file that is
    /// new is the person's alone; one that was there keeps its mode, and its place where a link leads to it.
    pub fn add(&self, addition: &Addition) -> Result<(), WriteError> {
        let new = self.with(addition)?;
        if self.text.as_deref().unwrap_or_default() == new {
            return Ok(());
        }
        let io = |deed, path: &Path| {
            let path = path.to_owned();
            move |err| WriteError::Io { deed, path, err }
        };
        let real = real(&self.path);
        if let Some(dir) = real.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            let made = DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(dir);
            made.map_err(io("making", dir))?;
        }
        let mode = match fs::metadata(&real) {
            Ok(metadata) => metadata.mode() & PERMISSIONS,
            Err(_) => PRIVATE_FILE,
        };
        if mode & OWNER_WRITES == 0 {
            // A new file in its place would be possible, and against the person's will.
            let err = io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only");
            return Err(io("writing", &real)(err));
        }
        let mut name = real.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = real.with_file_name(name);
        // What a crash left here may have another mode.
        match fs::remove_file(&beside) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                return Err(io("replacing", &beside)(err));
            }
            Err(_) | Ok(()) => {}
        }
        let opened =
            OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(&beside);
        let written = opened.and_then(|mut file| {
            file.write_all(new.as_bytes())?;
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.sync_all()
        });
        let renamed = written.map_err(io("writing", &real)).and_then(|()| {
            self.still_as_found()?;
            fs::rename(&beside, &real).map_err(io("writing", &real))
        });
        if renamed.is_err() {
            // It is of no use to anybody; what failed is told already.
            fs::remove_file(&beside).ok();
        }
        renamed
    }

    /// The file with the addition, and what it means checked.
    pub fn with(&self, addition: &Addition) -> Result<String, WriteError> {
        let old = self.text.as_deref().unwrap_or_default();
        let new = added(old, addition).ok_or_else(|| self.bug(None))?;
        let meant = parse(&self.path, &new).map_err(|faults| self.bug(Some(faults)))?;
        let named = addition.sites.iter().all(|new| meant.sites.contains_key(&new.name))
            && addition
                .targets
                .iter()
                .all(|new| meant.targets.iter().any(|one| one.name == new.name));
        let kept = self.config.sites.iter().all(|(name, site)| meant.sites.get(name) == Some(site))
            && self.config.targets.iter().all(|target| meant.targets.contains(target));
        if named && kept { Ok(new) } else { Err(self.bug(None)) }
    }

    fn bug(&self, faults: Option<Faults>) -> WriteError {
        WriteError::Bug { path: self.path.clone(), faults }
    }

    fn still_as_found(&self) -> Result<(), WriteError> {
        let now = fs::read(&self.path).ok();
        if now.as_deref() == self.text.as_deref().map(str::as_bytes) {
            return Ok(());
        }
        Err(WriteError::Altered { path: self.path.clone() })
    }
}

impl Addition {
    /// Whether there is nothing to add.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty() && self.targets.is_empty()
    }

    /// Its tables as they stand at a file's end.
    pub fn text(&self) -> String {
        tables(&self.sites, SITE) + &tables(&self.targets, TARGET)
    }
}

/// The file itself, where links lead to it: it need not exist.
fn real(path: &Path) -> PathBuf {
    let mut real = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Ok(found) = fs::canonicalize(&real) {
            return found;
        }
        let Ok(next) = fs::read_link(&real) else { return real };
        real = real.parent().unwrap_or(Path::new("")).join(next);
    }
    path.to_owned()
}

/// The text with the addition; none where it is no TOML.
fn added(old: &str, addition: &Addition) -> Option<String> {
    if addition.is_empty() {
        return Some(old.to_owned());
    }
    let document = Document::parse(old).ok()?;
    let mut at_the_end = String::new();
    let mut inside: Vec<(usize, String)> = Vec::new();
    for (kind, entries) in [(SITE, &addition.sites), (TARGET, &addition.targets)] {
        match document.as_table().get(kind) {
            Some(Item::Value(Value::InlineTable(braces))) => {
                inside.extend(in_braces(braces, entries)?);
            }
            Some(Item::None | Item::Value(_) | Item::Table(_) | Item::ArrayOfTables(_)) | None => {
                at_the_end += &tables(entries, kind);
            }
        }
    }
    let mut new = old.to_owned();
    inside.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, text) in inside {
        new.insert_str(at, &text);
    }
    if !at_the_end.is_empty() {
        let end = if old.contains("\r\n") { "\r\n" } else { "\n" };
        if old.is_empty() {
            new.push_str(HEAD);
        } else if !new.ends_with('\n') {
            new.push_str(end);
        }
        new.push_str(&at_the_end.replace('\n', end));
    }
    Some(new)
}

/// What goes into a table in braces, and where.
fn in_braces(braces: &InlineTable, entries: &[Entry]) -> Option<Option<(usize, String)>> {
    if entries.is_empty() {
        return Some(None);
    }
    let written: Vec<String> = entries
        .iter()
        .map(|entry| {
            let mut table = InlineTable::new();
            for line in &entry.keys {
                table.insert(line.key, line.value.clone());
            }
            format!("{} = {table}", Key::new(&entry.name).display_repr())
        })
        .collect();
    let written = written.join(", ");
    let last = braces.iter().filter_map(|(_, value)| value.span()).map(|span| span.end).max();
    Some(Some(match last {
        // A comma may stand behind the last one already (TOML 1.1); in front of ours it is right in any case.
        Some(end) => (end, format!(", {written}")),
        None => {
            let Range { start, .. } = braces.span()?;
            (start + 1, format!(" {written} "))
        }
    }))
}

/// Tables with headers, each with an empty line in front.
fn tables(entries: &[Entry], kind: &str) -> String {
    entries.iter().map(|entry| format!("\n{}", table(entry, kind))).collect()
}

fn table(entry: &Entry, kind: &str) -> String {
    let mut table = Table::new();
    let about: String = entry.about.iter().map(|line| format!("# {line}\n")).collect();
    *table.decor_mut() = Decor::new(about, "");
    for line in &entry.keys {
        let mut value = line.value.clone();
        if !line.remark.is_empty() {
            value.decor_mut().set_suffix(format!("  # {}", line.remark));
        }
        table.insert(line.key, Item::Value(value));
    }
    let mut all = Table::new();
    all.set_implicit(true);
    all.insert(&entry.name, Item::Table(table));
    let mut document = toml_edit::DocumentMut::new();
    document.insert(kind, Item::Table(all));
    let more: String = entry.more.iter().map(|line| format!("# {line}\n")).collect();
    format!("{document}{more}")
}

const SITE: &str = "site";
const TARGET: &str = "target";
const HEAD: &str = "# What bastiond does on this machine. Yours to alter: `bastionctl config check` tells what is wrong with it, and\n\
                    # `bastionctl reload` has the daemon read it again.\n";
const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
const PERMISSIONS: u32 = 0o777;
const OWNER_WRITES: u32 = 0o200;
/// As many as Linux follows.
const MOST_LINKS: usize = 40;

#[cfg(test)]
mod tests;

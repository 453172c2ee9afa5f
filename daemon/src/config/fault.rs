use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Everything that is wrong with a config file; never nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Faults {
    file: PathBuf,
    list: Vec<Fault>,
}

/// One thing that is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; none where the file as a whole is meant.
    pub line: Option<usize>,
    /// The key, with the tables that it stands in: `target.prod-db.listen`. Empty where the file as a whole is meant.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
    /// What may have been meant, or what to write instead.
    pub hint: Option<String>,
}

impl Faults {
    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Each of them, from the top of the file to its end.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Fault> {
        self.list.iter()
    }

    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), list: Vec::new() }
    }

    pub(super) fn unreadable(file: &Path, err: &io::Error) -> Self {
        let mut faults = Self::new(file);
        let hint = if err.kind() == io::ErrorKind::NotFound {
            "name a file that exists, with --config or BASTION_CONFIG"
        } else {
            "name a file that you may read, with --config or BASTION_CONFIG"
        };
        faults.list.push(Fault {
            file: file.to_owned(),
            line: None,
            key: String::new(),
            reason: format!("cannot be read: {err}"),
            hint: Some(hint.to_owned()),
        });
        faults
    }

    pub(super) fn not_text(file: &Path, bytes: &[u8], valid: usize) -> Self {
        let mut faults = Self::new(file);
        let line = bytes[..valid].iter().filter(|&&byte| byte == b'\n').count() + 1;
        faults.add(line, String::new(), "is not UTF-8", "save the file as UTF-8");
        faults
    }

    /// One more; an empty hint is none.
    pub(super) fn add(
        &mut self,
        line: usize,
        key: impl Into<String>,
        reason: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.list.push(Fault {
            file: self.file.clone(),
            line: Some(line),
            key: key.into(),
            reason: reason.into(),
            hint: Some(hint.into()).filter(|hint| !hint.is_empty()),
        });
    }

    /// The value, where nothing is wrong.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.list.sort_by_key(|fault| fault.line);
        Err(self)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.reason)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

//! A table of TOML being read: what it is asked for is what it may hold.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Faults;
use super::file::{At, Field, Password, Place, Selection};
use super::words;

/// A table being read: what it is asked for is what it may hold.
pub(super) struct Reader<'t, 'i> {
    table: &'t DeTable<'i>,
    key: String,
    lines: &'t Lines,
    pub(super) faults: &'t mut Faults,
    known: Vec<&'static str>,
}

/// A table whose key is a name that people gave.
pub(super) struct NamedTable<'t, 'i> {
    pub(super) name: At<String>,
    pub(super) key: String,
    pub(super) table: &'t DeTable<'i>,
}

/// A table whose key is always the same.
pub(super) struct Table<'t, 'i> {
    pub(super) line: usize,
    pub(super) table: &'t DeTable<'i>,
}

impl<'t, 'i> Reader<'t, 'i> {
    pub(super) fn new(
        table: &'t DeTable<'i>,
        key: String,
        lines: &'t Lines,
        faults: &'t mut Faults,
    ) -> Self {
        Self { table, key, lines, faults, known: Vec::new() }
    }

    /// Every table in `[key.*]`, in the order of the file.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<NamedTable<'t, 'i>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Table(tables) = value.get_ref() else {
            let hint = format!("write [{key}.NAME] and its keys below");
            self.wrong::<()>(key, value, "a table", hint);
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, value) in tables {
            let line = self.lines.at(name.span().start);
            let path = format!("{key}.{}", words::quoted(name.get_ref()));
            let DeValue::Table(table) = value.get_ref() else {
                let reason = format!("must be a table, is {}", kind(value.get_ref()));
                let hint = format!("a {key} has a name: write [{key}.NAME] above this line");
                self.faults.add(line, path, reason, hint);
                continue;
            };
            let name_at = At { value: name.get_ref().to_string(), line };
            found.push((name.span().start, NamedTable { name: name_at, key: path, table }));
        }
        found.sort_by_key(|(start, _)| *start);
        found.into_iter().map(|(_, table)| table).collect()
    }

    /// The table `[key]`.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Table<'t, 'i>> {
        let value = self.get(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong::<()>(key, value, "a table", format!("write [{key}] and its keys below"));
            return None;
        };
        Some(Table { line: self.lines.at(value.span().start), table })
    }

    pub(super) fn text(&mut self, key: &'static str) -> Field<String> {
        let Some(value) = self.get(key) else { return Field::Absent };
        match value.get_ref().as_str() {
            Some(text) => self.given(value, text.to_owned()),
            None => self.wrong(key, value, "text", format!("put it in quotes: {key} = \"…\"")),
        }
    }

    pub(super) fn duration(&mut self, key: &'static str) -> Field<String> {
        let Some(value) = self.get(key) else { return Field::Absent };
        match value.get_ref().as_str() {
            Some(text) => self.given(value, text.to_owned()),
            // The one number that needs no unit.
            None if whole(value.get_ref()) == Some(0) => self.given(value, "0s".to_owned()),
            None => {
                let hint = match whole(value.get_ref()) {
                    Some(number) => format!("seconds are written {key} = \"{number}s\""),
                    None => format!("write it so: {key} = \"15m\""),
                };
                self.wrong(key, value, "a time in quotes", hint)
            }
        }
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Field<bool> {
        let Some(value) = self.get(key) else { return Field::Absent };
        match value.get_ref().as_bool() {
            Some(flag) => self.given(value, flag),
            None => self.wrong(key, value, "true or false", format!("write {key} = true")),
        }
    }

    pub(super) fn number(&mut self, key: &'static str) -> Field<i64> {
        self.count(key, 5432)
    }

    pub(super) fn count(&mut self, key: &'static str, example: u16) -> Field<i64> {
        let Some(value) = self.get(key) else { return Field::Absent };
        match whole(value.get_ref()) {
            Some(number) => self.given(value, number),
            None => self.wrong(key, value, "a whole number", format!("write {key} = {example}")),
        }
    }

    pub(super) fn price(&mut self, key: &'static str) -> Field<f64> {
        let Some(value) = self.get(key) else { return Field::Absent };
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        match number {
            Some(number) => self.given(value, number),
            None => self.wrong(key, value, "a number", format!("write {key} = 0.0154")),
        }
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Field<Vec<At<String>>> {
        let Some(value) = self.get(key) else { return Field::Absent };
        let hint = format!("write a list: {key} = [\"…\"]");
        let DeValue::Array(items) = value.get_ref() else {
            return self.wrong(key, value, "a list of texts", hint);
        };
        let mut texts = Vec::new();
        let mut faulty = false;
        for item in items {
            match item.get_ref().as_str() {
                Some(text) => texts.push(self.at(item, text.to_owned())),
                None => {
                    self.wrong::<()>(key, item, "a list of texts", hint.clone());
                    faulty = true;
                }
            }
        }
        if faulty { Field::Faulty } else { self.given(value, texts) }
    }

    pub(super) fn places(&mut self, key: &'static str) -> Field<Vec<At<Place>>> {
        let Some(value) = self.get(key) else { return Field::Absent };
        let alone = std::slice::from_ref(value);
        let items = value.get_ref().as_array().map_or(alone, |items| items);
        let mut places = Vec::new();
        let mut faulty = false;
        for item in items {
            let word = item.get_ref().as_str().map(|word| Place::Word(word.to_owned()));
            let place = word.or_else(|| whole(item.get_ref()).map(Place::Port));
            match place {
                Some(place) => places.push(self.at(item, place)),
                None => {
                    let hint = "write listen = 15432, or [15432, \"docker\"], or \"unix\"";
                    self.wrong::<()>(key, item, "a port or a word", hint.to_owned());
                    faulty = true;
                }
            }
        }
        if faulty { Field::Faulty } else { self.given(value, places) }
    }

    pub(super) fn selection(&mut self, key: &'static str, example: &str) -> Field<Selection> {
        let Some(value) = self.get(key) else { return Field::Absent };
        if value.get_ref().is_array() {
            return match self.texts(key) {
                Field::Given(at) => self.given(value, Selection::Ids(at.value)),
                Field::Absent | Field::Faulty => Field::Faulty,
            };
        }
        let hint = format!("write {key} = {{ name = \"…\" }}, or {key} = [\"{example}\"]");
        let DeValue::Table(table) = value.get_ref() else {
            return self.wrong(key, value, "a list of ids, or a table", hint);
        };
        let mut inner = self.inside(key, table);
        let name = inner.text("name");
        let tags = inner.tags("tags");
        inner.finish();
        let (reason, hint) = match (name, tags) {
            (Field::Given(name), Field::Absent) => {
                return self.given(value, Selection::Name(name));
            }
            (Field::Absent, Field::Given(tags)) => {
                return self.given(value, Selection::Tags(tags.value));
            }
            (Field::Faulty, _) | (_, Field::Faulty) => return Field::Faulty,
            (Field::Absent, Field::Absent) => ("says neither name nor tags", hint),
            (Field::Given(_), Field::Given(_)) => {
                let hint = "keep one; a name is a tag too: { tags = { Name = \"…\" } }";
                ("says both name and tags", hint.to_owned())
            }
        };
        self.fault(key, value, reason, hint)
    }

    fn tags(&mut self, key: &'static str) -> Field<Vec<(At<String>, String)>> {
        let Some(value) = self.get(key) else { return Field::Absent };
        let hint = "write tags = { Tier = \"private\" }";
        let DeValue::Table(table) = value.get_ref() else {
            return self.wrong(key, value, "a table", hint.to_owned());
        };
        let mut tags = Vec::new();
        let mut faulty = false;
        for (name, text) in table {
            match text.get_ref().as_str() {
                Some(text) => {
                    let line = self.lines.at(name.span().start);
                    tags.push((At { value: name.get_ref().to_string(), line }, text.to_owned()));
                }
                None => {
                    self.wrong::<()>(key, text, "a table of texts", hint.to_owned());
                    faulty = true;
                }
            }
        }
        if faulty { Field::Faulty } else { self.given(value, tags) }
    }

    /// Says nothing of the value itself: somebody may have written the password there.
    pub(super) fn password(&mut self, key: &'static str) -> Field<Password> {
        let hint = "write { secret = \"NAME\" } for a secret of Secrets Manager, or { rds_managed = true }, \
                    or { iam = true }";
        let Some(value) = self.get(key) else { return Field::Absent };
        let DeValue::Table(table) = value.get_ref() else {
            return self.wrong(key, value, "a table", format!("no password belongs here: {hint}"));
        };
        let mut inner = self.inside(key, table);
        let secret = inner.text("secret");
        let managed = inner.flag("rds_managed");
        let iam = inner.flag("iam");
        inner.finish();
        let reason = match (secret, managed, iam) {
            (Field::Given(secret), Field::Absent, Field::Absent) => {
                return self.given(value, Password::Secret(secret));
            }
            (Field::Absent, Field::Given(managed), Field::Absent) => {
                return self.given(value, Password::RdsManaged(managed));
            }
            (Field::Absent, Field::Absent, Field::Given(iam)) => {
                return self.given(value, Password::Iam(iam));
            }
            (Field::Faulty, ..) | (_, Field::Faulty, _) | (.., Field::Faulty) => {
                return Field::Faulty;
            }
            (Field::Absent, Field::Absent, Field::Absent) => {
                "says none of secret, rds_managed and iam"
            }
            (Field::Given(_) | Field::Absent, ..) => {
                "says more than one of secret, rds_managed and iam"
            }
        };
        self.fault(key, value, reason, hint)
    }

    /// Tells every key that nobody asked for.
    pub(super) fn finish(self) {
        for (name, _) in self.table {
            if self.known.iter().any(|known| name.get_ref() == known) {
                continue;
            }
            let line = self.lines.at(name.span().start);
            let hint = words::did_you_mean(name.get_ref(), &self.known)
                .unwrap_or_else(|| format!("known here: {}", self.known.join(", ")));
            self.faults.add(line, self.path(name.get_ref()), "unknown key", hint);
        }
    }

    fn get(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'i>>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table.get(key)
    }

    fn inside<'s>(&'s mut self, key: &str, table: &'s DeTable<'i>) -> Reader<'s, 'i> {
        let path = self.path(key);
        Reader::new(table, path, self.lines, self.faults)
    }

    fn given<T>(&self, value: &Spanned<DeValue<'_>>, meant: T) -> Field<T> {
        Field::Given(self.at(value, meant))
    }

    fn at<T>(&self, value: &Spanned<DeValue<'_>>, meant: T) -> At<T> {
        At { value: meant, line: self.lines.at(value.span().start) }
    }

    fn wrong<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        wanted: &str,
        hint: String,
    ) -> Field<T> {
        let reason = format!("must be {wanted}, is {}", kind(value.get_ref()));
        self.fault(key, value, reason, hint)
    }

    fn fault<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        reason: impl Into<String>,
        hint: impl Into<String>,
    ) -> Field<T> {
        let path = self.path(key);
        self.faults.add(self.lines.at(value.span().start), path, reason, hint);
        Field::Faulty
    }

    fn path(&self, key: &str) -> String {
        let key = words::quoted(key);
        if self.key.is_empty() { key } else { format!("{}.{key}", self.key) }
    }
}

fn whole(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Where each line of a text begins.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect())
    }

    /// The line of a byte, counted from 1.
    pub(super) fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|&start| start <= byte)
    }
}

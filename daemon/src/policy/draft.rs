//! A statement on its way into a policy: those of several sites that say the same become one.

use std::collections::{BTreeMap, BTreeSet};

use bastion_api::{
    Policy, PolicyDocument, PolicyFor, PolicyReason, PolicyStatement, PolicyValues, SCHEMA_VERSION,
};

/// When a statement holds: operator, key, values.
pub(super) type Condition = BTreeMap<String, BTreeMap<String, PolicyValues>>;

/// What a statement allows, and what for.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    sid: &'static str,
    actions: Vec<&'static str>,
    resources: BTreeSet<String>,
    condition: Condition,
    why: &'static str,
    without: &'static str,
    optional: bool,
    notes: BTreeSet<String>,
    sites: BTreeSet<String>,
}

impl Draft {
    /// These actions on these resources; its name is what it is for.
    pub(super) fn new(
        sid: &'static str,
        actions: &[&'static str],
        resources: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            sid,
            actions: actions.to_vec(),
            resources: resources.into_iter().collect(),
            condition: Condition::new(),
            why: "",
            without: "",
            optional: false,
            notes: BTreeSet::new(),
            sites: BTreeSet::new(),
        }
    }

    /// What it is for, and what is missed without it.
    pub(super) fn because(self, why: &'static str, without: &'static str) -> Self {
        Self { why, without, ..self }
    }

    /// Only where this key has this value.
    pub(super) fn only(mut self, operator: &str, key: &str, value: impl Into<String>) -> Self {
        let keys = self.condition.entry(operator.to_owned()).or_default();
        keys.insert(key.to_owned(), PolicyValues::One(value.into()));
        self
    }

    /// Whether bastiond does its work without it.
    pub(super) fn optional(self, optional: bool) -> Self {
        Self { optional, ..self }
    }

    /// What makes it wider than it need be, or what it rests on.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.insert(note.into());
        self
    }

    /// The same, with a note where something holds.
    pub(super) fn note_if(self, holds: bool, note: &str) -> Self {
        if holds { self.note(note) } else { self }
    }

    /// It is about this site.
    pub(super) fn at(mut self, site: &str) -> Self {
        self.sites.insert(site.to_owned());
        self
    }

    /// Whether the two together allow what both allow apart, and nothing else: either may differ in its resources, or
    /// in what the one key of its condition has to be, and not in both.
    fn joins(&self, other: &Self) -> bool {
        let by_value = || {
            let mut own = keys(&self.condition);
            self.resources == other.resources
                && own.next() == keys(&other.condition).next()
                && own.next().is_none()
                && keys(&other.condition).count() == 1
        };
        self.sid == other.sid && (self.condition == other.condition || by_value())
    }

    fn join(&mut self, other: Self) {
        for (operator, keys) in other.condition {
            for (key, values) in keys {
                let own = self.condition.entry(operator.clone()).or_default().entry(key);
                own.and_modify(|own| {
                    let all: BTreeSet<&String> = own.all().iter().chain(values.all()).collect();
                    let all: Vec<String> = all.into_iter().cloned().collect();
                    *own = all.into();
                });
            }
        }
        let new = other.actions.into_iter().filter(|action| !self.actions.contains(action));
        self.actions.extend(new.collect::<Vec<_>>());
        self.resources.extend(other.resources);
        self.notes.extend(other.notes);
        self.sites.extend(other.sites);
        if self.optional && !other.optional {
            (self.why, self.without, self.optional) = (other.why, other.without, false);
        }
    }

    fn statement(&self, sid: &str) -> PolicyStatement {
        let star = "*".to_owned();
        let resource = if self.resources.contains(&star) {
            vec![star]
        } else {
            self.resources.iter().cloned().collect()
        };
        PolicyStatement {
            sid: sid.to_owned(),
            effect: "Allow".to_owned(),
            principal: BTreeMap::new(),
            action: self.actions.iter().map(|action| (*action).to_owned()).collect(),
            resource,
            condition: self.condition.clone(),
        }
    }

    fn reason(self, sid: String) -> PolicyReason {
        PolicyReason {
            sid,
            sites: self.sites.into_iter().collect(),
            why: self.why.to_owned(),
            without: self.without.to_owned(),
            optional: self.optional,
            notes: self.notes.into_iter().collect(),
        }
    }
}

/// The keys of a condition, each with its operator.
fn keys(condition: &Condition) -> impl Iterator<Item = (&String, &String)> {
    condition.iter().flat_map(|(operator, keys)| keys.keys().map(move |key| (operator, key)))
}

/// The policy of these drafts, in their order.
pub(super) fn policy(whose: PolicyFor, sites: Vec<String>, drafts: Vec<Draft>) -> Policy {
    let mut joined: Vec<Draft> = Vec::new();
    for draft in drafts {
        match joined.iter_mut().find(|other| other.joins(&draft)) {
            Some(other) => other.join(draft),
            None => joined.push(draft),
        }
    }
    let sids = sids(&joined);
    let statement = joined.iter().zip(&sids).map(|(draft, sid)| draft.statement(sid)).collect();
    let document = PolicyDocument { version: LANGUAGE.to_owned(), statement };
    let mut notes = Vec::new();
    let size = document.size();
    if size > MOST {
        notes.push(format!(
            "the document has {size} characters and a managed policy takes {MOST}: make one for each site (--site)"
        ));
    }
    Policy {
        schema_version: SCHEMA_VERSION,
        whose,
        sites,
        document,
        trust: None,
        statements: joined.into_iter().zip(sids).map(|(draft, sid)| draft.reason(sid)).collect(),
        notes,
    }
}

/// A name for each: IAM wants them to differ, and to be of letters and digits.
fn sids(drafts: &[Draft]) -> Vec<String> {
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    let name = |draft: &Draft| {
        let count = used.entry(draft.sid).or_default();
        *count += 1;
        if *count == 1 { draft.sid.to_owned() } else { format!("{}{count}", draft.sid) }
    };
    drafts.iter().map(name).collect()
}

/// The version of IAM's language; the one before has no variables.
pub(super) const LANGUAGE: &str = "2012-10-17";

/// How many characters a managed policy may have, white space not counted.
const MOST: usize = 6144;

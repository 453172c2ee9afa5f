//! What may be asked for, and how it stands in a call's path.

use crate::{GroupBy, PolicyFor, Timestamp};

/// Which events are wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EventsWanted {
    /// Go on telling them as they happen.
    pub follow: bool,
    /// Only those with a higher number.
    pub since: Option<u64>,
    /// Only those of this target.
    pub target: Option<String>,
}

/// What is known already when an account is looked into.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SurveyWanted {
    /// The profile; the obvious one where none is named.
    pub profile: Option<String>,
    /// The region; the profile's where none is named.
    pub region: Option<String>,
    /// Only places in this cluster.
    pub cluster: Option<String>,
    /// Only places of this task definition.
    pub task_definition: Option<String>,
    /// Only this service.
    pub service: Option<String>,
}

/// Which part of the ledger is wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LedgerWanted {
    /// From when; the daemon's own choice where none is given: today, for the cost, else a week.
    pub since: Option<Timestamp>,
    /// Until when; until now where none is given.
    pub until: Option<Timestamp>,
    /// Only what concerns this target.
    pub target: Option<String>,
    /// Sums of what each row stands for.
    pub by: Option<GroupBy>,
}

/// Which policy is wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyWanted {
    /// Whose rights.
    pub whose: PolicyFor,
    /// Only for these sites; all of them where none is named.
    pub sites: Vec<String>,
    /// With what the doctor asks, too.
    pub doctor: bool,
}

impl PolicyWanted {
    pub(super) fn path(&self) -> String {
        let whose = Some(format!("for={}", self.whose.word()));
        let sites = (!self.sites.is_empty()).then(|| {
            let sites: Vec<String> = self.sites.iter().map(|site| escaped(site)).collect();
            format!("site={}", sites.join(","))
        });
        let doctor = self.doctor.then(|| "doctor=true".to_owned());
        with_query("/v1/policy", [whose, sites, doctor])
    }
}

impl EventsWanted {
    pub(super) fn path(&self) -> String {
        let since = self.since.map(|seq| format!("since={seq}"));
        let target = self.target.as_deref().map(|name| format!("target={}", escaped(name)));
        let follow = self.follow.then(|| "follow=true".to_owned());
        with_query("/v1/events", [follow, since, target])
    }
}

impl SurveyWanted {
    pub(super) fn path(&self) -> String {
        let said = |key: &str, value: &Option<String>| {
            value.as_deref().map(|value| format!("{key}={}", escaped(value)))
        };
        let query = [
            said("profile", &self.profile),
            said("region", &self.region),
            said("cluster", &self.cluster),
            said("task_definition", &self.task_definition),
            said("service", &self.service),
        ];
        with_query("/v1/survey", query)
    }
}

impl LedgerWanted {
    pub(super) fn path(&self, call: &str) -> String {
        let since = self.since.map(|time| format!("since={}", escaped(&time.to_string())));
        let until = self.until.map(|time| format!("until={}", escaped(&time.to_string())));
        let target = self.target.as_deref().map(|name| format!("target={}", escaped(name)));
        let by = self.by.map(|by| format!("by={}", by.word()));
        with_query(call, [since, until, target, by])
    }
}

/// A call's path with what is asked for behind it.
pub(super) fn with_query<const N: usize>(call: &str, query: [Option<String>; N]) -> String {
    let query: Vec<String> = query.into_iter().flatten().collect();
    if query.is_empty() { call.into() } else { format!("{call}?{}", query.join("&")) }
}

/// A name as one segment of a path or one value of a query (RFC 3986: all but the unreserved is escaped).
pub(super) fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment_of_the_path() {
        assert_eq!(escaped("prod-db_1.x~"), "prod-db_1.x~");
        assert_eq!(escaped("a/../b?c=d&e é"), "a%2F..%2Fb%3Fc%3Dd%26e%20%C3%A9");
    }

    #[test]
    fn only_what_is_wanted_stands_in_the_query() {
        assert_eq!(EventsWanted::default().path(), "/v1/events");
        let wanted = EventsWanted { follow: true, since: Some(7), target: Some("a b".into()) };
        assert_eq!(wanted.path(), "/v1/events?follow=true&since=7&target=a%20b");
        assert_eq!(SurveyWanted::default().path(), "/v1/survey");
        let wanted = SurveyWanted {
            profile: Some("a b".into()),
            service: Some("s".into()),
            ..SurveyWanted::default()
        };
        assert_eq!(wanted.path(), "/v1/survey?profile=a%20b&service=s");
        assert_eq!(LedgerWanted::default().path("/v1/cost"), "/v1/cost");
        let wanted = LedgerWanted {
            since: Some(Timestamp::UNIX_EPOCH),
            by: Some(GroupBy::Day),
            ..LedgerWanted::default()
        };
        assert_eq!(wanted.path("/v1/audit"), "/v1/audit?since=1970-01-01T00%3A00%3A00Z&by=day");
    }
}

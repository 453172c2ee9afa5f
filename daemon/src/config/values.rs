//! Single values: what each kind of text must look like, and what people write instead.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::check::Check;
use super::file::{At, Field};
use super::words;

impl Check<'_> {
    /// An RDS identifier. People paste the endpoint's name here, whose first part it is.
    pub(super) fn identifier(&mut self, at: At<String>, key: &str) -> Option<String> {
        if words::made_of(&at.value, "-") && at.value.len() <= LONGEST_IDENTIFIER {
            return Some(at.value);
        }
        let hint = match at.value.split_once('.') {
            Some((id, rest)) if rest.contains(".rds.") => {
                format!(
                    "that is an endpoint's name; the identifier is its first part: {key} = {id:?}"
                )
            }
            _ => "an identifier is made of letters, digits and \"-\"".to_owned(),
        };
        self.fault(at.line, key, format!("{:?} is no identifier", at.value), hint);
        None
    }

    pub(super) fn host(&mut self, at: At<String>, key: &str) -> Option<String> {
        let bare = at.value.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<Ipv6Addr>().is_ok() {
            return Some(bare.to_owned());
        }
        if words::is_host_name(&at.value) {
            return Some(at.value);
        }
        let rest = at.value.split_once("://").map_or(at.value.as_str(), |(_, rest)| rest);
        let rest = rest.split('/').next().unwrap_or(rest);
        let rest = rest.rsplit('@').next().unwrap_or(rest);
        let hint = match rest.split_once(':') {
            Some((host, port)) if words::is_host_name(host) && port.parse::<u16>().is_ok() => {
                format!("write {key} = {host:?} and port = {port}")
            }
            _ if words::is_host_name(rest) => format!("write {key} = {rest:?}"),
            _ => "write a name or an address, without a scheme or a path".to_owned(),
        };
        // Not the value: a URL may hold a password.
        self.fault(at.line, key, "is no host", hint);
        None
    }

    pub(super) fn hosts(&mut self, written: Field<Vec<At<String>>>) -> Option<Vec<String>> {
        let at = written.given()?;
        for host in &at.value {
            if !words::is_host_name(&host.value) {
                let rest = host.value.split_once("://").map_or("", |(_, rest)| rest);
                let name = rest.split(['/', ':']).next().unwrap_or_default();
                let hint = if words::is_host_name(name) {
                    format!("write {name:?}")
                } else {
                    "write a host's name: \"vpce-….ssmmessages.REGION.vpce.amazonaws.com\""
                        .to_owned()
                };
                self.fault(host.line, "endpoints", format!("{:?} is no host", host.value), hint);
            }
        }
        // Names are compared whole, so they are kept as a URL has them.
        let kept = |host: At<String>| host.value.trim_end_matches('.').to_ascii_lowercase();
        Some(at.value.into_iter().map(kept).collect())
    }

    pub(super) fn region(&mut self, at: At<String>) -> Option<String> {
        // It becomes part of a host's name.
        let parts: Vec<&str> = at.value.split('-').collect();
        let lower = |part: &&str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        let number = parts.last().is_some_and(|last| last.parse::<u8>().is_ok());
        if parts.len() >= 3 && parts.iter().all(lower) && number {
            return Some(at.value);
        }
        let zone = at.value.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let hint =
            if zone.len() + 1 == at.value.len() && zone.ends_with(|c: char| c.is_ascii_digit()) {
                format!("that is an availability zone; write region = {zone:?}")
            } else {
                "write it as AWS does: region = \"ap-northeast-1\"".to_owned()
            };
        self.fault(at.line, "region", format!("{:?} is no region", at.value), hint);
        None
    }

    pub(super) fn idle_timeout(&mut self, written: Field<String>) -> Option<Duration> {
        self.maybe(written, |check, at| {
            check.duration(at, "idle_timeout", SHORTEST_TIMEOUT, LONGEST_IDLE)
        })
    }

    pub(super) fn start_timeout(&mut self, written: Field<String>) -> Option<Duration> {
        self.maybe(written, |check, at| {
            check.duration(at, "start_timeout", SHORTEST_TIMEOUT, LONGEST_START)
        })
    }

    pub(super) fn duration(
        &mut self,
        at: At<String>,
        key: &str,
        least: Duration,
        most: Duration,
    ) -> Option<Duration> {
        let Ok(duration) = humantime::parse_duration(at.value.trim()) else {
            let hint = match at.value.trim().parse::<u64>() {
                Ok(number) => format!("seconds are written \"{number}s\", minutes \"{number}m\""),
                Err(_) => "write a number and a unit: \"90s\", \"15m\", \"1h 30m\"".to_owned(),
            };
            self.fault(at.line, key, format!("{:?} is no time", at.value), hint);
            return None;
        };
        if (least..=most).contains(&duration) {
            return Some(duration);
        }
        let bounds = [least, most].map(humantime::format_duration);
        let hint = format!("between {} and {}; a small \"m\" is minutes", bounds[0], bounds[1]);
        let reason =
            format!("{:?} is too {}", at.value, if duration > most { "long" } else { "short" });
        self.fault(at.line, key, reason, hint);
        None
    }

    /// A name or an ARN.
    pub(super) fn aws_name(&mut self, at: At<String>, key: &str) -> Option<String> {
        self.shaped(at, key, words::made_of, "-_:/.", "a name or an ARN")
    }

    /// Any text that fits into one line.
    pub(super) fn plain(&mut self, at: At<String>, key: &str) -> Option<String> {
        let one_line =
            |text: &str, _: &str| !text.is_empty() && !text.chars().any(char::is_control);
        self.shaped(at, key, one_line, "", "a text of one line, not empty")
    }

    pub(super) fn shaped(
        &mut self,
        at: At<String>,
        key: &str,
        fits: impl Fn(&str, &str) -> bool,
        others: &str,
        wanted: &str,
    ) -> Option<String> {
        if fits(&at.value, others) {
            return Some(at.value);
        }
        let reason = match at.value.is_empty() {
            true => "is empty".to_owned(),
            false => format!("{:?} cannot be it", at.value),
        };
        self.fault(at.line, key, reason, format!("write {wanted}"));
        None
    }
}

const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1); // less would stop a bastion between two queries of a script
const LONGEST_IDLE: Duration = Duration::from_secs(7 * 24 * 3600); // a week: more is a task that nobody remembers
const LONGEST_START: Duration = Duration::from_secs(3600); // an hour: no image takes longer, but a missing route does
const LONGEST_IDENTIFIER: usize = 63; // characters, as RDS allows

use std::time::Duration;

use bastion_api::Timestamp;
use bastion_api::client::LedgerWanted;
use bastion_api::{Date, GroupBy};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use crate::clock;

/// Which part of the ledger is asked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct Span {
    /// Only this target
    target: Option<String>,
    /// From when: a duration back from now (2h, 7d), a date, or a time (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Until when, likewise; a date is meant with all of its day
    #[arg(long, value_name = "WHEN", value_parser = end)]
    until: Option<Timestamp>,
}

/// What a row stands for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum By {
    /// A target
    Target,
    /// A day
    Day,
}

impl Span {
    /// The same as the daemon is asked.
    pub(crate) fn wanted(&self, by: Option<By>) -> LedgerWanted {
        let by = by.map(|by| match by {
            By::Target => GroupBy::Target,
            By::Day => GroupBy::Day,
        });
        LedgerWanted { since: self.since, until: self.until, target: self.target.clone(), by }
    }
}

/// A moment: `2h` ago, the beginning of `2026-01-02`, or `2026-01-02T03:04:05Z`.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Ok(date) = text.parse::<Date>() {
        return began(date);
    }
    let back: Duration =
        humantime::parse_duration(text).map_err(|_| "neither a duration, a date nor a time")?;
    clock::today().checked_sub(back).map_err(|_| "too long ago".to_owned())
}

fn end(text: &str) -> Result<Timestamp, String> {
    match text.parse::<Timestamp>().is_err().then(|| text.parse::<Date>()) {
        Some(Ok(date)) => began(date.tomorrow().map_err(|_| "no day comes after it")?),
        Some(Err(_)) | None => moment(text),
    }
}

/// When a day begins where this machine is.
fn began(date: Date) -> Result<Timestamp, String> {
    let began = date.to_zoned_datetime(TimeZone::system());
    began.map(|began| began.timestamp()).map_err(|_| "no such day here".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{end, moment};
    use crate::clock;

    #[test]
    fn a_duration_goes_back_from_now() {
        let hours = clock::today().duration_since(moment("7d").unwrap()).as_secs_f64() / 3600.0;
        assert!((167.9..168.1).contains(&hours), "{hours}");
    }

    #[test]
    fn a_date_is_a_whole_day() {
        let (from, to) = (moment("2026-01-02").unwrap(), end("2026-01-02").unwrap());
        assert!((82800..=90000).contains(&to.duration_since(from).as_secs()), "{from} {to}");
    }

    #[test]
    fn a_time_is_itself_and_anything_else_is_refused() {
        let time = "2026-01-02T03:04:05Z";
        assert_eq!(moment(time).unwrap().to_string(), time);
        assert_eq!(end(time), moment(time));
        assert!(moment("yesterday").is_err() && end("").is_err());
    }
}

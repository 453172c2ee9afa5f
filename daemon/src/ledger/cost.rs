//! What bastions cost, and how we know.
//!
//! Fargate is billed by the second from the start of the image's pull to the task's end, a minute at least. What the
//! network around it costs (NAT, VPC endpoints) is not the bastion's and is not counted; a Spot task is counted at the
//! On-Demand price, which is its most. `price_per_hour` in the config stands above the table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bastion_api::{Cost, CostRow, CostSum, Date, GroupBy, Price, SCHEMA_VERSION, Size, Timestamp};
use jiff::ToSpan;
use jiff::civil::date;
use jiff::tz::TimeZone;

/// One bastion, as the bill sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Billed {
    pub(super) target: String,
    pub(super) size: Size,
    /// The start of the pull; while that is not known, when the task was asked for.
    pub(super) from: Timestamp,
    /// Its end; none while it runs.
    pub(super) end: Option<End>,
}

/// How a bastion's bill ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct End {
    pub(super) at: Timestamp,
    /// All that is billed, the least minute included.
    pub(super) seconds: f64,
    /// How many of them may be too many.
    pub(super) estimated: f64,
}

/// What is billed for a bastion that ran so long: whole seconds, a minute at least; nothing where nothing was pulled.
pub(super) fn billed_seconds(from: Option<Timestamp>, end: Timestamp) -> f64 {
    from.map_or(0.0, |from| seconds(from, end).ceil().max(LEAST.as_secs_f64()))
}

/// US dollars for so many seconds of such a bastion, where its price is known.
pub(super) fn usd(size: &Size, seconds: f64) -> Option<f64> {
    usd_per_hour(size).map(|usd| usd * seconds / HOUR)
}

/// US dollars for an hour of such a bastion, where its price is known.
pub(super) fn usd_per_hour(size: &Size) -> Option<f64> {
    if let Some(named) = size.price_per_hour {
        return Some(named);
    }
    let row = PRICES.iter().find(|row| row.region == size.region)?;
    let (vcpu, gb) = if size.architecture == ARM { row.arm? } else { row.x86 };
    if size.cpu == 0 || size.memory == 0 {
        return None;
    }
    Some(f64::from(size.cpu) / 1024.0 * vcpu + f64::from(size.memory) / 1024.0 * gb)
}

/// What these bastions cost from one time to another.
pub(super) fn sum(
    bastions: &[&Billed],
    since: Timestamp,
    until: Timestamp,
    now: Timestamp,
) -> CostSum {
    let mut sum = CostSum::default();
    for bastion in bastions {
        let Some(part) = part(bastion, since, until, now) else { continue };
        sum.bastions += 1;
        sum.running += u64::from(bastion.end.is_none());
        sum.seconds += part.seconds;
        sum.estimated_seconds += part.estimated;
        match usd(&bastion.size, part.seconds) {
            Some(usd) => sum.usd += usd,
            None => sum.unpriced_seconds += part.seconds,
        }
    }
    sum
}

/// The whole report.
pub(super) fn report(
    bastions: &[Billed],
    since: Timestamp,
    until: Timestamp,
    by: GroupBy,
    now: Timestamp,
) -> Cost {
    let all: Vec<&Billed> = bastions.iter().collect();
    let rows = match by {
        GroupBy::Day => by_day(&all, since, until, now),
        GroupBy::Target | GroupBy::Unknown => by_target(&all, since, until, now),
    };
    let counted = all.iter().filter(|bastion| part(bastion, since, until, now).is_some());
    let mut prices: Vec<Price> = Vec::new();
    for price in counted.map(|bastion| price(&bastion.size)) {
        if !prices.contains(&price) {
            prices.push(price);
        }
    }
    Cost {
        schema_version: SCHEMA_VERSION,
        since,
        until,
        by,
        rows,
        total: sum(&all, since, until, now),
        prices,
    }
}

fn by_target(all: &[&Billed], since: Timestamp, until: Timestamp, now: Timestamp) -> Vec<CostRow> {
    let names: BTreeSet<&str> = all.iter().map(|bastion| bastion.target.as_str()).collect();
    let rows = names.into_iter().map(|name| {
        let own: Vec<&Billed> = all.iter().copied().filter(|b| b.target == name).collect();
        CostRow { name: name.to_owned(), sum: sum(&own, since, until, now) }
    });
    rows.filter(|row| row.sum.bastions > 0).collect()
}

fn by_day(all: &[&Billed], since: Timestamp, until: Timestamp, now: Timestamp) -> Vec<CostRow> {
    let begins = all.iter().map(|bastion| bastion.from).min().unwrap_or(since).max(since);
    let mut days = BTreeMap::new();
    let mut from = begins;
    while from < until {
        let (day, next) = day_of(from);
        let sum = sum(all, from, next.min(until), now);
        if sum.bastions > 0 {
            days.insert(day, sum);
        }
        from = next;
    }
    days.into_iter().map(|(day, sum)| CostRow { name: day.to_string(), sum }).collect()
}

/// The day of this machine's calendar that a moment lies in, and when the next one begins.
pub(super) fn day_of(moment: Timestamp) -> (Date, Timestamp) {
    let zoned = moment.to_zoned_datetime(TimeZone::system());
    let next = zoned.tomorrow().and_then(|tomorrow| tomorrow.start_of_day());
    // At the calendar's very end there is no tomorrow.
    (zoned.date(), next.map_or(Timestamp::MAX, |next| next.timestamp()))
}

/// When the day began that a moment lies in.
pub(super) fn day_began(moment: Timestamp) -> Timestamp {
    let day = moment.to_zoned_datetime(TimeZone::system()).start_of_day();
    day.map_or_else(|_| moment.saturating_sub(24.hours()).unwrap_or(moment), |day| day.timestamp())
}

/// What of a bastion's bill falls into a span of time.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    seconds: f64,
    estimated: f64,
}

fn part(bastion: &Billed, since: Timestamp, until: Timestamp, now: Timestamp) -> Option<Part> {
    let end = bastion.end.map_or(now, |end| end.at);
    let (from, to) = (bastion.from.max(since), end.min(until));
    let ran = seconds(bastion.from, end);
    // What was billed beyond what it ran, the least minute, falls to where it ended.
    let ends_here = since <= end && (end < until || (end == until && until == now));
    if from >= to && !ends_here {
        return None;
    }
    let within = seconds(from.min(to), to);
    match bastion.end {
        None => Some(Part { seconds: within, estimated: 0.0 }),
        Some(end) if ends_here => {
            Some(Part { seconds: within + (end.seconds - ran), estimated: end.estimated })
        }
        Some(_) => Some(Part { seconds: within, estimated: 0.0 }),
    }
}

fn price(size: &Size) -> Price {
    Price {
        region: size.region.clone(),
        architecture: size.architecture.clone(),
        vcpu: f64::from(size.cpu) / 1024.0,
        memory_gb: f64::from(size.memory) / 1024.0,
        usd_per_hour: usd_per_hour(size),
        dated: size.price_per_hour.is_none().then_some(DATED),
    }
}

/// From one moment to a later one; nothing where it is earlier.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// What Fargate costs in a region: US dollars for a vCPU's hour, and for a GB's.
struct Row {
    region: &'static str,
    x86: (f64, f64),
    /// None where we have not seen it: Arm is not everywhere a fifth cheaper.
    arm: Option<(f64, f64)>,
}

/// The day on which these were last compared with AWS's list (Linux, On-Demand).
///
/// A region that is not here has no price that we know; the config's `price_per_hour` gives it one.
const DATED: Date = date(2026, 9, 6);
const PRICES: &[Row] = &[
    row("ap-northeast-1", (0.05056, 0.00553), Some((0.04045, 0.00442))),
    row("ap-south-1", (0.04256, 0.004445), Some((0.02384, 0.002613))),
    row("ap-southeast-1", (0.05056, 0.00553), None),
    row("ca-central-1", (0.04456, 0.004865), None),
    row("eu-central-1", (0.04656, 0.00511), Some((0.03725, 0.00409))),
    row("eu-west-1", (0.04048, 0.004445), Some((0.03238, 0.00356))),
    row("eu-west-2", (0.04656, 0.00511), Some((0.03725, 0.00409))),
    row("sa-east-1", (0.0696, 0.0076), Some((0.0557, 0.00612))),
    row("us-east-1", (0.04048, 0.004445), Some((0.03238, 0.00356))),
    row("us-east-2", (0.04048, 0.004445), Some((0.03238, 0.00356))),
    row("us-west-2", (0.04048, 0.004445), Some((0.03238, 0.00356))),
];

const fn row(region: &'static str, x86: (f64, f64), arm: Option<(f64, f64)>) -> Row {
    Row { region, x86, arm }
}

/// How a task definition calls the processor that is not x86.
const ARM: &str = "arm64";
/// Fargate bills no less.
const LEAST: Duration = Duration::from_secs(60);
/// Seconds.
const HOUR: f64 = 3600.0;

//! Who went where: what the ledger's files say, as records or as sums.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io;

use bastion_api::{Audit, AuditRecord, AuditRow, GroupBy, SCHEMA_VERSION, Timestamp, Visitor};
use jiff::ToSpan;

use super::months::Months;
use super::{Wanted, cost};

/// What is found from one time to another.
pub(super) fn find(months: &Months, wanted: &Wanted, now: Timestamp) -> io::Result<Audit> {
    let since = wanted.since.or_else(|| now.checked_sub(A_WEEK.hours()).ok()).unwrap_or(now);
    let until = wanted.until.unwrap_or(now);
    let mut records = VecDeque::new();
    let mut left_off = 0;
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    months.read(
        since,
        until,
        |_| true,
        |record| {
            let Some((time, target)) = record.time().zip(record.target()) else { return };
            let elsewhere = wanted.target.as_deref().is_some_and(|wanted| wanted != target);
            if elsewhere || time < since || time > until {
                return;
            }
            match wanted.by {
                Some(GroupBy::Day) => {
                    sums.entry(cost::day_of(time).0.to_string()).or_default().add(&record)
                }
                Some(GroupBy::Target | GroupBy::Unknown) => {
                    sums.entry(target.to_owned()).or_default().add(&record);
                }
                None => {
                    if records.len() == MOST_RECORDS {
                        records.pop_front();
                        left_off += 1;
                    }
                    records.push_back(record);
                }
            }
        },
    )?;
    // Most are written when they happen; a bastion's are, when AWS has told of it.
    let mut records = Vec::from(records);
    records.sort_by_key(AuditRecord::time);
    Ok(Audit {
        schema_version: SCHEMA_VERSION,
        since,
        until,
        records,
        left_off,
        by: wanted.by,
        rows: sums.into_iter().map(|(name, sum)| sum.row(name)).collect(),
    })
}

#[derive(Default)]
struct Sum {
    row: AuditRow,
    programs: BTreeMap<String, u64>,
}

impl Sum {
    fn add(&mut self, record: &AuditRecord) {
        match record {
            AuditRecord::Visit(visit) => {
                self.row.visits += 1;
                self.row.seconds += visit.seconds;
                self.row.bytes_in += visit.bytes_in;
                self.row.bytes_out += visit.bytes_out;
                *self.programs.entry(named(&visit.visitor)).or_default() += 1;
            }
            AuditRecord::Refused(_) => self.row.refused += 1,
            AuditRecord::BastionStarted(_) => self.row.bastions += 1,
            AuditRecord::TunnelOpened(_) => self.row.tunnels += 1,
            // Their beginnings were counted.
            AuditRecord::BastionEnded(_) | AuditRecord::TunnelClosed(_) | AuditRecord::Unknown => {}
        }
    }

    fn row(self, name: String) -> AuditRow {
        let mut programs: Vec<(String, u64)> = self.programs.into_iter().collect();
        programs.sort_by_key(|(_, visits)| std::cmp::Reverse(*visits));
        AuditRow { name, programs, ..self.row }
    }
}

fn named(visitor: &Visitor) -> String {
    visitor.program.clone().unwrap_or_else(|| "unknown".to_owned())
}

/// How many records one answer holds; the newest are the ones that matter.
const MOST_RECORDS: usize = 10_000;

/// How far back is looked where nobody says, in hours.
const A_WEEK: i64 = 7 * 24;

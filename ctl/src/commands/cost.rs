use bastion_api::client::Client;
use bastion_api::{Cost as Report, CostSum, GroupBy, Price};
use clap::Args;

use crate::error::Failure;
use crate::span::{By, Span};
use crate::table::{Cell, Table};
use crate::ui::{Look, Ui};
use crate::words::{clean, dollars, duration, whole};

/// Show what bastions have cost: today, or since some time
///
/// Counted is what Fargate bills for the task, by the second; the network around it is not.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl cost --since 7d")]
pub(crate) struct Cost {
    #[command(flatten)]
    span: Span,
    /// What a row stands for
    #[arg(long, value_enum, default_value = "target")]
    by: By,
}

impl Cost {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let report = client.cost(&self.span.wanted(Some(self.by))).await?;
        if ui.settings().json {
            return ui.json(&report);
        }
        if report.rows.is_empty() {
            ui.talk("no bastion has run");
            return Ok(());
        }
        for line in screen(&report, ui) {
            ui.data(&line)?;
        }
        for note in notes(&report) {
            ui.talk(&note);
        }
        Ok(())
    }
}

fn screen(report: &Report, ui: &Ui) -> Vec<String> {
    let what = match report.by {
        GroupBy::Day => "DAY",
        GroupBy::Target | GroupBy::Unknown => "TARGET",
    };
    let mut table = Table::new(vec![what, "BASTIONS", "BILLED", "COST"], 2).sparing(&[2, 1]);
    for row in &report.rows {
        table.row(cells(&clean(&row.name), &row.sum, None));
    }
    table.row(cells("total", &report.total, Some(Look::Title)));
    table.lines(ui.settings().table_width, |text, look| ui.painted(text, look))
}

fn cells(name: &str, sum: &CostSum, look: Option<Look>) -> Vec<Cell> {
    let running = match sum.running {
        0 => String::new(),
        some => format!(", {some} running"),
    };
    // A sum with a hole in it, or with too much in it, is not given out for exact.
    let about = if sum.estimated_seconds > 0.0 { "~" } else { "" };
    let more = if sum.unpriced_seconds > 0.0 { " and more" } else { "" };
    vec![
        Cell::new(name, look),
        Cell::new(format!("{}{running}", sum.bastions), look),
        Cell::new(format!("{about}{}", duration(whole(sum.seconds))), look),
        Cell::new(format!("{about}{}{more}", dollars(sum.usd)), look),
    ]
}

/// What has to be known to read the sums.
fn notes(report: &Report) -> Vec<String> {
    let mut notes: Vec<String> = report.prices.iter().map(price).collect();
    let total = &report.total;
    if total.estimated_seconds > 0.0 {
        let most = duration(whole(total.estimated_seconds));
        notes.push(format!(
            "estimated: up to {most} too much: AWS no longer tells when a task ended"
        ));
    }
    if total.unpriced_seconds > 0.0 {
        notes.push("without a price: give price_per_hour under the site".into());
    }
    notes
}

/// `ap-northeast-1, x86_64, 0.25 vCPU, 0.5 GB: $0.0154 an hour (2026-09-06)`
fn price(price: &Price) -> String {
    let what = format!(
        "{}, {}, {} vCPU, {} GB",
        clean(&price.region),
        clean(&price.architecture),
        price.vcpu,
        price.memory_gb
    );
    match (price.usd_per_hour, price.dated) {
        (None, _) => format!("{what}: no price is known"),
        (Some(usd), None) => format!("{what}: ${usd:.4} an hour, as the config says"),
        (Some(usd), Some(dated)) => format!("{what}: ${usd:.4} an hour (list of {dated})"),
    }
}

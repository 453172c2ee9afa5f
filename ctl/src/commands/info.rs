use bastion_api::client::Client;
use bastion_api::{Contact, Engine, Info as Told, ProofKind, SCHEMA_VERSION, TlsKnown};
use clap::Args;
use serde::Serialize;

use super::about;
use crate::address::url_of;
use crate::card::Card;
use crate::error::Failure;
use crate::forms::{self, Form};
use crate::table::{Cell, Table};
use crate::ui::{Look, Ui};
use crate::words::{clean, wrap};

/// Show the settings that each client needs
///
/// Without a target: where each of them is, and whom to connect as.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl info prod-db")]
pub(crate) struct Info {
    /// The target, as the config names it
    target: Option<String>,
}

/// What is printed of targets and their clients.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Settings<'a> {
    schema_version: u32,
    roots: &'a bastion_api::Roots,
    targets: Vec<OfTarget<'a>>,
}

/// What is printed of one target.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OfTarget<'a> {
    #[serde(flatten)]
    contact: &'a Contact,
    /// Where it is found, first choice; none where it is found nowhere.
    address: Option<String>,
    /// The URL that most drivers take.
    url: Option<String>,
    /// What each client is told; empty where no target was named.
    clients: Vec<Form>,
}

impl Info {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let names: Vec<String> = self.target.iter().cloned().collect();
        let told = match &self.target {
            Some(name) => about(client, name, client.info(&names, true).await).await?,
            None => client.info(&names, true).await?,
        };
        if ui.settings().json {
            return ui.json(&settings(&told, self.target.is_some()));
        }
        if self.target.is_none() {
            return list(&told, ui);
        }
        for contact in &told.targets {
            sheet(contact, &told, ui)?;
        }
        remark_on_roots(&told, ui);
        Ok(())
    }
}

fn settings(told: &Told, with_forms: bool) -> Settings<'_> {
    let of = |contact| {
        let card = Card::of(contact, &told.roots);
        OfTarget {
            contact,
            address: card.as_ref().map(|card| card.address.text()),
            url: card.as_ref().and_then(url),
            clients: match &card {
                Some(card) if with_forms => forms::of(card, contact),
                Some(_) | None => Vec::new(),
            },
        }
    };
    Settings {
        schema_version: SCHEMA_VERSION,
        roots: &told.roots,
        targets: told.targets.iter().map(of).collect(),
    }
}

/// One target, one client after the other.
fn sheet(contact: &Contact, told: &Told, ui: &mut Ui) -> Result<(), Failure> {
    let target = &contact.target;
    let Some(card) = Card::of(contact, &told.roots) else {
        ui.data(&format!("{}: found nowhere on this machine", clean(&target.name)))?;
        return Ok(());
    };
    let name = ui.painted(&clean(&card.name), if card.danger { Look::Bad } else { Look::Title });
    ui.data(&format!("{name}  {} at {}", card.engine.word(), clean(&card.address.text())))?;
    for line in remarks(contact, &card) {
        ui.data(&format!("  {}", clean(&line)))?;
    }
    for form in forms::of(&card, contact) {
        ui.data("")?;
        ui.data(&ui.painted(form.client, Look::Title))?;
        if let Some(note) = &form.note {
            let width = ui.settings().width.saturating_sub(INDENT.len());
            for line in wrap(&clean(note), width) {
                ui.data(&format!("{INDENT}{line}"))?;
            }
        }
        let (tabs, names) = (longest(&form.fields, |f| f.tab), longest(&form.fields, |f| f.name));
        let mut last = "";
        for field in &form.fields {
            // A tab is named once.
            let tab = if field.tab == last { "" } else { field.tab };
            last = field.tab;
            let gap = if tabs == 0 { "" } else { "  " };
            let (name, value) = (field.name, clean(&field.value));
            ui.data(format!("  {tab:tabs$}{gap}{name:names$}  {value}").trim_end())?;
        }
        for line in &form.lines {
            ui.data(&format!("  {}", clean(line)))?;
        }
    }
    Ok(())
}

fn longest(fields: &[forms::Field], of: impl Fn(&forms::Field) -> &'static str) -> usize {
    fields.iter().map(|field| of(field).len()).max().unwrap_or(0)
}

/// What belongs to no client's form.
fn remarks(contact: &Contact, card: &Card) -> Vec<String> {
    let mut said = Vec::new();
    if let (Some(host), Some(port)) = (&contact.remote_host, contact.remote_port) {
        said.push(format!("the database is {host}:{port}"));
    }
    if let Some(account) = &contact.account {
        said.push(format!("in account {account}, reached from site {}", contact.target.site));
    }
    match card.proof {
        ProofKind::Secret => said.push(format!("password: bastionctl password {}", card.name)),
        ProofKind::Iam => {
            said.push(format!("password: bastionctl token {} (good for 15 minutes)", card.name));
        }
        ProofKind::Unsaid => {}
    }
    said.extend(card.lack());
    if card.danger {
        said.push("danger = true".to_owned());
    }
    said
}

/// All targets, a line each.
fn list(told: &Told, ui: &mut Ui) -> Result<(), Failure> {
    let mut table = Table::new(vec!["TARGET", "ENGINE", "ADDRESS", "DATABASE", "USER"], 3);
    for contact in &told.targets {
        let target = &contact.target;
        let look = target.danger.then_some(Look::Bad);
        let address = Card::of(contact, &told.roots).map(|card| card.address.text());
        let cell = |text: Option<&str>| Cell::new(clean(text.unwrap_or("-")), None);
        table.row(vec![
            Cell::new(clean(&target.name), look),
            cell(Some(target.engine.word())),
            cell(address.as_deref()),
            cell(target.database.as_deref()),
            cell(target.user.as_deref()),
        ]);
    }
    let lines = table.lines(ui.settings().table_width, |text, look| ui.painted(text, look));
    lines.iter().try_for_each(|line| ui.data(line))?;
    ui.talk("the settings for each client: bastionctl info TARGET");
    Ok(())
}

fn url(card: &Card) -> Option<String> {
    url_of(card.engine, &card.address, card.user.as_deref(), card.database.as_deref())
}

/// One target as the daemon tells it, and its card.
pub(super) async fn contact_of(client: &Client, name: &str) -> Result<(Told, Card), Failure> {
    let told = about(client, name, client.info(&[name.to_owned()], false).await).await?;
    let card = told.targets.first().and_then(|contact| Card::of(contact, &told.roots));
    let card = card.ok_or_else(|| super::connect::nowhere(name))?;
    Ok((told, card))
}

/// How certificates come to be checked, where they could be and are not; and what AWS could not be asked.
pub(super) fn remark_on_roots(told: &Told, ui: &mut Ui) {
    for contact in &told.targets {
        if let Some(problem) = &contact.problem {
            let (name, message) = (clean(&contact.target.name), clean(&problem.message));
            ui.talk(&format!("{name}: {message}"));
            problem.hints.iter().for_each(|hint| ui.talk(&format!("  {}", clean(hint))));
        }
    }
    let of_rds =
        |contact: &&Contact| contact.tls == TlsKnown::Rds && contact.target.engine != Engine::Other;
    let Some(contact) = told.targets.iter().find(of_rds) else { return };
    if told.roots.file.is_some() {
        return;
    }
    if let Some(problem) = &told.roots.problem {
        ui.talk(&clean(&problem.message));
        problem.causes.iter().for_each(|cause| ui.talk(&format!("  {}", clean(cause))));
        return;
    }
    ui.talk("TLS is asked for, but nobody checks whose certificate the database shows;");
    ui.talk("clients do, once they are given the authorities of RDS:");
    let (bundle, from) = (crate::address::shell(&told.roots.bundle), truststore(contact));
    ui.copied(&clean(&format!("  curl -fo {bundle} {from}")));
}

/// What stands before all that belongs to a client.
const INDENT: &str = "  ";

/// Where AWS gives out the authorities of RDS: each of its partitions has its own.
fn truststore(contact: &Contact) -> String {
    let host = contact.remote_host.as_deref().unwrap_or_default();
    let bundle = "global/global-bundle.pem";
    if host.ends_with(".cn") {
        format!("https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/{bundle}")
    } else if host.contains(".us-gov-") {
        format!("https://truststore.pki.us-gov-west-1.rds.amazonaws.com/{bundle}")
    } else {
        format!("https://truststore.pki.rds.amazonaws.com/{bundle}")
    }
}

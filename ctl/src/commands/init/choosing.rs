//! What is chosen of a survey: by flags, else because there is nothing else, else by a person at a terminal.

use std::collections::BTreeSet;

use bastion_api::{
    DatabaseChoice, DatabaseKind, Problem, ProblemKind, Selection, SiteChoice, SiteFlaw, Survey,
};

use super::{Init, gone};
use crate::error::Failure;
use crate::ui::{Item, Ui};
use crate::words::near;

/// The place for bastions, complete.
pub(super) async fn site(
    init: &Init,
    survey: &Survey,
    others: &[SiteChoice],
    ui: &mut Ui,
) -> Result<SiteChoice, Failure> {
    let fit = fitting(init, survey, others)?;
    let mut kinds: Vec<&SiteChoice> = Vec::new();
    for site in &fit {
        if !kinds.iter().any(|other| same_place(other, site)) {
            kinds.push(site);
        }
    }
    let items: Vec<Item> = kinds.iter().map(|site| shown(site)).collect();
    let flag = match (&init.task_definition, &init.service) {
        (None, None) => "--task-definition or --service",
        (Some(_), _) | (_, Some(_)) => "--cluster",
    };
    let chosen = one("Where shall bastions run?", flag, &items, ui).await?;
    let kind = kinds[chosen];
    // The same place in several networks.
    let networks: Vec<&SiteChoice> =
        fit.iter().copied().filter(|site| same_place(site, kind)).collect();
    let mut site = match &init.subnets {
        Some(text) => {
            let subnets = selection(text, "subnet-");
            let known = networks.iter().find(|site| site.subnets.contains(&subnets));
            let mut site = (*known.unwrap_or(&networks[0])).clone();
            if known.is_none() && site.subnets != [subnets.clone()] {
                // Another network than any that was found: what was found of its VPC says nothing.
                site.vpc = if networks.len() > 1 { None } else { site.vpc };
                site.public_addresses &= networks.len() == 1;
            }
            site.subnets = vec![subnets];
            site
        }
        None => {
            let items: Vec<Item> = networks.iter().map(|site| network(site)).collect();
            let chosen = one("In which network?", "--subnets", &items, ui).await?;
            networks[chosen].clone()
        }
    };
    site.containers = container(init, &site, ui).await?.into_iter().collect();
    if site.service.is_some() {
        (site.subnets, site.security_groups) = (Vec::new(), Vec::new());
        return Ok(site);
    }
    if let Some(text) = &init.security_groups {
        site.security_groups = vec![selection(text, "sg-")];
    }
    let subnets = some(&site, "subnets", "--subnets", &site.subnets, survey, ui).await?;
    let (what, flag) = ("security group", "--security-groups");
    let groups = some(&site, what, flag, &site.security_groups, survey, ui).await?;
    (site.subnets, site.security_groups) = (vec![subnets], vec![groups]);
    Ok(site)
}

/// The databases: those that are named, else all that the place can reach.
pub(super) async fn databases(
    init: &Init,
    survey: &Survey,
    site: &SiteChoice,
    ui: &mut Ui,
) -> Result<Vec<DatabaseChoice>, Failure> {
    if !init.database.is_empty() {
        return init.database.iter().map(|name| named(name, survey)).collect();
    }
    let reached = |one: &&DatabaseChoice| match (&one.vpc, &site.vpc) {
        (Some(own), Some(vpc)) => own == vpc,
        (None, _) | (_, None) => true,
    };
    let all: Vec<&DatabaseChoice> = survey.databases.iter().filter(reached).collect();
    if all.is_empty() {
        return Err(no_database(survey, site).into());
    }
    if init.all || init.yes || all.len() == 1 || !ui.can_ask() {
        return Ok(all.into_iter().cloned().collect());
    }
    let items: Vec<Item> = all.iter().map(|one| database(one)).collect();
    let chosen = ui.choose_some("Which databases?", &items).await.ok_or_else(gone)?;
    Ok(chosen.into_iter().map(|place| all[place].clone()).collect())
}

/// One of these: the only one, else the one that a person chooses; where nobody can be asked, the flag that says it.
pub(super) async fn one(
    question: &str,
    flag: &str,
    items: &[Item],
    ui: &mut Ui,
) -> Result<usize, Failure> {
    match items {
        [_] => Ok(0),
        [_, _, ..] if ui.can_ask() => ui.choose(question, items).await.ok_or_else(gone),
        _ => Err(said_by(question, flag, items).into()),
    }
}

/// A question that nobody can be asked: the flag that answers it, and what could be said.
pub(super) fn said_by(question: &str, flag: &str, items: &[Item]) -> Problem {
    let message = format!("{} Say it with {flag}", question.trim_end());
    let mut problem = Problem::new("C50", ProblemKind::Usage, message);
    for item in items.iter().take(MOST_SHOWN) {
        problem = problem.because(match item.detail.as_str() {
            "" => item.title.clone(),
            detail => format!("{}: {detail}", item.title),
        });
    }
    if items.len() > MOST_SHOWN {
        problem = problem.because(format!("and {} more", items.len() - MOST_SHOWN));
    }
    problem
}

async fn some(
    site: &SiteChoice,
    what: &str,
    flag: &str,
    all: &[Selection],
    survey: &Survey,
    ui: &mut Ui,
) -> Result<Selection, Failure> {
    let question = format!("Which {what} for {}?", made_of(site));
    if all.is_empty() {
        let problem = said_by(&question, flag, &[]).because(format!("no {what} were found for it"));
        return Err(also_unknown(problem, survey).into());
    }
    let items: Vec<Item> = all.iter().map(|one| Item::plain(words(one))).collect();
    Ok(all[one(&question, flag, &items, ui).await?].clone())
}

/// Places without flaws. A service that is scaled to zero is one only for who names it.
fn fitting<'a>(
    init: &Init,
    survey: &'a Survey,
    others: &[SiteChoice],
) -> Result<Vec<&'a SiteChoice>, Failure> {
    let forgiven = |flaw: &SiteFlaw| init.service.is_some() && *flaw == SiteFlaw::ScaledToZero;
    let fits = |site: &&SiteChoice| site.flaws.iter().all(forgiven);
    let fit: Vec<&SiteChoice> = survey.sites.iter().filter(fits).collect();
    if fit.is_empty() { Err(nothing_suitable(init, survey, others).into()) } else { Ok(fit) }
}

async fn container(init: &Init, site: &SiteChoice, ui: &mut Ui) -> Result<Option<String>, Failure> {
    if let Some(name) = &init.container {
        let there = site.containers.is_empty() || site.containers.contains(name);
        if !there {
            let message = format!("{} has no container \"{name}\"", made_of(site));
            let problem = Problem::new("C51", ProblemKind::NotFound, message);
            return Err(problem
                .because(format!("there are: {}", site.containers.join(", ")))
                .into());
        }
        return Ok(Some(name.clone()));
    }
    if site.containers.is_empty() {
        return Ok(None);
    }
    let items: Vec<Item> = site.containers.iter().map(Item::plain).collect();
    let question = format!("Which container of {}?", made_of(site));
    Ok(Some(site.containers[one(&question, "--container", &items, ui).await?].clone()))
}

/// A database by its name, or by its kind and name: `aurora:reports`.
fn named(name: &str, survey: &Survey) -> Result<DatabaseChoice, Failure> {
    let kinds = [DatabaseKind::Rds, DatabaseKind::Aurora, DatabaseKind::Proxy];
    let kind = name
        .split_once(':')
        .and_then(|(key, id)| Some((kinds.into_iter().find(|kind| kind.key() == Some(key))?, id)));
    let fits = |one: &&DatabaseChoice| match kind {
        Some((kind, id)) => one.kind == kind && one.id.eq_ignore_ascii_case(id),
        None => one.id.eq_ignore_ascii_case(name),
    };
    let found: Vec<&DatabaseChoice> = survey.databases.iter().filter(fits).collect();
    match (found.as_slice(), kind) {
        ([one], _) => Ok((*one).clone()),
        // Who may not look at databases may name one.
        ([], Some((kind, id))) if !survey.unknown.is_empty() => {
            Ok(DatabaseChoice { kind, id: id.to_owned(), ..DatabaseChoice::default() })
        }
        ([], _) => {
            let message = format!("no database is called \"{name}\"");
            let problem = Problem::new("C51", ProblemKind::NotFound, message);
            let names = survey.databases.iter().map(|one| one.id.as_str());
            let near: Vec<&str> = near(name, names);
            let problem = match near.as_slice() {
                [] => survey.databases.iter().take(MOST_SHOWN).fold(problem, |problem, one| {
                    problem.because(format!("{}, {}", one.id, one.kind.words()))
                }),
                near => problem.hint(format!("did you mean \"{}\"?", near.join("\" or \""))),
            };
            Err(also_unknown(problem, survey).into())
        }
        (several, _) => {
            let ways =
                several.iter().filter_map(|one| Some(format!("{}:{}", one.kind.key()?, one.id)));
            let message = format!("more than one database is called \"{name}\"");
            let problem = Problem::new("C51", ProblemKind::NotFound, message);
            let ways: Vec<String> = ways.map(|way| format!("--database {way}")).collect();
            Err(problem.hint(ways.join(", or ")).into())
        }
    }
}

/// Nothing that was found could be a bastion.
fn nothing_suitable(init: &Init, survey: &Survey, others: &[SiteChoice]) -> Problem {
    let place = survey.region.as_deref().unwrap_or("this region");
    let named = named_place(init);
    let message = match named {
        Some((what, name, _)) if survey.sites.is_empty() => {
            format!("no {what} \"{name}\" was found in {place}")
        }
        Some((what, name, _)) => format!("{what} \"{name}\" in {place} cannot hold bastions"),
        None if survey.unknown.is_empty() => format!("nothing in {place} can hold bastions yet"),
        None => format!("nothing was found in {place} that can hold bastions"),
    };
    let mut problem = Problem::new("C51", ProblemKind::NotFound, message);
    for site in survey.sites.iter().filter(|site| !site.flaws.is_empty()).take(MOST_SHOWN) {
        let flaws: Vec<&str> = site.flaws.iter().map(|flaw| flaw.words()).collect();
        problem = problem.because(format!("{} {}", made_of(site), flaws.join(", and ")));
    }
    if let Some((_, name, own)) = named {
        problem = instead(problem, name, others.iter().filter_map(own));
    }
    problem = also_unknown(problem, survey);
    let without_exec = survey.sites.iter().find(|site| site.flaws.contains(&SiteFlaw::ExecOff));
    if let Some(SiteChoice { cluster, service: Some(service), .. }) = without_exec {
        problem = problem.hint(format!(
            "aws ecs update-service --cluster {cluster} --service {service} --enable-execute-command \
             --force-new-deployment"
        ));
    }
    if named.is_some() {
        return problem;
    }
    if !survey.unknown.is_empty() {
        let flags = "--cluster NAME --task-definition FAMILY, or --cluster NAME --service NAME";
        problem = problem.hint(format!("name what you know: {flags}"));
    }
    problem =
        problem.hint("bastionctl init --stack bastiond.yaml  # writes a template of what it takes");
    let others = survey.regions.iter().map(String::as_str).filter(|name| *name != place);
    match others.collect::<Vec<_>>().as_slice() {
        [] => problem,
        [only] => problem.hint(format!("look elsewhere: --region {only}")),
        several => problem
            .because(format!("the account has other regions: {}", several.join(", ")))
            .hint("look elsewhere: --region NAME"),
    }
}

/// The name of a place's part.
type Own = fn(&SiteChoice) -> Option<&str>;

/// What of a place was named by a flag, the narrowest first.
pub(super) fn named_place(init: &Init) -> Option<(&'static str, &str, Own)> {
    let named: [(&str, &Option<String>, Own); 3] = [
        ("task definition", &init.task_definition, |site| site.task_definition.as_deref()),
        ("service", &init.service, |site| site.service.as_deref()),
        ("cluster", &init.cluster, |site| Some(&site.cluster)),
    ];
    named.into_iter().find_map(|(what, name, own)| Some((what, name.as_deref()?, own)))
}

/// What there is in place of a name that nothing has: the likeliest, else some.
fn instead<'a>(problem: Problem, name: &str, all: impl Iterator<Item = &'a str>) -> Problem {
    let all: BTreeSet<&str> = all.collect();
    let near: Vec<&str> = near(name, all.iter().copied());
    match near.as_slice() {
        [] if all.is_empty() => problem,
        [] => {
            let some: Vec<&str> = all.into_iter().take(MOST_SHOWN).collect();
            problem.because(format!("there are: {}", some.join(", ")))
        }
        near => problem.hint(format!("did you mean \"{}\"?", near.join("\" or \""))),
    }
}

fn no_database(survey: &Survey, site: &SiteChoice) -> Problem {
    let message = match &site.vpc {
        Some(vpc) => {
            format!("no database was found in {vpc}, where bastions of {} run", made_of(site))
        }
        None => "no database was found".to_owned(),
    };
    let problem = Problem::new("C51", ProblemKind::NotFound, message);
    let elsewhere = survey
        .databases
        .iter()
        .filter_map(|one| Some(format!("{} is in {}", one.id, one.vpc.as_ref()?)));
    let problem = elsewhere.take(MOST_SHOWN).fold(problem, Problem::because);
    also_unknown(problem, survey).hint("name it all the same: --database rds:NAME")
}

/// What could not be looked at may be what is missing: told as one cause, with all that is to be granted as one hint.
fn also_unknown(mut problem: Problem, survey: &Survey) -> Problem {
    let own = |message: &'_ str| message.strip_prefix(CANNOT_KNOW).map(str::to_owned);
    let (mut parts, mut grants) = (Vec::new(), Vec::new());
    for unknown in &survey.unknown {
        match own(&unknown.message) {
            Some(part) => parts.push(part),
            None => problem = problem.because(unknown.message.clone()),
        }
        for hint in &unknown.hints {
            match hint.strip_prefix(GRANT) {
                Some(action) if !grants.contains(&action) => grants.push(action),
                Some(_) => {}
                None if problem.hints.contains(hint) => {}
                None => problem.hints.push(hint.clone()),
            }
        }
    }
    if !parts.is_empty() {
        problem = problem.because(format!("{CANNOT_KNOW}{}", parts.join(", ")));
    }
    if !grants.is_empty() {
        problem = problem.hint(format!("{GRANT}{}", grants.join(", ")));
    }
    problem
}

fn same_place(one: &SiteChoice, other: &SiteChoice) -> bool {
    one.cluster == other.cluster
        && one.service == other.service
        && one.task_definition == other.task_definition
}

/// What a bastion of this place is made of.
pub(super) fn made_of(site: &SiteChoice) -> String {
    match (&site.service, &site.task_definition) {
        (Some(service), _) => format!("service {service}"),
        (None, Some(family)) => format!("task definition {family}"),
        (None, None) => site.cluster.clone(),
    }
}

fn shown(site: &SiteChoice) -> Item {
    let title = match (&site.service, &site.task_definition) {
        (Some(service), _) => format!("the service {service} in {}", site.cluster),
        (None, Some(family)) => format!("tasks of {family} in {}", site.cluster),
        (None, None) => site.cluster.clone(),
    };
    let detail = match (site.running, site.desired) {
        (Some(running), Some(desired)) => format!("runs {running} of {desired} tasks"),
        _ => "started when somebody visits, stopped when nobody does".to_owned(),
    };
    Item { title, detail }
}

fn network(site: &SiteChoice) -> Item {
    let subnets: Vec<String> = site.subnets.iter().map(words).collect();
    Item { title: subnets.join(", "), detail: site.vpc.clone().unwrap_or_default() }
}

fn database(one: &DatabaseChoice) -> Item {
    let engine = one.engine_name.as_deref().unwrap_or_else(|| one.engine.word());
    let status = one.status.as_deref().filter(|status| *status != "available");
    let status = status.map(|status| format!(", {status}")).unwrap_or_default();
    Item::plain(format!("{} ({}, {engine}{status})", one.id, one.kind.words()))
}

/// A selection as a flag takes it.
pub(super) fn words(selection: &Selection) -> String {
    match selection {
        Selection::Ids(ids) => ids.join(","),
        Selection::Name(name) => name.clone(),
        Selection::Tags(tags) => {
            let tags: Vec<String> =
                tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            tags.join(",")
        }
    }
}

/// Ids and tags stand behind each other with commas; anything else is a name.
fn selection(text: &str, prefix: &str) -> Selection {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if !parts.is_empty() && parts.iter().all(|part| part.starts_with(prefix)) {
        return Selection::Ids(parts.into_iter().map(str::to_owned).collect());
    }
    let tags = parts.iter().map(|part| {
        let (key, value) = part.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    });
    match tags.collect::<Option<std::collections::BTreeMap<_, _>>>() {
        Some(tags) if !tags.is_empty() => Selection::Tags(tags),
        Some(_) | None => Selection::Name(text.trim().to_owned()),
    }
}

/// How many of many are shown.
const MOST_SHOWN: usize = 10;
/// How the daemon begins what it could not look at, and what to do about it.
const CANNOT_KNOW: &str = "cannot know the ";
const GRANT: &str = "grant ";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bastion_api::Selection;

    use super::{selection, words};

    #[test]
    fn a_flag_says_ids_tags_or_a_name_and_is_written_as_it_is_read() {
        let ids = ["subnet-1", "subnet-2"].map(str::to_owned).to_vec();
        assert_eq!(selection("subnet-1, subnet-2", "subnet-"), Selection::Ids(ids));
        let tags = BTreeMap::from([("Tier".to_owned(), "private".to_owned())]);
        assert_eq!(selection("Tier=private", "subnet-"), Selection::Tags(tags));
        let name = Selection::Name("a, b-*".to_owned());
        assert_eq!(selection("a, b-*", "subnet-"), name);
        assert_eq!(words(&name), "a, b-*");
        assert_eq!(words(&selection("Tier=private,A=b", "x")), "A=b,Tier=private");
    }
}

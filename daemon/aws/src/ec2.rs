//! Where tasks run: subnets and security groups, by id, by name with wildcards, or by tags.
//!
//! needs: ec2:DescribeSubnets, ec2:DescribeSecurityGroups — find the place (by id it goes without)
//! needs: ecs:DescribeServices — find the place of a service's tasks

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, SecurityGroup, Subnet, SubnetState, Tag};
use bastion_cloud::{self as cloud, CloudError, Kind, Place, Runs, Select, Site};

use crate::clients::Clients;
use crate::near::near;
use crate::service;

/// The site's subnets and security groups, all of one VPC.
pub(crate) async fn find_place(clients: &Clients, site: &Site) -> Result<Place, CloudError> {
    if let Runs::Service(name) = &site.runs {
        return service_place(clients, site, name).await;
    }
    let (subnets, groups) = tokio::try_join!(
        find(clients, Thing::Subnets, &site.subnets),
        find(clients, Thing::Groups, &site.security_groups)
    )?;
    place(subnets, groups, &site.security_groups)
}

async fn service_place(clients: &Clients, site: &Site, name: &str) -> Result<Place, CloudError> {
    let service = service::describe(clients, site, name).await?;
    let network =
        service.network_configuration().and_then(|network| network.awsvpc_configuration());
    Ok(Place {
        subnets: network
            .map(|network| network.subnets().iter().map(|id| zoneless(id)).collect())
            .unwrap_or_default(),
        security_groups: network
            .map(|network| network.security_groups().to_vec())
            .unwrap_or_default(),
        vpc: None,
    })
}

/// What is looked for. Both are found by the same filters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Thing {
    Subnets,
    Groups,
}

impl Thing {
    fn what(self) -> &'static str {
        match self {
            Self::Subnets => "subnets",
            Self::Groups => "security group",
        }
    }

    fn call(self) -> &'static str {
        match self {
            Self::Subnets => "ec2:DescribeSubnets",
            Self::Groups => "ec2:DescribeSecurityGroups",
        }
    }

    fn id_filter(self) -> &'static str {
        match self {
            Self::Subnets => "subnet-id",
            Self::Groups => "group-id",
        }
    }

    /// How many RunTask takes (aws.md 3.4).
    fn most(self) -> usize {
        match self {
            Self::Subnets => 16,
            Self::Groups => 5,
        }
    }

    fn error(self, kind: Kind, message: String) -> CloudError {
        CloudError { call: self.call(), kind, message, request_id: None }
    }
}

/// A subnet or a security group as it was found. In the order of ids: the same place must make the same request, or
/// the token of RunTask stands for another.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Found {
    id: String,
    name: Option<String>,
    vpc: Option<String>,
    zone: Option<String>,
}

impl Found {
    fn words(&self) -> String {
        let name = self.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        let vpc = self.vpc.as_deref().map(|vpc| format!(" in {vpc}")).unwrap_or_default();
        format!("{}{name}{vpc}", self.id)
    }
}

impl From<&Subnet> for Found {
    fn from(subnet: &Subnet) -> Self {
        Self {
            id: subnet.subnet_id().unwrap_or_default().to_owned(),
            name: name_tag(subnet.tags()),
            vpc: subnet.vpc_id().map(str::to_owned),
            zone: subnet.availability_zone().map(str::to_owned),
        }
    }
}

impl From<&SecurityGroup> for Found {
    fn from(group: &SecurityGroup) -> Self {
        Self {
            id: group.group_id().unwrap_or_default().to_owned(),
            name: name_tag(group.tags()).or_else(|| group.group_name().map(str::to_owned)),
            vpc: group.vpc_id().map(str::to_owned),
            zone: None,
        }
    }
}

async fn find(clients: &Clients, thing: Thing, select: &Select) -> Result<Vec<Found>, CloudError> {
    let asked = match select {
        Select::Ids(ids) => {
            let all = ask(clients, thing, vec![filter(thing.id_filter(), ids)]).await;
            // Some that pass for AWS do not know this filter and show everything.
            all.map(|all| all.into_iter().filter(|one| ids.contains(&one.id)).collect())
        }
        Select::Name(name) => by_name(clients, thing, name).await,
        Select::Tags(tags) => {
            let filters = tags.iter().map(|(key, value)| filter(&format!("tag:{key}"), [value]));
            ask(clients, thing, filters.collect()).await
        }
    };
    match (asked, select) {
        // Ids say all that RunTask wants to know: whoever may not look them up uses them as they are.
        (Err(CloudError { kind: Kind::Denied { .. }, .. }), Select::Ids(ids)) => Ok(as_given(ids)),
        (Err(error), _) => Err(error),
        (Ok(found), _) => {
            let missing = missing(&found, select);
            if found.is_empty() || !missing.is_empty() {
                return Err(not_found(clients, thing, select, &missing).await);
            }
            Ok(found)
        }
    }
}

/// By the tag Name; security groups by their own name, too. Filters of one call must all fit, so that takes two calls.
async fn by_name(clients: &Clients, thing: Thing, name: &str) -> Result<Vec<Found>, CloudError> {
    let tagged = ask(clients, thing, vec![filter("tag:Name", [name])]);
    match thing {
        Thing::Subnets => tagged.await,
        Thing::Groups => {
            let named = ask(clients, thing, vec![filter("group-name", [name])]);
            let (tagged, named) = tokio::try_join!(tagged, named)?;
            Ok(tagged.into_iter().chain(named).collect::<BTreeSet<_>>().into_iter().collect())
        }
    }
}

async fn ask(
    clients: &Clients,
    thing: Thing,
    filters: Vec<Filter>,
) -> Result<Vec<Found>, CloudError> {
    let mut found: Vec<Found> = match thing {
        Thing::Subnets => {
            let call = clients.ec2.describe_subnets().set_filters(some(filters));
            let subnets = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
            let subnets = subnets.map_err(|err| clients.refusal(thing.call(), &err).error)?;
            let usable = |subnet: &&Subnet| subnet.state() != Some(&SubnetState::Pending);
            subnets.iter().filter(usable).map(Found::from).collect()
        }
        Thing::Groups => {
            let call = clients.ec2.describe_security_groups().set_filters(some(filters));
            let groups = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
            let groups = groups.map_err(|err| clients.refusal(thing.call(), &err).error)?;
            groups.iter().map(Found::from).collect()
        }
    };
    found.sort();
    Ok(found)
}

/// Nothing fits: what was searched where, and what is there.
async fn not_found(
    clients: &Clients,
    thing: Thing,
    select: &Select,
    missing: &[&str],
) -> CloudError {
    let all = ask(clients, thing, Vec::new()).await.unwrap_or_default();
    let wanted = match select {
        Select::Ids(_) => missing.join(" "),
        Select::Name(name) => name.replace(['*', '?'], ""),
        Select::Tags(tags) => {
            tags.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
        }
    };
    let place = clients.whereabouts().await;
    let message = match select {
        Select::Ids(_) => format!("no {} {} in {place}", thing.what(), missing.join(", ")),
        Select::Name(name) => format!("no {} named \"{name}\" in {place}", thing.what()),
        Select::Tags(tags) => {
            let tags: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("no {} tagged {} in {place}", thing.what(), tags.join(", "))
        }
    };
    let candidates = candidates(&wanted, &all);
    thing.error(Kind::NotFound { what: thing.what(), candidates }, message)
}

/// The likeliest by name, told with their ids.
fn candidates(wanted: &str, all: &[Found]) -> Vec<String> {
    let names = all.iter().map(|found| found.name.clone().unwrap_or_else(|| found.id.clone()));
    let mut told = Vec::new();
    for name in near(wanted, names) {
        let same = |found: &&Found| found.name.as_ref().unwrap_or(&found.id) == &name;
        told.extend(all.iter().filter(same).map(Found::words));
    }
    told
}

/// All of one VPC, or an error that shows what is in which.
fn place(subnets: Vec<Found>, groups: Vec<Found>, select: &Select) -> Result<Place, CloudError> {
    let vpc = one_vpc(Thing::Subnets, &subnets)?;
    let groups = of_that_vpc(groups, vpc.as_deref(), select)?;
    let vpc = one_vpc(Thing::Groups, &groups)?.or(vpc);
    for (thing, found) in [(Thing::Subnets, &subnets), (Thing::Groups, &groups)] {
        if found.len() > thing.most() {
            let message =
                format!("{} {} fit, and a task takes {}", found.len(), thing.what(), thing.most());
            return Err(ambiguous(thing, found, message));
        }
    }
    let subnets = subnets.into_iter().map(|one| cloud::Subnet { id: one.id, zone: one.zone });
    let groups = groups.into_iter().map(|one| one.id);
    Ok(Place { subnets: subnets.collect(), security_groups: groups.collect(), vpc })
}

/// A group without wildcards is known by its name and the subnets' VPC together: many VPCs have one of the same name.
fn of_that_vpc(
    groups: Vec<Found>,
    vpc: Option<&str>,
    select: &Select,
) -> Result<Vec<Found>, CloudError> {
    let Some(vpc) = vpc else {
        return Ok(groups);
    };
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|group| group.vpc.as_deref().is_none_or(|own| own == vpc));
    let by_id = matches!(select, Select::Ids(_));
    if elsewhere.is_empty() || (!here.is_empty() && !by_id && !has_wildcard(select)) {
        return Ok(here);
    }
    let message = format!("the subnets are in {vpc}, and not all security groups are");
    let all: Vec<Found> = here.into_iter().chain(elsewhere).collect();
    let candidates = all.iter().map(Found::words).collect();
    Err(Thing::Groups.error(Kind::Ambiguous { what: "VPC", candidates }, message))
}

fn one_vpc(thing: Thing, found: &[Found]) -> Result<Option<String>, CloudError> {
    let vpcs: BTreeSet<&str> = found.iter().filter_map(|one| one.vpc.as_deref()).collect();
    if vpcs.len() > 1 {
        let vpcs: Vec<&str> = vpcs.into_iter().collect();
        let message = format!("{} of {} VPCs fit: {}", thing.what(), vpcs.len(), vpcs.join(", "));
        return Err(ambiguous(thing, found, message));
    }
    Ok(vpcs.first().map(|vpc| (*vpc).to_owned()))
}

fn ambiguous(thing: Thing, found: &[Found], message: String) -> CloudError {
    let candidates = found.iter().map(Found::words).collect();
    thing.error(Kind::Ambiguous { what: thing.what(), candidates }, message)
}

fn missing<'a>(found: &[Found], select: &'a Select) -> Vec<&'a str> {
    match select {
        Select::Ids(ids) => {
            let known = |id: &&String| !found.iter().any(|one| &one.id == *id);
            ids.iter().filter(known).map(String::as_str).collect()
        }
        Select::Name(_) | Select::Tags(_) => Vec::new(),
    }
}

fn as_given(ids: &[String]) -> Vec<Found> {
    let ids: BTreeSet<&String> = ids.iter().collect();
    ids.into_iter().map(|id| Found { id: id.clone(), name: None, vpc: None, zone: None }).collect()
}

fn zoneless(id: &str) -> cloud::Subnet {
    cloud::Subnet { id: id.to_owned(), zone: None }
}

fn has_wildcard(select: &Select) -> bool {
    match select {
        Select::Ids(_) => false,
        Select::Name(name) => name.contains(['*', '?']),
        Select::Tags(tags) => tags.iter().any(|(_, value)| value.contains(['*', '?'])),
    }
}

fn filter(name: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Filter {
    let values = values.into_iter().map(Into::into).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

fn some(filters: Vec<Filter>) -> Option<Vec<Filter>> {
    Some(filters).filter(|filters| !filters.is_empty())
}

fn name_tag(tags: &[Tag]) -> Option<String> {
    let name = tags.iter().find(|tag| tag.key() == Some("Name"))?.value()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use bastion_cloud::{Kind, Select};

    use super::{Found, candidates, has_wildcard, missing, place};

    fn found(id: &str, name: &str, vpc: &str) -> Found {
        Found {
            id: id.to_owned(),
            name: Some(name.to_owned()),
            vpc: Some(vpc.to_owned()),
            zone: Some(format!("zone-of-{id}")),
        }
    }

    fn subnets() -> Vec<Found> {
        vec![found("subnet-1", "private-1a", "vpc-a"), found("subnet-2", "private-1c", "vpc-a")]
    }

    fn named(name: &str) -> Select {
        Select::Name(name.to_owned())
    }

    #[test]
    fn subnets_and_groups_of_one_vpc_are_a_place() {
        let place =
            place(subnets(), vec![found("sg-1", "proxy", "vpc-a")], &named("proxy")).unwrap();
        assert_eq!(place.subnet_ids(), ["subnet-1", "subnet-2"]);
        assert_eq!(place.zones(), ["zone-of-subnet-1", "zone-of-subnet-2"]);
        assert_eq!(place.security_groups, ["sg-1"]);
        assert_eq!(place.vpc.as_deref(), Some("vpc-a"));
    }

    #[test]
    fn subnets_of_two_vpcs_are_ambiguous_and_each_is_shown_with_its_vpc() {
        let mut both = subnets();
        both.push(found("subnet-9", "private-old", "vpc-b"));
        let error = place(both, Vec::new(), &named("x")).unwrap_err();
        let Kind::Ambiguous { what: "subnets", candidates } = error.kind else {
            panic!("{error:?}")
        };
        assert!(candidates.contains(&"subnet-9 (private-old) in vpc-b".to_owned()));
        assert_eq!(error.message, "subnets of 2 VPCs fit: vpc-a, vpc-b");
    }

    #[test]
    fn a_group_by_its_exact_name_is_the_one_in_the_subnets_vpc() {
        let groups = vec![found("sg-1", "default", "vpc-a"), found("sg-2", "default", "vpc-b")];
        let place = place(subnets(), groups, &named("default")).unwrap();
        assert_eq!(place.security_groups, ["sg-1"]);
    }

    #[test]
    fn a_wildcard_for_groups_that_spans_two_vpcs_is_ambiguous() {
        let groups = vec![found("sg-1", "proxy-a", "vpc-a"), found("sg-2", "proxy-b", "vpc-b")];
        let error = place(subnets(), groups, &named("proxy-*")).unwrap_err();
        assert!(matches!(error.kind, Kind::Ambiguous { what: "VPC", .. }), "{error:?}");
    }

    #[test]
    fn a_group_of_another_vpc_alone_is_refused_however_it_is_named() {
        let group = || vec![found("sg-2", "proxy", "vpc-b")];
        for select in [named("proxy"), Select::Ids(vec!["sg-2".to_owned()])] {
            let error = place(subnets(), group(), &select).unwrap_err();
            assert!(error.message.contains("vpc-a"), "{error:?}");
        }
    }

    #[test]
    fn more_than_a_task_takes_is_ambiguous() {
        let many = (0..6).map(|n| found(&format!("sg-{n}"), "proxy", "vpc-a")).collect();
        let error = place(subnets(), many, &named("proxy")).unwrap_err();
        assert!(matches!(error.kind, Kind::Ambiguous { .. }));
    }

    #[test]
    fn ids_that_nobody_knows_are_told_one_by_one() {
        let select = Select::Ids(vec!["subnet-1".to_owned(), "subnet-7".to_owned()]);
        assert_eq!(missing(&subnets(), &select), ["subnet-7"]);
    }

    #[test]
    fn candidates_are_told_with_id_name_and_vpc() {
        let told = candidates("privat-1a", &subnets());
        assert_eq!(told[0], "subnet-1 (private-1a) in vpc-a");
    }

    #[test]
    fn a_wildcard_may_stand_in_a_name_or_in_a_tags_value() {
        assert!(has_wildcard(&named("a-?")));
        assert!(has_wildcard(&Select::Tags(vec![("Tier".to_owned(), "priv*".to_owned())])));
        assert!(!has_wildcard(&Select::Tags(vec![("T*".to_owned(), "private".to_owned())])));
    }
}

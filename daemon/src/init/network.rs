//! Where tasks of our own may run: the private subnets of one VPC, and a security group that its databases let in.

use std::collections::{BTreeMap, BTreeSet};

use bastion_api::Selection;
use bastion_cloud::{DatabaseFound, GroupFound, PeerFacts, SubnetFound};

use super::alike::{alike, best, leads_elsewhere, own_words, words};

/// A VPC that could hold bastions, with ways to name its parts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Network {
    pub(super) vpc: String,
    pub(super) subnets: Selection,
    /// Its subnets are on the internet: what runs there needs an address of its own to get out.
    pub(super) public: bool,
    /// One where there is a best one; else all that could be meant.
    pub(super) groups: Vec<Selection>,
}

/// What is known of an account's networks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Networks<'a> {
    pub(super) subnets: &'a [SubnetFound],
    pub(super) groups: &'a [GroupFound],
    pub(super) databases: &'a [&'a DatabaseFound],
}

/// What is known already of where tasks of a cluster run: by its services.
#[derive(Clone, Debug, Default)]
pub(super) struct Hint {
    pub(super) subnets: Vec<String>,
    pub(super) groups: Vec<String>,
}

impl Networks<'_> {
    /// The networks that could be meant for something of this name: one where that is beyond doubt.
    pub(super) fn fitting(&self, name: &str, hint: &Hint) -> Vec<Network> {
        let mut vpcs: BTreeMap<&str, Vec<&SubnetFound>> = BTreeMap::new();
        for subnet in self.subnets {
            vpcs.entry(&subnet.vpc).or_default().push(subnet);
        }
        // A VPC like an account's default one has no others.
        for subnets in vpcs.values_mut().filter(|all| !all.iter().all(|one| is_public(one))) {
            subnets.retain(|subnet| !is_public(subnet));
        }
        let hinted: BTreeSet<&str> = hint.subnets.iter().filter_map(|id| self.vpc_of(id)).collect();
        let fits = |vpc: &&str| hinted.is_empty() || hinted.contains(vpc);
        let all: Vec<&str> = vpcs.keys().copied().filter(fits).collect();
        let wanted = own_words(name);
        let likeness = |vpc: &&str| {
            let names = vpcs[*vpc].iter().filter_map(|subnet| subnet.tags.get("Name"));
            names.map(|name| alike(&wanted, &own_words(name))).max().unwrap_or_default()
        };
        let has_databases = |vpc: &&str| {
            usize::from(self.databases.iter().any(|one| one.vpc.as_deref() == Some(*vpc)))
        };
        let private = |vpc: &&str| usize::from(vpcs[*vpc].iter().any(|subnet| !is_public(subnet)));
        let all = best(best(best(all, likeness), has_databases), private);
        let network = |vpc: &str| {
            let subnets = routed(&vpcs[vpc]);
            Network {
                vpc: vpc.to_owned(),
                public: subnets.iter().all(|subnet| is_public(subnet)),
                subnets: self.subnets_as(&subnets),
                groups: self.groups_of(vpc, name, hint),
            }
        };
        all.into_iter().map(network).collect()
    }

    /// The VPC of a subnet.
    pub(super) fn vpc_of(&self, subnet: &str) -> Option<&str> {
        let found = self.subnets.iter().find(|one| one.id == subnet)?;
        Some(&found.vpc)
    }

    /// Exactly these subnets: by what their names begin with, by a tag, or by their ids.
    fn subnets_as(&self, wanted: &[&SubnetFound]) -> Selection {
        let same = |fits: &dyn Fn(&SubnetFound) -> bool| {
            self.subnets
                .iter()
                .all(|one| fits(one) == wanted.iter().any(|other| other.id == one.id))
        };
        let names: Option<Vec<&str>> =
            wanted.iter().map(|one| one.tags.get("Name").map(String::as_str)).collect();
        for pattern in names.as_deref().map(patterns).unwrap_or_default() {
            if same(&|one| one.tags.get("Name").is_some_and(|name| fits(&pattern, name))) {
                return Selection::Name(pattern);
            }
        }
        if let Some(first) = wanted.first() {
            for (key, value) in &first.tags {
                let plain = !value.contains(WILDCARDS) && !key.starts_with(OWN_TO_AWS);
                if plain && key != "Name" && same(&|one| one.tags.get(key) == Some(value)) {
                    return Selection::Tags(BTreeMap::from([(key.clone(), value.clone())]));
                }
            }
        }
        Selection::Ids(wanted.iter().map(|one| one.id.clone()).collect())
    }

    fn groups_of(&self, vpc: &str, name: &str, hint: &Hint) -> Vec<Selection> {
        let here: Vec<&GroupFound> = self.groups.iter().filter(|group| group.vpc == vpc).collect();
        let of_databases: BTreeSet<&str> = self
            .databases
            .iter()
            .flat_map(|one| &one.security_groups)
            .map(String::as_str)
            .collect();
        // Whom a database lets in is what a bastion should be.
        let let_in: BTreeSet<&str> = here
            .iter()
            .filter(|group| of_databases.contains(group.id.as_str()))
            .flat_map(|group| &group.ingress)
            .filter(|rule| rule.tcp)
            .filter_map(|rule| match &rule.peer {
                PeerFacts::Group(id) => Some(id.as_str()),
                PeerFacts::Cidr(_) | PeerFacts::PrefixList(_) => None,
            })
            .collect();
        let others: Vec<&GroupFound> = here
            .iter()
            .copied()
            .filter(|group| !of_databases.contains(group.id.as_str()))
            .collect();
        let some = |fits: &dyn Fn(&GroupFound) -> bool| {
            let all: Vec<&GroupFound> = others.iter().copied().filter(|one| fits(one)).collect();
            (!all.is_empty()).then_some(all)
        };
        let candidates =
            some(&|group| let_in.contains(group.id.as_str()) && hint.groups.contains(&group.id))
                .or_else(|| some(&|group| let_in.contains(group.id.as_str())))
                .or_else(|| some(&|group| hint.groups.contains(&group.id)))
                .unwrap_or(others);
        let wanted = own_words(name);
        let likeness = |group: &&GroupFound| {
            alike(&wanted, &own_words(&group.name)) + usize::from(leads_elsewhere(&group.name))
        };
        let best = best(candidates, likeness);
        best.into_iter().map(|group| self.group_as(group)).collect()
    }

    /// A group by its name, where no other of its VPC has it; else by its id.
    fn group_as(&self, group: &GroupFound) -> Selection {
        let called = |one: &&GroupFound| {
            one.vpc == group.vpc
                && (one.name == group.name || one.tags.get("Name") == Some(&group.name))
        };
        let alone = self.groups.iter().filter(called).count() == 1;
        if alone && !group.name.contains(WILDCARDS) && !group.name.is_empty() {
            return Selection::Name(group.name.clone());
        }
        Selection::Ids(vec![group.id.clone()])
    }
}

/// Whether what starts in it is on the internet: by its route, else by what people call it.
fn is_public(subnet: &SubnetFound) -> bool {
    if let Some(public) = subnet.public_route {
        return public;
    }
    subnet.public_addresses || says(subnet, &["public", "ingress", "dmz"])
}

/// Those from which there is a way out, where names tell any apart: people keep subnets without one for databases.
fn routed<'a>(all: &[&'a SubnetFound]) -> Vec<&'a SubnetFound> {
    let closed = |subnet: &SubnetFound| {
        says(subnet, &["isolated", "database", "db", "rds", "data", "intra"])
    };
    let open: Vec<&SubnetFound> = all.iter().copied().filter(|one| !closed(one)).collect();
    let private: Vec<&SubnetFound> =
        open.iter().copied().filter(|one| says(one, &["private", "app", "egress"])).collect();
    [private, open].into_iter().find(|some| !some.is_empty()).unwrap_or_else(|| all.to_vec())
}

/// Whether a subnet's name or one of its tags has one of these words.
fn says(subnet: &SubnetFound, wanted: &[&str]) -> bool {
    let own = subnet.tags.iter().filter(|(key, _)| {
        !key.starts_with(OWN_TO_AWS)
            && (*key == "Name" || TIERS.iter().any(|tier| key.to_lowercase().contains(tier)))
    });
    own.flat_map(|(_, value)| words(value)).any(|word| {
        // CDK numbers them: PrivateSubnet1.
        wanted.iter().any(|wanted| word == *wanted || word.starts_with(&format!("{wanted}subnet")))
    })
}

/// Patterns that could stand for exactly these names, the best first: up to the last letter that people put between words,
/// then as far as they are the same.
fn patterns(names: &[&str]) -> Vec<String> {
    let Some((first, rest)) = names.split_first() else {
        return Vec::new();
    };
    if names.iter().any(|name| name.contains(WILDCARDS)) {
        return Vec::new();
    }
    let common = rest.iter().fold(*first, |common, name| {
        let other = common.char_indices().zip(name.chars()).find(|((_, one), other)| one != other);
        let end = other.map_or(common.len().min(name.len()), |((at, _), _)| at);
        &common[..end]
    });
    let words = common.rfind(['-', '_', '/', '.', ' ']).map_or(0, |at| at + 1);
    let all = match rest {
        [] => [format!("{}*", &common[..words]), common.to_owned()],
        _ => [format!("{}*", &common[..words]), format!("{common}*")],
    };
    all.into_iter().filter(|pattern| pattern.len() > SHORTEST_BEGINNING).collect()
}

/// As EC2 sees it, where the one wildcard is the last letter.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

/// What stands for any letters in a filter of EC2's.
const WILDCARDS: [char; 3] = ['*', '?', '\\'];
/// Tags that AWS sets, and that say nothing of what a subnet is for.
const OWN_TO_AWS: &str = "aws:";
/// Parts of the keys of tags that say what a subnet is for.
const TIERS: [&str; 5] = ["tier", "type", "network", "role", "layer"];
/// Letters; less would fit by chance.
const SHORTEST_BEGINNING: usize = 4;

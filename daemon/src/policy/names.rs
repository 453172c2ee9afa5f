//! ARNs of a site's things, as far as they are known; `*` stands for what is not.

use bastion_cloud::{Runs, Site};

use super::Seat;

/// Where a site is, as ARNs say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Names {
    partition: String,
    region: Option<String>,
    account: Option<String>,
    cluster: String,
}

impl Names {
    pub(super) fn of(seat: &Seat) -> Self {
        let facts = &seat.facts;
        let identity = facts.identity.as_ref();
        let given = given(&seat.site);
        let mut arns = given.iter().map(String::as_str).chain(facts.arns());
        let known = |arns: &mut dyn Iterator<Item = &str>, part: usize| {
            arns.filter_map(|arn| part_of(arn, part)).map(str::to_owned).next()
        };
        let region = seat.site.region.clone().or_else(|| known(&mut arns, REGION));
        let mut arns = given.iter().map(String::as_str).chain(facts.arns());
        let account = identity.map(|identity| identity.account.clone());
        let account = account.filter(|account| !account.is_empty());
        let account = account.or_else(|| known(&mut arns, ACCOUNT));
        let partition = identity.and_then(|identity| part_of(&identity.arn, PARTITION));
        let partition = partition.map_or_else(
            || of_region(region.as_deref().unwrap_or_default()).to_owned(),
            str::to_owned,
        );
        Self { partition, region, account, cluster: last(&seat.site.cluster).to_owned() }
    }

    /// The account's number, where anybody told it.
    pub(super) fn known_account(&self) -> Option<String> {
        self.account.clone()
    }

    /// The region, where anybody told it.
    pub(super) fn known_region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The account's number, or the star for it.
    pub(super) fn account(&self) -> &str {
        self.account.as_deref().unwrap_or("*")
    }

    /// The region, or the star for it.
    pub(super) fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("*")
    }

    /// A thing of this account in this region.
    pub(super) fn arn(&self, service: &str, rest: &str) -> String {
        let Self { partition, .. } = self;
        format!("arn:{partition}:{service}:{}:{}:{rest}", self.region(), self.account())
    }

    /// A thing of this account that has no region.
    pub(super) fn global(&self, service: &str, rest: &str) -> String {
        format!("arn:{}:{service}::{}:{rest}", self.partition, self.account())
    }

    /// A thing of AWS's own in this region.
    pub(super) fn of_aws(&self, service: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{}::{rest}", self.partition, self.region())
    }

    /// The cluster.
    pub(super) fn cluster(&self) -> String {
        self.arn("ecs", &format!("cluster/{}", self.cluster))
    }

    /// Every task of the cluster: their names are made when they start.
    pub(super) fn tasks(&self) -> String {
        self.arn("ecs", &format!("task/{}/*", self.cluster))
    }

    /// A service of the cluster.
    pub(super) fn service(&self, name: &str) -> String {
        self.arn("ecs", &format!("service/{}/{}", self.cluster, last(name)))
    }

    /// A task definition: where no revision is named, every one, for the newest is taken.
    pub(super) fn task_definition(&self, name: &str) -> String {
        if name.starts_with("arn:") {
            let pinned = last(name).contains(':');
            return if pinned { name.to_owned() } else { format!("{name}:*") };
        }
        let revision = if name.contains(':') { "" } else { ":*" };
        self.arn("ecs", &format!("task-definition/{name}{revision}"))
    }

    /// The name by which services reach another one in this region: `secretsmanager.eu-west-1.amazonaws.com`.
    pub(super) fn host(&self, service: &str) -> String {
        let end = if self.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("{service}.{}.{end}", self.region())
    }
}

/// The name without what stands before the last slash.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// ARNs that the config itself names.
fn given(site: &Site) -> Vec<String> {
    let runs = match &site.runs {
        Runs::TaskDefinition(name) | Runs::Service(name) => name,
    };
    vec![site.cluster.clone(), runs.clone()]
}

fn part_of(arn: &str, part: usize) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let whole = parts.len() == 6 && parts[0] == "arn";
    parts.get(part).copied().filter(|part| whole && !part.is_empty() && *part != "*")
}

fn of_region(region: &str) -> &'static str {
    match region {
        cn if cn.starts_with("cn-") => "aws-cn",
        gov if gov.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

const PARTITION: usize = 1;
const REGION: usize = 3;
const ACCOUNT: usize = 4;

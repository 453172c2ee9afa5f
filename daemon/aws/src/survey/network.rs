use std::collections::BTreeMap;

use aws_sdk_ec2::types::{IpPermission, RouteTable, SecurityGroup, Subnet, Tag};
use bastion_cloud::{CloudError, GroupFound, PeerFacts, RuleFacts, SubnetFound};
use tracing::debug;

use crate::access::Access;
use crate::clients::Clients;

/// The regions that the account has enabled.
pub(super) async fn regions(access: &Access) -> Result<Vec<String>, CloudError> {
    let clients = access.clients().await?;
    let told = clients.ec2.describe_regions().send().await;
    let told = told.map_err(|err| clients.refusal(REGIONS, &err).error)?;
    let names = told.regions.unwrap_or_default().into_iter().filter_map(|one| one.region_name);
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

/// Every subnet of every VPC.
pub(super) async fn subnets(access: &Access) -> Result<Vec<SubnetFound>, CloudError> {
    let clients = access.clients().await?;
    let all = clients.ec2.describe_subnets().into_paginator().items().send();
    let all = all.collect::<Result<Vec<Subnet>, _>>().await;
    let all = all.map_err(|err| clients.refusal(SUBNETS, &err).error)?;
    // Without the routes, names and tags tell public from private.
    let routes = match routes(&clients).await {
        Ok(routes) => routes,
        Err(error) => {
            debug!(%error, "going by the names of subnets");
            Routes::default()
        }
    };
    let found = |one: &Subnet| {
        let (id, vpc) = (one.subnet_id().unwrap_or_default(), one.vpc_id().unwrap_or_default());
        SubnetFound {
            id: id.to_owned(),
            vpc: vpc.to_owned(),
            tags: tags(one.tags()),
            public_addresses: one.map_public_ip_on_launch().unwrap_or_default(),
            public_route: routes.public(id, vpc),
        }
    };
    Ok(all.iter().map(found).collect())
}

/// Every security group of every VPC.
pub(super) async fn groups(access: &Access) -> Result<Vec<GroupFound>, CloudError> {
    let clients = access.clients().await?;
    let all = clients.ec2.describe_security_groups().into_paginator().items().send();
    let all = all.collect::<Result<Vec<SecurityGroup>, _>>().await;
    let all = all.map_err(|err| clients.refusal(GROUPS, &err).error)?;
    let found = |one: &SecurityGroup| GroupFound {
        id: one.group_id().unwrap_or_default().to_owned(),
        name: one.group_name().unwrap_or_default().to_owned(),
        vpc: one.vpc_id().unwrap_or_default().to_owned(),
        tags: tags(one.tags()),
        ingress: one.ip_permissions().iter().flat_map(rules).collect(),
    };
    Ok(all.iter().map(found).collect())
}

/// Whether a subnet's default route leads to the internet at once, by subnet, and by VPC for those that name no table.
#[derive(Debug, Default)]
struct Routes {
    of_subnets: BTreeMap<String, bool>,
    of_vpcs: BTreeMap<String, bool>,
}

impl Routes {
    fn public(&self, subnet: &str, vpc: &str) -> Option<bool> {
        self.of_subnets.get(subnet).or_else(|| self.of_vpcs.get(vpc)).copied()
    }
}

async fn routes(clients: &Clients) -> Result<Routes, CloudError> {
    let all = clients.ec2.describe_route_tables().into_paginator().items().send();
    let all = all.collect::<Result<Vec<RouteTable>, _>>().await;
    let all = all.map_err(|err| clients.refusal(ROUTES, &err).error)?;
    let mut routes = Routes::default();
    for table in &all {
        let public = table.routes().iter().any(|route| {
            let everywhere = route.destination_cidr_block() == Some("0.0.0.0/0");
            everywhere && route.gateway_id().is_some_and(|id| id.starts_with("igw-"))
        });
        for association in table.associations() {
            if let Some(subnet) = association.subnet_id() {
                routes.of_subnets.insert(subnet.to_owned(), public);
            } else if association.main() == Some(true)
                && let Some(vpc) = table.vpc_id()
            {
                routes.of_vpcs.insert(vpc.to_owned(), public);
            }
        }
    }
    Ok(routes)
}

fn rules(permission: &IpPermission) -> Vec<RuleFacts> {
    let protocol = permission.ip_protocol().unwrap_or("-1");
    let port = |number: Option<i32>| number.and_then(|port| u16::try_from(port).ok());
    let ports = match protocol {
        "-1" => None,
        _ => port(permission.from_port()).zip(port(permission.to_port())),
    };
    let tcp = protocol == "-1" || protocol == "tcp" || protocol == "6";
    let groups = permission.user_id_group_pairs().iter().filter_map(|pair| pair.group_id());
    let groups = groups.map(|id| PeerFacts::Group(id.to_owned()));
    let cidrs = permission.ip_ranges().iter().filter_map(|range| range.cidr_ip());
    let cidrs = cidrs.map(|cidr| PeerFacts::Cidr(cidr.to_owned()));
    groups.chain(cidrs).map(|peer| RuleFacts { ports, tcp, peer }).collect()
}

fn tags(all: &[Tag]) -> BTreeMap<String, String> {
    let owned =
        |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    all.iter().filter_map(owned).collect()
}

const REGIONS: &str = "ec2:DescribeRegions";
const ROUTES: &str = "ec2:DescribeRouteTables";
pub(super) const SUBNETS: &str = "ec2:DescribeSubnets";
pub(super) const GROUPS: &str = "ec2:DescribeSecurityGroups";

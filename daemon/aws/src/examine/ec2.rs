//! The network around a site's tasks: ways out, endpoints, security groups.
//!
//! needs: ec2:DescribeSubnets, ec2:DescribeRouteTables, ec2:DescribeVpcEndpoints (and ec2:DescribeNatGateways and
//! ec2:DescribeVpcAttribute, without which it knows less) — see the ways out
//! needs: ec2:DescribeSecurityGroups — see what security groups let in and out

use aws_sdk_ec2::types::{
    ConnectivityType, Filter, IpPermission, NatGateway, NatGatewayState, Route, RouteState,
    RouteTable, SecurityGroup, Subnet, VpcAttributeName, VpcEndpoint,
};
use bastion_cloud::{
    CloudError, EndpointFacts, GroupFacts, Kind, NetworkFacts, PeerFacts, RouteFacts, RuleFacts,
    SubnetFacts,
};

use super::is_denied;
use crate::Aws;
use crate::clients::Clients;

/// How one gets from these subnets to AWS.
pub(super) async fn ways_out(aws: &Aws, ids: &[String]) -> Result<NetworkFacts, CloudError> {
    let clients = aws.access.clients().await?;
    let subnets = subnets(&clients, ids).await?;
    let vpc = subnets.iter().find_map(Subnet::vpc_id).unwrap_or_default().to_owned();
    let (tables, endpoints, dns, hostnames) = tokio::join!(
        tables(&clients, &vpc),
        endpoints(&clients, &vpc),
        attribute(&clients, &vpc, VpcAttributeName::EnableDnsSupport),
        attribute(&clients, &vpc, VpcAttributeName::EnableDnsHostnames),
    );
    let tables = tables?;
    let mut unknown = Vec::new();
    let gateways = match gateways(&clients, &subnets, &tables).await {
        Ok(gateways) => gateways,
        Err(error) => not_known(error, &mut unknown)?,
    };
    let dns = match dns {
        Ok(dns) => dns,
        Err(error) => not_known(error, &mut unknown)?,
    };
    let hostnames = match hostnames {
        Ok(hostnames) => hostnames,
        // The same permission: told once.
        Err(error) if is_denied(&error) && dns.is_none() => None,
        Err(error) => not_known(error, &mut unknown)?,
    };
    let subnets: Vec<SubnetFacts> =
        subnets.iter().map(|subnet| subnet_facts(subnet, &tables, &gateways)).collect();
    let endpoints = match endpoints {
        Ok(endpoints) => endpoints,
        // Where no route works, endpoints are what all hangs on.
        Err(error) if !subnets.iter().all(leads_out) => return Err(error),
        Err(error) => not_known(error, &mut unknown)?,
    };
    let endpoints = endpoints.iter().map(endpoint_facts).collect();
    Ok(NetworkFacts { vpc, dns, hostnames, subnets, endpoints, unknown })
}

/// What these security groups let in and out, in the order that they are asked for.
pub(super) async fn groups(aws: &Aws, ids: &[String]) -> Result<Vec<GroupFacts>, CloudError> {
    let clients = aws.access.clients().await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let call = clients.ec2.describe_security_groups().filters(filter("group-id", ids));
    let found = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    let found = found.map_err(|err| clients.refusal(GROUPS, &err).error)?;
    let facts = |id: &String| {
        let group = found.iter().find(|group| group.group_id() == Some(id))?;
        Some(group_facts(group))
    };
    in_order(&clients, (GROUPS, "security group"), ids, facts).await
}

async fn subnets(clients: &Clients, ids: &[String]) -> Result<Vec<Subnet>, CloudError> {
    if ids.is_empty() {
        return Err(CloudError {
            call: SUBNETS,
            kind: Kind::Invalid,
            message: "no subnets are named".to_owned(),
            request_id: None,
        });
    }
    let call = clients.ec2.describe_subnets().filters(filter("subnet-id", ids));
    let found = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    let found = found.map_err(|err| clients.refusal(SUBNETS, &err).error)?;
    let own = |id: &String| found.iter().find(|one| one.subnet_id() == Some(id)).cloned();
    in_order(clients, (SUBNETS, "subnets"), ids, own).await
}

/// One for each id, or the ids that nobody knows.
async fn in_order<T>(
    clients: &Clients,
    (call, what): (&'static str, &'static str),
    ids: &[String],
    find: impl Fn(&String) -> Option<T>,
) -> Result<Vec<T>, CloudError> {
    let found: Vec<(&String, Option<T>)> = ids.iter().map(|id| (id, find(id))).collect();
    let missing: Vec<&str> =
        found.iter().filter(|(_, one)| one.is_none()).map(|(id, _)| id.as_str()).collect();
    if missing.is_empty() {
        return Ok(found.into_iter().filter_map(|(_, one)| one).collect());
    }
    let place = clients.whereabouts().await;
    Err(CloudError {
        call,
        kind: Kind::NotFound { what, candidates: Vec::new() },
        message: format!("no {what} {} in {place}", missing.join(", ")),
        request_id: None,
    })
}

async fn tables(clients: &Clients, vpc: &str) -> Result<Vec<RouteTable>, CloudError> {
    let call = clients.ec2.describe_route_tables().filters(filter("vpc-id", [vpc]));
    let found = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    found.map_err(|err| clients.refusal("ec2:DescribeRouteTables", &err).error)
}

async fn endpoints(clients: &Clients, vpc: &str) -> Result<Vec<VpcEndpoint>, CloudError> {
    let call = clients.ec2.describe_vpc_endpoints().filters(filter("vpc-id", [vpc]));
    let found = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    found.map_err(|err| clients.refusal("ec2:DescribeVpcEndpoints", &err).error)
}

/// The NAT gateways that default routes of these subnets lead to.
async fn gateways(
    clients: &Clients,
    subnets: &[Subnet],
    tables: &[RouteTable],
) -> Result<Vec<NatGateway>, CloudError> {
    let own = subnets.iter().filter_map(|subnet| table_of(tables, subnet.subnet_id()?));
    let mut ids: Vec<&str> =
        own.filter_map(default_route).filter_map(Route::nat_gateway_id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let call = clients.ec2.describe_nat_gateways().filter(filter("nat-gateway-id", ids));
    let found = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    found.map_err(|err| clients.refusal("ec2:DescribeNatGateways", &err).error)
}

async fn attribute(
    clients: &Clients,
    vpc: &str,
    name: VpcAttributeName,
) -> Result<Option<bool>, CloudError> {
    let answer = clients.ec2.describe_vpc_attribute().vpc_id(vpc).attribute(name).send().await;
    let answer = answer.map_err(|err| clients.refusal("ec2:DescribeVpcAttribute", &err).error)?;
    let told = answer.enable_dns_support().or(answer.enable_dns_hostnames());
    Ok(told.and_then(|told| told.value()))
}

/// What lacks nothing but a permission is left out, and told.
fn not_known<T: Default>(
    error: CloudError,
    unknown: &mut Vec<CloudError>,
) -> Result<T, CloudError> {
    if is_denied(&error) {
        unknown.push(error);
        Ok(T::default())
    } else {
        Err(error)
    }
}

fn subnet_facts(subnet: &Subnet, tables: &[RouteTable], gateways: &[NatGateway]) -> SubnetFacts {
    let id = subnet.subnet_id().unwrap_or_default();
    let table = table_of(tables, id);
    let route = table.and_then(default_route);
    SubnetFacts {
        id: id.to_owned(),
        zone: subnet.availability_zone().unwrap_or_default().to_owned(),
        owner: subnet.owner_id().map(str::to_owned),
        cidr: subnet.cidr_block().filter(|block| !block.is_empty()).map(str::to_owned),
        route_table: table.and_then(RouteTable::route_table_id).map(str::to_owned),
        default_route: route.map(|route| route_facts(route, tables, gateways)),
        other_routes: table.map(other_routes).unwrap_or_default(),
        free_addresses: subnet
            .available_ip_address_count()
            .and_then(|free| u32::try_from(free).ok())
            .unwrap_or_default(),
    }
}

/// A subnet's own table, or else its VPC's main one.
fn table_of<'a>(tables: &'a [RouteTable], subnet: &str) -> Option<&'a RouteTable> {
    let has = |table: &&RouteTable, own: bool| {
        table
            .associations()
            .iter()
            .any(|one| if own { one.subnet_id() == Some(subnet) } else { one.main() == Some(true) })
    };
    let find = |own: bool| tables.iter().find(|table| has(table, own));
    find(true).or_else(|| find(false))
}

fn default_route(table: &RouteTable) -> Option<&Route> {
    table.routes().iter().find(|route| is_default(route))
}

fn is_default(route: &Route) -> bool {
    route.destination_cidr_block() == Some("0.0.0.0/0")
}

fn is_active(route: &Route) -> bool {
    route.state().is_none_or(|state| *state == RouteState::Active)
}

/// Where a table leads besides its default route, as far as that is out of the VPC.
fn other_routes(table: &RouteTable) -> Vec<String> {
    // The route to a gateway endpoint, for S3 or DynamoDB, leads nowhere else.
    let of_endpoint = |route: &&Route| {
        route.destination_prefix_list_id().is_some()
            && route.gateway_id().is_some_and(|id| id.starts_with("vpce-"))
    };
    let others = table.routes().iter().filter(|route| !is_default(route) && !of_endpoint(route));
    let mut ways: Vec<String> = others
        .filter(|route| is_active(route))
        .filter_map(target)
        .filter(|way| *way != LOCAL)
        .map(str::to_owned)
        .collect();
    ways.sort_unstable();
    ways.dedup();
    ways
}

fn route_facts(route: &Route, tables: &[RouteTable], gateways: &[NatGateway]) -> RouteFacts {
    let gateway = target(route).unwrap_or("unknown").to_owned();
    let state = match route.state() {
        Some(state) if *state != RouteState::Active => Some(state.as_str().to_owned()),
        Some(_) | None => route.nat_gateway_id().and_then(|id| {
            let found = gateways.iter().find(|one| one.nat_gateway_id() == Some(id))?;
            nat_fault(found, tables)
        }),
    };
    RouteFacts { gateway, works: state.is_none(), state }
}

/// Where a route leads, by the first of its many targets that is set.
fn target(route: &Route) -> Option<&str> {
    route
        .nat_gateway_id()
        .or(route.gateway_id())
        .or(route.transit_gateway_id())
        .or(route.network_interface_id())
        .or(route.instance_id())
        .or(route.vpc_peering_connection_id())
        .or(route.core_network_arn())
        .or(route.local_gateway_id())
        .or(route.carrier_gateway_id())
        .or(route.egress_only_internet_gateway_id())
}

/// What keeps a NAT gateway from leading to the internet.
fn nat_fault(gateway: &NatGateway, tables: &[RouteTable]) -> Option<String> {
    match gateway.state() {
        Some(NatGatewayState::Available) | None => {}
        Some(state) => return Some(state.as_str().to_owned()),
    }
    // The classic slip: a NAT gateway in a subnet that has itself no way out. (A regional one stands in none.)
    let private = gateway.connectivity_type() == Some(&ConnectivityType::Private);
    let subnet = gateway.subnet_id().filter(|id| !id.is_empty());
    // The table of a subnet that another account keeps to itself is not shown.
    let Some(table) = subnet.and_then(|subnet| table_of(tables, subnet)) else {
        return private.then(|| PRIVATE.to_owned());
    };
    let route = default_route(table);
    if private {
        // Behind a transit gateway, or a firewall, there may well be a way out.
        let on = route.and_then(target).is_some_and(|to| !to.starts_with("igw-"));
        return (!on).then(|| PRIVATE.to_owned());
    }
    let open = route.is_some_and(|route| is_active(route) && route.nat_gateway_id().is_none());
    (!open).then(|| SHUT_IN.to_owned())
}

fn leads_out(subnet: &SubnetFacts) -> bool {
    subnet.default_route.as_ref().is_some_and(|route| route.works)
}

fn endpoint_facts(endpoint: &VpcEndpoint) -> EndpointFacts {
    let groups = endpoint.groups().iter().filter_map(|group| group.group_id());
    EndpointFacts {
        id: endpoint.vpc_endpoint_id().unwrap_or_default().to_owned(),
        service: endpoint.service_name().unwrap_or_default().to_owned(),
        // The model writes it with a capital, and AWS without.
        available: endpoint
            .state()
            .is_some_and(|state| state.as_str().eq_ignore_ascii_case("available")),
        private_dns: endpoint.private_dns_enabled().unwrap_or_default(),
        subnets: endpoint.subnet_ids().to_vec(),
        route_tables: endpoint.route_table_ids().to_vec(),
        security_groups: groups.map(str::to_owned).collect(),
    }
}

fn group_facts(group: &SecurityGroup) -> GroupFacts {
    GroupFacts {
        id: group.group_id().unwrap_or_default().to_owned(),
        name: group.group_name().unwrap_or_default().to_owned(),
        vpc: group.vpc_id().unwrap_or_default().to_owned(),
        ingress: group.ip_permissions().iter().flat_map(rules).collect(),
        egress: group.ip_permissions_egress().iter().flat_map(rules).collect(),
    }
}

/// One rule a peer.
fn rules(permission: &IpPermission) -> Vec<RuleFacts> {
    let protocol = permission.ip_protocol().unwrap_or_default();
    let all = protocol == ALL;
    let tcp = all || protocol == "tcp" || protocol == TCP;
    // Of other protocols the two numbers are no ports.
    let ports = match (permission.from_port(), permission.to_port()) {
        (Some(first), Some(last)) if tcp && !all => {
            u16::try_from(first).ok().zip(u16::try_from(last).ok())
        }
        _ => None,
    };
    let addresses = permission.ip_ranges().iter().filter_map(|one| one.cidr_ip());
    let six = permission.ipv6_ranges().iter().filter_map(|one| one.cidr_ipv6());
    let groups = permission.user_id_group_pairs().iter().filter_map(|one| one.group_id());
    let lists = permission.prefix_list_ids().iter().filter_map(|one| one.prefix_list_id());
    let peers = (addresses.chain(six).map(|one| PeerFacts::Cidr(one.to_owned())))
        .chain(groups.map(|one| PeerFacts::Group(one.to_owned())))
        .chain(lists.map(|one| PeerFacts::PrefixList(one.to_owned())));
    peers.map(|peer| RuleFacts { ports, tcp, peer }).collect()
}

fn filter<T: Into<String>>(name: &str, values: impl IntoIterator<Item = T>) -> Filter {
    let values = values.into_iter().map(Into::into).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

const SUBNETS: &str = "ec2:DescribeSubnets";
const GROUPS: &str = "ec2:DescribeSecurityGroups";

/// How EC2 writes every protocol.
const ALL: &str = "-1";

/// TCP's own number, which EC2 takes for its name.
const TCP: &str = "6";

/// The route within the VPC.
const LOCAL: &str = "local";

/// A NAT gateway between private networks only.
const PRIVATE: &str = "private";

/// A NAT gateway that has no internet gateway behind it.
const SHUT_IN: &str = "without an internet gateway";

#[cfg(test)]
mod tests;

//! What leads out of a VPC: route tables, NAT gateways, endpoints, and whether it answers names.

use super::super::xml::Xml;
use super::super::{Answer, Ask, AwsError};
use super::{Filter, fits, fits_any, kept, paged, tag_set};
use crate::clock::iso8601;
use crate::realm::Realm;
use crate::world::{NatGateway, RouteTable, VpcEndpoint, World};

pub(super) fn describe_route_tables(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let world = realm.world(|world| world.clone());
    let all: Vec<(String, RouteTable)> = world.route_tables.clone().into_iter().collect();
    let kept = kept(ask, ("RouteTableId", "InvalidRouteTableID.NotFound", "route table"), all)?;
    let filters = Filter::all(ask);
    let mut fitting = Vec::new();
    for (id, table) in kept {
        let fits = fits_any(&filters, &table.tags, |name| {
            Some(match name {
                "route-table-id" | "association.route-table-id" => vec![id.clone()],
                "vpc-id" => vec![table.vpc.clone()],
                "association.main" => vec![table.main.to_string()],
                "association.subnet-id" => table.subnets.clone(),
                "route.destination-cidr-block" => table.routes.keys().cloned().collect(),
                "route.nat-gateway-id" => leading(&table, "nat-"),
                "route.gateway-id" => leading(&table, "igw-"),
                _ => return None,
            })
        })?;
        if fits {
            fitting.push((id, table));
        }
    }
    let account = realm.config().account.clone();
    paged(realm, ask, fitting, "routeTableSet", |(id, table)| {
        let association = |number: usize, subnet: Option<&String>| {
            Xml::new()
                .leaf("routeTableAssociationId", format!("rtbassoc-{}{number}", &id[4..]))
                .leaf("routeTableId", id)
                .some("subnetId", subnet)
                .leaf("main", subnet.is_none())
                .group("associationState", Xml::new().leaf("state", "associated"))
        };
        let main = table.main.then(|| association(0, None));
        let own =
            (1..).zip(&table.subnets).map(|(number, subnet)| association(number, Some(subnet)));
        Xml::new()
            .leaf("routeTableId", id)
            .leaf("vpcId", &table.vpc)
            .leaf("ownerId", &account)
            .list("routeSet", "item", table.routes.iter().map(|(to, by)| route(&world, to, by)))
            .list("associationSet", "item", main.into_iter().chain(own))
            .group("propagatingVgwSet", Xml::new())
            .group("tagSet", tag_set(&table.tags))
    })
}

fn leading(table: &RouteTable, prefix: &str) -> Vec<String> {
    table.routes.values().filter(|by| by.starts_with(prefix)).cloned().collect()
}

/// What leads to a gateway that is not there any more is a black hole.
fn route(world: &World, to: &str, by: &str) -> Xml {
    let (field, there) = match by.split('-').next() {
        Some("nat") => {
            let gateway = world.nat_gateways.get(by);
            ("natGatewayId", gateway.is_some_and(|gateway| gateway.state != "deleted"))
        }
        Some("igw") => ("gatewayId", world.internet_gateways.contains_key(by)),
        Some("tgw") => ("transitGatewayId", true),
        Some("eni") => ("networkInterfaceId", true),
        Some("pcx") => ("vpcPeeringConnectionId", true),
        // `local`, endpoints and virtual gateways.
        _ => ("gatewayId", true),
    };
    let destination =
        if to.starts_with("pl-") { "destinationPrefixListId" } else { "destinationCidrBlock" };
    Xml::new()
        .leaf(destination, to)
        .leaf(field, by)
        .leaf("state", if there { "active" } else { "blackhole" })
        .leaf("origin", if by == "local" { "CreateRouteTable" } else { "CreateRoute" })
}

pub(super) fn describe_nat_gateways(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let world = realm.world(|world| world.clone());
    let all: Vec<(String, NatGateway)> = world.nat_gateways.clone().into_iter().collect();
    let kept = kept(ask, ("NatGatewayId", "NatGatewayNotFound", "NAT gateway"), all)?;
    let vpc = |id: &str, gateway: &NatGateway| vpc_of(&world, id, gateway);
    let filters = Filter::all(ask);
    let mut fitting = Vec::new();
    for (id, gateway) in kept {
        let fits = fits(&filters, &gateway.tags, |name| {
            Some(match name {
                "nat-gateway-id" => id.clone(),
                "vpc-id" => vpc(&id, &gateway),
                "subnet-id" => gateway.subnet.clone(),
                "state" => gateway.state.clone(),
                _ => return None,
            })
        })?;
        if fits {
            fitting.push((id, gateway));
        }
    }
    paged(realm, ask, fitting, "natGatewaySet", |(id, gateway)| {
        let address = Xml::new()
            .leaf("privateIp", "10.0.20.5")
            .leaf("isPrimary", true)
            .leaf("status", "succeeded");
        let address =
            if gateway.public { address.leaf("publicIp", "203.0.113.5") } else { address };
        Xml::new()
            .leaf("natGatewayId", id)
            .leaf("vpcId", vpc(id, gateway))
            .leaf("subnetId", &gateway.subnet)
            .leaf("state", &gateway.state)
            .leaf("connectivityType", if gateway.public { "public" } else { "private" })
            .leaf("createTime", iso8601(CREATED_MS))
            .list("natGatewayAddressSet", "item", [address])
            .group("tagSet", tag_set(&gateway.tags))
    })
}

/// Its subnet's VPC, by the route table that either is found in.
fn vpc_of(world: &World, id: &str, gateway: &NatGateway) -> String {
    let subnet = world.subnets.get(&gateway.subnet).map(|subnet| subnet.vpc.clone());
    let tables = || {
        world.route_tables.values().find(|table| {
            table.subnets.contains(&gateway.subnet) || table.routes.values().any(|by| by == id)
        })
    };
    subnet.or_else(|| tables().map(|table| table.vpc.clone())).unwrap_or_default()
}

pub(super) fn describe_vpc_endpoints(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let all: Vec<(String, VpcEndpoint)> =
        realm.world(|world| world.vpc_endpoints.clone()).into_iter().collect();
    let kept =
        kept(ask, ("VpcEndpointId", "InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id"), all)?;
    let filters = Filter::all(ask);
    let mut fitting = Vec::new();
    for (id, endpoint) in kept {
        let fits = fits(&filters, &endpoint.tags, |name| {
            Some(match name {
                "vpc-endpoint-id" => id.clone(),
                "vpc-id" => endpoint.vpc.clone(),
                "service-name" => endpoint.service.clone(),
                "vpc-endpoint-state" => endpoint.state.clone(),
                "vpc-endpoint-type" => endpoint.kind.clone(),
                _ => return None,
            })
        })?;
        if fits {
            fitting.push((id, endpoint));
        }
    }
    let account = realm.config().account.clone();
    paged(realm, ask, fitting, "vpcEndpointSet", |(id, endpoint)| {
        let groups = endpoint.security_groups.iter();
        Xml::new()
            .leaf("vpcEndpointId", id)
            .leaf("vpcEndpointType", &endpoint.kind)
            .leaf("vpcId", &endpoint.vpc)
            .leaf("serviceName", &endpoint.service)
            .leaf("state", &endpoint.state)
            .leaf("privateDnsEnabled", endpoint.private_dns && endpoint.kind == "Interface")
            .leaf("requesterManaged", false)
            .leaf("ownerId", &account)
            .texts("routeTableIdSet", "item", &endpoint.route_tables)
            .texts("subnetIdSet", "item", &endpoint.subnets)
            .list(
                "groupSet",
                "item",
                groups.map(|id| Xml::new().leaf("groupId", id).leaf("groupName", id)),
            )
            .group("networkInterfaceIdSet", Xml::new())
            .group("dnsEntrySet", Xml::new())
            .leaf("creationTimestamp", iso8601(CREATED_MS))
            .group("tagSet", tag_set(&endpoint.tags))
    })
}

pub(super) fn describe_vpc_attribute(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let id = ask.text("VpcId").unwrap_or_default();
    let vpc = realm.world(|world| world.vpcs.get(id).cloned()).ok_or_else(|| {
        AwsError::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist"))
    })?;
    let (name, value) = match ask.text("Attribute") {
        Some(name @ "enableDnsSupport") => (name, vpc.dns_support),
        Some(name @ "enableDnsHostnames") => (name, vpc.dns_hostnames),
        other => {
            let text = format!(
                "Value ({}) for parameter attribute is invalid.",
                other.unwrap_or_default()
            );
            return Err(AwsError::new("InvalidParameterValue", text));
        }
    };
    let xml = Xml::new().leaf("vpcId", id).group(name, Xml::new().leaf("value", value));
    Ok(Answer::Xml(xml.finish()))
}

/// 2026-01-05T00:00:00Z
const CREATED_MS: i64 = 1_767_571_200_000;

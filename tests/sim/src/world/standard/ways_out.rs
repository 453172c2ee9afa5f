//! How one gets out of the default world's networks: private subnets by a NAT gateway, the public one directly.

use std::collections::BTreeMap;

use super::super::{NatGateway, RouteTable, World};
use super::{DEV_VPC, PROD_VPC, named, private_subnets};

/// Gateways and route tables of both VPCs.
pub(super) fn ways_out(world: &mut World) {
    world.internet_gateways.insert(PROD_IGW.to_owned(), PROD_VPC.to_owned());
    world.internet_gateways.insert(DEV_IGW.to_owned(), DEV_VPC.to_owned());
    nat(world, PROD_NAT, PROD_PUBLIC, "neuraKnot-prod-nat");
    nat(world, DEV_NAT, DEV_PUBLIC, "dev-stack/Vpc/PublicSubnet1/NATGateway");

    let table = |vpc: &str, cidr: &str, to: &str, name: &str| RouteTable {
        vpc: vpc.to_owned(),
        routes: routes(cidr, Some(to)),
        tags: named(name),
        ..RouteTable::default()
    };
    let own = |table: RouteTable, subnets: Vec<String>| RouteTable { subnets, ..table };
    let main = |vpc: &str, cidr: &str| RouteTable {
        vpc: vpc.to_owned(),
        main: true,
        routes: routes(cidr, None),
        ..RouteTable::default()
    };
    let prod = |to, name| table(PROD_VPC, PROD_CIDR, to, name);
    let dev = |to, name| table(DEV_VPC, DEV_CIDR, to, name);
    for (id, table) in [
        ("rtb-0a11ce000000000aa", own(prod(PROD_NAT, "neuraKnot-prod-private"), private_subnets())),
        (
            "rtb-0a11ce000000000bb",
            own(prod(PROD_IGW, "neuraKnot-prod-public"), vec![PROD_PUBLIC.to_owned()]),
        ),
        ("rtb-0a11ce00000000000", main(PROD_VPC, PROD_CIDR)),
        // The CDK gives each subnet a table of its own; here the VPC's main one serves both.
        ("rtb-0b0b0000000000aa", RouteTable { main: true, ..dev(DEV_NAT, "dev-stack/Vpc") }),
        (
            "rtb-0b0b0000000000bb",
            own(dev(DEV_IGW, "dev-stack/Vpc/PublicSubnet1"), vec![DEV_PUBLIC.to_owned()]),
        ),
    ] {
        world.route_tables.insert(id.to_owned(), table);
    }
}

fn nat(world: &mut World, id: &str, subnet: &str, name: &str) {
    let gateway =
        NatGateway { subnet: subnet.to_owned(), tags: named(name), ..NatGateway::default() };
    world.nat_gateways.insert(id.to_owned(), gateway);
}

fn routes(cidr: &str, out: Option<&str>) -> BTreeMap<String, String> {
    let local = (cidr.to_owned(), "local".to_owned());
    let out = out.map(|gateway| ("0.0.0.0/0".to_owned(), gateway.to_owned()));
    [local].into_iter().chain(out).collect()
}

const PROD_CIDR: &str = "10.0.0.0/16";
const PROD_PUBLIC: &str = "subnet-0a11ce0000000002a";
const PROD_IGW: &str = "igw-0a11ce00000000001";
const PROD_NAT: &str = "nat-0a11ce00000000001";

const DEV_CIDR: &str = "10.1.0.0/16";
/// Not in the list of subnets: nobody asks for it, and what counts them goes on as it did.
const DEV_PUBLIC: &str = "subnet-0b0b00000000000a";
const DEV_IGW: &str = "igw-0b0b000000000001";
const DEV_NAT: &str = "nat-0b0b000000000001";

//! Ways from the subnets to the session service.

use bastion_sim::world::{Rule, SecurityGroup, VpcEndpoint, World as Account};
use bastion_sim::{Fault, What};

use super::GROUP;
use crate::world::World;

const NAT: &str = "nat-0a11ce00000000001";
const PRIVATE: &str = "rtb-0a11ce000000000aa";
const VPC: &str = "vpc-0a11ce00000000001";

pub(super) fn worlds() -> Vec<World> {
    vec![
        World::new("the NAT gateway was deleted", &["D09"])
            .account(|account| drop(account.nat_gateways.remove(NAT)))
            .told(&["blackhole", "interface endpoint", "NAT gateway", "$"])
            .in_ci(),
        World::new("the subnets have no route out", &["D09"]).account(no_route).told(&[
            "no default route",
            "create-vpc-endpoint",
            "ssmmessages",
        ]),
        World::new("the subnets lead to an internet gateway without public addresses", &["D09"])
            .account(|account| {
                let table = account.route_tables.get_mut(PRIVATE).unwrap();
                table.routes.insert("0.0.0.0/0".to_owned(), "igw-0a11ce00000000001".to_owned());
            })
            .told(&["assign_public_ip"]),
        World::new("the endpoint lets nobody in", &["D09"])
            .account(|account| {
                no_route(account);
                endpoint(account, Vec::new());
            })
            .told(&["authorize-security-group-ingress", "--port 443", "sg-0a11ce00000000099"]),
        World::new("the endpoint has no private name", &["D09"])
            .account(|account| {
                no_route(account);
                endpoint(account, vec![https()]);
                account.vpc_endpoints.values_mut().for_each(|one| one.private_dns = false);
            })
            .fault(Fault::on("RunTask", What::AgentSilent))
            .opened()
            .told(&["modify-vpc-endpoint", "--private-dns-enabled"]),
        World::new("the bastion's group lets nothing out but to the database", &["D09"])
            .account(|account| {
                account.security_groups.get_mut(GROUP).unwrap().egress = vec![Rule {
                    protocol: "tcp".to_owned(),
                    ports: Some((5432, 5432)),
                    cidrs: vec!["10.0.0.0/16".to_owned()],
                    ..Rule::default()
                }];
            })
            .told(&["authorize-security-group-egress", "--port 443"]),
    ]
}

pub(super) fn no_route(account: &mut Account) {
    account.route_tables.get_mut(PRIVATE).unwrap().routes.remove("0.0.0.0/0");
}

/// An endpoint for the session service, whose group lets this in.
fn endpoint(account: &mut Account, ingress: Vec<Rule>) {
    let group = "sg-0a11ce00000000099";
    account.security_groups.insert(
        group.to_owned(),
        SecurityGroup {
            vpc: VPC.to_owned(),
            name: "endpoints".to_owned(),
            ingress,
            ..SecurityGroup::default()
        },
    );
    account.vpc_endpoints.insert(
        "vpce-0a11ce00000000001".to_owned(),
        VpcEndpoint {
            vpc: VPC.to_owned(),
            service: "com.amazonaws.ap-northeast-1.ssmmessages".to_owned(),
            subnets: vec!["subnet-0a11ce0000000001a".to_owned()],
            security_groups: vec![group.to_owned()],
            ..VpcEndpoint::default()
        },
    );
}

fn https() -> Rule {
    Rule {
        protocol: "tcp".to_owned(),
        ports: Some((443, 443)),
        groups: vec![GROUP.to_owned()],
        ..Rule::default()
    }
}

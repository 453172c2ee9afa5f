use aws_sdk_ec2::types::{
    ConnectivityType, NatGateway, NatGatewayState, Route, RouteState, RouteTable,
    RouteTableAssociation, Subnet,
};

use super::{nat_fault, subnet_facts};

fn table(subnet: &str, routes: Vec<Route>) -> RouteTable {
    let association = RouteTableAssociation::builder().subnet_id(subnet).build();
    RouteTable::builder()
        .route_table_id("rtb-1")
        .associations(association)
        .set_routes(Some(routes))
        .build()
}

fn to(block: &str) -> aws_sdk_ec2::types::builders::RouteBuilder {
    Route::builder().destination_cidr_block(block).state(RouteState::Active)
}

fn nat(kind: ConnectivityType) -> NatGateway {
    NatGateway::builder()
        .nat_gateway_id("nat-1")
        .state(NatGatewayState::Available)
        .connectivity_type(kind)
        .subnet_id("subnet-nat")
        .build()
}

#[test]
fn routes_to_other_networks_are_told_and_those_within_the_vpc_or_to_s3_are_not() {
    let routes = vec![
        to("10.0.0.0/16").gateway_id("local").build(),
        to("10.0.0.0/8").transit_gateway_id("tgw-1").build(),
        to("10.9.0.0/16").vpc_peering_connection_id("pcx-1").state(RouteState::Blackhole).build(),
        Route::builder().destination_prefix_list_id("pl-s3").gateway_id("vpce-s3").build(),
        Route::builder().destination_prefix_list_id("pl-1").transit_gateway_id("tgw-1").build(),
        Route::builder()
            .destination_ipv6_cidr_block("::/0")
            .egress_only_internet_gateway_id("eigw-1")
            .build(),
    ];
    let subnet = Subnet::builder().subnet_id("subnet-1").owner_id("210987654321").build();
    let facts = subnet_facts(&subnet, &[table("subnet-1", routes)], &[]);
    assert_eq!(facts.other_routes, ["eigw-1", "tgw-1"]);
    assert_eq!(facts.default_route, None);
    assert_eq!((facts.owner.as_deref(), facts.cidr), (Some("210987654321"), None));
}

#[test]
fn a_private_nat_gateway_leads_out_where_something_else_does_behind_it() {
    let private = nat(ConnectivityType::Private);
    let behind = |route: Route| [table("subnet-nat", vec![route])];
    let everywhere = || to("0.0.0.0/0");
    let transit = behind(everywhere().transit_gateway_id("tgw-1").build());
    assert_eq!(nat_fault(&private, &transit), None);
    let internet = behind(everywhere().gateway_id("igw-1").build());
    assert_eq!(nat_fault(&private, &internet).as_deref(), Some("private"));
    let nowhere = behind(to("10.0.0.0/8").transit_gateway_id("tgw-1").build());
    assert_eq!(nat_fault(&private, &nowhere).as_deref(), Some("private"));
}

#[test]
fn a_nat_gateway_in_a_subnet_that_is_not_shown_is_taken_for_good() {
    let public = nat(ConnectivityType::Public);
    assert_eq!(nat_fault(&public, &[]), None);
    let nowhere = table("subnet-nat", Vec::new());
    assert!(nat_fault(&public, &[nowhere]).is_some());
}

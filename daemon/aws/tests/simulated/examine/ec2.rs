use bastion_cloud::{Kind, NetworkFacts, PeerFacts, RouteFacts};
use bastion_sim::world::{NatGateway, RouteTable, Rule, VpcEndpoint};

use super::{ask, forbid, lacks};
use crate::house::House;

const PRIVATE: [&str; 2] = ["subnet-0a11ce0000000001a", "subnet-0a11ce0000000001c"];
const PUBLIC: &str = "subnet-0a11ce0000000002a";
const TABLE: &str = "rtb-0a11ce000000000aa";
const NAT: &str = "nat-0a11ce00000000001";
const IGW: &str = "igw-0a11ce00000000001";
const VPC: &str = "vpc-0a11ce00000000001";

async fn ways_out(house: &House) -> NetworkFacts {
    let aws = house.aws();
    ask(&aws).ways_out(&PRIVATE.map(str::to_owned)).await.unwrap()
}

/// The private subnets' default route.
async fn route(house: &House) -> Option<RouteFacts> {
    ways_out(house).await.subnets.remove(0).default_route
}

fn broken(gateway: &str, state: &str) -> Option<RouteFacts> {
    Some(RouteFacts { gateway: gateway.to_owned(), works: false, state: Some(state.to_owned()) })
}

#[tokio::test]
async fn a_private_subnet_goes_out_by_its_nat_gateway_and_a_public_one_directly() {
    let house = House::new().await;
    let network = ways_out(&house).await;
    assert_eq!(
        (network.vpc.as_str(), network.dns, network.hostnames),
        (VPC, Some(true), Some(true))
    );
    assert_eq!((network.endpoints.len(), network.unknown.len()), (0, 0));
    let [first, second] = &network.subnets[..] else { panic!("{network:?}") };
    assert_eq!((first.id.as_str(), second.id.as_str()), (PRIVATE[0], PRIVATE[1]));
    assert_eq!((first.zone.as_str(), first.free_addresses), ("ap-northeast-1a", 251));
    assert_eq!(first.route_table.as_deref(), Some(TABLE));
    let works =
        |gateway: &str| Some(RouteFacts { gateway: gateway.to_owned(), works: true, state: None });
    assert_eq!((&first.default_route, &second.default_route), (&works(NAT), &works(NAT)));
    let public = ask(&house.aws()).ways_out(&[PUBLIC.to_owned()]).await.unwrap();
    assert_eq!(public.subnets[0].default_route, works(IGW));
}

#[tokio::test]
async fn a_subnet_without_a_table_of_its_own_has_the_vpcs() {
    let house = House::new().await;
    house.sim.world(|world| world.route_tables.get_mut(TABLE).unwrap().subnets.clear());
    let network = ways_out(&house).await;
    assert_eq!(network.subnets[0].route_table.as_deref(), Some("rtb-0a11ce00000000000"));
    assert_eq!(network.subnets[0].default_route, None, "the main table has none");
}

#[tokio::test]
async fn each_way_in_which_a_nat_gateway_does_not_serve_is_told() {
    let house = House::new().await;
    let nat = |act: fn(&mut NatGateway)| {
        house.sim.world(|world| act(world.nat_gateways.get_mut(NAT).unwrap()));
    };
    nat(|gateway| gateway.state = "failed".to_owned());
    assert_eq!(route(&house).await, broken(NAT, "failed"));
    nat(|gateway| gateway.state = "available".to_owned());
    nat(|gateway| gateway.public = false);
    assert_eq!(route(&house).await, broken(NAT, "private"));
    nat(|gateway| gateway.public = true);
    nat(|gateway| gateway.subnet = PRIVATE[0].to_owned());
    assert_eq!(route(&house).await, broken(NAT, "without an internet gateway"));
    nat(|gateway| gateway.subnet = PUBLIC.to_owned());
    assert!(route(&house).await.unwrap().works);
    house.sim.world(|world| world.internet_gateways.remove(IGW));
    assert_eq!(route(&house).await, broken(NAT, "without an internet gateway"));
    house.sim.world(|world| world.nat_gateways.remove(NAT));
    assert_eq!(route(&house).await, broken(NAT, "blackhole"));
    house.sim.world(|world| {
        world
            .route_tables
            .get_mut(TABLE)
            .unwrap()
            .routes
            .insert("0.0.0.0/0".to_owned(), "tgw-0a11ce".to_owned());
    });
    assert_eq!(route(&house).await.unwrap().gateway, "tgw-0a11ce");
    house.sim.world(|world| world.route_tables.get_mut(TABLE).unwrap().routes.remove("0.0.0.0/0"));
    assert_eq!(route(&house).await, None);
}

#[tokio::test]
async fn endpoints_are_told_as_they_are() {
    let house = House::new().await;
    house.sim.world(|world| {
        world.vpc_endpoints.insert(
            "vpce-1".to_owned(),
            VpcEndpoint {
                vpc: VPC.to_owned(),
                service: "com.amazonaws.ap-northeast-1.ssmmessages".to_owned(),
                subnets: vec![PRIVATE[0].to_owned()],
                security_groups: vec!["sg-0a11ce000000000ec".to_owned()],
                ..VpcEndpoint::default()
            },
        );
        world.vpc_endpoints.insert(
            "vpce-2".to_owned(),
            VpcEndpoint {
                vpc: VPC.to_owned(),
                service: "com.amazonaws.ap-northeast-1.s3".to_owned(),
                kind: "Gateway".to_owned(),
                state: "pending".to_owned(),
                route_tables: vec![TABLE.to_owned()],
                ..VpcEndpoint::default()
            },
        );
        let elsewhere =
            VpcEndpoint { vpc: "vpc-0b0b000000000002".to_owned(), ..VpcEndpoint::default() };
        world.vpc_endpoints.insert("vpce-3".to_owned(), elsewhere);
        world.vpcs.get_mut(VPC).unwrap().dns_hostnames = false;
    });
    let network = ways_out(&house).await;
    let [interface, gateway] = &network.endpoints[..] else { panic!("{network:?}") };
    assert_eq!(interface.service, "com.amazonaws.ap-northeast-1.ssmmessages");
    assert!(interface.available && interface.private_dns);
    assert_eq!(interface.subnets, [PRIVATE[0]]);
    assert_eq!(interface.security_groups, ["sg-0a11ce000000000ec"]);
    assert!(!gateway.available && !gateway.private_dns);
    assert_eq!(gateway.route_tables, [TABLE]);
    assert_eq!((network.dns, network.hostnames), (Some(true), Some(false)));
}

#[tokio::test]
async fn what_matters_less_may_be_forbidden_and_is_told_as_unknown() {
    let house = House::new().await;
    for action in ["DescribeNatGateways", "DescribeVpcAttribute", "DescribeVpcEndpoints"] {
        forbid(&house, action);
    }
    let network = ways_out(&house).await;
    let unknown: Vec<&str> = network.unknown.iter().map(lacks).collect();
    assert_eq!(
        unknown,
        ["ec2:DescribeNatGateways", "ec2:DescribeVpcAttribute", "ec2:DescribeVpcEndpoints"]
    );
    assert_eq!((network.dns, network.hostnames), (None, None));
    assert!(network.subnets[0].default_route.as_ref().unwrap().works, "as its route says");
}

#[tokio::test]
async fn where_no_route_works_nothing_is_known_without_the_endpoints() {
    let house = House::new().await;
    house.sim.world(|world| world.nat_gateways.clear());
    forbid(&house, "DescribeVpcEndpoints");
    let aws = house.aws();
    let subnets = PRIVATE.map(str::to_owned);
    assert_eq!(lacks(&ask(&aws).ways_out(&subnets).await.unwrap_err()), "ec2:DescribeVpcEndpoints");
    for action in ["DescribeRouteTables", "DescribeSubnets"] {
        forbid(&house, action);
        let error = ask(&aws).ways_out(&subnets).await.unwrap_err();
        assert_eq!(lacks(&error), format!("ec2:{action}"));
    }
}

#[tokio::test]
async fn subnets_and_groups_that_are_not_there_are_told_by_their_ids() {
    let house = House::new().await;
    let aws = house.aws();
    let ids = [PRIVATE[0].to_owned(), "subnet-gone".to_owned()];
    let error = ask(&aws).ways_out(&ids).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "subnets", .. }), "{error:?}");
    assert!(
        error.message.contains("subnet-gone") && !error.message.contains(PRIVATE[0]),
        "{error}"
    );
    let error = ask(&aws).ways_out(&[]).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    let error = ask(&aws).groups(&["sg-gone".to_owned()]).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "security group", .. }), "{error:?}");
    assert_eq!(ask(&aws).groups(&[]).await.unwrap(), []);
    forbid(&house, "DescribeSecurityGroups");
    let error = ask(&aws).groups(&["sg-0a11ce000000000db".to_owned()]).await.unwrap_err();
    assert_eq!(lacks(&error), "ec2:DescribeSecurityGroups");
}

#[tokio::test]
async fn a_groups_rules_are_told_one_a_peer_in_both_directions() {
    let house = House::new().await;
    house.sim.world(|world| {
        let group = world.security_groups.get_mut("sg-0a11ce000000000ec").unwrap();
        group.egress = vec![
            Rule {
                protocol: "tcp".to_owned(),
                ports: Some((443, 443)),
                cidrs: vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()],
                ..Rule::default()
            },
            Rule {
                protocol: "udp".to_owned(),
                ports: Some((53, 53)),
                prefix_lists: vec!["pl-0a11ce".to_owned()],
                ..Rule::default()
            },
        ];
    });
    let ids = ["sg-0a11ce000000000db".to_owned(), "sg-0a11ce000000000ec".to_owned()];
    let groups = ask(&house.aws()).groups(&ids).await.unwrap();
    let [database, bastion] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!((database.id.as_str(), database.vpc.as_str()), (ids[0].as_str(), VPC));
    assert_eq!(
        (bastion.id.as_str(), bastion.name.as_str()),
        (ids[1].as_str(), "neuraKnot-prod-ecs-sg")
    );
    let from_bastion = PeerFacts::Group(ids[1].clone());
    assert!(database.ingress.iter().any(|rule| rule.peer == from_bastion && rule.covers(5432)));
    assert!(!database.ingress.iter().any(|rule| rule.covers(5433)));
    assert!(database.egress[0].covers(1) && database.egress[0].ports.is_none());
    let out: Vec<_> =
        bastion.egress.iter().map(|rule| (rule.tcp, rule.ports, &rule.peer)).collect();
    let cidr = |text: &str| PeerFacts::Cidr(text.to_owned());
    assert_eq!(
        out,
        [
            (true, Some((443, 443)), &cidr("0.0.0.0/0")),
            (true, Some((443, 443)), &cidr("::/0")),
            (false, None, &PeerFacts::PrefixList("pl-0a11ce".to_owned())),
        ]
    );
    assert!(!bastion.egress[2].covers(53));
}

#[tokio::test]
async fn tables_of_many_pages_are_read_to_the_end() {
    let config = bastion_sim::SimConfig { page_size: 5, ..bastion_sim::SimConfig::default() };
    let house = House::with(config).await;
    house.sim.world(|world| {
        for number in 0..20 {
            let table = RouteTable { vpc: VPC.to_owned(), ..RouteTable::default() };
            world.route_tables.insert(format!("rtb-00{number:02}"), table);
        }
    });
    assert!(route(&house).await.unwrap().works);
}

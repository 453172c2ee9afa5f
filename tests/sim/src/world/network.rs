//! The networks of the world: VPCs, subnets, security groups.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Tags;

/// A virtual network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vpc {
    /// Its addresses.
    pub cidr: String,
    /// Whether it answers names.
    pub dns_support: bool,
    /// Whether it gives names.
    pub dns_hostnames: bool,
    /// Its tags.
    pub tags: Tags,
}

impl Default for Vpc {
    fn default() -> Self {
        Self { cidr: String::new(), dns_support: true, dns_hostnames: true, tags: Tags::new() }
    }
}

/// Where what leaves some subnets goes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteTable {
    /// The VPC's id.
    pub vpc: String,
    /// Whether it serves subnets that have none of their own.
    pub main: bool,
    /// The subnets that have it for their own.
    pub subnets: Vec<String>,
    /// What leads to addresses (`0.0.0.0/0`) or lists of prefixes (`pl-…`): `local`, `nat-…`, `igw-…`, `vpce-…`, …. What
    /// leads to a NAT or internet gateway that is not there is a black hole.
    pub routes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Tags,
}

/// A NAT gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatGateway {
    /// The subnet that it stands in, which should lead to the internet.
    pub subnet: String,
    /// `available`, `pending`, `failed`, `deleting`, `deleted`.
    pub state: String,
    /// Whether it leads to the internet, and not only to other networks.
    pub public: bool,
    /// Its tags.
    pub tags: Tags,
}

impl Default for NatGateway {
    fn default() -> Self {
        let state = "available".to_owned();
        Self { subnet: String::new(), state, public: true, tags: Tags::new() }
    }
}

/// An endpoint for one of AWS's services inside a VPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VpcEndpoint {
    /// The VPC's id.
    pub vpc: String,
    /// `com.amazonaws.<region>.ssmmessages`
    pub service: String,
    /// `Interface` or `Gateway`.
    pub kind: String,
    /// `available`, `pending`, `failed`, ….
    pub state: String,
    /// Whether the service's usual name leads to it.
    pub private_dns: bool,
    /// The subnets that an interface stands in.
    pub subnets: Vec<String>,
    /// An interface's security groups.
    pub security_groups: Vec<String>,
    /// The route tables that lead to a gateway.
    pub route_tables: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Default for VpcEndpoint {
    fn default() -> Self {
        Self {
            vpc: String::new(),
            service: String::new(),
            kind: "Interface".to_owned(),
            state: "available".to_owned(),
            private_dns: true,
            subnets: Vec::new(),
            security_groups: Vec::new(),
            route_tables: Vec::new(),
            tags: Tags::new(),
        }
    }
}

/// A part of a VPC in one zone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subnet {
    /// The VPC's id.
    pub vpc: String,
    /// Such as `ap-northeast-1a`.
    pub zone: String,
    /// Its addresses.
    pub cidr: String,
    /// Addresses still free.
    pub free: u32,
    /// Whether Fargate has no capacity left here: RunTask is refused where it would put a task here.
    pub full: bool,
    /// Its tags, `Name` included.
    pub tags: Tags,
}

/// A security group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityGroup {
    /// The VPC's id.
    pub vpc: String,
    /// Its name, which is not its tag `Name`.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// What may come in.
    pub ingress: Vec<Rule>,
    /// What may go out.
    pub egress: Vec<Rule>,
}

/// One rule of a security group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// `tcp`, or `-1` for everything.
    pub protocol: String,
    /// First and last port; none for every port.
    pub ports: Option<(u16, u16)>,
    /// Addresses, of either family.
    pub cidrs: Vec<String>,
    /// Security groups' ids.
    pub groups: Vec<String>,
    /// Ids of lists of prefixes.
    pub prefix_lists: Vec<String>,
}

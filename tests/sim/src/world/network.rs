//! The networks of the world: VPCs, subnets, security groups.

use serde::{Deserialize, Serialize};

use super::Tags;

/// A virtual network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vpc {
    /// Its addresses.
    pub cidr: String,
    /// Its tags.
    pub tags: Tags,
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
    /// Addresses.
    pub cidrs: Vec<String>,
    /// Security groups' ids.
    pub groups: Vec<String>,
}

//! The databases of the world: instances, Aurora clusters and their custom endpoints, proxies.

use serde::{Deserialize, Serialize};

use super::Tags;

/// An RDS instance, alone or as a member of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbInstance {
    /// `postgres`, `mysql`, `aurora-postgresql`, ….
    pub engine: String,
    /// Its version.
    pub engine_version: String,
    /// `available`, `creating`, `stopped`, ….
    pub status: String,
    /// Its name in the VPC; absent while it is being created.
    pub address: Option<String>,
    /// Its port.
    pub port: u16,
    /// The first database in it.
    pub database: Option<String>,
    /// The master user.
    pub user: String,
    /// The VPC's id.
    pub vpc: String,
    /// Security groups' ids.
    pub security_groups: Vec<String>,
    /// Subnets' ids.
    pub subnets: Vec<String>,
    /// The cluster that it belongs to.
    pub cluster: Option<String>,
    /// The secret that RDS manages for it.
    pub managed_secret: Option<ManagedSecret>,
    /// Whether IAM tokens are taken for passwords.
    pub iam: bool,
    /// What IAM policies call it.
    pub resource_id: String,
    /// Its tags.
    pub tags: Tags,
}

impl Default for DbInstance {
    fn default() -> Self {
        Self {
            engine: "postgres".to_owned(),
            engine_version: "15.8".to_owned(),
            status: "available".to_owned(),
            address: None,
            port: 5432,
            database: None,
            user: "postgres".to_owned(),
            vpc: String::new(),
            security_groups: Vec::new(),
            subnets: Vec::new(),
            cluster: None,
            managed_secret: None,
            iam: false,
            resource_id: "db-SIMULATED0000000000000001".to_owned(),
            tags: Tags::new(),
        }
    }
}

/// An Aurora cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbCluster {
    /// `aurora-postgresql` or `aurora-mysql`.
    pub engine: String,
    /// Its version.
    pub engine_version: String,
    /// `available`, ….
    pub status: String,
    /// The writer's name.
    pub writer: Option<String>,
    /// The readers' name.
    pub reader: Option<String>,
    /// The port of all its endpoints.
    pub port: u16,
    /// The first database in it.
    pub database: Option<String>,
    /// The master user.
    pub user: String,
    /// Security groups' ids.
    pub security_groups: Vec<String>,
    /// Its instances.
    pub members: Vec<Member>,
    /// The secret that RDS manages for it.
    pub managed_secret: Option<ManagedSecret>,
    /// Whether IAM tokens are taken for passwords.
    pub iam: bool,
    /// What IAM policies call it.
    pub resource_id: String,
    /// Its tags.
    pub tags: Tags,
}

impl Default for DbCluster {
    fn default() -> Self {
        Self {
            engine: "aurora-postgresql".to_owned(),
            engine_version: "15.8".to_owned(),
            status: "available".to_owned(),
            writer: None,
            reader: None,
            port: 5432,
            database: None,
            user: "postgres".to_owned(),
            security_groups: Vec::new(),
            members: Vec::new(),
            managed_secret: None,
            iam: false,
            resource_id: "cluster-SIMULATED0000000000000001".to_owned(),
            tags: Tags::new(),
        }
    }
}

/// An instance as its cluster sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Member {
    /// Its identifier.
    pub instance: String,
    /// Whether it takes writes.
    pub writer: bool,
}

/// An endpoint of one's own making on an Aurora cluster.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CustomEndpoint {
    /// The cluster's identifier.
    pub cluster: String,
    /// Its name in the VPC.
    pub address: String,
    /// `READER` or `ANY`.
    pub kind: String,
    /// `available`, `creating`, ….
    pub status: String,
    /// The instances behind it.
    pub members: Vec<String>,
}

/// An RDS Proxy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbProxy {
    /// `POSTGRESQL` or `MYSQL`.
    pub engine_family: String,
    /// `available`, ….
    pub status: String,
    /// Its name in the VPC; absent while it is being created.
    pub address: Option<String>,
    /// The VPC's id.
    pub vpc: String,
    /// Subnets' ids.
    pub subnets: Vec<String>,
    /// Security groups' ids.
    pub security_groups: Vec<String>,
    /// The secret that it logs in with, an ARN.
    pub secret: String,
    /// Whether it insists on TLS.
    pub require_tls: bool,
    /// Whether it takes IAM tokens for passwords.
    pub iam: bool,
}

/// The master secret that RDS keeps and rotates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ManagedSecret {
    /// The secret's name in Secrets Manager.
    pub name: String,
    /// `active`, `creating`, `rotating`, `impaired`.
    pub status: String,
}

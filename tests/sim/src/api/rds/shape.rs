//! Databases in RDS's own shapes.

use super::super::xml::Xml;
use crate::clock::iso8601;
use crate::realm::Realm;
use crate::world::{CustomEndpoint, DbCluster, DbInstance, DbProxy, ManagedSecret, Tags};

pub(super) fn instance(realm: &Realm, id: &str, one: &DbInstance) -> Xml {
    let endpoint = one.address.as_ref().map(|address| {
        Xml::new()
            .leaf("Address", address)
            .leaf("Port", one.port)
            .leaf("HostedZoneId", "Z24O6O9L7SGTNB")
    });
    let subnets = one
        .subnets
        .iter()
        .map(|id| Xml::new().leaf("SubnetIdentifier", id).leaf("SubnetStatus", "Active"));
    let mut shape = Xml::new()
        .leaf("DBInstanceIdentifier", id)
        .leaf("DBInstanceArn", realm.arn("rds", &format!("db:{id}")))
        .leaf("DBInstanceClass", "db.t4g.medium")
        .leaf("Engine", &one.engine)
        .leaf("EngineVersion", &one.engine_version)
        .leaf("DBInstanceStatus", &one.status)
        .leaf("MasterUsername", &one.user)
        .some("DBName", one.database.as_ref());
    if let Some(endpoint) = endpoint {
        shape = shape.group("Endpoint", endpoint);
    }
    shape = shape
        .leaf("AllocatedStorage", 20)
        .leaf("InstanceCreateTime", iso8601(CREATED_MS))
        .list(
            "VpcSecurityGroups",
            "VpcSecurityGroupMembership",
            one.security_groups.iter().map(|id| member(id)),
        )
        .group(
            "DBSubnetGroup",
            Xml::new()
                .leaf("DBSubnetGroupName", "private")
                .leaf("DBSubnetGroupDescription", "private subnets")
                .leaf("VpcId", &one.vpc)
                .leaf("SubnetGroupStatus", "Complete")
                .list("Subnets", "Subnet", subnets),
        )
        .leaf("MultiAZ", false)
        .leaf("PubliclyAccessible", false)
        .leaf("StorageEncrypted", true)
        .leaf("DbInstancePort", 0)
        .some("DBClusterIdentifier", one.cluster.as_ref())
        .leaf("DbiResourceId", &one.resource_id)
        .leaf("CACertificateIdentifier", CA)
        .group(
            "CertificateDetails",
            Xml::new().leaf("CAIdentifier", CA).leaf("ValidTill", iso8601(VALID_TILL_MS)),
        )
        .leaf("IAMDatabaseAuthenticationEnabled", one.iam);
    managed(realm, shape, one.managed_secret.as_ref()).group("TagList", tags(&one.tags))
}

pub(super) fn cluster<'a>(
    realm: &Realm,
    id: &str,
    one: &DbCluster,
    custom: impl Iterator<Item = &'a str>,
) -> Xml {
    let members = one.members.iter().map(|member| {
        Xml::new()
            .leaf("DBInstanceIdentifier", &member.instance)
            .leaf("IsClusterWriter", member.writer)
            .leaf("DBClusterParameterGroupStatus", "in-sync")
            .leaf("PromotionTier", 1)
    });
    let shape = Xml::new()
        .leaf("DBClusterIdentifier", id)
        .leaf("DBClusterArn", realm.arn("rds", &format!("cluster:{id}")))
        .leaf("Status", &one.status)
        .leaf("Engine", &one.engine)
        .leaf("EngineVersion", &one.engine_version)
        .leaf("EngineMode", "provisioned")
        .some("Endpoint", one.writer.as_ref())
        .some("ReaderEndpoint", one.reader.as_ref())
        .texts("CustomEndpoints", "member", custom)
        .leaf("Port", one.port)
        .leaf("MasterUsername", &one.user)
        .some("DatabaseName", one.database.as_ref())
        .leaf("DBSubnetGroup", "private")
        .leaf("ClusterCreateTime", iso8601(CREATED_MS))
        .list("DBClusterMembers", "DBClusterMember", members)
        .list(
            "VpcSecurityGroups",
            "VpcSecurityGroupMembership",
            one.security_groups.iter().map(|id| member(id)),
        )
        .leaf("StorageEncrypted", true)
        .leaf("DbClusterResourceId", &one.resource_id)
        .leaf("IAMDatabaseAuthenticationEnabled", one.iam);
    managed(realm, shape, one.managed_secret.as_ref()).group("TagList", tags(&one.tags))
}

pub(super) fn custom_endpoint(
    realm: &Realm,
    cluster: &str,
    name: &str,
    one: &CustomEndpoint,
) -> Xml {
    Xml::new()
        .leaf("DBClusterEndpointIdentifier", name)
        .leaf("DBClusterIdentifier", cluster)
        .leaf("DBClusterEndpointResourceIdentifier", "cluster-endpoint-SIMULATED0001")
        .leaf("Endpoint", &one.address)
        .leaf("Status", &one.status)
        .leaf("EndpointType", "CUSTOM")
        .leaf("CustomEndpointType", &one.kind)
        .texts("StaticMembers", "member", &one.members)
        .group("ExcludedMembers", Xml::new())
        .leaf("DBClusterEndpointArn", realm.arn("rds", &format!("cluster-endpoint:{name}")))
}

pub(super) fn proxy(realm: &Realm, name: &str, one: &DbProxy) -> Xml {
    let auth = Xml::new()
        .leaf("AuthScheme", "SECRETS")
        .leaf("SecretArn", &one.secret)
        .leaf("IAMAuth", if one.iam { "REQUIRED" } else { "DISABLED" })
        .leaf("ClientPasswordAuthType", "POSTGRES_SCRAM_SHA_256");
    Xml::new()
        .leaf("DBProxyName", name)
        .leaf("DBProxyArn", realm.arn("rds", &format!("db-proxy:prx-{name}")))
        .leaf("Status", &one.status)
        .leaf("EngineFamily", &one.engine_family)
        .leaf("VpcId", &one.vpc)
        .texts("VpcSecurityGroupIds", "member", &one.security_groups)
        .texts("VpcSubnetIds", "member", &one.subnets)
        .leaf("DefaultAuthScheme", "NONE")
        .list("Auth", "member", [auth])
        .leaf("RoleArn", format!("arn:aws:iam::{}:role/{name}", realm.config().account))
        .some("Endpoint", one.address.as_ref())
        .leaf("RequireTLS", one.require_tls)
        .leaf("IdleClientTimeout", 1800)
        .leaf("DebugLogging", false)
        .leaf("CreatedDate", iso8601(CREATED_MS))
        .leaf("UpdatedDate", iso8601(CREATED_MS))
}

fn member(id: &str) -> Xml {
    Xml::new().leaf("VpcSecurityGroupId", id).leaf("Status", "active")
}

/// The managed master secret, with the ARN that Secrets Manager gives it.
fn managed(realm: &Realm, shape: Xml, secret: Option<&ManagedSecret>) -> Xml {
    let Some(secret) = secret else {
        return shape;
    };
    let suffix =
        realm.world(|world| world.secrets.get(&secret.name).map(|found| found.suffix.clone()));
    let arn = realm
        .arn("secretsmanager", &format!("secret:{}-{}", secret.name, suffix.unwrap_or_default()));
    shape.group(
        "MasterUserSecret",
        Xml::new()
            .leaf("SecretArn", arn)
            .leaf("SecretStatus", &secret.status)
            .leaf("KmsKeyId", realm.arn("kms", "key/a1b2c3d4-0000-4000-8000-000000000001")),
    )
}

fn tags(tags: &Tags) -> Xml {
    tags.iter().fold(Xml::new(), |set, (key, value)| {
        set.group("Tag", Xml::new().leaf("Key", key).leaf("Value", value))
    })
}

/// The certificate authority that new databases get.
const CA: &str = "rds-ca-rsa2048-g1";
/// 2026-01-05T00:00:00Z
const CREATED_MS: i64 = 1_767_571_200_000;
/// 2029-01-05T00:00:00Z
const VALID_TILL_MS: i64 = 1_862_265_600_000;

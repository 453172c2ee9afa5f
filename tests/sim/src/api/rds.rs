//! RDS: instances, Aurora clusters, their custom endpoints, proxies.

use super::ask::page;
use super::xml::Xml;
use super::{Answer, Ask, AwsError};
use crate::clock::iso8601;
use crate::realm::Realm;
use crate::world::{CustomEndpoint, DbCluster, DbInstance, DbProxy, ManagedSecret, Tags};

pub(super) fn act(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    match ask.action.as_str() {
        "DescribeDBInstances" => describe_instances(realm, ask),
        "DescribeDBClusters" => describe_clusters(realm, ask),
        "DescribeDBClusterEndpoints" => describe_cluster_endpoints(realm, ask),
        "DescribeDBProxies" => describe_proxies(realm, ask),
        other => Err(AwsError::new(
            "InvalidAction",
            format!("Could not find operation {other} for version 2014-10-31"),
        )),
    }
}

fn describe_instances(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let mut all: Vec<(String, DbInstance)> =
        realm.world(|world| world.db_instances.clone()).into_iter().collect();
    if let Some(wanted) = ask.text("DBInstanceIdentifier") {
        all.retain(|(id, _)| id.eq_ignore_ascii_case(wanted));
        if all.is_empty() {
            let text = format!("DBInstance {} not found.", wanted.to_lowercase());
            return Err(AwsError::status(404, "DBInstanceNotFound", text));
        }
    }
    for (name, values) in filters(ask) {
        match name.as_str() {
            "db-instance-id" => all.retain(|(id, _)| any(&values, id)),
            "db-cluster-id" => {
                all.retain(|(_, one)| one.cluster.as_ref().is_some_and(|id| any(&values, id)))
            }
            "dbi-resource-id" => all.retain(|(_, one)| values.contains(&one.resource_id)),
            "engine" => all.retain(|(_, one)| any(&values, &one.engine)),
            _ => return Err(unknown_filter(&name)),
        }
    }
    paged(realm, ask, all, ("DBInstances", "DBInstance"), |(id, one)| instance(realm, id, one))
}

fn describe_clusters(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let mut all: Vec<(String, DbCluster)> =
        realm.world(|world| world.db_clusters.clone()).into_iter().collect();
    if let Some(wanted) = ask.text("DBClusterIdentifier") {
        all.retain(|(id, _)| id.eq_ignore_ascii_case(wanted));
        if all.is_empty() {
            let text = format!("DBCluster {} not found.", wanted.to_lowercase());
            return Err(AwsError::status(404, "DBClusterNotFoundFault", text));
        }
    }
    for (name, values) in filters(ask) {
        match name.as_str() {
            "db-cluster-id" => all.retain(|(id, _)| any(&values, id)),
            "engine" => all.retain(|(_, one)| any(&values, &one.engine)),
            _ => return Err(unknown_filter(&name)),
        }
    }
    let custom = realm.world(|world| world.custom_endpoints.clone());
    paged(realm, ask, all, ("DBClusters", "DBCluster"), |(id, one)| {
        let own = custom.values().filter(|endpoint| endpoint.cluster.eq_ignore_ascii_case(id));
        cluster(realm, id, one, own.map(|endpoint| endpoint.address.as_str()))
    })
}

fn describe_cluster_endpoints(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let wanted = ask.text("DBClusterIdentifier");
    let (clusters, custom) =
        realm.world(|world| (world.db_clusters.clone(), world.custom_endpoints.clone()));
    if let Some(wanted) = wanted
        && !clusters.keys().any(|id| id.eq_ignore_ascii_case(wanted))
    {
        let text = format!("DBCluster {} not found.", wanted.to_lowercase());
        return Err(AwsError::status(404, "DBClusterNotFoundFault", text));
    }
    let mut all: Vec<Xml> = Vec::new();
    let mut kinds: Vec<(String, String, String)> = Vec::new();
    for (id, one) in clusters
        .iter()
        .filter(|(id, _)| wanted.is_none_or(|wanted| id.eq_ignore_ascii_case(wanted)))
    {
        for (kind, address) in [("WRITER", &one.writer), ("READER", &one.reader)] {
            if let Some(address) = address {
                let shape = Xml::new()
                    .leaf("DBClusterIdentifier", id)
                    .leaf("Endpoint", address)
                    .leaf("Status", &one.status)
                    .leaf("EndpointType", kind);
                all.push(shape);
                kinds.push((String::new(), kind.to_owned(), one.status.clone()));
            }
        }
        for (name, endpoint) in
            custom.iter().filter(|(_, endpoint)| endpoint.cluster.eq_ignore_ascii_case(id))
        {
            all.push(custom_endpoint(realm, id, name, endpoint));
            kinds.push((name.clone(), "CUSTOM".to_owned(), endpoint.status.clone()));
        }
    }
    let mut keep = vec![true; all.len()];
    if let Some(name) = ask.text("DBClusterEndpointIdentifier") {
        keep.iter_mut()
            .zip(&kinds)
            .for_each(|(keep, (own, _, _))| *keep &= own.eq_ignore_ascii_case(name));
        if !keep.contains(&true) {
            let text = format!("DBClusterEndpoint {} not found.", name.to_lowercase());
            return Err(AwsError::new("DBClusterEndpointNotFoundFault", text));
        }
    }
    for (name, values) in filters(ask) {
        let field = |(id, kind, status): &(String, String, String)| match name.as_str() {
            "db-cluster-endpoint-id" => Some(any(&values, id)),
            "db-cluster-endpoint-type" => Some(any(&values, kind)),
            "db-cluster-endpoint-status" => Some(any(&values, status)),
            _ => None,
        };
        for (keep, kind) in keep.iter_mut().zip(&kinds) {
            *keep &= field(kind).ok_or_else(|| unknown_filter(&name))?;
        }
    }
    let mut keeps = keep.into_iter();
    all.retain(|_| keeps.next() == Some(true));
    paged(realm, ask, all, ("DBClusterEndpoints", "DBClusterEndpointList"), Clone::clone)
}

fn describe_proxies(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let mut all: Vec<(String, DbProxy)> =
        realm.world(|world| world.db_proxies.clone()).into_iter().collect();
    if let Some(wanted) = ask.text("DBProxyName") {
        all.retain(|(name, _)| name.eq_ignore_ascii_case(wanted));
        if all.is_empty() {
            let text = format!(
                "The specified proxy name {wanted} doesn't correspond to a proxy owned by your account."
            );
            return Err(AwsError::status(404, "DBProxyNotFoundFault", text));
        }
    }
    if let Some((name, _)) = filters(ask).first() {
        return Err(unknown_filter(name));
    }
    paged(realm, ask, all, ("DBProxies", "member"), |(name, one)| proxy(realm, name, one))
}

fn paged<T>(
    realm: &Realm,
    ask: &Ask,
    all: Vec<T>,
    (list, item): (&str, &str),
    shape: impl Fn(&T) -> Xml,
) -> Result<Answer, AwsError> {
    let size = match ask.number("MaxRecords") {
        None => 100,
        Some(size @ 20..=100) => usize::try_from(size).unwrap_or(100),
        Some(size) => {
            let text = format!("Invalid value {size} for MaxRecords. Must be between 20 and 100");
            return Err(AwsError::new("InvalidParameterValue", text));
        }
    };
    let (found, next) = page(all, ask.text("Marker"), size.min(realm.config().page_size))
        .map_err(|_| AwsError::new("InvalidParameterValue", "Invalid marker"))?;
    Ok(Answer::Xml(
        Xml::new().list(list, item, found.iter().map(shape)).some("Marker", next).finish(),
    ))
}

/// `Filters.Filter.N.Name` with `Filters.Filter.N.Values.Value.M`.
fn filters(ask: &Ask) -> Vec<(String, Vec<String>)> {
    let one = |index: usize| {
        let name = ask.text(&format!("Filters.Filter.{index}.Name"))?.to_owned();
        Some((name, ask.members(&format!("Filters.Filter.{index}.Values.Value"))))
    };
    (1..).map_while(one).collect()
}

fn any(values: &[String], text: &str) -> bool {
    values
        .iter()
        .any(|value| value.eq_ignore_ascii_case(text) || value.rsplit(':').next() == Some(text))
}

fn unknown_filter(name: &str) -> AwsError {
    AwsError::new("InvalidParameterValue", format!("Unrecognized filter name: {name}"))
}

fn instance(realm: &Realm, id: &str, one: &DbInstance) -> Xml {
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

fn cluster<'a>(
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

fn custom_endpoint(realm: &Realm, cluster: &str, name: &str, one: &CustomEndpoint) -> Xml {
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

fn proxy(realm: &Realm, name: &str, one: &DbProxy) -> Xml {
    let auth = Xml::new()
        .leaf("AuthScheme", "SECRETS")
        .leaf("SecretArn", &one.secret)
        .leaf("IAMAuth", "DISABLED")
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

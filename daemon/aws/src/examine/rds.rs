//! Databases as they are, whether they can be reached or not.
//!
//! needs: rds:DescribeDBInstances — see an instance, and the VPC of an Aurora cluster
//! needs: rds:DescribeDBClusters (and rds:DescribeDBClusterEndpoints for a custom endpoint) — see an Aurora cluster
//! needs: rds:DescribeDBProxies — see a proxy

use aws_sdk_rds::types::{DbCluster, DbInstance, DbProxy, IamAuthMode, VpcSecurityGroupMembership};
use bastion_cloud::{AuroraEndpoint, CloudError, DatabaseFacts, DatabaseRef, Kind};

use super::is_denied;
use crate::Aws;
use crate::clients::Clients;
use crate::rds::{custom_endpoint, find_cluster, find_instance, find_proxy, of_family};

/// Where a database is, and how.
pub(super) async fn database_facts(
    aws: &Aws,
    database: &DatabaseRef,
) -> Result<DatabaseFacts, CloudError> {
    let clients = aws.access.clients().await?;
    match database {
        DatabaseRef::Rds(id) => {
            let instance = find_instance(&clients, id).await?;
            let mut facts = of_instance(&instance);
            if let Some(id) = facts.cluster.as_deref().filter(|_| !facts.iam) {
                // Of a cluster's members IAM is a matter of the cluster's.
                match find_cluster(&clients, id).await {
                    Ok(cluster) => facts.iam = of_cluster(&cluster).iam,
                    Err(error) if is_denied(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(facts)
        }
        DatabaseRef::Aurora(id, endpoint) => {
            let cluster = find_cluster(&clients, id).await?;
            match endpoint {
                AuroraEndpoint::Writer | AuroraEndpoint::Reader => {}
                AuroraEndpoint::Custom(name) => {
                    custom_endpoint(&clients, &cluster, name).await?;
                }
            }
            let vpc = vpc_of(&clients, &cluster).await?;
            Ok(DatabaseFacts { vpc, ..of_cluster(&cluster) })
        }
        DatabaseRef::Proxy(name) => Ok(of_proxy(&find_proxy(&clients, name).await?)),
        DatabaseRef::Host(host, port) => Err(CloudError {
            call: "rds:DescribeDBInstances",
            kind: Kind::Invalid,
            message: format!("{host}:{port} is a plain address, of which AWS knows nothing"),
            request_id: None,
        }),
    }
}

/// The master secret that RDS manages for a database; none for a proxy, which logs in with secrets of somebody's own.
pub(super) async fn managed_secret(
    clients: &Clients,
    database: &DatabaseRef,
) -> Result<Option<String>, CloudError> {
    let own = |secret: Option<&aws_sdk_rds::types::MasterUserSecret>| {
        secret.and_then(|secret| secret.secret_arn()).map(str::to_owned)
    };
    match database {
        DatabaseRef::Rds(id) => Ok(own(find_instance(clients, id).await?.master_user_secret())),
        DatabaseRef::Aurora(id, _) => {
            Ok(own(find_cluster(clients, id).await?.master_user_secret()))
        }
        DatabaseRef::Proxy(_) | DatabaseRef::Host(..) => Ok(None),
    }
}

/// An Aurora cluster tells no VPC; its instances do.
async fn vpc_of(clients: &Clients, cluster: &DbCluster) -> Result<Option<String>, CloudError> {
    let members = cluster.db_cluster_members();
    let writer = members.iter().find(|one| one.is_cluster_writer() == Some(true));
    let Some(id) = writer.or(members.first()).and_then(|one| one.db_instance_identifier()) else {
        return Ok(None);
    };
    match find_instance(clients, id).await {
        Ok(instance) => Ok(vpc(&instance)),
        // Then the VPC is that of its security groups.
        Err(error) if is_denied(&error) || matches!(error.kind, Kind::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn of_instance(instance: &DbInstance) -> DatabaseFacts {
    let port = instance.endpoint().and_then(|endpoint| endpoint.port());
    DatabaseFacts {
        id: owned(instance.db_instance_identifier()),
        status: instance.db_instance_status().unwrap_or("unknown").to_owned(),
        vpc: vpc(instance),
        security_groups: groups(instance.vpc_security_groups()),
        port: port.and_then(|port| u16::try_from(port).ok()),
        iam: instance.iam_database_authentication_enabled().unwrap_or_default(),
        public: instance.publicly_accessible().unwrap_or_default(),
        // Others than AWS write an empty word for nothing.
        cluster: instance.db_cluster_identifier().filter(|id| !id.is_empty()).map(str::to_owned),
        resource_id: instance.dbi_resource_id().map(str::to_owned),
        arn: instance.db_instance_arn().map(str::to_owned),
    }
}

fn of_cluster(cluster: &DbCluster) -> DatabaseFacts {
    DatabaseFacts {
        id: owned(cluster.db_cluster_identifier()),
        status: cluster.status().unwrap_or("unknown").to_owned(),
        vpc: None,
        security_groups: groups(cluster.vpc_security_groups()),
        port: cluster.port().and_then(|port| u16::try_from(port).ok()),
        iam: cluster.iam_database_authentication_enabled().unwrap_or_default(),
        public: cluster.publicly_accessible().unwrap_or_default(),
        cluster: None,
        resource_id: cluster.db_cluster_resource_id().map(str::to_owned),
        arn: cluster.db_cluster_arn().map(str::to_owned),
    }
}

fn of_proxy(proxy: &DbProxy) -> DatabaseFacts {
    let arn = proxy.db_proxy_arn();
    let takes_iam =
        |mode: Option<&IamAuthMode>| mode.is_some_and(|mode| *mode != IamAuthMode::Disabled);
    DatabaseFacts {
        id: owned(proxy.db_proxy_name()),
        status: proxy.status().map_or("unknown", |status| status.as_str()).to_owned(),
        vpc: proxy.vpc_id().map(str::to_owned),
        security_groups: proxy.vpc_security_group_ids().to_vec(),
        port: of_family(proxy).map(|(_, port)| port),
        // One that goes to its database by IAM, too, lists no logins.
        iam: proxy.auth().iter().any(|auth| takes_iam(auth.iam_auth()))
            || proxy.default_auth_scheme() == Some("IAM_AUTH"),
        public: false,
        cluster: None,
        resource_id: arn.and_then(|arn| arn.rsplit(':').next()).map(str::to_owned),
        arn: arn.map(str::to_owned),
    }
}

fn vpc(instance: &DbInstance) -> Option<String> {
    instance.db_subnet_group()?.vpc_id().map(str::to_owned)
}

/// Those that count: one that is being taken away lets nobody in.
fn groups(memberships: &[VpcSecurityGroupMembership]) -> Vec<String> {
    let counts = memberships.iter().filter(|one| one.status() != Some("removing"));
    counts.filter_map(|one| one.vpc_security_group_id()).map(str::to_owned).collect()
}

fn owned(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{DbInstance, DbProxy};

    use super::{of_instance, of_proxy};

    #[test]
    fn a_proxy_that_goes_on_by_iam_takes_tokens_though_it_lists_no_logins() {
        let proxy = |scheme: &str| DbProxy::builder().default_auth_scheme(scheme).build();
        assert!(of_proxy(&proxy("IAM_AUTH")).iam);
        assert!(!of_proxy(&proxy("NONE")).iam);
    }

    #[test]
    fn a_member_of_a_cluster_and_a_public_address_are_told() {
        let instance =
            DbInstance::builder().db_cluster_identifier("blue").publicly_accessible(true).build();
        let facts = of_instance(&instance);
        assert_eq!((facts.cluster.as_deref(), facts.public), (Some("blue"), true));
    }
}

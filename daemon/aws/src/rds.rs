//! Where databases listen: RDS instances, Aurora clusters, RDS proxies.
//!
//! needs: rds:DescribeDBInstances — find an instance
//! needs: rds:DescribeDBClusters, rds:DescribeDBClusterEndpoints — find an Aurora endpoint
//! needs: rds:DescribeDBProxies — find a proxy

use aws_sdk_rds::types::{DbCluster, DbInstance, DbProxy};
use bastion_cloud::{AuroraEndpoint, CloudError, Database, DatabaseRef, Kind, Remote};

use crate::clients::Clients;
use crate::fault::Refusal;
use crate::near::near;

/// A database that is named by its address: nobody has to be asked.
pub(crate) fn as_given(database: &DatabaseRef) -> Option<Database> {
    match database {
        DatabaseRef::Host(host, port) => Some(at(host, *port)),
        DatabaseRef::Rds(_) | DatabaseRef::Aurora(..) | DatabaseRef::Proxy(_) => None,
    }
}

/// Where a database listens.
pub(crate) async fn find_database(
    clients: &Clients,
    database: &DatabaseRef,
) -> Result<Database, CloudError> {
    match database {
        DatabaseRef::Host(host, port) => Ok(at(host, *port)),
        DatabaseRef::Rds(id) => of_instance(find_instance(clients, id).await?),
        DatabaseRef::Aurora(id, endpoint) => {
            let cluster = find_cluster(clients, id).await?;
            match endpoint {
                AuroraEndpoint::Writer => of_cluster(&cluster, cluster.endpoint()),
                AuroraEndpoint::Reader => of_cluster(&cluster, cluster.reader_endpoint()),
                AuroraEndpoint::Custom(name) => {
                    let host = custom_endpoint(clients, &cluster, name).await?;
                    of_cluster(&cluster, Some(&host))
                }
            }
        }
        DatabaseRef::Proxy(name) => of_proxy(find_proxy(clients, name).await?),
    }
}

fn at(host: &str, port: u16) -> Database {
    let remote = Remote { host: host.to_owned(), port };
    Database { remote, engine: None, managed_secret: None }
}

pub(crate) async fn find_instance(clients: &Clients, id: &str) -> Result<DbInstance, CloudError> {
    // Identifiers are kept in lower case and looked up in any (aws.md 3.9).
    let call = clients.rds.describe_db_instances().db_instance_identifier(id.to_lowercase());
    match call.send().await {
        Ok(answer) => {
            if let Some(instance) = answer.db_instances.unwrap_or_default().into_iter().next() {
                return Ok(instance);
            }
        }
        Err(err) => absent(clients.refusal(INSTANCES, &err), "DBInstanceNotFound")?,
    }
    let all = clients.rds.describe_db_instances().into_paginator().items().send();
    let all = all.collect::<Result<Vec<_>, _>>().await;
    let all = all.map_err(|err| clients.refusal(INSTANCES, &err).error)?;
    let names: Vec<String> =
        all.iter().filter_map(DbInstance::db_instance_identifier).map(str::to_owned).collect();
    match position(id, &names) {
        Some(found) => Ok(all.into_iter().nth(found).expect("the position is of this list")),
        None => Err(unknown(clients, INSTANCES, "RDS instance", id, names).await),
    }
}

pub(crate) async fn find_cluster(clients: &Clients, id: &str) -> Result<DbCluster, CloudError> {
    let call = clients.rds.describe_db_clusters().db_cluster_identifier(id.to_lowercase());
    match call.send().await {
        Ok(answer) => {
            if let Some(cluster) = answer.db_clusters.unwrap_or_default().into_iter().next() {
                return Ok(cluster);
            }
        }
        Err(err) => absent(clients.refusal(CLUSTERS, &err), "DBClusterNotFound")?,
    }
    let all = clients.rds.describe_db_clusters().into_paginator().items().send();
    let all = all.collect::<Result<Vec<_>, _>>().await;
    let all = all.map_err(|err| clients.refusal(CLUSTERS, &err).error)?;
    let names: Vec<String> =
        all.iter().filter_map(DbCluster::db_cluster_identifier).map(str::to_owned).collect();
    match position(id, &names) {
        Some(found) => Ok(all.into_iter().nth(found).expect("the position is of this list")),
        None => Err(unknown(clients, CLUSTERS, "Aurora cluster", id, names).await),
    }
}

pub(crate) async fn find_proxy(clients: &Clients, name: &str) -> Result<DbProxy, CloudError> {
    let call = clients.rds.describe_db_proxies().db_proxy_name(name.to_lowercase());
    match call.send().await {
        Ok(answer) => {
            if let Some(proxy) = answer.db_proxies.unwrap_or_default().into_iter().next() {
                return Ok(proxy);
            }
        }
        Err(err) => absent(clients.refusal(PROXIES, &err), "DBProxyNotFound")?,
    }
    let all = clients.rds.describe_db_proxies().into_paginator().items().send();
    let all = all.collect::<Result<Vec<_>, _>>().await;
    let all = all.map_err(|err| clients.refusal(PROXIES, &err).error)?;
    let names: Vec<String> =
        all.iter().filter_map(DbProxy::db_proxy_name).map(str::to_owned).collect();
    match position(name, &names) {
        Some(found) => Ok(all.into_iter().nth(found).expect("the position is of this list")),
        None => Err(unknown(clients, PROXIES, "RDS proxy", name, names).await),
    }
}

/// The host of a custom endpoint. A cluster lists the hosts of its custom endpoints, and such a host begins with the
/// endpoint's identifier.
pub(crate) async fn custom_endpoint(
    clients: &Clients,
    cluster: &DbCluster,
    name: &str,
) -> Result<String, CloudError> {
    let hosts = cluster.custom_endpoints();
    if let Some(host) = hosts.iter().find(|host| label(host).eq_ignore_ascii_case(name)) {
        return Ok(host.clone());
    }
    let id = cluster.db_cluster_identifier().unwrap_or_default();
    let answer = clients.rds.describe_db_cluster_endpoints().db_cluster_identifier(id).send().await;
    let endpoints = match answer {
        Ok(answer) => answer.db_cluster_endpoints.unwrap_or_default(),
        Err(err) => {
            let refusal = clients.refusal(ENDPOINTS, &err);
            absent(refusal, "DBClusterNotFound")?;
            Vec::new()
        }
    };
    let mut names = Vec::new();
    for endpoint in &endpoints {
        let Some(own) = endpoint.db_cluster_endpoint_identifier() else {
            continue; // writer and reader have no identifier
        };
        if own.eq_ignore_ascii_case(name) {
            let status = endpoint.status().unwrap_or("unknown");
            return endpoint.endpoint().map(str::to_owned).ok_or_else(|| {
                not_available(ENDPOINTS, status, &format!("the custom endpoint \"{name}\""))
            });
        }
        names.push(own.to_owned());
    }
    names.extend(hosts.iter().map(|host| label(host).to_owned()));
    Err(unknown(clients, ENDPOINTS, "custom endpoint", name, names).await)
}

fn of_instance(instance: DbInstance) -> Result<Database, CloudError> {
    let status = instance.db_instance_status().unwrap_or("unknown");
    let id = instance.db_instance_identifier().unwrap_or_default();
    let endpoint = instance.endpoint().and_then(|at| Some((at.address()?, at.port()?)));
    database(
        INSTANCES,
        &format!("the RDS instance \"{id}\""),
        status,
        endpoint,
        instance.engine(),
        instance.master_user_secret().and_then(|secret| secret.secret_arn()),
    )
}

fn of_cluster(cluster: &DbCluster, host: Option<&str>) -> Result<Database, CloudError> {
    let status = cluster.status().unwrap_or("unknown");
    let id = cluster.db_cluster_identifier().unwrap_or_default();
    database(
        CLUSTERS,
        &format!("the Aurora cluster \"{id}\""),
        status,
        host.and_then(|host| Some((host, cluster.port()?))),
        cluster.engine(),
        cluster.master_user_secret().and_then(|secret| secret.secret_arn()),
    )
}

fn of_proxy(proxy: DbProxy) -> Result<Database, CloudError> {
    let status = proxy.status().map_or("unknown", |status| status.as_str());
    let name = proxy.db_proxy_name().unwrap_or_default();
    let Some((engine, port)) = of_family(&proxy) else {
        let family = proxy.engine_family().unwrap_or_default();
        return Err(CloudError {
            call: PROXIES,
            kind: Kind::Invalid,
            message: format!(
                "the RDS proxy \"{name}\" is of an unknown engine family \"{family}\""
            ),
            request_id: None,
        });
    };
    database(
        PROXIES,
        &format!("the RDS proxy \"{name}\""),
        status,
        proxy.endpoint().map(|host| (host, i32::from(port))),
        Some(engine),
        None,
    )
}

/// The engine behind a proxy, and its port: a proxy's description has none, it listens on its engine family's own.
pub(crate) fn of_family(proxy: &DbProxy) -> Option<(&'static str, u16)> {
    match proxy.engine_family().unwrap_or_default() {
        "POSTGRESQL" => Some(("postgres", 5432)),
        "MYSQL" => Some(("mysql", 3306)),
        "SQLSERVER" => Some(("sqlserver", 1433)),
        _ => None,
    }
}

fn database(
    call: &'static str,
    whose: &str,
    status: &str,
    endpoint: Option<(&str, i32)>,
    engine: Option<&str>,
    secret: Option<&str>,
) -> Result<Database, CloudError> {
    let endpoint = endpoint.and_then(|(host, port)| Some((host, u16::try_from(port).ok()?)));
    let Some((host, port)) = endpoint.filter(|_| !CLOSED.contains(&status)) else {
        return Err(not_available(call, status, whose));
    };
    Ok(Database {
        remote: Remote { host: host.to_owned(), port },
        engine: engine.map(str::to_owned),
        managed_secret: secret.map(str::to_owned),
    })
}

fn not_available(call: &'static str, status: &str, whose: &str) -> CloudError {
    CloudError {
        call,
        kind: Kind::NotAvailable { status: status.to_owned() },
        message: format!("{whose} is {status}"),
        request_id: None,
    }
}

/// A refusal that only says that the name is unknown lets us look for others; every other is the answer.
fn absent(refusal: Refusal, code: &str) -> Result<(), CloudError> {
    if refusal.is(code) || refusal.is(&format!("{code}Fault")) {
        Ok(())
    } else {
        Err(refusal.into())
    }
}

fn position(wanted: &str, names: &[String]) -> Option<usize> {
    names.iter().position(|name| name.eq_ignore_ascii_case(wanted))
}

async fn unknown(
    clients: &Clients,
    call: &'static str,
    what: &'static str,
    name: &str,
    names: Vec<String>,
) -> CloudError {
    CloudError {
        call,
        kind: Kind::NotFound { what, candidates: near(name, names) },
        message: format!("no {what} \"{name}\" in {}", clients.whereabouts().await),
        request_id: None,
    }
}

/// The first label of a host's name.
fn label(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

const INSTANCES: &str = "rds:DescribeDBInstances";
const CLUSTERS: &str = "rds:DescribeDBClusters";
const ENDPOINTS: &str = "rds:DescribeDBClusterEndpoints";
const PROXIES: &str = "rds:DescribeDBProxies";

/// The statuses in which a database takes no connections, though it may have an endpoint. In all others (backing-up,
/// modifying, …) it is at least worth a try.
const CLOSED: [&str; 16] = [
    "creating",
    "deleting",
    "failed",
    "inaccessible-encryption-credentials",
    "inaccessible-encryption-credentials-recoverable",
    "incompatible-create",
    "incompatible-network",
    "incompatible-option-group",
    "incompatible-parameters",
    "incompatible-restore",
    "insufficient-resource-limits",
    "restore-error",
    "starting",
    "stopped",
    "stopping",
    "suspended",
];

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{
        DbCluster, DbInstance, DbProxy, DbProxyStatus, Endpoint, MasterUserSecret,
    };
    use bastion_cloud::{Kind, Remote};

    use super::{of_cluster, of_instance, of_proxy};

    fn endpoint() -> Endpoint {
        Endpoint::builder().address("db.aaaa.ap-northeast-1.rds.amazonaws.com").port(5432).build()
    }

    fn status(result: Result<bastion_cloud::Database, bastion_cloud::CloudError>) -> String {
        let error = result.unwrap_err();
        let Kind::NotAvailable { status } = error.kind else { panic!("{error:?}") };
        status
    }

    #[test]
    fn an_available_instance_tells_host_port_engine_and_its_managed_secret() {
        let instance = DbInstance::builder()
            .db_instance_identifier("db")
            .db_instance_status("available")
            .engine("postgres")
            .endpoint(endpoint())
            .master_user_secret(MasterUserSecret::builder().secret_arn("arn:secret").build())
            .build();
        let found = of_instance(instance).unwrap();
        let host = "db.aaaa.ap-northeast-1.rds.amazonaws.com".to_owned();
        assert_eq!(found.remote, Remote { host, port: 5432 });
        assert_eq!(found.engine.as_deref(), Some("postgres"));
        assert_eq!(found.managed_secret.as_deref(), Some("arn:secret"));
    }

    #[test]
    fn an_instance_without_an_endpoint_is_not_available_yet() {
        let instance = DbInstance::builder().db_instance_status("creating").build();
        assert_eq!(status(of_instance(instance)), "creating");
    }

    #[test]
    fn a_stopped_instance_is_not_available_though_it_has_an_endpoint() {
        let instance = |status: &str| {
            of_instance(
                DbInstance::builder().db_instance_status(status).endpoint(endpoint()).build(),
            )
        };
        assert_eq!(status(instance("stopped")), "stopped");
        assert!(instance("backing-up").is_ok());
    }

    #[test]
    fn a_cluster_has_its_port_beside_each_of_its_endpoints() {
        let cluster = DbCluster::builder()
            .status("available")
            .engine("aurora-mysql")
            .endpoint("writer")
            .reader_endpoint("reader")
            .port(3306)
            .build();
        let writer = of_cluster(&cluster, cluster.endpoint()).unwrap();
        assert_eq!(writer.remote, Remote { host: "writer".to_owned(), port: 3306 });
        assert_eq!(status(of_cluster(&cluster, None)), "available");
    }

    #[test]
    fn a_proxy_listens_on_its_engine_familys_port() {
        let proxy = |family: &str| {
            let proxy = DbProxy::builder()
                .status(DbProxyStatus::Available)
                .endpoint("proxy")
                .engine_family(family);
            of_proxy(proxy.build())
        };
        assert_eq!(proxy("MYSQL").unwrap().remote.port, 3306);
        assert_eq!(proxy("POSTGRESQL").unwrap().remote.port, 5432);
        assert_eq!(proxy("ORACLE").unwrap_err().kind, Kind::Invalid);
    }
}

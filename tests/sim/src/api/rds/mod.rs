//! RDS: instances, Aurora clusters, their custom endpoints, proxies.

mod shape;

use self::shape::{cluster, custom_endpoint, instance, proxy};
use super::ask::page;
use super::xml::Xml;
use super::{Answer, Ask, AwsError};
use crate::realm::Realm;
use crate::world::{DbCluster, DbInstance, DbProxy};

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

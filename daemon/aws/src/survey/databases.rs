use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbCluster, DbInstance, DbProxy, Tag};
use bastion_cloud::{CloudError, DatabaseFound};

use crate::access::Access;
use crate::rds::of_family;

/// Instances that stand alone. A member of a cluster is found as its cluster.
pub(super) async fn instances(access: &Access) -> Result<Vec<DatabaseFound>, CloudError> {
    let all = every_instance(access).await?;
    let alone = |one: &&DbInstance| said(one.db_cluster_identifier()).is_none();
    Ok(all.iter().filter(alone).map(instance).collect())
}

/// Aurora clusters, and clusters of RDS that are no Aurora: both are named by their cluster's identifier.
pub(super) async fn aurora(access: &Access) -> Result<Vec<DatabaseFound>, CloudError> {
    let clients = access.clients().await?;
    let all = clients.rds.describe_db_clusters().into_paginator().items().send();
    let all = all.collect::<Result<Vec<_>, _>>().await;
    let all = all.map_err(|err| clients.refusal(CLUSTERS, &err).error)?;
    // A cluster does not say where it is; its members do. Without them that stays open.
    let members = match all.is_empty() {
        true => Vec::new(),
        false => every_instance(access).await.unwrap_or_default(),
    };
    let of_relatives = |one: &&DbCluster| {
        ENGINES.iter().any(|part| one.engine().unwrap_or_default().contains(part))
    };
    Ok(all.iter().filter(of_relatives).map(|one| cluster(one, &members)).collect())
}

/// Proxies.
pub(super) async fn proxies(access: &Access) -> Result<Vec<DatabaseFound>, CloudError> {
    let clients = access.clients().await?;
    let all = clients.rds.describe_db_proxies().into_paginator().items().send();
    let all = all.collect::<Result<Vec<_>, _>>().await;
    let all = all.map_err(|err| clients.refusal(PROXIES, &err).error)?;
    Ok(all.iter().map(proxy).collect())
}

async fn every_instance(access: &Access) -> Result<Vec<DbInstance>, CloudError> {
    let clients = access.clients().await?;
    let all = clients.rds.describe_db_instances().into_paginator().items().send();
    let all = all.collect::<Result<Vec<_>, _>>().await;
    all.map_err(|err| clients.refusal(INSTANCES, &err).error)
}

fn instance(one: &DbInstance) -> DatabaseFound {
    DatabaseFound {
        id: one.db_instance_identifier().unwrap_or_default().to_owned(),
        engine: one.engine().map(str::to_owned),
        status: one.db_instance_status().unwrap_or("unknown").to_owned(),
        vpc: vpc(one),
        security_groups: groups(one.vpc_security_groups()),
        port: port(one.endpoint().and_then(|at| at.port())),
        database: said(one.db_name()),
        user: said(one.master_username()),
        managed: one.master_user_secret().is_some(),
        secrets: Vec::new(),
        arn: one.db_instance_arn().map(str::to_owned),
        tags: tags(one.tag_list()),
    }
}

fn cluster(one: &DbCluster, instances: &[DbInstance]) -> DatabaseFound {
    let id = one.db_cluster_identifier().unwrap_or_default();
    let member = instances.iter().find(|member| member.db_cluster_identifier() == Some(id));
    DatabaseFound {
        id: id.to_owned(),
        engine: one.engine().map(str::to_owned),
        status: one.status().unwrap_or("unknown").to_owned(),
        vpc: member.and_then(vpc),
        security_groups: groups(one.vpc_security_groups()),
        port: port(one.port()),
        database: said(one.database_name()),
        user: said(one.master_username()),
        managed: one.master_user_secret().is_some(),
        secrets: Vec::new(),
        arn: one.db_cluster_arn().map(str::to_owned),
        tags: tags(one.tag_list()),
    }
}

fn proxy(one: &DbProxy) -> DatabaseFound {
    let (engine, port) = of_family(one).unzip();
    DatabaseFound {
        id: one.db_proxy_name().unwrap_or_default().to_owned(),
        engine: engine.map(str::to_owned),
        status: one.status().map_or("unknown", |status| status.as_str()).to_owned(),
        vpc: one.vpc_id().map(str::to_owned),
        security_groups: one.vpc_security_group_ids().to_vec(),
        port,
        database: None,
        user: None,
        managed: false,
        secrets: one
            .auth()
            .iter()
            .filter_map(|auth| auth.secret_arn())
            .map(str::to_owned)
            .collect(),
        arn: one.db_proxy_arn().map(str::to_owned),
        tags: BTreeMap::new(),
    }
}

fn vpc(one: &DbInstance) -> Option<String> {
    one.db_subnet_group()?.vpc_id().map(str::to_owned)
}

/// What is said. Others than AWS write an empty word for nothing.
fn said(word: Option<&str>) -> Option<String> {
    word.filter(|word| !word.is_empty()).map(str::to_owned)
}

fn groups(all: &[aws_sdk_rds::types::VpcSecurityGroupMembership]) -> Vec<String> {
    all.iter().filter_map(|one| one.vpc_security_group_id()).map(str::to_owned).collect()
}

fn port(number: Option<i32>) -> Option<u16> {
    number.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

fn tags(all: &[Tag]) -> BTreeMap<String, String> {
    let owned =
        |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    all.iter().filter_map(owned).collect()
}

pub(super) const INSTANCES: &str = "rds:DescribeDBInstances";
pub(super) const CLUSTERS: &str = "rds:DescribeDBClusters";
pub(super) const PROXIES: &str = "rds:DescribeDBProxies";

/// Parts of the names of engines that a cluster of ours may have: DescribeDBClusters lists Neptune's and DocumentDB's, too.
const ENGINES: [&str; 2] = ["mysql", "postgres"];

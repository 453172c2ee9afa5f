//! The databases that could be targets.

use std::collections::BTreeMap;

use bastion_api::{DatabaseChoice, DatabaseKind, Engine};
use bastion_cloud::{DatabaseFound, Findings};

use super::secrets;

/// Every database that was found, by name.
pub fn databases(found: &Findings) -> Vec<DatabaseChoice> {
    let none = Vec::new();
    let secrets = found.secrets.as_ref().unwrap_or(&none);
    let of_groups: BTreeMap<&str, &str> = found
        .groups
        .iter()
        .flatten()
        .map(|group| (group.id.as_str(), group.vpc.as_str()))
        .collect();
    let kinds = [
        (DatabaseKind::Rds, &found.instances),
        (DatabaseKind::Aurora, &found.aurora),
        (DatabaseKind::Proxy, &found.proxies),
    ];
    let mut choices: Vec<DatabaseChoice> = Vec::new();
    for (kind, all) in kinds {
        for one in all.iter().flatten() {
            let engine = engine(one.engine.as_deref());
            let by_group =
                || one.security_groups.iter().find_map(|id| of_groups.get(id.as_str()).copied());
            choices.push(DatabaseChoice {
                kind,
                id: one.id.clone(),
                engine,
                engine_name: one.engine.clone(),
                status: Some(one.status.clone()),
                vpc: one.vpc.clone().or_else(|| by_group().map(str::to_owned)),
                port: one.port,
                database: one.database.clone(),
                user: one.user.clone(),
                password: secrets::place(one, secrets),
            });
        }
    }
    choices.sort_by(|one, other| (&one.id, one.kind).cmp(&(&other.id, other.kind)));
    choices
}

/// Every database that was found, as it was found.
pub(super) fn all(found: &Findings) -> Vec<&DatabaseFound> {
    [&found.instances, &found.aurora, &found.proxies].into_iter().flatten().flatten().collect()
}

fn engine(name: Option<&str>) -> Engine {
    match name.map(dbwire::Engine::from_name) {
        Some(dbwire::Engine::Postgres) => Engine::Postgres,
        Some(dbwire::Engine::Mysql) => Engine::Mysql,
        Some(dbwire::Engine::Other) | None => Engine::Other,
    }
}

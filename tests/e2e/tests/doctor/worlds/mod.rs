//! Every broken world, by what is broken.

mod access;
mod database;
mod lately;
mod machine;
mod network;
mod place;
mod tasks;
mod two;

use crate::world::World;

/// All of them.
pub(crate) fn all() -> Vec<World> {
    [
        machine::worlds(),
        access::worlds(),
        place::worlds(),
        network::worlds(),
        tasks::worlds(),
        database::worlds(),
        lately::worlds(),
        two::worlds(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Names of the default account.
pub(crate) const CLUSTER: &str = "neuraKnot-prod-cluster";
pub(crate) const DEFINITION: &str = "neuraKnot-prod-ssm-proxy:7";
pub(crate) const GROUP: &str = "sg-0a11ce000000000ec";
pub(crate) const DATABASE_GROUP: &str = "sg-0a11ce000000000db";
pub(crate) const DATABASE: &str = "neuraknot-prod-db";
pub(crate) const TASK_ROLE: &str = "neuraKnot-prod-ssm-proxy-task";
pub(crate) const SECRET: &str = "prod/neuraKnot";
pub(crate) const SERVICE: &str = "dev-cluster/bastion-service";

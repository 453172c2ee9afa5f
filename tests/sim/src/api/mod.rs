//! One AWS API each, in AWS's own wire format.
//!
//! ```text
//!   HTTP request ─► which service and action? (wire) ─► who? (sigv4) ─► does the script interfere? (faults)
//!        ─► the action: &Realm, Ask → Answer (ecs, ec2, iam, rds, ssm, secretsmanager, sso, sts, logs) ─► envelope (wire) ─► HTTP answer
//! ```

pub(crate) mod ask;
mod ec2;
mod ecs;
pub(crate) mod error;
mod iam;
mod logs;
mod rds;
mod regions;
mod secretsmanager;
mod ssm;
mod sso;
mod sts;
pub(crate) mod wire;
mod xml;

pub(crate) use ask::{Answer, Ask, Service};
pub use ecs::ForeignTask;
pub(crate) use ecs::{Tokens, replace_service_task, schedule, start_foreign_task};
pub use error::AwsError;
pub(crate) use regions::is_enabled;
pub(crate) use ssm::Sessions;

use crate::faults::What;
use crate::realm::Realm;

/// Acts upon one call; `fate` is what the script has in store for what it makes.
pub(crate) fn act(realm: &Realm, ask: &Ask, fate: &[What]) -> Result<Answer, AwsError> {
    match ask.service {
        Service::Ecs => ecs::act(realm, ask, fate),
        Service::Ec2 => ec2::act(realm, ask),
        Service::Iam => iam::act(realm, ask),
        Service::Rds => rds::act(realm, ask),
        Service::Logs => logs::act(realm, ask),
        Service::Ssm => ssm::act(realm, ask),
        Service::SecretsManager => secretsmanager::act(realm, ask),
        Service::Sso => sso::act(realm, ask),
        Service::Sts => sts::act(realm, ask),
    }
}

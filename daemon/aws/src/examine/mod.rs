//! What is asked only to find out why something does not work, or what it would take: one AWS service a file.
//!
//! Every call reads only. Where a call is not permitted its error is `Denied`, and proves nothing about what was asked.

use std::time::SystemTime;

use async_trait::async_trait;
use bastion_cloud::{
    CloudError, ClusterFacts, DatabaseFacts, DatabaseRef, DefinitionFacts, Examine, GatewayFacts,
    GroupFacts, Kind, NetworkFacts, Permission, SecretFacts, SecretRef, ServiceFacts, Skew,
    TaskFact, Wish,
};

use crate::Aws;

mod ec2;
mod ecs;
mod iam;
mod rds;
mod secrets;
mod ssmmessages;
mod sts;

#[async_trait]
impl Examine for Aws {
    async fn cluster(&self) -> Result<ClusterFacts, CloudError> {
        self.told(ecs::cluster(self).await).await
    }

    async fn definition(&self) -> Result<DefinitionFacts, CloudError> {
        self.told(ecs::definition(self).await).await
    }

    async fn service(&self) -> Result<Option<ServiceFacts>, CloudError> {
        self.told(ecs::service(self).await).await
    }

    async fn recent_tasks(&self) -> Result<Vec<TaskFact>, CloudError> {
        self.told(ecs::recent_tasks(self).await).await
    }

    async fn simulate(
        &self,
        principal: &str,
        wishes: &[Wish],
    ) -> Result<Vec<Permission>, CloudError> {
        self.told(iam::simulate(self, principal, wishes).await).await
    }

    async fn ways_out(&self, subnets: &[String]) -> Result<NetworkFacts, CloudError> {
        self.told(ec2::ways_out(self, subnets).await).await
    }

    async fn groups(&self, groups: &[String]) -> Result<Vec<GroupFacts>, CloudError> {
        self.told(ec2::groups(self, groups).await).await
    }

    async fn database_facts(&self, database: &DatabaseRef) -> Result<DatabaseFacts, CloudError> {
        self.told(rds::database_facts(self, database).await).await
    }

    async fn secret_facts(&self, secret: &SecretRef) -> Result<SecretFacts, CloudError> {
        self.told(secrets::secret_facts(self, secret).await).await
    }

    async fn clock_ahead(&self) -> Result<Skew, CloudError> {
        self.told(sts::clock_ahead(self).await).await
    }

    async fn gateway(&self) -> Result<GatewayFacts, CloudError> {
        ssmmessages::gateway(self).await
    }

    async fn login_ends(&self) -> Option<SystemTime> {
        self.access.login_ends().await
    }
}

/// Whether a permission is all that was lacking.
fn is_denied(error: &CloudError) -> bool {
    matches!(error.kind, Kind::Denied { .. })
}

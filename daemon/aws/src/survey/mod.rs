//! What an account holds, for who has no config yet: every list by itself, for each may be forbidden.
//!
//! needs: ec2:DescribeRegions — tell the regions
//! needs: ecs:ListClusters, ecs:DescribeClusters, ecs:ListServices, ecs:DescribeServices — find clusters and services
//! needs: ecs:ListTaskDefinitionFamilies, ecs:DescribeTaskDefinition — find task definitions
//! needs: ec2:DescribeSubnets, ec2:DescribeRouteTables, ec2:DescribeSecurityGroups — find where tasks may run
//! needs: rds:DescribeDBInstances, rds:DescribeDBClusters, rds:DescribeDBProxies — find databases
//! needs: secretsmanager:ListSecrets — find secrets, never what is in them

use std::time::Duration;

use async_trait::async_trait;
use bastion_cloud::{CloudError, Findings, Identity, Kind, ProfileFacts, Survey};

use crate::access::Access;
use crate::files::Files;
use crate::{Settings, identity};

mod containers;
mod databases;
mod network;
mod profiles;
mod secrets;
mod together;

/// A look into one account and region of AWS.
///
/// Making one asks nobody anything.
#[derive(Debug)]
pub struct AwsSurvey {
    profile: Option<String>,
    region: Option<String>,
    settings: Settings,
    access: Access,
}

impl AwsSurvey {
    /// The account of this profile in this region; else of the credentials and in the region that the environment gives.
    pub fn new(profile: Option<String>, region: Option<String>, settings: Settings) -> Self {
        let access = Access::of(profile.clone(), region.clone(), settings.clone());
        Self { profile, region, settings, access }
    }

    /// What came of a part: where somebody spoke in AWS's place, with whose certificate; where nobody spoke, that it took
    /// too long.
    async fn part<T>(
        &self,
        call: &'static str,
        asked: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        let late = || CloudError {
            call,
            kind: Kind::TimedOut,
            message: format!("no answer within {} s", PART.as_secs()),
            request_id: None,
        };
        let came = tokio::time::timeout(PART, asked).await.unwrap_or_else(|_| Err(late()));
        self.access.with_issuer(came).await
    }
}

#[async_trait]
impl Survey for AwsSurvey {
    async fn profiles(&self) -> Result<ProfileFacts, CloudError> {
        let files = Files::new(&self.settings).profiles().await?;
        Ok(profiles::facts(&files, self.profile.as_deref(), self.region.as_deref()))
    }

    async fn identity(&self) -> Result<Identity, CloudError> {
        self.part("sts:GetCallerIdentity", identity::identity(&self.access)).await
    }

    async fn regions(&self) -> Result<Vec<String>, CloudError> {
        self.part("ec2:DescribeRegions", network::regions(&self.access)).await
    }

    async fn look(&self, family: Option<&str>) -> Findings {
        let access = &self.access;
        let (
            (clusters, services),
            definitions,
            subnets,
            groups,
            instances,
            aurora,
            proxies,
            secrets,
        ) = tokio::join!(
            async {
                let clusters = self.part(containers::CLUSTERS, containers::clusters(access)).await;
                let services = match &clusters {
                    Ok(names) => {
                        let asked = containers::services(access, names);
                        self.part(containers::SERVICES, asked).await
                    }
                    Err(error) => Err(error.clone()),
                };
                (clusters, services)
            },
            self.part(containers::FAMILIES, containers::definitions(access, family)),
            self.part(network::SUBNETS, network::subnets(access)),
            self.part(network::GROUPS, network::groups(access)),
            self.part(databases::INSTANCES, databases::instances(access)),
            self.part(databases::CLUSTERS, databases::aurora(access)),
            self.part(databases::PROXIES, databases::proxies(access)),
            self.part(secrets::LIST, secrets::secrets(access)),
        );
        Findings {
            clusters,
            services,
            definitions,
            subnets,
            groups,
            instances,
            aurora,
            proxies,
            secrets,
        }
    }
}

/// How long one list may take with all its pages: a call on the control socket has 30 s for all of them together.
const PART: Duration = Duration::from_secs(20);

//! What the daemon does at a site, as IAM's simulator is asked about it.

use bastion_cloud::{
    AuroraEndpoint, ClusterFacts, DatabaseFacts, DatabaseRef, DefinitionFacts, Identity, Runs,
    SecretFacts, Select, ServiceFacts, Site, Wish,
};

use super::place::last;
use crate::config::Target;

/// What has to be known to name things as policies do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) site: &'a Site,
    pub(super) identity: &'a Identity,
    pub(super) cluster: Option<&'a ClusterFacts>,
    pub(super) definition: Option<&'a DefinitionFacts>,
    pub(super) service: Option<&'a ServiceFacts>,
    /// Whether a service's task is asked for where there is none.
    pub(super) scales: bool,
}

impl Known<'_> {
    /// What the daemon does at the site, whatever the target.
    pub(super) fn of_site(&self) -> Vec<Wish> {
        let cluster = self.cluster();
        let tasks = self.arn("ecs", &format!("task/{}/{A_TASK}", last(&cluster)));
        let mut wishes = vec![
            Wish::new("ecs:DescribeTasks", &tasks).with("ecs:cluster", &cluster),
            Wish::new("ecs:ListTasks", "*").with("ecs:cluster", &cluster),
        ];
        wishes.extend(match &self.site.runs {
            Runs::TaskDefinition(_) => self.of_tasks(&cluster, &tasks),
            Runs::Service(service) => self.of_service(&cluster, service),
        });
        wishes.extend(self.of_sessions(&tasks, &cluster));
        wishes
    }

    fn of_tasks(&self, cluster: &str, tasks: &str) -> Vec<Wish> {
        let mut wishes = vec![
            Wish::new("ecs:StopTask", tasks).with("ecs:cluster", cluster),
            Wish::new("ecs:TagResource", tasks)
                .with("ecs:cluster", cluster)
                .with("ecs:CreateAction", "RunTask"),
        ];
        if let Some(definition) = self.definition {
            wishes.push(
                Wish::new("ecs:RunTask", &definition.arn)
                    .with("ecs:cluster", cluster)
                    .with("ecs:enable-execute-command", "true"),
            );
            let roles = [&definition.task_role, &definition.execution_role];
            wishes.extend(roles.into_iter().flatten().map(|role| {
                Wish::new("iam:PassRole", role)
                    .with("iam:PassedToService", "ecs-tasks.amazonaws.com")
            }));
        }
        let looked_for = |select: &Select| !matches!(select, Select::Ids(_));
        if looked_for(&self.site.subnets) {
            wishes.push(Wish::new("ec2:DescribeSubnets", "*"));
        }
        if looked_for(&self.site.security_groups) {
            wishes.push(Wish::new("ec2:DescribeSecurityGroups", "*"));
        }
        wishes
    }

    fn of_service(&self, cluster: &str, service: &str) -> Vec<Wish> {
        let usual = || self.arn("ecs", &format!("service/{}/{}", last(cluster), last(service)));
        let service = self.service.map_or_else(usual, |service| service.arn.clone());
        let mut wishes =
            vec![Wish::new("ecs:DescribeServices", &service).with("ecs:cluster", cluster)];
        if self.scales {
            wishes.push(Wish::new("ecs:UpdateService", &service).with("ecs:cluster", cluster));
        }
        wishes
    }

    /// Both ARNs of StartSession, or the document is refused; and what one does with one's own sessions, which are named
    /// after whoever began them.
    fn of_sessions(&self, tasks: &str, cluster: &str) -> Vec<Wish> {
        let document = self.part(REGION).map_or_else(
            || DOCUMENT.to_owned(),
            |region| format!("arn:{}:ssm:{region}::document/{DOCUMENT}", self.partition()),
        );
        let start = |resource: &str| {
            Wish::new("ssm:StartSession", resource)
                .with("ssm:SessionDocumentAccessCheck", "true")
                .with("ecs:cluster", cluster)
        };
        let owner = last(&self.identity.arn);
        let session = format!("{owner}-0123456789abcdef0");
        let own = |action: &str| {
            Wish::new(action, self.arn("ssm", &format!("session/{session}")))
                .with("aws:userid", owner)
                .with("aws:username", owner)
                .with("ssm:resourceTag/aws:ssmmessages:session-id", owner)
        };
        vec![
            start(tasks),
            start(&document),
            own("ssm:ResumeSession"),
            own("ssm:TerminateSession"),
            own("ssmmessages:OpenDataChannel"),
        ]
    }

    /// What every call brings along, whatever it asks for: policies of an organisation mostly name regions.
    pub(super) fn anywhere(&self) -> Vec<(String, String)> {
        let region = self.part(REGION).map(|region| ("aws:RequestedRegion", region));
        let all = [("aws:SecureTransport", "true")].into_iter().chain(region);
        all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// What the daemon does for one target's database and password.
    pub(super) fn of_target(
        &self,
        target: &Target,
        database: Option<&DatabaseFacts>,
        secret: Option<&SecretFacts>,
    ) -> Vec<Wish> {
        let mut wishes = Vec::new();
        match &target.database {
            DatabaseRef::Rds(id) => {
                let resource = self.arn("rds", &format!("db:{}", id.to_lowercase()));
                wishes.push(Wish::new("rds:DescribeDBInstances", resource));
            }
            DatabaseRef::Aurora(id, endpoint) => {
                let resource = self.arn("rds", &format!("cluster:{}", id.to_lowercase()));
                wishes.push(Wish::new("rds:DescribeDBClusters", &resource));
                if let AuroraEndpoint::Custom(name) = endpoint {
                    let name = name.to_lowercase();
                    let own = self.arn("rds", &format!("cluster-endpoint:{name}"));
                    wishes.push(Wish::new("rds:DescribeDBClusterEndpoints", own));
                }
            }
            DatabaseRef::Proxy(_) => {
                let found = database.and_then(|database| database.arn.clone());
                let resource = found.unwrap_or_else(|| self.arn("rds", "db-proxy:*"));
                wishes.push(Wish::new("rds:DescribeDBProxies", resource));
            }
            DatabaseRef::Host(..) => {}
        }
        if let Some(secret) = secret.filter(|secret| !secret.arn.is_empty()) {
            wishes.push(Wish::new("secretsmanager:GetSecretValue", &secret.arn));
        }
        wishes
    }

    fn cluster(&self) -> String {
        let usual = || {
            let given = &self.site.cluster;
            let whole = given.starts_with("arn:");
            if whole { given.clone() } else { self.arn("ecs", &format!("cluster/{given}")) }
        };
        self.cluster.map_or_else(usual, |cluster| cluster.arn.clone())
    }

    fn arn(&self, service: &str, rest: &str) -> String {
        let region = self.part(REGION).unwrap_or("*");
        let account = &self.identity.account;
        format!("arn:{}:{service}:{region}:{account}:{rest}", self.partition())
    }

    fn partition(&self) -> &str {
        self.identity.arn.split(':').nth(PARTITION).unwrap_or("aws")
    }

    /// A part of an ARN of this site, whichever is known.
    fn part(&self, part: usize) -> Option<&str> {
        if part == REGION && self.site.region.is_some() {
            return self.site.region.as_deref();
        }
        let arns = [
            self.cluster.map(|cluster| cluster.arn.as_str()),
            self.definition.map(|definition| definition.arn.as_str()),
            self.service.map(|service| service.arn.as_str()),
            Some(self.site.cluster.as_str()),
        ];
        let mut arns = arns.into_iter().flatten().filter(|arn| arn.starts_with("arn:"));
        arns.find_map(|arn| arn.split(':').nth(part).filter(|part| !part.is_empty()))
    }
}

/// What the agent does with the task role.
pub(super) fn of_the_agent() -> Vec<Wish> {
    AGENT.iter().map(|action| Wish::new(*action, "*")).collect()
}

/// The four calls of the agent.
const AGENT: [&str; 4] = [
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];

/// A task's number, such as any has.
const A_TASK: &str = "0123456789abcdef0123456789abcdef";

/// The document that forwards to a host other than the container itself.
const DOCUMENT: &str = "AWS-StartPortForwardingSessionToRemoteHost";

/// Where an ARN says its partition.
const PARTITION: usize = 1;
/// Where it says its region.
const REGION: usize = 3;

#[cfg(test)]
mod tests {
    use bastion_cloud::{DefinitionFacts, Identity, Wish};

    use super::Known;
    use crate::config::Target;

    fn wishes(definition: Option<&DefinitionFacts>) -> Vec<Wish> {
        let identity = Identity {
            account: "123456789012".to_owned(),
            arn: "arn:aws:sts::123456789012:assumed-role/Dev/amy".to_owned(),
        };
        let target = Target::example("db");
        let mut site = target.site.clone();
        site.region = Some("eu-west-1".to_owned());
        let known = Known {
            site: &site,
            identity: &identity,
            cluster: None,
            definition,
            service: None,
            scales: false,
        };
        known.of_site()
    }

    #[test]
    fn a_session_is_wished_for_on_the_task_and_on_the_document_of_aws() {
        let wishes = wishes(None);
        let on: Vec<&str> = wishes
            .iter()
            .filter(|wish| wish.action == "ssm:StartSession")
            .map(|wish| wish.resource.as_str())
            .collect();
        assert_eq!(on.len(), 2);
        assert!(on[0].starts_with("arn:aws:ecs:eu-west-1:123456789012:task/cluster/"), "{on:?}");
        let document = "arn:aws:ssm:eu-west-1::document/AWS-StartPortForwardingSessionToRemoteHost";
        assert_eq!(on[1], document);
    }

    #[test]
    fn every_call_says_its_region() {
        let target = Target::example("db");
        let mut site = target.site.clone();
        site.region = Some("eu-west-1".to_owned());
        let identity =
            Identity { account: "1".to_owned(), arn: "arn:aws:iam::1:user/a".to_owned() };
        let known = Known {
            site: &site,
            identity: &identity,
            cluster: None,
            definition: None,
            service: None,
            scales: false,
        };
        let region = ("aws:RequestedRegion".to_owned(), "eu-west-1".to_owned());
        assert!(known.anywhere().contains(&region));
    }

    #[test]
    fn ones_own_sessions_are_called_after_the_session_of_the_role() {
        let wishes = wishes(None);
        let own = wishes.iter().find(|wish| wish.action == "ssm:ResumeSession").unwrap();
        assert!(own.resource.contains(":session/amy-"), "{own:?}");
    }

    #[test]
    fn both_roles_are_passed_where_the_definition_is_known_and_none_is_guessed() {
        assert!(!wishes(None).iter().any(|wish| wish.action == "iam:PassRole"));
        let definition = DefinitionFacts {
            arn: "arn:aws:ecs:eu-west-1:123456789012:task-definition/proxy:7".to_owned(),
            task_role: Some("arn:aws:iam::123456789012:role/task".to_owned()),
            execution_role: Some("arn:aws:iam::123456789012:role/execution".to_owned()),
            ..DefinitionFacts::default()
        };
        let passed: Vec<Wish> =
            wishes(Some(&definition)).into_iter().filter(|w| w.action == "iam:PassRole").collect();
        assert_eq!(passed.len(), 2);
    }
}

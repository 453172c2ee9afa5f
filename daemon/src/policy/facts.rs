//! What the cloud told of a site. All of it may be missing: then a pattern stands for it.

use bastion_cloud::{DatabaseRef, DefinitionFacts, Identity, SecretFacts, SecretRef};

/// What is known of a site and of its targets.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whose login asked.
    pub identity: Option<Identity>,
    /// The cluster's ARN.
    pub cluster: Option<String>,
    /// The task definition that bastions are made of.
    pub definition: Option<DefinitionFacts>,
    /// Databases of its targets.
    pub databases: Vec<(DatabaseRef, KnownDatabase)>,
    /// Secrets of its targets.
    pub secrets: Vec<(SecretRef, SecretFacts)>,
}

/// What is known of a database.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KnownDatabase {
    /// The ARN of the secret that RDS manages for it.
    pub managed_secret: Option<String>,
    /// What a policy calls it: `db-ABC…`, `cluster-ABC…`, `prx-…`.
    pub resource_id: Option<String>,
}

impl Facts {
    /// What is known of a database.
    pub(super) fn database(&self, wanted: &DatabaseRef) -> Option<&KnownDatabase> {
        self.databases.iter().find(|(database, _)| database == wanted).map(|(_, known)| known)
    }

    /// What is known of a secret.
    pub(super) fn secret(&self, wanted: &SecretRef) -> Option<&SecretFacts> {
        self.secrets.iter().find(|(secret, _)| secret == wanted).map(|(_, known)| known)
    }

    /// Every ARN that is known: each tells partition, region and account.
    pub(super) fn arns(&self) -> impl Iterator<Item = &str> {
        let cluster = self.cluster.as_deref();
        let definition = self.definition.as_ref().map(|definition| definition.arn.as_str());
        let secrets = self.secrets.iter().map(|(_, secret)| secret.arn.as_str());
        let managed =
            self.databases.iter().filter_map(|(_, known)| known.managed_secret.as_deref());
        cluster.into_iter().chain(definition).chain(secrets).chain(managed)
    }
}

//! `survey`: what an account holds that sites and targets could be made of. Reads only.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use bastion_api::{ProfileInfo, SCHEMA_VERSION, Survey as Told, SurveyOpen};
use bastion_cloud::{CloudError, Findings, Kind, ProfileFacts, Survey, Used};
use serde::Deserialize;

use super::Office;
use super::answer::{self, Failed, Queried};
use crate::config::Config;
use crate::explain;
use crate::init::{self, Wanted};

/// How an account is looked into: as whom, and where.
#[derive(Clone)]
pub struct Surveyor(Arc<Make>);

type Make = dyn Fn(&Config, Option<String>, Option<String>) -> Arc<dyn Survey> + Send + Sync;

impl Surveyor {
    /// Accounts are looked into so.
    pub fn new(
        make: impl Fn(&Config, Option<String>, Option<String>) -> Arc<dyn Survey>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(make))
    }

    fn make(
        &self,
        office: &Office,
        profile: Option<&str>,
        region: Option<&str>,
    ) -> Arc<dyn Survey> {
        let config = &office.running.now().config;
        (self.0)(config, profile.map(str::to_owned), region.map(str::to_owned))
    }
}

impl fmt::Debug for Surveyor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Surveyor")
    }
}

/// What is known already.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    profile: Option<String>,
    region: Option<String>,
    cluster: Option<String>,
    task_definition: Option<String>,
    service: Option<String>,
}

/// `GET /v1/survey?profile=P&region=R&cluster=C&task_definition=T&service=S`
pub(super) async fn survey(
    State(office): State<Office>,
    Queried(asked): Queried<Asked>,
) -> Result<answer::Told<Told>, Failed> {
    let named = asked.profile.as_deref();
    let first = office.surveyor.make(&office, named, asked.region.as_deref());
    let profiles = first.profiles().await.map_err(|err| explain::survey(named, &err))?;
    let profile = match &profiles.used {
        Used::Profile(name) => Some(name.as_str()),
        Used::Environment => None,
        Used::Open => {
            return Ok(answer::Told(open(SurveyOpen::Profile, &profiles, None, Vec::new())));
        }
    };
    // Nobody is asked where a profile looks that is not there.
    if let Some(name) = profile.filter(|name| !profiles.all.iter().any(|one| one.name == *name)) {
        let all: Vec<String> = profiles.all.iter().map(|one| one.name.clone()).collect();
        return Err(explain::no_profile(name, &all).into());
    }
    let Some(region) = profiles.region.as_deref() else {
        let anywhere = office.surveyor.make(&office, profile, Some(ANY_REGION));
        let regions = anywhere.regions().await;
        if let Err(err @ CloudError { kind: Kind::Login { .. }, .. }) = &regions {
            return Err(explain::survey(profile, err).into());
        }
        let regions = regions.unwrap_or_default();
        return Ok(answer::Told(open(SurveyOpen::Region, &profiles, profile, regions)));
    };
    let account = office.surveyor.make(&office, profile, Some(region));
    let who = match account.identity().await {
        Ok(who) => who,
        Err(err) => {
            let anywhere = office.surveyor.make(&office, profile, Some(ANY_REGION));
            let other = if may_be_the_region(&err) { anywhere.regions().await.ok() } else { None };
            return Err(match other {
                Some(all) if !all.iter().any(|one| one == region) => {
                    explain::no_region(region, &all)
                }
                Some(_) | None => explain::survey(profile, &err),
            }
            .into());
        }
    };
    let (found, regions) =
        tokio::join!(account.look(asked.task_definition.as_deref()), account.regions());
    let wanted = Wanted {
        cluster: asked.cluster,
        task_definition: asked.task_definition,
        service: asked.service,
    };
    let mut unknown = unknown(&found);
    unknown.extend(regions.as_ref().err().map(|err| explain::cannot_know("regions", err)));
    Ok(answer::Told(Told {
        schema_version: SCHEMA_VERSION,
        open: None,
        profiles: infos(&profiles),
        profile: profile.map(str::to_owned),
        region: Some(region.to_owned()),
        regions: regions.unwrap_or_default(),
        account: Some(who.account),
        arn: Some(who.arn),
        sites: init::sites(&found, &wanted),
        databases: init::databases(&found),
        unknown,
    }))
}

/// Whether it looks so where there is no region of this name, or it is not enabled: nobody answers, or whoever answers
/// does not know the credentials.
fn may_be_the_region(err: &CloudError) -> bool {
    matches!(err.kind, Kind::Login { .. } | Kind::Unreachable | Kind::TimedOut | Kind::Invalid)
}

/// Nothing can be looked at before this is chosen.
fn open(
    what: SurveyOpen,
    profiles: &ProfileFacts,
    profile: Option<&str>,
    regions: Vec<String>,
) -> Told {
    Told {
        schema_version: SCHEMA_VERSION,
        open: Some(what),
        profiles: infos(profiles),
        profile: profile.map(str::to_owned),
        region: None,
        regions,
        account: None,
        arn: None,
        sites: Vec::new(),
        databases: Vec::new(),
        unknown: Vec::new(),
    }
}

fn infos(profiles: &ProfileFacts) -> Vec<ProfileInfo> {
    let info = |one: &bastion_cloud::ProfileFact| ProfileInfo {
        name: one.name.clone(),
        region: one.region.clone(),
        sso: one.sso,
    };
    profiles.all.iter().map(info).collect()
}

/// Every part that could not be looked at. Services are listed by clusters: without these, only these are told.
fn unknown(found: &Findings) -> Vec<bastion_api::Problem> {
    let services = found.services.as_ref().err().filter(|_| found.clusters.is_ok());
    let parts = [
        ("clusters", found.clusters.as_ref().err()),
        ("services", services),
        ("task definitions", found.definitions.as_ref().err()),
        ("subnets", found.subnets.as_ref().err()),
        ("security groups", found.groups.as_ref().err()),
        ("RDS instances", found.instances.as_ref().err()),
        ("Aurora clusters", found.aurora.as_ref().err()),
        ("RDS proxies", found.proxies.as_ref().err()),
        ("secrets", found.secrets.as_ref().err()),
    ];
    let told = parts.into_iter().filter_map(|(what, err)| Some(explain::cannot_know(what, err?)));
    told.collect()
}

/// Every account has this region, and may ask it for the others.
const ANY_REGION: &str = "us-east-1";

//! Samples of what `bastionctl init` asks and hears.

use std::collections::BTreeMap;

use bastion_api::*;

/// A survey with a site of each kind and a database of each kind.
pub(crate) fn survey(unknown: Problem) -> Survey {
    Survey {
        schema_version: SCHEMA_VERSION,
        open: None,
        profiles: vec![ProfileInfo {
            name: "prod".into(),
            region: Some("ap-northeast-1".into()),
            sso: true,
        }],
        profile: Some("prod".into()),
        region: Some("ap-northeast-1".into()),
        regions: vec!["ap-northeast-1".into(), "us-east-1".into()],
        account: Some("123456789012".into()),
        arn: Some("arn:aws:iam::123456789012:user/dev".into()),
        sites: vec![site(), service()],
        databases: vec![
            DatabaseChoice {
                kind: DatabaseKind::Rds,
                id: "neuraknot-prod-db".into(),
                engine: Engine::Postgres,
                engine_name: Some("postgres".into()),
                status: Some("available".into()),
                vpc: Some("vpc-1".into()),
                port: Some(5432),
                database: Some("neuraKnot".into()),
                user: Some("postgres".into()),
                password: Some(PasswordPlace::Secret("prod/neuraKnot".into())),
            },
            DatabaseChoice {
                kind: DatabaseKind::Aurora,
                id: "neuraknot-aurora".into(),
                password: Some(PasswordPlace::RdsManaged(true)),
                ..DatabaseChoice::default()
            },
            DatabaseChoice {
                kind: DatabaseKind::Proxy,
                id: "neuraknot-proxy".into(),
                ..DatabaseChoice::default()
            },
        ],
        unknown: vec![unknown],
    }
}

/// A survey that could not begin.
pub(crate) fn open() -> Survey {
    Survey {
        open: Some(SurveyOpen::Profile),
        unknown: Vec::new(),
        sites: Vec::new(),
        databases: Vec::new(),
        profile: None,
        region: None,
        account: None,
        arn: None,
        ..survey(Problem::new("D19", ProblemKind::NotPermitted, "cannot know the clusters"))
    }
}

fn site() -> SiteChoice {
    SiteChoice {
        cluster: "neuraKnot-prod-cluster".into(),
        task_definition: Some("neuraKnot-prod-ssm-proxy".into()),
        service: None,
        containers: vec!["proxy".into()],
        vpc: Some("vpc-1".into()),
        subnets: vec![
            Selection::Name("neuraKnot-prod-private-*".into()),
            Selection::Tags(BTreeMap::from([("Tier".into(), "private".into())])),
        ],
        security_groups: vec![Selection::Ids(vec!["sg-1".into()])],
        public_addresses: true,
        running: None,
        desired: None,
        flaws: Vec::new(),
    }
}

fn service() -> SiteChoice {
    SiteChoice {
        cluster: "dev-cluster".into(),
        service: Some("bastion-service".into()),
        running: Some(0),
        desired: Some(0),
        flaws: FLAWS.into(),
        ..SiteChoice::default()
    }
}

/// Every database of the survey into the first site.
pub(crate) fn request() -> InitRequest {
    InitRequest {
        profile: Some("prod".into()),
        region: Some("ap-northeast-1".into()),
        account: Some("123456789012".into()),
        site: site(),
        databases: vec![DatabaseChoice {
            kind: DatabaseKind::Rds,
            id: "neuraknot-prod-db".into(),
            ..DatabaseChoice::default()
        }],
        name: Some("prod".into()),
        config: Some("/home/amy/bastiond.toml".into()),
        write: true,
    }
}

/// What was written for it.
pub(crate) fn answer() -> InitAnswer {
    InitAnswer {
        schema_version: SCHEMA_VERSION,
        config: "/home/amy/bastiond.toml".into(),
        existed: true,
        text: "[site.prod]\n".into(),
        written: true,
        running: true,
        site: InitSite { name: "prod".into(), new: true },
        targets: vec![InitTarget {
            name: "neuraknot-prod-db".into(),
            new: true,
            id: "neuraknot-prod-db".into(),
            engine: Engine::Postgres,
            port: Some(15432),
            database: Some("neuraKnot".into()),
            user: Some("postgres".into()),
            password: true,
        }],
    }
}

const FLAWS: [SiteFlaw; 6] = [
    SiteFlaw::ExecOff,
    SiteFlaw::ScaledToZero,
    SiteFlaw::NotFargate,
    SiteFlaw::NoTaskRole,
    SiteFlaw::ReadOnly,
    SiteFlaw::SharedProcesses,
];

//! What clients are told about targets.

use bastion_api::*;

/// A target of RDS whose certificate can be verified, and one that AWS told nothing about.
pub(crate) fn info(problem: Problem) -> Info {
    Info {
        schema_version: 1,
        roots: Roots {
            bundle: "/home/amy/.config/bastiond/rds-global-bundle.pem".into(),
            file: Some("/home/amy/.local/state/bastiond/authority/roots.pem".into()),
            problem: Some(problem.clone()),
        },
        targets: vec![
            Contact {
                target: TargetInfo {
                    name: "prod-db".into(),
                    site: "prod".into(),
                    engine: Engine::Postgres,
                    addresses: vec!["127.0.0.1:15432".into(), "172.17.0.1:15432".into()],
                    port: Some(15432),
                    database: Some("neuraKnot".into()),
                    user: Some("postgres".into()),
                    danger: true,
                },
                account: Some("123456789012".into()),
                region: Some("ap-northeast-1".into()),
                remote_host: Some("prod-db.cx1.ap-northeast-1.rds.amazonaws.com".into()),
                remote_port: Some(5432),
                proof: ProofKind::Secret,
                tls: TlsKnown::Rds,
                docker_port: Some(15432),
                docker_host: Some("172.17.0.1".into()),
                problem: None,
            },
            Contact {
                target: TargetInfo {
                    name: "cache".into(),
                    site: "prod".into(),
                    engine: Engine::Other,
                    addresses: Vec::new(),
                    port: None,
                    database: None,
                    user: None,
                    danger: false,
                },
                account: None,
                region: None,
                remote_host: None,
                remote_port: None,
                proof: ProofKind::Iam,
                tls: TlsKnown::Spoken,
                docker_port: None,
                docker_host: None,
                problem: Some(problem),
            },
        ],
    }
}

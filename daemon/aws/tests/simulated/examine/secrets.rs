use bastion_cloud::{AuroraEndpoint, DatabaseRef, Kind, SecretRef};

use super::{ask, forbid, lacks};
use crate::house::House;

fn named(name: &str) -> SecretRef {
    SecretRef::Named(name.to_owned())
}

#[tokio::test]
async fn a_secret_is_told_without_what_is_in_it() {
    let house = House::new().await;
    let aws = house.aws();
    let secret = ask(&aws).secret_facts(&named("prod/neuraKnot")).await.unwrap();
    assert_eq!(secret.name, "prod/neuraKnot");
    assert!(secret.arn.ends_with(":secret:prod/neuraKnot-AbCdE1"), "{secret:?}");
    assert_eq!(secret.changed.as_deref(), Some("2026-01-05T00:00:00Z"));
    assert_eq!((secret.rotates, secret.deleted, &secret.kms_key), (false, false, &None));
    assert_eq!(house.sim.count("GetSecretValue"), 0);
    let key = "arn:aws:kms:ap-northeast-1:123456789012:key/0a11ce";
    house.sim.world(|world| {
        let secret = world.secrets.get_mut("prod/neuraKnot").unwrap();
        secret.kms_key = Some(key.to_owned());
        secret.changed_ms = Some(1_780_000_000_000);
        secret.deleted_ms = Some(1_790_000_000_000);
    });
    let secret = ask(&aws).secret_facts(&named("prod/neuraKnot")).await.unwrap();
    assert_eq!((secret.deleted, secret.kms_key.as_deref()), (true, Some(key)));
    assert_eq!(secret.changed.as_deref(), Some("2026-05-28T20:26:40Z"));
    house.sim.world(|world| {
        world.secrets.get_mut("prod/neuraKnot").unwrap().kms_key =
            Some("arn:aws:kms:ap-northeast-1:123456789012:alias/aws/secretsmanager".to_owned());
    });
    let secret = ask(&aws).secret_facts(&named("prod/neuraKnot")).await.unwrap();
    assert_eq!(secret.kms_key, None, "AWS's own key asks for no permission");
}

#[tokio::test]
async fn the_secret_that_rds_manages_is_told_though_its_database_is_stopped() {
    let house = House::new().await;
    house.sim.world(|world| {
        world.db_instances.get_mut("managed-db").unwrap().status = "stopped".to_owned();
    });
    let aws = house.aws();
    let of = |database| SecretRef::Managed(database);
    let secret =
        ask(&aws).secret_facts(&of(DatabaseRef::Rds("managed-db".to_owned()))).await.unwrap();
    assert!(secret.name.starts_with("rds!db-") && secret.rotates, "{secret:?}");
    let cluster = DatabaseRef::Aurora("neuraknot-aurora".to_owned(), AuroraEndpoint::Reader);
    let secret = ask(&aws).secret_facts(&of(cluster)).await.unwrap();
    assert!(secret.name.starts_with("rds!cluster-"), "{secret:?}");
    let none = of(DatabaseRef::Rds("neuraknot-prod-db".to_owned()));
    let error = ask(&aws).secret_facts(&none).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "managed secret", .. }), "{error:?}");
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_told_with_those_that_are() {
    let house = House::new().await;
    let aws = house.aws();
    let error = ask(&aws).secret_facts(&named("prod/neuraknot")).await.unwrap_err();
    let Kind::NotFound { what: "secret", candidates } = &error.kind else { panic!("{error:?}") };
    assert_eq!(candidates[0], "prod/neuraKnot");
    assert_eq!(error.call, "secretsmanager:DescribeSecret");
    forbid(&house, "DescribeSecret");
    let error = ask(&aws).secret_facts(&named("prod/neuraKnot")).await.unwrap_err();
    assert_eq!(lacks(&error), "secretsmanager:DescribeSecret");
}

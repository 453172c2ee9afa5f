//! The database: its rules, its status, its VPC, its name, its password.

use bastion_sim::world::Rule;

use super::{DATABASE, DATABASE_GROUP, SECRET};
use crate::world::World;

pub(super) fn worlds() -> Vec<World> {
    vec![
        World::new("the database lets in another group", &["D10"])
            .account(|account| ingress(account, "sg-0a11ce0000000app1"))
            .told(&[
                "sg-0a11ce000000000db allows 5432 only from sg-0a11ce0000000app1; the bastion uses sg-0a11ce000000000ec",
                "aws ec2 authorize-security-group-ingress --group-id sg-0a11ce000000000db --protocol tcp --port 5432 --source-group sg-0a11ce000000000ec",
            ])
            .in_ci(),
        World::new("the database lets nobody in", &["D10"])
            .account(|account| {
                account.security_groups.get_mut(DATABASE_GROUP).unwrap().ingress.clear();
            })
            .told(&["from nobody"]),
        World::cdk("the MySQL lets in another port", &["D10"])
            .account(|account| {
                let group = account.security_groups.get_mut("sg-0b0b0000000000db").unwrap();
                group.ingress[0].ports = Some((5432, 5432));
            })
            .told(&["--port 3306"]),
        World::new("the database is stopped", &["D11"])
            .account(|account| status(account, "stopped"))
            .told(&["is stopped", "rds start-db-instance --db-instance-identifier neuraknot-prod-db"])
            .in_ci(),
        World::new("the database is being created", &["D11"]).account(|account| {
            status(account, "creating");
            account.db_instances.get_mut(DATABASE).unwrap().address = None;
        }),
        World::new("the database is in another VPC", &["D12"])
            .account(|account| {
                let database = account.db_instances.get_mut(DATABASE).unwrap();
                database.vpc = "vpc-0b0b000000000002".to_owned();
                database.security_groups = vec!["sg-0b0b0000000000db".to_owned()];
            })
            .told(&["vpc-0a11ce00000000001", "vpc-0b0b000000000002"]),
        World::new("the secret is not there", &["D16"])
            .account(|account| drop(account.secrets.remove(SECRET)))
            .told(&["prod/neuraKnot"]),
        World::new("the secret is another user's", &["D16"])
            .account(|account| {
                account.secrets.get_mut(SECRET).unwrap().value =
                    r#"{"username":"reporting","password":"prod-secret-password"}"#.to_owned();
            })
            .told(&["reporting", "postgres", "prod/neuraKnot"])
            .in_ci(),
        World::new("the secret holds no password", &["D16"]).account(|account| {
            account.secrets.get_mut(SECRET).unwrap().value = r#"{"username":"postgres"}"#.to_owned();
        }),
        World::new("the address is one that AWS keeps for itself", &["D25"])
            .config("rds = \"neuraKnot-prod-db\"", "host = \"10.0.10.2\"\nport = 5432")
            .told(&["10.0.10.2", "10.0.10.0/24"]),
        World::new("the VPC answers no names", &["D25"])
            .account(|account| {
                account.vpcs.get_mut("vpc-0a11ce00000000001").unwrap().dns_support = false;
            })
            .told(&["--enable-dns-support"]),
    ]
}

/// The database's only rule lets this group in.
pub(super) fn ingress(account: &mut bastion_sim::world::World, group: &str) {
    account.security_groups.get_mut(DATABASE_GROUP).unwrap().ingress = vec![Rule {
        protocol: "tcp".to_owned(),
        ports: Some((5432, 5432)),
        groups: vec![group.to_owned()],
        ..Rule::default()
    }];
}

pub(super) fn status(account: &mut bastion_sim::world::World, status: &str) {
    account.db_instances.get_mut(DATABASE).unwrap().status = status.to_owned();
}

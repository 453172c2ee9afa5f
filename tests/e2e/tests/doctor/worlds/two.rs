//! Two faults at once, neither of which comes of the other: both are told, the root cause first.

use std::net::TcpListener;

use bastion_e2e::logins::{HOUR, SSO_PROFILE};
use bastion_sim::iam::Policies;
use serde_json::json;

use super::access::{allow_all_but, deny};
use super::database::{ingress, status};
use super::machine::hold;
use super::network::no_route;
use super::{CLUSTER, DEFINITION, SECRET, SERVICE, TASK_ROLE};
use crate::world::World;

pub(super) fn worlds() -> Vec<World> {
    vec![
        World::by_profile("a port that is held, and a login that has expired", &["D13", "D18"])
            .home(|house| {
                hold(TcpListener::bind(("127.0.0.1", house.port("prod-db"))).unwrap());
                house.write_profiles(&SSO_PROFILE.replace("{name}", "prod"));
                house.write_sso_token("old", -HOUR, "");
            })
            .in_ci(),
        World::new("a database that is stopped, and rules that are shut", &["D11", "D10"]).account(
            |account| {
                status(account, "stopped");
                ingress(account, "sg-0a11ce0000000app1");
            },
        ),
        World::new("a role without rights, and rules that are shut", &["D08", "D10"]).account(
            |account| {
                account.roles.get_mut(TASK_ROLE).unwrap().policies = Policies::default();
                ingress(account, "sg-0a11ce0000000app1");
            },
        ),
        World::new("no way out, and rules that are shut", &["D09", "D10"]).account(|account| {
            no_route(account);
            ingress(account, "sg-0a11ce0000000app1");
        }),
        World::new("no right to run tasks, and a read-only container", &["D19", "D22"]).account(
            |account| {
                allow_all_but(account, &["ecs:RunTask"]);
                let definition = account.task_definitions.get_mut(DEFINITION).unwrap();
                definition.containers[0].readonly_root = true;
            },
        ),
        World::new("no cluster, and a database that is stopped", &["D02", "D11"]).account(
            |account| {
                account.clusters.remove(CLUSTER);
                status(account, "stopped");
            },
        ),
        World::new("no task definition, and no secret", &["D03", "D16"]).account(|account| {
            account.task_definitions.remove(DEFINITION);
            account.secrets.remove(SECRET);
        }),
        World::cdk("a service without ECS Exec, and a MySQL that is stopped", &["D07", "D11"])
            .account(|account| {
                account.services.get_mut(SERVICE).unwrap().exec = false;
                account.db_instances.get_mut("dev-mysql").unwrap().status = "stopped".to_owned();
            }),
        World::new("sessions that are forbidden, and no way out", &["D19", "D09"]).account(
            |account| {
                deny(account, json!("ssm:StartSession"), json!("*"));
                no_route(account);
            },
        ),
        World::new("a port that is held, and a clock that is off", &["D13", "D21"])
            .plan(|plan| plan.sim(|sim| sim.clock_offset_seconds = 900))
            .home(|house| hold(TcpListener::bind(("127.0.0.1", house.port("prod-db"))).unwrap())),
    ]
}

//! What policies say to the person.

use bastion_sim::world::World as Account;
use bastion_sim::{Fault, What};
use serde_json::{Value, json};

use crate::world::World;

pub(super) fn worlds() -> Vec<World> {
    vec![
        World::new("no policy allows to run a task", &["D19"])
            .account(|account| allow_all_but(account, &["ecs:RunTask"]))
            .told(&["ecs:RunTask", "{\"Effect\": \"Allow\", \"Action\": \"ecs:RunTask\""])
            .in_ci(),
        World::new("a policy forbids sessions on tasks", &["D19"])
            .account(|account| {
                deny(account, json!("ssm:StartSession"), json!("arn:aws:ecs:*:*:task/*"));
            })
            .told(&["ssm:StartSession", "NotResource"]),
        World::new("the document of the session is not allowed", &["D19"])
            .account(|account| {
                let tasks = json!({
                    "Effect": "Allow", "Action": "ssm:StartSession",
                    "Resource": "arn:aws:ecs:*:*:task/*",
                });
                allow_all_but(account, &["ssm:StartSession"]);
                add(account, "tasks", tasks);
            })
            .told(&["document/AWS-StartPortForwardingSessionToRemoteHost"]),
        World::new("nothing of one's own sessions is allowed", &["D19"])
            .account(|account| {
                allow_all_but(
                    account,
                    &["ssm:ResumeSession", "ssm:TerminateSession", "ssmmessages:OpenDataChannel"],
                );
            })
            .told(&["bastionctl policy --user"]),
        World::new("the subnets may not be looked up", &["D19"])
            .fault(Fault::on(
                "DescribeSubnets",
                What::AccessDenied { explicit: false, resource: None },
            ))
            .told(&["ec2:DescribeSubnets"]),
        World::new("the organisation forbids what its simulator does not know of", &["D19"])
            .fault(Fault::on("StartSession", What::AccessDenied { explicit: true, resource: None }))
            .opened()
            .told(&["ssm:StartSession"]),
        World::new("AWS takes no more questions about clusters", &["D26"])
            .fault(Fault::on("DescribeClusters", What::Throttled))
            .told(&["ecs:DescribeClusters"]),
        World::new("AWS takes no more tasks for the moment", &["D26"])
            .fault(Fault::on("RunTask", What::Throttled))
            .opened()
            .told(&["ecs:RunTask", "tried again"]),
        World::new("AWS fails in itself", &["D26"])
            .fault(Fault::on("DescribeTaskDefinition", What::Broken)),
    ]
}

/// The person may do everything but this.
pub(super) fn allow_all_but(account: &mut Account, actions: &[&str]) {
    let policies = &mut account.users.get_mut("dev").unwrap().policies;
    policies.own.clear();
    add(account, "most", json!({ "Effect": "Allow", "NotAction": actions, "Resource": "*" }));
}

pub(super) fn deny(account: &mut Account, action: Value, resource: Value) {
    add(account, "deny", json!({ "Effect": "Deny", "Action": action, "Resource": resource }));
}

fn add(account: &mut Account, name: &str, statement: Value) {
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
    let policies = &mut account.users.get_mut("dev").unwrap().policies;
    policies.own.insert(name.to_owned(), policy);
}

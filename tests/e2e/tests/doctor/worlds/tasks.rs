//! Tasks that do not start, and agents that do not come.

use std::collections::BTreeMap;

use bastion_sim::world::{LogGroup, World as Account};
use bastion_sim::{Fault, Stage, What};

use crate::world::World;

pub(super) fn worlds() -> Vec<World> {
    vec![
        World::new("the image cannot be pulled", &["D04"])
            .fault(Fault::on("RunTask", What::ImagePull))
            .opened()
            .told(&["CannotPullContainerError", "no way to what it needs"]),
        World::new("a secret of the task cannot be had", &["D04"])
            .fault(Fault::on("RunTask", dies(Stage::Pending, "TaskFailedToStart", RESOURCE, None)))
            .opened()
            .told(&["ResourceInitializationError"]),
        World::new("the container exits, and has said why", &["D05"])
            .account(|account| said(account, 25))
            .fault(Fault::on("RunTask", dies(Stage::Running, ESSENTIAL, EXITED, Some(3))))
            .opened()
            .told(&["exit code 3", "word 05", "word 24"])
            .in_ci(),
        World::new("the container is killed, and has said why", &["D05"])
            .account(|account| said(account, 2))
            .fault(Fault::on("RunTask", dies(Stage::Running, ESSENTIAL, MEMORY, Some(137))))
            .opened()
            .told(&["word 01"]),
        World::new("the agent never starts", &["D06"])
            .fault(Fault::on("RunTask", What::AgentNever))
            .opened(),
        World::new("the agent starts and does not connect", &["D06"])
            .fault(Fault::on("RunTask", What::AgentSilent))
            .opened(),
        World::new("the task is made without ECS Exec", &["D07"])
            .fault(Fault::on("RunTask", What::ExecOff))
            .opened(),
        World::new("the agent stops though its role is good", &["D08"])
            .fault(Fault::on("RunTask", What::AgentStopped { reason: None }))
            .opened(),
        World::new("Fargate has no room", &["D27"])
            .fault(Fault::on("RunTask", What::NoCapacity))
            .opened()
            .told(&["subnet-0a11ce0000000001a", "ap-northeast-1c"])
            .in_ci(),
        World::new("both zones are full", &["D27"])
            .account(|account| account.subnets.values_mut().for_each(|subnet| subnet.full = true))
            .opened(),
        World::new("no network interface is left", &["D27"])
            .fault(Fault::on(
                "RunTask",
                What::Failure { reason: "RESOURCE:ENI".to_owned(), detail: None },
            ))
            .opened()
            .told(&["RESOURCE:ENI"]),
    ]
}

fn dies(stage: Stage, code: &str, reason: &str, exit: Option<i32>) -> What {
    What::TaskDies {
        stage,
        stop_code: code.to_owned(),
        reason: reason.to_owned(),
        container_reason: None,
        exit_code: exit,
    }
}

/// The container has said so many words.
fn said(account: &mut Account, words: usize) {
    let lines = (0..words).map(|number| format!("word {number:02}")).collect();
    let streams = BTreeMap::from([("ecs/proxy/*".to_owned(), lines)]);
    account.log_groups.insert("/ecs/neuraKnot-prod-ssm-proxy".to_owned(), LogGroup { streams });
}

const ESSENTIAL: &str = "EssentialContainerExited";
const EXITED: &str = "Essential container in task exited";
const MEMORY: &str = "OutOfMemoryError: Container killed due to memory usage";
const RESOURCE: &str = "ResourceInitializationError: unable to pull secrets or registry auth";

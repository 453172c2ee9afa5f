//! What is asked only to find out why something does not work: each call, whole and broken, permitted and not.

use bastion_aws::Aws;
use bastion_cloud::{Cloud, CloudError, Examine, Kind};
use bastion_sim::{Fault, What};

use crate::house::House;

mod ec2;
mod ecs;
mod iam;
mod rds;
mod secrets;
mod ssmmessages;
mod sts;

fn ask(aws: &Aws) -> &dyn Examine {
    aws.examiner().unwrap()
}

/// Has one call refused for want of a permission.
fn forbid(house: &House, action: &str) {
    house.fault(Fault::on(action, What::AccessDenied { explicit: false, resource: None }));
}

/// The permission that an error says is lacking.
fn lacks(error: &CloudError) -> &str {
    let Kind::Denied { action: Some(action), .. } = &error.kind else { panic!("{error:?}") };
    action
}

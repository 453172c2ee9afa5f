//! The last lines that a task has said (D05).

use bastion_cloud::{CloudError, TaskId};

use crate::Aws;

pub(crate) async fn task_logs(_: &Aws, _: &TaskId) -> Result<Vec<String>, CloudError> {
    Ok(Vec::new())
}

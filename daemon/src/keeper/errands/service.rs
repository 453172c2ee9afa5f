//! A service's task: taken as it is; woken and put back to sleep where we are allowed to.

use bastion_cloud::{CloudError, Kind, Scaled, Stage, TaskId};
use bastion_pool::Record;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::{Desk, FIRST_PAUSE, LONGEST_PAUSE};
use crate::keeper::{News, Refusal};

/// The service's task; woken first where it sleeps and the target says that we may.
pub(super) async fn task(desk: &Desk) -> Result<TaskId, Refusal> {
    match desk.cloud.service_task().await {
        Err(CloudError { kind: Kind::ScaledToZero, .. }) if desk.target.rules.scale_from_zero => {
            wake(desk).await
        }
        found => found.map_err(Refusal::Cloud),
    }
}

async fn wake(desk: &Desk) -> Result<TaskId, Refusal> {
    desk.raise().await.map_err(Refusal::Journal)?;
    // From here on it is ours to put back, whatever the answer says or does not say.
    desk.tell(News::Raised);
    desk.stage(Stage::Requesting);
    if let Scaled::Already(_) = desk.cloud.scale_service(0, 1).await.map_err(Refusal::Cloud)? {
        lowered(desk);
    }
    let come = timeout(desk.target.start_timeout, async {
        let mut pause = FIRST_PAUSE;
        loop {
            match desk.cloud.service_task().await {
                // Its scheduler takes some seconds, and its answers lag behind.
                Err(err) if is_on_its_way(&err) => debug!(%err, "the service has no task yet"),
                found => return found.map_err(Refusal::Cloud),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
    match come.await {
        Ok(found) => found,
        Err(_) => Err(Refusal::TookTooLong(bastion_api::Stage::Requesting)),
    }
}

fn is_on_its_way(err: &CloudError) -> bool {
    matches!(
        err.kind,
        Kind::ScaledToZero | Kind::NotFound { what: "running task of the service", .. }
    ) || err.is_transient()
}

/// Puts the service back to sleep, if it was woken by us and nobody else goes through it.
pub(super) async fn leave(desk: &Desk) {
    if !desk.lowers {
        return;
    }
    let mut pause = FIRST_PAUSE;
    loop {
        match desk.cloud.scale_service(1, 0).await {
            // What somebody else has made of it by now is theirs.
            Ok(Scaled::ByUs | Scaled::Already(_)) => return lowered(desk),
            Err(err) => {
                warn!(site = desk.target.site.name, call = err.call, "lowering the service again");
                debug!(%err, "the service was not lowered");
                desk.tell(News::StopRefused(Refusal::Cloud(err)));
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn lowered(desk: &Desk) {
    let site = desk.target.site.name.clone();
    desk.journal.note(Record::Lowered { site });
    desk.tell(News::Lowered);
}

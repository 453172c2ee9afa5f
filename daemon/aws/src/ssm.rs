//! Sessions through a container's agent to a remote host.
//!
//! needs: ssm:StartSession on the task and on the document AWS-StartPortForwardingSessionToRemoteHost — open a session
//! needs: ssm:ResumeSession on one's own sessions — renew a session's token
//! needs: ssm:TerminateSession on one's own sessions — end a session

use std::time::Duration;

use aws_smithy_types::retry::RetryConfig;
use bastion_cloud::{
    Bastion, CloudError, Keys, Kind, Remote, Secret, SessionGrant, SessionId, Site,
};
use tokio::time::Instant;
use tracing::debug;

use crate::access::Access;
use crate::clients::Clients;
use crate::{ecs, pace};

/// Opens a session, waiting for an agent that is not connected yet.
pub(crate) async fn start_session(
    access: &Access,
    site: &Site,
    bastion: &Bastion,
    remote: &Remote,
    patience: Duration,
) -> Result<SessionGrant, CloudError> {
    let deadline = Instant::now() + patience;
    let clients = access.clients().await?;
    let target = target(site, bastion);
    // Together: a helper that gives credentials may take a second, and a session without keys would be left over.
    let (granted, keys) =
        tokio::try_join!(start_until(access, &target, remote, deadline), clients.keys(START))?;
    grant(START, &clients, keys, granted)
}

/// A new token for a session that lives.
pub(crate) async fn resume_session(
    access: &Access,
    session: &SessionId,
) -> Result<SessionGrant, CloudError> {
    let clients = access.clients().await?;
    let call = clients.ssm.resume_session().session_id(session.as_str());
    let answer = async {
        call.send().await.map_err(|err| {
            let refusal = clients.refusal(RESUME, &err);
            if refusal.is("DoesNotExistException") {
                return refusal.into_kind(Kind::SessionOver);
            }
            refusal.into()
        })
    };
    let (answer, keys) = tokio::try_join!(answer, clients.keys(RESUME))?;
    // Amazon's plugin, sessionhandler.go: a session that has timed out is answered without a token.
    let granted = Granted {
        session: Some(session.as_str().to_owned()),
        url: answer.stream_url,
        token: answer.token_value,
    };
    if granted.token.as_deref().unwrap_or_default().is_empty() {
        return Err(error(RESUME, Kind::SessionOver, "the session has timed out"));
    }
    grant(RESUME, &clients, keys, granted)
}

/// Ends a session; one that is over, or that nobody knows, is done with.
pub(crate) async fn end_session(access: &Access, session: &SessionId) -> Result<(), CloudError> {
    let clients = access.clients().await?;
    let answer = clients.ssm.terminate_session().session_id(session.as_str()).send().await;
    let Err(err) = answer else {
        return Ok(());
    };
    let refusal = clients.refusal("ssm:TerminateSession", &err);
    if refusal.is("DoesNotExistException") { Ok(()) } else { Err(refusal.into()) }
}

/// What a session's start or resumption answers.
struct Granted {
    session: Option<String>,
    url: Option<String>,
    token: Option<String>,
}

async fn start_until(
    access: &Access,
    target: &str,
    remote: &Remote,
    deadline: Instant,
) -> Result<Granted, CloudError> {
    let mut tries = 0;
    loop {
        let error = match start(&*access.clients().await?, target, remote).await {
            Ok(granted) => return Ok(granted),
            Err(error) => error,
        };
        // Only these two say that no session was opened and that the same call may succeed (F2).
        let throttled = error.kind == Kind::Throttled;
        if error.kind != Kind::NotConnected && !throttled {
            return Err(error);
        }
        tries += 1;
        let again = Instant::now() + pace::session(tries, throttled, rand::random());
        if again > deadline {
            return Err(error);
        }
        debug!(%error, tries, "asking for a session again");
        tokio::time::sleep_until(again).await;
    }
}

async fn start(clients: &Clients, target: &str, remote: &Remote) -> Result<Granted, CloudError> {
    let answer = clients
        .ssm
        .start_session()
        .target(target)
        .document_name(DOCUMENT)
        .parameters("host", vec![remote.host.clone()])
        .parameters("portNumber", vec![remote.port.to_string()])
        .customize()
        // Not idempotent: a try whose answer is lost may have opened a session, of which a container takes two (F3).
        .config_override(aws_sdk_ssm::Config::builder().retry_config(RetryConfig::disabled()))
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(Granted {
            session: answer.session_id,
            url: answer.stream_url,
            token: answer.token_value,
        }),
        Err(err) => {
            let refusal = clients.refusal(START, &err);
            if refusal.is("TargetNotConnected") {
                return Err(refusal.into_kind(Kind::NotConnected));
            }
            Err(refusal.into())
        }
    }
}

fn grant(
    call: &'static str,
    clients: &Clients,
    keys: Keys,
    granted: Granted,
) -> Result<SessionGrant, CloudError> {
    let (Some(session), Some(url), Some(token)) = (granted.session, granted.url, granted.token)
    else {
        return Err(error(call, Kind::Service, "an answer without session, address or token"));
    };
    Ok(SessionGrant {
        session: SessionId::new(session),
        url,
        token: Secret::new(token),
        region: clients.region.clone(),
        keys,
    })
}

/// The container, as the agent names itself (F1).
fn target(site: &Site, bastion: &Bastion) -> String {
    let cluster = ecs::cluster_name(&bastion.task, site);
    format!("ecs:{cluster}_{}_{}", bastion.task.short(), bastion.runtime_id)
}

fn error(call: &'static str, kind: Kind, message: &str) -> CloudError {
    CloudError { call, kind, message: message.to_owned(), request_id: None }
}

const START: &str = "ssm:StartSession";
const RESUME: &str = "ssm:ResumeSession";

/// The document that forwards to a host other than the container itself.
const DOCUMENT: &str = "AWS-StartPortForwardingSessionToRemoteHost";

#[cfg(test)]
mod tests {
    use bastion_cloud::{Bastion, Runs, Select, Site, TaskId};

    use super::target;

    #[test]
    fn the_target_has_three_parts_and_the_clusters_name_without_its_arn() {
        let site = Site {
            name: "prod".to_owned(),
            profile: None,
            region: None,
            cluster: "arn:aws:ecs:ap-northeast-1:123456789012:cluster/main".to_owned(),
            runs: Runs::TaskDefinition("proxy".to_owned()),
            container: None,
            subnets: Select::Ids(Vec::new()),
            security_groups: Select::Ids(Vec::new()),
            spot: false,
            assign_public_ip: false,
        };
        let bastion = |task: &str| Bastion {
            task: TaskId::new(task),
            container: "proxy".to_owned(),
            runtime_id: "0a1b-265927825".to_owned(),
        };
        let long = bastion("arn:aws:ecs:ap-northeast-1:123456789012:task/main/0a1b");
        assert_eq!(target(&site, &long), "ecs:main_0a1b_0a1b-265927825");
        assert_eq!(target(&site, &bastion("0a1b")), "ecs:main_0a1b_0a1b-265927825");
    }
}

//! Sessions through a bastion's agent, and their data channels.

use super::draft::Draft;
use super::names::Names;

/// Opening a session, keeping it, ending it.
pub(super) fn statements(names: &Names) -> Vec<Draft> {
    let open = Draft::new(
        "OpenSessions",
        &["ssm:StartSession"],
        [names.tasks(), names.of_aws("ssm", &format!("document/{DOCUMENT}"))],
    )
    .only("BoolIfExists", "ssm:SessionDocumentAccessCheck", "true")
    .because(
        "opens sessions that forward a port, and no others: the task's ARN and the document's, with the check of the \
         document, without which the same right opens a shell in the task",
        "no bastion is ever reached",
    );
    let own = Draft::new(
        "KeepOwnSessions",
        &["ssm:ResumeSession", "ssm:TerminateSession"],
        own_sessions(names),
    )
    .because(
        "takes one's own sessions up again, as is needed each hour, and ends them",
        "a tunnel is lost after an hour at most, and a session that nobody uses is left to its idle limit",
    );
    // A role session's own sessions are named after it, which no variable gives by itself; their tag is.
    let tagged = Draft::new(
        "KeepOwnSessionsOfRoles",
        &["ssm:ResumeSession", "ssm:TerminateSession"],
        [names.arn("ssm", "session/*")],
    )
    .only("StringLike", "ssm:resourceTag/aws:ssmmessages:session-id", "${aws:userid}")
    .because(
        "the same for whoever has taken a role, as everybody has with an SSO login: AWS tags sessions with their owner",
        "as above, with an SSO login or any other role",
    );
    let channel =
        Draft::new("OpenDataChannels", &["ssmmessages:OpenDataChannel"], own_sessions(names))
            .because(
                "connects to one's own sessions, which is a call of its own since 2025",
                "a session is opened, and its websocket refused",
            );
    vec![open, own, tagged, channel]
}

/// Users' sessions are named after the user, all others after the id of whoever has taken a role.
fn own_sessions(names: &Names) -> [String; 2] {
    ["${aws:userid}", "${aws:username}"]
        .map(|owner| names.arn("ssm", &format!("session/{owner}-*")))
}

/// The document that forwards to a host other than the container itself.
const DOCUMENT: &str = "AWS-StartPortForwardingSessionToRemoteHost";

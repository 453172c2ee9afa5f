//! Why there is no tunnel, or none any more.

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::LoginWay;
use ssm_tunnel::{Closed, OpenError, StreamError};

use super::cloud::{cloud, intercepted};
use super::{chain, closed, login, policy, stopping};
use crate::config::Target;
use crate::tunnels::{TunnelFailure, refuses_the_remote};

/// Why there is no tunnel.
pub(super) fn tunnel(target: &Target, failure: &TunnelFailure) -> Problem {
    match failure {
        TunnelFailure::Session(err) => cloud(target, err),
        TunnelFailure::Open(err) => not_opened(target, err),
        TunnelFailure::Stream(err) => match err.as_ref() {
            // The tunnel's own end is the reason, and may be about the database's name.
            StreamError::Closed(why) => tunnel_closed(target, why),
            StreamError::Refused(_) => tunnel_lost(target).because(chain(err.as_ref()).join(": ")),
        },
        TunnelFailure::Stopping => stopping(target),
    }
}

/// What went wrong between the session's token and the agent's handshake.
fn not_opened(target: &Target, err: &OpenError) -> Problem {
    let site = &target.site.name;
    let problem = match err {
        OpenError::Address(_) => address_refused(target),
        OpenError::Upgrade { status: 401 | 403, .. } => upgrade_denied(target),
        OpenError::Roots(_) => roots_unreadable(site),
        OpenError::Tls { issuer, .. } => intercepted(site, issuer.as_deref()),
        OpenError::Proxy { .. } => intercepted(site, None),
        OpenError::Connect { .. }
        | OpenError::Upgrade { .. }
        | OpenError::WebSocket { .. }
        | OpenError::DialDeadline { .. } => middlebox(site),
        OpenError::Sign(_) => {
            login::login(site, target.site.profile.as_deref(), &LoginWay::Unknown)
        }
        OpenError::HandshakeDeadline { .. } => session_limit(target),
        OpenError::Closed(why) => return tunnel_closed(target, why),
    };
    problem.because(chain(err).join(": "))
}

/// Why a tunnel that stood has ended.
pub fn tunnel_closed(target: &Target, why: &Closed) -> Problem {
    let problem = match why {
        Closed::ByUs => closed(target),
        Closed::ByService { .. } if refuses_the_remote(why) => name_refused(target),
        Closed::Unsupported(_) => agent_unfit(target),
        Closed::AwayTooLong { .. } => away_too_long(target),
        Closed::ResumeRefused { .. } => resume_refused(target),
        Closed::ByService { .. } | Closed::SessionOver { .. } => session_ended(target),
        Closed::Misbehaved(_) | Closed::Lost(_) | Closed::Undriven => tunnel_lost(target),
    };
    problem.because(chain(why).join(": "))
}

fn address_refused(target: &Target) -> Problem {
    Problem::new("D30", Sort::NotPermitted, "the session's address is not one of AWS's own").hint(
        format!(
            "if your organisation has a VPC endpoint for ssmmessages, list its name: \
             endpoints = [\"vpce-…\"] under [site.{}]",
            target.site.name
        ),
    )
}

fn agent_unfit(target: &Target) -> Problem {
    let message = format!("the SSM agent in the bastion for {} does not fit", target.name);
    Problem::new("D22", Sort::BastionFailed, message)
        .hint("run the task on Fargate platform version LATEST, whose agent is recent")
}

fn away_too_long(target: &Target) -> Problem {
    let message = format!("the tunnel to {} was away for too long", target.name);
    Problem::new("D23", Sort::Failed, message)
        .because("the service keeps an idle session for 20 min, unless the account says otherwise")
        .hint("connect again: the next visit opens another")
}

fn middlebox(site: &str) -> Problem {
    let message = format!("no websocket to AWS's session service for site {site}");
    Problem::new("D30", Sort::Failed, message)
        .hint("look for a proxy or a filter between this machine and ssmmessages.<region>.amazonaws.com:443")
}

fn name_refused(target: &Target) -> Problem {
    let message = format!("the bastion cannot use the address of {}", target.name);
    Problem::new("D25", Sort::DatabaseUnreachable, message)
        .hint("the name must be known to the VPC's own DNS, and its address not be one that the agent refuses")
}

fn resume_refused(target: &Target) -> Problem {
    let problem = policy::denied(target, "ssm:ResumeSession", None, false);
    problem.because(format!(
        "the tunnel to {} could not be taken up again when its websocket closed, as it does each hour",
        target.name
    ))
}

fn roots_unreadable(site: &str) -> Problem {
    let message = format!("the certificates to trust for site {site} cannot be read");
    Problem::new("D30", Sort::Failed, message)
        .hint("look at ca_bundle under [daemon], or at the system's own certificates")
}

fn session_ended(target: &Target) -> Problem {
    let message = format!("the session of the tunnel to {} was ended", target.name);
    Problem::new("D23", Sort::Failed, message).hint("connect again: the next visit opens another")
}

fn session_limit(target: &Target) -> Problem {
    let message = format!("the agent in the bastion for {} does not answer", target.name);
    Problem::new("D20", Sort::BastionFailed, message)
        .because(
            "an agent takes two sessions at once unless told otherwise; a third gets no answer",
        )
        .hint("end the other sessions: aws ssm describe-sessions --state Active")
}

/// A tunnel that stood is gone.
pub fn tunnel_lost(target: &Target) -> Problem {
    let message = format!("the tunnel to {} was lost", target.name);
    Problem::new("D23", Sort::Failed, message).hint("connect again: the next visit opens another")
}

fn upgrade_denied(target: &Target) -> Problem {
    policy::denied(target, "ssmmessages:OpenDataChannel", None, false)
}

//! How the script's faults show themselves on one call: as a refusal in the service's words, as silence, as nonsense.

use axum::body::Body;
use http::Response;

use crate::api::{Ask, AwsError, Service, wire};
use crate::faults::{Verdict, What};
use crate::realm::Realm;
use crate::sigv4::Caller;

/// What comes of a call before it is acted upon.
pub(crate) enum Before {
    Go,
    Cut,
    Garbled,
}

/// Holds, cuts or garbles a call before it is acted upon.
pub(crate) async fn before(realm: &Realm, met: &[What]) -> Before {
    for what in met {
        if let What::Held { name, before: true } = what
            && realm.faults().hold(name).await == Verdict::Drop
        {
            return Before::Cut;
        }
        if matches!(what, What::Reset { after: false }) {
            return Before::Cut;
        }
        if matches!(what, What::Garbled) {
            return Before::Garbled;
        }
    }
    Before::Go
}

/// Holds or cuts a call that has been acted upon.
pub(crate) async fn after(realm: &Realm, met: &[What]) -> Option<Verdict> {
    for what in met {
        if let What::Held { name, before: false } = what {
            return Some(realm.faults().hold(name).await);
        }
        if matches!(what, What::Reset { after: true }) {
            return Some(Verdict::Drop);
        }
    }
    None
}

/// What stands between us and AWS may answer in its place.
pub(crate) fn garbled() -> Response<Body> {
    wire::respond(
        503,
        "text/html",
        "<html><body><h1>503 Service Unavailable</h1></body></html>".to_owned(),
        "",
    )
}

/// How far the time of day is off for this call.
pub(crate) fn skew_ms(met: &[What]) -> i64 {
    met.iter()
        .map(
            |what| {
                if let What::Skewed { seconds } = what { seconds.saturating_mul(1000) } else { 0 }
            },
        )
        .sum()
}

/// The scripted refusal of this call, if there is one, as its service writes it.
pub(crate) fn refusal(ask: &Ask, met: &[What]) -> Option<AwsError> {
    met.iter().find_map(|what| match what {
        What::Throttled => Some(throttled(ask.service)),
        What::AccessDenied { explicit, resource } => {
            let action = format!("{}:{}", ask.service.name(), ask.action);
            Some(denied(ask.service, &ask.caller, &action, *explicit, resource.as_deref()))
        }
        What::Expired => Some(expired(ask.service)),
        What::NoCapacity => Some(AwsError::client(NO_CAPACITY)),
        What::Refused { status, code, message } => Some(AwsError::status(*status, code, message)),
        What::Broken => Some(broken(ask.service)),
        What::Failure { .. }
        | What::TaskDies { .. }
        | What::ImagePull
        | What::AgentNever
        | What::AgentSilent
        | What::AgentStopped { .. }
        | What::ExecOff
        | What::Held { .. }
        | What::Garbled
        | What::Slow { .. }
        | What::Reset { .. }
        | What::Skewed { .. } => None,
    })
}

fn throttled(service: Service) -> AwsError {
    match service {
        Service::Ec2 => AwsError::status(503, "RequestLimitExceeded", "Request limit exceeded."),
        Service::Iam | Service::Rds | Service::Sts => AwsError::new("Throttling", "Rate exceeded"),
        Service::Ecs | Service::Logs | Service::Ssm | Service::SecretsManager | Service::Sso => {
            AwsError::new("ThrottlingException", "Rate exceeded")
        }
    }
}

fn expired(service: Service) -> AwsError {
    match service {
        Service::Ec2 => AwsError::new("RequestExpired", "Request has expired."),
        Service::Iam | Service::Rds | Service::Sts => AwsError::status(
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        ),
        Service::Ecs | Service::Logs | Service::Ssm | Service::SecretsManager => AwsError::new(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
        Service::Sso => {
            AwsError::status(401, "UnauthorizedException", "Session token not found or invalid")
        }
    }
}

fn broken(service: Service) -> AwsError {
    match service {
        Service::Ecs => {
            AwsError::status(500, "ServerException", "Service Unavailable. Please try again later.")
        }
        Service::Logs => AwsError::status(
            500,
            "ServiceUnavailableException",
            "The service cannot complete the request.",
        ),
        Service::Sso => AwsError::status(500, "InternalServerException", ""),
        Service::Ssm => {
            AwsError::status(500, "InternalServerError", "An internal server error occurred.")
        }
        Service::SecretsManager => {
            AwsError::status(500, "InternalServiceError", "An error occurred on the server side.")
        }
        Service::Ec2 => AwsError::status(500, "InternalError", "An internal error has occurred"),
        Service::Iam | Service::Rds | Service::Sts => AwsError::status(
            500,
            "InternalFailure",
            "The request processing has failed because of an unknown error.",
        ),
    }
}

/// AWS's two texts: nothing allows it, or something forbids it.
pub(crate) fn denied(
    service: Service,
    caller: &Caller,
    action: &str,
    explicit: bool,
    resource: Option<&str>,
) -> AwsError {
    let on = match resource {
        Some("*") | None if service == Service::Ec2 => String::new(),
        Some(resource) => format!(" on resource: {resource}"),
        None => " on resource: *".to_owned(),
    };
    let text = not_authorized(caller, action, &on, explicit);
    match service {
        Service::Ec2 => {
            let text = format!("You are not authorized to perform this operation. {text}");
            AwsError::status(403, "UnauthorizedOperation", text)
        }
        Service::Iam | Service::Rds | Service::Sts => AwsError::status(403, "AccessDenied", text),
        Service::Ecs | Service::Logs | Service::Ssm | Service::SecretsManager | Service::Sso => {
            AwsError::new("AccessDeniedException", text)
        }
    }
}

/// The same for the upgrade to a session's websocket.
pub(crate) fn denied_channel(caller: &Caller, explicit: bool, resource: Option<&str>) -> AwsError {
    let on = resource.map(|resource| format!(" on resource: {resource}")).unwrap_or_default();
    let text = not_authorized(caller, "ssmmessages:OpenDataChannel", &on, explicit);
    AwsError::status(403, "AccessDeniedException", text)
}

fn not_authorized(caller: &Caller, action: &str, on: &str, explicit: bool) -> String {
    let why = if explicit {
        "with an explicit deny in an identity-based policy".to_owned()
    } else {
        format!("because no identity-based policy allows the {action} action")
    };
    format!("User: {} is not authorized to perform: {action}{on} {why}", caller.arn)
}

/// Fargate's words for it.
pub(crate) const NO_CAPACITY: &str = "Capacity is unavailable at this time. Please try again later or in a different availability zone";

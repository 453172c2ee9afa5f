use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ecs::operation::run_task::RunTaskError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use bastion_cloud::{CloudError, Kind, LoginWay};

use super::{Refusal, signature_times, words};

/// 2026-01-01 00:10:00 UTC.
const NOW: Duration = Duration::from_secs(1_767_226_200);

fn answered(status: u16, code: &str, message: &str, date: Option<&'static str>) -> CloudError {
    let mut raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
    raw.headers_mut().insert("x-amzn-requestid", "req-1");
    if let Some(date) = date {
        raw.headers_mut().insert("date", date);
    }
    let meta = ErrorMetadata::builder().code(code).message(message).build();
    let err = SdkError::service_error(RunTaskError::generic(meta), raw);
    refused(&err)
}

fn refused(err: &SdkError<RunTaskError, HttpResponse>) -> CloudError {
    Refusal::new("ecs:RunTask", err, Some("prod"), Some(SystemTime::UNIX_EPOCH + NOW)).error
}

fn login() -> Kind {
    Kind::Login { profile: Some("prod".to_owned()), way: LoginWay::Unknown }
}

#[test]
fn an_answer_keeps_its_words_its_request_id_and_the_call() {
    let error = answered(400, "ThrottlingException", "Rate exceeded", None);
    assert_eq!(error.call, "ecs:RunTask");
    assert_eq!(error.kind, Kind::Throttled);
    assert_eq!(error.message, "Rate exceeded");
    assert_eq!(error.request_id.as_deref(), Some("req-1"));
}

#[test]
fn every_code_for_an_expired_or_unknown_login_asks_for_a_login() {
    for code in [
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "AuthFailure",
    ] {
        assert_eq!(answered(403, code, "no", None).kind, login(), "{code}");
    }
}

#[test]
fn a_denial_is_explicit_only_where_aws_says_so() {
    let words = "User: arn:aws:iam::1:user/a is not authorized to perform: ssm:StartSession on resource: arn:x";
    let implicit =
        format!("{words} because no identity-based policy allows the ssm:StartSession action");
    let denied = |explicit: bool| Kind::Denied {
        explicit,
        action: Some("ssm:StartSession".to_owned()),
        resource: Some("arn:x".to_owned()),
    };
    assert_eq!(answered(400, "AccessDeniedException", &implicit, None).kind, denied(false));
    let explicit = format!("{words} with an explicit deny in an identity-based policy");
    assert_eq!(answered(400, "AccessDeniedException", &explicit, None).kind, denied(true));
    assert_eq!(
        answered(403, "UnauthorizedOperation", "no", None).kind,
        Kind::Denied { explicit: false, action: None, resource: None }
    );
}

#[test]
fn a_wrong_secret_is_not_a_wrong_clock() {
    let message = "The request signature we calculated does not match the signature you provided.";
    let date = Some("Thu, 01 Jan 2026 00:10:02 GMT");
    assert_eq!(answered(403, "SignatureDoesNotMatch", message, date).kind, login());
    assert_eq!(answered(400, "InvalidSignatureException", message, None).kind, login());
}

#[test]
fn a_wrong_clock_is_told_from_the_date_header_with_its_seconds() {
    let date = Some("Thu, 01 Jan 2026 00:00:00 GMT");
    let error = answered(403, "SignatureDoesNotMatch", "does not match", date);
    assert_eq!(error.kind, Kind::ClockSkew { seconds: Some(600) });
    assert_eq!(
        answered(403, "RequestTimeTooSkewed", "too large", date).kind,
        Kind::ClockSkew { seconds: Some(600) }
    );
    assert_eq!(
        answered(403, "RequestTimeTooSkewed", "too large", None).kind,
        Kind::ClockSkew { seconds: None }
    );
    assert_eq!(
        answered(400, "RequestExpired", "Request has expired.", date).kind,
        Kind::ClockSkew { seconds: Some(600) }
    );
    assert_eq!(answered(400, "RequestExpired", "Request has expired.", None).kind, login());
}

#[test]
fn a_wrong_clock_is_told_from_the_words_with_its_seconds() {
    let behind = "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z (20260101T001000Z - 5 min.)";
    let ahead = "Signature not yet current: 20260101T010000Z is still later than 20260101T000500Z (20260101T000000Z + 5 min.)";
    assert_eq!(signature_times(behind), Some(-600));
    assert_eq!(signature_times(ahead), Some(3600));
    let error = answered(403, "InvalidSignatureException", behind, None);
    assert_eq!(error.kind, Kind::ClockSkew { seconds: Some(-600) });
}

#[test]
fn times_that_are_none_are_not_read_as_such() {
    for text in [
        "",
        "Signature expired: yesterday",
        "20260101T000000Z",
        "2026é101T00000Z 20269999T999999Z x",
    ] {
        assert_eq!(signature_times(text), None, "{text}");
    }
}

#[test]
fn a_status_decides_where_the_code_is_unknown() {
    assert_eq!(answered(503, "SomethingNew", "sorry", None).kind, Kind::Service);
    assert_eq!(answered(429, "SomethingNew", "sorry", None).kind, Kind::Throttled);
    assert_eq!(answered(400, "SomethingNew", "sorry", None).kind, Kind::Invalid);
}

#[test]
fn a_code_is_known_with_and_without_its_suffix() {
    let meta = ErrorMetadata::builder()
        .code("ClusterNotFoundException")
        .message("Cluster not found.")
        .build();
    let raw = HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::empty());
    let err = SdkError::service_error(RunTaskError::generic(meta), raw);
    let refusal = Refusal::new("ecs:RunTask", &err, None, None);
    assert!(refusal.is("ClusterNotFound") && refusal.is("ClusterNotFoundException"));
    assert!(!refusal.is("Cluster"));
    assert!(refusal.says("cluster NOT found"));
}

#[test]
fn nobody_there_is_unreachable_and_says_why() {
    let cause = std::io::Error::new(
        std::io::ErrorKind::ConnectionRefused,
        "Connection refused (os error 111)",
    );
    let error = refused(&SdkError::dispatch_failure(ConnectorError::io(cause.into())));
    assert_eq!(error.kind, Kind::Unreachable);
    assert_eq!(error.message, "Connection refused (os error 111)");
}

#[test]
fn no_answer_is_timed_out() {
    let error = refused(&SdkError::timeout_error("slow"));
    assert_eq!((error.kind, error.message.as_str()), (Kind::TimedOut, "no answer in time"));
}

#[test]
fn missing_credentials_ask_for_a_login_in_the_words_of_the_provider() {
    let cause = CredentialsError::provider_error("failed to load the cached SSO token");
    let error = refused(&SdkError::dispatch_failure(ConnectorError::other(cause.into(), None)));
    assert_eq!(error.kind, login());
    assert_eq!(error.message, "failed to load the cached SSO token");
}

#[test]
fn credentials_that_could_not_be_had_for_want_of_a_network_are_unreachable() {
    let network = ConnectorError::io("dns error".into());
    let cause = CredentialsError::provider_error(network);
    let error = refused(&SdkError::dispatch_failure(ConnectorError::other(cause.into(), None)));
    assert_eq!(error.kind, Kind::Unreachable);
}

#[test]
fn the_words_of_a_chain_hold_no_fillers_and_nothing_twice() {
    let inner = CredentialsError::not_loaded("profile `x` was not defined");
    let outer = CredentialsError::provider_error(inner);
    assert_eq!(
        words(&outer),
        "the credential provider was not enabled: profile `x` was not defined"
    );
}

#[test]
fn the_ways_to_credentials_that_were_tried_are_named_on_one_line() {
    let tried = "no credentials found in chain. Attempted:\n  Environment: the credential provider was not enabled: \
                 environment variable not set\n  Profile: the credential provider was not enabled\n";
    let error = CredentialsError::provider_error(tried);
    assert_eq!(words(&error), "no credentials found in chain. Attempted: Environment, Profile");
}

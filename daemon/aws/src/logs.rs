//! The last lines that a task has said, from the log group that its definition names (D05).
//!
//! needs: logs:GetLogEvents on the definition's log group — read a task's last lines
//!
//! GetLogEvents is one JSON call of one service: the SDK's crate for that service would turn on event streams in the
//! crates below all the others, and compile for minutes. So the call is written out here, and goes the SDK's own way
//! (its HTTP client, endpoints and deadlines) with a signature of ours.

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::service_config::ServiceConfigKey;
use bastion_cloud::{CloudError, Keys, Kind, TaskId};
use serde_json::{Value, json};

use crate::Aws;
use crate::clients::Clients;
use crate::container::{self, Candidate, LogStream};
use crate::ecs::describe_tasks;
use crate::task;

/// The last lines of the container that a bastion is made of, or of the one that broke off; none where it keeps no
/// log.
pub(crate) async fn task_logs(aws: &Aws, task: &TaskId) -> Result<Vec<String>, CloudError> {
    let clients = aws.access.clients().await?;
    let seen = describe_tasks(&clients, &aws.site, std::slice::from_ref(task)).await?;
    let Some(seen) = seen.get(task) else {
        return Ok(Vec::new());
    };
    let definition = seen.task_definition_arn().unwrap_or_default();
    let containers = aws.definitions.containers(&clients, definition).await?;
    let name = match task::broken(seen).and_then(|container| container.name()) {
        Some(name) => name.to_owned(),
        None => match &aws.site.container {
            Some(name) => name.clone(),
            None => container::only(GET, &containers)?,
        },
    };
    let log = containers.iter().find(|one| one.name == name).and_then(Candidate::log);
    match log {
        Some(log) => read(&clients, log, &format!("{}/{name}/{}", log.prefix, task.short())).await,
        None => Ok(Vec::new()),
    }
}

async fn read(clients: &Clients, log: &LogStream, stream: &str) -> Result<Vec<String>, CloudError> {
    let region = log.region.as_deref().unwrap_or(&clients.region);
    let body = json!({
        "logGroupName": log.group,
        "logStreamName": stream,
        "limit": LINES,
        "startFromHead": false,
    });
    let answer = ask(clients, region, body.to_string()).await;
    match answer {
        Ok(answer) => Ok(lines(&answer)),
        // Whoever died before its first word has no stream.
        Err(error) if matches!(error.kind, Kind::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn lines(answer: &Value) -> Vec<String> {
    let events = answer["events"].as_array().into_iter().flatten();
    let said = events.filter_map(|event| event["message"].as_str());
    let mut lines: Vec<String> = said.flat_map(str::lines).map(tidy).collect();
    // A message of several lines makes more of them than were asked for.
    lines.drain(..lines.len().saturating_sub(LINES));
    lines
}

/// A line that a terminal can show: no control characters, and not without end.
fn tidy(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(LINE).collect()
}

async fn ask(clients: &Clients, region: &str, body: String) -> Result<Value, CloudError> {
    let endpoint = endpoint(clients, region);
    let keys = clients.keys(GET).await?;
    let headers = signed(clients, &keys, region, &endpoint, &body).map_err(|err| CloudError {
        call: GET,
        kind: Kind::Invalid,
        message: err.to_string(),
        request_id: None,
    })?;
    let mut operation = Operation::builder()
        .service_name("logs")
        .operation_name("GetLogEvents")
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&endpoint)
        .no_auth()
        .no_retry();
    if let Some(http) = clients.sdk.http_client() {
        operation = operation.http_client(http);
    }
    if let Some(timeouts) = clients.sdk.timeout_config() {
        operation = operation.timeout_config(timeouts.clone());
    }
    if let Some(sleep) = clients.sdk.sleep_impl() {
        operation = operation.sleep_impl(sleep);
    }
    if let Some(time) = clients.sdk.time_source() {
        operation = operation.time_source(time);
    }
    let operation = operation.serializer(request).deserializer(response).build();
    operation.invoke(Sent { headers, body }).await.map_err(|err| {
        let refusal = clients.refusal(GET, &err);
        if refusal.is("ResourceNotFoundException") {
            return refusal.into_kind(Kind::NotFound { what: "log", candidates: Vec::new() });
        }
        refusal.into()
    })
}

/// A request on its way; its headers hold a signature.
struct Sent {
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent").finish_non_exhaustive()
    }
}

fn request(sent: Sent) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::from(sent.body));
    request.set_method("POST")?;
    request.set_uri("/")?;
    for (name, value) in sent.headers {
        request.headers_mut().try_insert(name, value)?;
    }
    Ok(request)
}

fn response(answer: &HttpResponse) -> Result<Value, OrchestratorError<Refused>> {
    let body: Value =
        serde_json::from_slice(answer.body().bytes().unwrap_or_default()).unwrap_or_default();
    if answer.status().is_success() {
        return Ok(body);
    }
    let code = body["__type"].as_str().unwrap_or_default();
    let meta = ErrorMetadata::builder()
        .code(code.rsplit('#').next().unwrap_or(code))
        .message(body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default());
    Err(OrchestratorError::operation(Refused(meta.build())))
}

/// What the service answered in place of a log.
#[derive(Debug)]
struct Refused(ErrorMetadata);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.message().unwrap_or_default())
    }
}

impl std::error::Error for Refused {}

impl ProvideErrorMetadata for Refused {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// Where the service answers: as the profile or the environment say, in the SDK's own order, else its usual name.
fn endpoint(clients: &Clients, region: &str) -> String {
    let key = ServiceConfigKey::builder()
        .service_id("CloudWatch Logs")
        .profile("endpoint_url")
        .env("AWS_ENDPOINT_URL")
        .build()
        .expect("all three are given");
    let own = clients.sdk.service_config().and_then(|config| config.load_config(key));
    own.or_else(|| clients.sdk.endpoint_url().map(str::to_owned)).unwrap_or_else(|| {
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://logs.{region}.amazonaws.com{suffix}")
    })
}

fn signed(
    clients: &Clients,
    keys: &Keys,
    region: &str,
    endpoint: &str,
    body: &str,
) -> Result<Vec<(&'static str, String)>, BoxError> {
    let token = keys.session_token.as_ref().map(|token| token.reveal().to_owned());
    let secret = keys.secret_access_key.reveal();
    let identity = Credentials::new(&keys.access_key_id, secret, token, None, "logs").into();
    let now = clients.sdk.time_source().map(|clock| clock.now());
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("logs")
        .time(now.ok_or("no clock")?)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let (_, authority) = endpoint.split_once("://").ok_or("an endpoint without a scheme")?;
    let authority = authority.trim_end_matches('/');
    let own = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", TARGET)];
    let headers = own.into_iter().chain([("host", authority)]);
    let uri = format!("{}/", endpoint.trim_end_matches('/'));
    let request = SignableRequest::new("POST", uri, headers, SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _signature) = sign(request, &params)?.into_parts();
    let (signed, _query) = instructions.into_parts();
    let signed = signed.iter().map(|header| (header.name(), header.value().to_owned()));
    Ok(own.iter().map(|(name, value)| (*name, (*value).to_owned())).chain(signed).collect())
}

const GET: &str = "logs:GetLogEvents";
const TARGET: &str = "Logs_20140328.GetLogEvents";

/// How many lines are read (product.md, D05).
const LINES: usize = 20;

/// How much of a line is kept: enough for any error, and not a whole dump in one line.
const LINE: usize = 300;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{LINE, LINES, lines};

    #[test]
    fn the_last_lines_are_kept_in_order_without_what_a_terminal_would_obey() {
        let mut events: Vec<_> =
            (0..30).map(|n| json!({ "message": format!("line {n}") })).collect();
        events.push(json!({ "message": "\u{1b}[31mred\r\nand after" }));
        let lines = lines(&json!({ "events": events }));
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines[0], "line 12");
        assert_eq!(&lines[LINES - 2..], ["[31mred", "and after"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let lines = lines(&json!({ "events": [{ "message": "x".repeat(10_000) }] }));
        assert_eq!(lines[0].len(), LINE);
    }
}

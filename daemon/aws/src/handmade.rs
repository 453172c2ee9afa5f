//! Calls of services whose SDK crate is not carried: a whole crate for one call would compile for minutes, and turn on
//! features in the crates below all the others.
//!
//! Such a call is written out here and goes the SDK's own way (its HTTP client, endpoints and deadlines), with a signature
//! of ours.

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
use bastion_cloud::{CloudError, Keys, Kind};

use crate::clients::Clients;
use crate::fault::Refusal;

/// One call, all of it.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// `logs:GetLogEvents`
    pub(crate) name: &'static str,
    /// Where the service answers: scheme and host.
    pub(crate) endpoint: String,
    /// As whose it is signed; none for a call that anybody may make.
    pub(crate) signed_for: Option<SignedFor<'a>>,
    /// `POST` or `GET`.
    pub(crate) method: &'static str,
    /// The headers that say what the body is.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: String,
}

/// What a signature is good for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedFor<'a> {
    pub(crate) service: &'static str,
    pub(crate) region: &'a str,
}

/// Makes a call; what is answered is read by `read`, refusals too.
pub(crate) async fn ask<T, R>(clients: &Clients, call: Call<'_>, read: R) -> Result<T, Refusal>
where
    T: Send + Sync + std::fmt::Debug + 'static,
    R: Fn(&HttpResponse) -> Result<T, ErrorMetadata> + Send + Sync + 'static,
{
    let (service, action) = call.name.split_once(':').unwrap_or((call.name, ""));
    let headers = headers(clients, &call).await?;
    let mut operation = Operation::builder()
        .service_name(service)
        .operation_name(action)
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&call.endpoint)
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
    let read = move |answer: &HttpResponse| {
        read(answer).map_err(|meta| OrchestratorError::operation(Refused(meta)))
    };
    let operation = operation.serializer(request).deserializer(read).build();
    let sent = Sent { method: call.method, headers, body: call.body };
    operation.invoke(sent).await.map_err(|err| clients.refusal(call.name, &err))
}

/// Where a service answers: as the profile or the environment say, in the SDK's own order, else its usual name.
pub(crate) fn endpoint(clients: &Clients, service_id: &str, usual: String) -> String {
    let key = ServiceConfigKey::builder()
        .service_id(service_id)
        .profile("endpoint_url")
        .env("AWS_ENDPOINT_URL")
        .build()
        .expect("all three are given");
    let own = clients.sdk.service_config().and_then(|config| config.load_config(key));
    own.or_else(|| clients.sdk.endpoint_url().map(str::to_owned)).unwrap_or(usual)
}

/// What the names of AWS's hosts end with in a region.
pub(crate) fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// A request on its way; its headers may hold a signature.
struct Sent {
    method: &'static str,
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
    request.set_method(sent.method)?;
    request.set_uri("/")?;
    for (name, value) in sent.headers {
        request.headers_mut().try_insert(name, value)?;
    }
    Ok(request)
}

/// What the service answered in place of a result.
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

async fn headers(
    clients: &Clients,
    call: &Call<'_>,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let own = call.headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let Some(whom) = call.signed_for else {
        return Ok(own.collect());
    };
    let keys = clients.keys(call.name).await.map_err(Refusal::from)?;
    let signed = signed(clients, &keys, whom, call).map_err(|err| {
        Refusal::from(CloudError {
            call: call.name,
            kind: Kind::Invalid,
            message: err.to_string(),
            request_id: None,
        })
    })?;
    Ok(own.chain(signed).collect())
}

fn signed(
    clients: &Clients,
    keys: &Keys,
    whom: SignedFor<'_>,
    call: &Call<'_>,
) -> Result<Vec<(&'static str, String)>, BoxError> {
    let token = keys.session_token.as_ref().map(|token| token.reveal().to_owned());
    let secret = keys.secret_access_key.reveal();
    let identity = Credentials::new(&keys.access_key_id, secret, token, None, "handmade").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(whom.region)
        .name(whom.service)
        .time(clients.now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let endpoint = call.endpoint.trim_end_matches('/');
    let (_, authority) = endpoint.split_once("://").ok_or("an endpoint without a scheme")?;
    let headers = call.headers.iter().copied().chain([("host", authority)]);
    let uri = format!("{endpoint}/");
    let body = SignableBody::Bytes(call.body.as_bytes());
    let request = SignableRequest::new(call.method, uri, headers, body)?;
    let (instructions, _signature) = sign(request, &params)?.into_parts();
    let (signed, _query) = instructions.into_parts();
    Ok(signed.iter().map(|header| (header.name(), header.value().to_owned())).collect())
}

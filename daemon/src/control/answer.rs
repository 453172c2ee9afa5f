//! How calls answer: JSON that a person can read too, lines of it for streams, and problems.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bastion_api::{ErrorBody, Problem, ProblemKind, Refused};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::explain;

/// An answer in indented JSON with a newline at its end: `curl` shows it as it is.
#[derive(Debug)]
pub(super) struct Told<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Told<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

/// A call that did not do what was asked.
#[derive(Debug)]
pub(super) enum Failed {
    /// A problem, for the caller to show.
    Problem(Box<Problem>),
    /// Somebody is connected.
    InUse(Box<Refused>),
}

impl Failed {
    pub(super) fn unknown_target(name: &str, config: &Config) -> Self {
        let known = config.targets.iter().map(|target| target.name.as_str());
        explain::unknown_target(name, known).into()
    }

    pub(super) fn too_slow() -> Self {
        explain::call_too_slow().into()
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => json(status_of(problem.kind), &ErrorBody::from(*problem)),
            Self::InUse(refused) => json(StatusCode::CONFLICT, &*refused),
        }
    }
}

/// A request's body as JSON; an empty one means all defaults.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Asked<T> {
    type Rejection = Failed;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Failed> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|err| explain::bad_request(&err.body_text()))?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        let parsed = serde_json::from_slice(&body);
        parsed.map(Self).map_err(|err| explain::bad_request(&err.to_string()).into())
    }
}

/// A target's name, out of a call's path.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let name = Path::from_request_parts(parts, state).await;
        let Path(name) = name.map_err(|err| explain::bad_request(&err.body_text()))?;
        Ok(Self(name))
    }
}

/// What a call's path has behind its `?`.
#[derive(Debug)]
pub(super) struct Queried<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Queried<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let asked = Query::from_request_parts(parts, state).await;
        let Query(asked) = asked.map_err(|err| explain::bad_request(&err.body_text()))?;
        Ok(Self(asked))
    }
}

/// An answer of JSON lines, each sent as it comes; it ends when the sender does.
pub(super) fn lines<T: Serialize + Send + 'static>(lines: mpsc::Receiver<T>) -> Response {
    let body = stream::unfold(lines, |mut lines| async move {
        let line = lines.recv().await?;
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), lines))
    });
    let mut response = Response::new(Body::from_stream(body));
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, ndjson);
    response
}

/// Any path that is not a call's.
pub(super) async fn no_such_call(uri: Uri) -> Response {
    let problem = explain::no_such_call(uri.path());
    json(StatusCode::NOT_FOUND, &ErrorBody::from(problem))
}

/// Any path that only a running daemon answers.
pub(super) async fn needs_daemon(uri: Uri) -> Response {
    Failed::from(explain::needs_daemon(uri.path())).into_response()
}

/// A call's path with another method than the call's.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let problem = explain::wrong_method(method.as_str(), uri.path());
    json(StatusCode::METHOD_NOT_ALLOWED, &ErrorBody::from(problem))
}

fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let mut text = serde_json::to_vec_pretty(body).unwrap_or_default();
    text.push(b'\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn status_of(kind: ProblemKind) -> StatusCode {
    match kind {
        ProblemKind::Usage => StatusCode::BAD_REQUEST,
        ProblemKind::NotFound => StatusCode::NOT_FOUND,
        ProblemKind::Login | ProblemKind::NotPermitted => StatusCode::FORBIDDEN,
        ProblemKind::PortConflict => StatusCode::CONFLICT,
        ProblemKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        ProblemKind::BastionFailed | ProblemKind::DatabaseUnreachable => StatusCode::BAD_GATEWAY,
        ProblemKind::NotRunning => StatusCode::SERVICE_UNAVAILABLE,
        ProblemKind::DoctorFound | ProblemKind::Bug | ProblemKind::Failed => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

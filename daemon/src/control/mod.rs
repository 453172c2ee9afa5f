//! The control socket: HTTP and JSON for bastionctl, and for `curl --unix-socket`.
//!
//! One file a call, under the same name as bastionctl's verb.

mod answer;
mod audit;
mod by_hand;
mod close;
mod config;
mod cost;
mod doctor;
mod events;
mod forward;
mod info;
mod init;
mod office;
mod open;
mod password;
mod peer;
mod policy;
pub mod reload;
mod running;
mod span;
mod status;
mod survey;
mod test;
#[cfg(test)]
mod tests;
mod token;
mod version;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::error_handling::HandleErrorLayer;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::{get, post};
use axum::{BoxError, Router, middleware};
use bastion_api::Timestamp;
use tokio::net::UnixListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::config::Target;
use crate::listen::{House, Listeners, Opening};
use crate::tasks::Tasks;

use answer::Failed;

pub use office::{Live, Office, serve_one};
pub use running::{CloudMaker, Loaded, Pair, Running};
pub use survey::Surveyor;

/// What the calls work with. Clones share it.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The config that the daemon runs with, and its clouds.
    pub running: Running,
    /// Makes the clouds of another config.
    pub clouds: CloudMaker,
    /// Looks into accounts that no config knows yet.
    pub surveyor: Surveyor,
    /// Held by whoever reads the config again.
    pub reloading: Arc<Mutex<()>>,
    /// Keeper, roster, events.
    pub house: House,
    /// Where the targets are found.
    pub listeners: Listeners,
    /// What their listeners are opened with.
    pub opening: Opening,
    /// Where holds and streams run.
    pub tasks: Tasks,
    /// When the daemon started.
    pub started_at: Timestamp,
}

impl Desk {
    fn target(&self, name: &str) -> Result<Arc<Target>, Failed> {
        self.pair(name).map(|(target, _)| target)
    }

    fn pair(&self, name: &str) -> Result<Pair, Failed> {
        let running = self.running.now();
        let found = running.find(name).cloned();
        found.ok_or_else(|| Failed::unknown_target(name, &running.config))
    }
}

/// Answers calls until `stop` fires, and lets those under way end.
pub async fn serve(listener: UnixListener, desk: Desk, stop: CancellationToken) -> io::Result<()> {
    let service = router(desk).into_make_service_with_connect_info::<peer::Peer>();
    axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await
}

fn router(desk: Desk) -> Router {
    let calls = Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/targets/{name}/close", post(close::close))
        .route("/v1/audit", get(audit::audit))
        .route("/v1/cost", get(cost::cost))
        .route("/v1/reload", post(reload::reload))
        .route("/v1/health", get(status::health));
    streams()
        .merge(layered(calls))
        .merge(layered(office_calls()))
        .merge(examinations())
        .fallback(answer::no_such_call)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(GlobalConcurrencyLimitLayer::new(CALLS_AT_ONCE))
        .layer(middleware::from_fn(peer::admit))
        .with_state(desk)
}

/// What lasts as long as its listener wants, or as a bastion takes to start.
fn streams() -> Router<Desk> {
    Router::new()
        .route("/v1/targets/{name}/open", post(open::open))
        .route("/v1/targets/{name}/test", post(test::test))
        .route("/v1/events", get(events::events))
        .route("/v1/forward", post(forward::forward))
        .layer(DefaultBodyLimit::max(BODY_MOST))
}

/// The calls that need no bastion: `bastiond --oneshot` answers them, too.
fn office_calls<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Office: FromRef<S>,
{
    Router::new()
        .route("/v1/targets", get(status::targets))
        .route("/v1/targets/{name}/password", get(password::password))
        .route("/v1/targets/{name}/by_hand", get(by_hand::by_hand))
        .route("/v1/targets/{name}/token", get(token::token))
        .route("/v1/info", get(info::info))
        .route("/v1/init", post(init::init))
        .route("/v1/config", get(config::config))
        .route("/v1/policy", get(policy::policy))
        .route("/v1/version", get(version::version))
}

/// What asks AWS so much that it has a longer deadline of its own; `bastiond --oneshot` answers it, too.
fn examinations<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Office: FromRef<S>,
{
    Router::new().route("/v1/doctor", get(doctor::doctor)).route("/v1/survey", get(survey::survey))
}

/// Calls with a deadline, and a limit of what they take.
fn layered<S: Clone + Send + Sync + 'static>(calls: Router<S>) -> Router<S> {
    let deadline = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|_: BoxError| async { Failed::too_slow() }))
        .timeout(CALL_DEADLINE);
    calls.layer(deadline).layer(DefaultBodyLimit::max(BODY_MOST))
}

/// How long a call may take that is not a stream: the longest asks AWS once or twice.
const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// How large a request's body may be; ours have a few dozen bytes.
const BODY_MOST: usize = 64 * 1024;

/// How many calls are answered at once; the next ones wait. A stream counts until its answer has begun.
const CALLS_AT_ONCE: usize = 64;

//! The one port: accepts, hands each connection to the router, and can cut a connection as a broken network would.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use http::{HeaderValue, Response, header};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::api::{self, Ask, AwsError, wire};
use crate::clock;
use crate::faults::{Verdict, What};
use crate::realm::Realm;
use crate::record::{Call, Outcome};
use crate::sigv4::{Caller, Verifier, claimed_key};
use crate::{admin, guard, interfere};

/// Serves until the simulator ends.
pub(crate) async fn serve(realm: Realm, listener: TcpListener) {
    let router = Router::new()
        .nest("/_sim", admin::router(realm.clone()))
        .fallback(answer)
        .with_state(realm.clone())
        .merge(realm.gateway().router());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                realm.spawn(converse(stream, router));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Cuts the connection that a request came on.
#[derive(Clone, Debug, Default)]
struct Cut(Arc<Notify>);

async fn converse(stream: TcpStream, router: Router) {
    // Small answers must not wait for the peer's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let twin = stream.as_fd().try_clone_to_owned();
    let cut = Cut::default();
    let service = TowerToHyperService::new(router);
    let mark = cut.clone();
    let with_mark =
        hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(mark.clone());
            hyper::service::Service::call(&service, request)
        });
    let connection = hyper::server::conn::http1::Builder::new();
    let connection = connection.serve_connection(TokioIo::new(stream), with_mark).with_upgrades();
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended");
        },
        () = cut.0.notified() => if let Ok(twin) = twin {
            reset_on_close(&twin);
        },
    }
}

/// Makes the close of this socket a reset.
fn reset_on_close(socket: &OwnedFd) {
    if let Err(error) = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)) {
        tracing::debug!(%error, "no SO_LINGER");
    }
}

/// Answers one call to an AWS API.
async fn answer(State(realm): State<Realm>, request: Request) -> Response<Body> {
    let request_id = uuid::Uuid::new_v4().to_string();
    let cut = request.extensions().get::<Cut>().cloned().unwrap_or_default();
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return wire::refused(
            None,
            &AwsError::status(413, "RequestEntityTooLargeException", ""),
            &request_id,
        );
    };
    let wanted = match wire::read(&parts, &body) {
        Ok(wanted) => wanted,
        Err(error) => {
            return dated(wire::refused(None, &error, &request_id), realm.clock().unix_ms());
        }
    };
    let service = wanted.service;
    let met = realm.faults().meet(service.name(), &wanted.action);
    let mut entry = Entry::begin(&realm, &wanted, claimed_key(&parts), &request_id, &met);
    for what in &met {
        if let What::Slow { ms } = what {
            realm.clock().sleep(Duration::from_millis(*ms)).await;
        }
    }
    let now_ms = realm.clock().unix_ms() + interfere::skew_ms(&met);
    let caller = if service.is_signed() {
        Verifier::new(realm.clone()).verify_at(&parts, &body, service.name(), now_ms)
    } else {
        Ok(Caller::default())
    };
    let outcome = match caller {
        Err(error) => Err(error),
        Ok(caller) => {
            match interfere::before(&realm, &met).await {
                interfere::Before::Go => {}
                interfere::Before::Cut => return gone(&cut).await,
                interfere::Before::Garbled => return dated(interfere::garbled(), now_ms),
            }
            let ask = Ask { service, action: wanted.action, parameters: wanted.parameters, caller };
            match interfere::refusal(&ask, &met).or_else(|| guard::refusal(&realm, &ask)) {
                Some(error) => Err(error),
                None => api::act(&realm, &ask, &met),
            }
        }
    };
    entry.acted(&outcome);
    if let Some(Verdict::Drop) = interfere::after(&realm, &met).await {
        return gone(&cut).await;
    }
    entry.answered();
    let response = match outcome {
        Ok(answer) => wire::done(service, &entry.action, answer, &request_id),
        Err(error) => wire::refused(Some(service), &error, &request_id),
    };
    dated(response, now_ms)
}

/// Cuts the connection; no answer ever comes.
async fn gone(cut: &Cut) -> Response<Body> {
    cut.0.notify_one();
    std::future::pending().await
}

fn dated(mut response: Response<Body>, now_ms: i64) -> Response<Body> {
    if let Ok(date) = HeaderValue::from_str(&clock::http_date(now_ms)) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// The call's line in the record; a caller that hangs up leaves it as it stands.
struct Entry<'a> {
    realm: &'a Realm,
    number: u64,
    action: String,
}

impl<'a> Entry<'a> {
    fn begin(
        realm: &'a Realm,
        wanted: &wire::Wanted,
        access_key: String,
        request_id: &str,
        met: &[What],
    ) -> Self {
        let number = realm.record().begin(Call {
            number: 0,
            at_ms: realm.clock().unix_ms(),
            service: wanted.service.name().to_owned(),
            action: wanted.action.clone(),
            parameters: wanted.parameters.clone(),
            access_key,
            request_id: request_id.to_owned(),
            fault: met.first().map(|what| what.kind().to_owned()),
            outcome: Outcome::Pending,
            answered: false,
        });
        realm.touch();
        Self { realm, number, action: wanted.action.clone() }
    }

    fn acted(&mut self, outcome: &Result<api::Answer, AwsError>) {
        let outcome = match outcome {
            Ok(api::Answer::Json(_) | api::Answer::Xml(_)) => Outcome::Done,
            Ok(api::Answer::Failures(_)) => Outcome::Failures,
            Err(error) => Outcome::Refused { status: error.status, code: error.code.clone() },
        };
        self.realm.record().amend(self.number, |call| call.outcome = outcome);
        self.realm.touch();
    }

    fn answered(&mut self) {
        self.realm.record().amend(self.number, |call| call.answered = true);
        self.realm.touch();
    }
}

/// AWS takes bodies of about a megabyte.
const BODY_LIMIT: usize = 1024 * 1024;
/// After a failed accept (out of descriptors) trying again at once would fail again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

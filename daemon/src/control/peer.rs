//! Who is calling: only the user that the daemon runs as, and root.

use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use tokio::net::UnixListener;

use super::answer::Failed;
use crate::explain;
use crate::host;

/// The caller of one connection, as the kernel tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) uid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|cred| cred.uid()) }
    }
}

/// Lets a call through, or says why not. The socket's mode keeps others out before they get here; this holds where
/// somebody has changed it.
pub(super) async fn admit(
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if may_call(peer, host::uid()) {
        next.run(request).await
    } else {
        Failed::from(explain::not_your_daemon()).into_response()
    }
}

fn may_call(peer: Peer, ours: u32) -> bool {
    peer.uid.is_some_and(|uid| uid == ours || uid == ROOT)
}

const ROOT: u32 = 0;

#[cfg(test)]
mod tests {
    use super::{Peer, may_call};

    #[test]
    fn only_the_daemons_own_user_and_root_may_call() {
        assert!(may_call(Peer { uid: Some(1000) }, 1000));
        assert!(may_call(Peer { uid: Some(0) }, 1000));
        assert!(!may_call(Peer { uid: Some(1001) }, 1000));
        assert!(!may_call(Peer { uid: None }, 1000));
    }
}

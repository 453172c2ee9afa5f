//! Who answers where tunnels go, and whether it can be believed (D30).
//!
//! needs: nothing (it is asked without a signature, and nothing is opened)
//!
//! ```text
//!   a plain question over the SDK's own client ─► is the certificate believed, does the proxy let us through?
//!        └─ then: an upgrade to a WebSocket, as a tunnel asks for it ─► is it AWS that answers?
//! ```

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::ErrorMetadata;
use bastion_cloud::{CloudError, GatewayFacts, Kind};

use crate::Aws;
use crate::handmade::{self, Call};
use crate::probe::{self, Place};

/// What stands between this machine and the gateway of sessions.
pub(super) async fn gateway(aws: &Aws) -> Result<GatewayFacts, CloudError> {
    let clients = aws.access.reach().await?;
    let region = &clients.region;
    let usual = format!("https://ssmmessages.{region}.{}", handmade::domain(region));
    let endpoint = handmade::endpoint(&clients, "SSMMessages", usual);
    let Some(place) = Place::of(&endpoint) else {
        return Err(CloudError {
            call: ASK,
            kind: Kind::Invalid,
            message: format!("\"{endpoint}\" is no address of a service"),
            request_id: None,
        });
    };
    let facts = GatewayFacts {
        host: place.host.clone(),
        proxy: probe::proxy(&place),
        distrusted_issuer: None,
        upgrade: None,
    };
    let call = Call {
        name: ASK,
        endpoint,
        signed_for: None,
        method: "GET",
        headers: &[],
        body: String::new(),
    };
    match handmade::ask(&clients, call, anything).await.map_err(CloudError::from) {
        Ok(()) => Ok(GatewayFacts { upgrade: probe::upgrade(&place).await, ..facts }),
        Err(CloudError { kind: Kind::Intercepted { .. }, message, .. }) => {
            Ok(match probe::issuer(&place.host, place.port).await {
                Some(issuer) => GatewayFacts { distrusted_issuer: Some(issuer), ..facts },
                None => GatewayFacts { upgrade: Some(message), ..facts },
            })
        }
        Err(error) => Err(error),
    }
}

/// Whatever is answered, somebody is there.
fn anything(_: &HttpResponse) -> Result<(), ErrorMetadata> {
    Ok(())
}

const ASK: &str = "ssmmessages:OpenDataChannel";

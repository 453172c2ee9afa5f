//! aws-ssm-bridge, a third party's client, forwards one local port through one session:
//! `peer-ssm-bridge TARGET HOST PORT`.
//!
//! The endpoint, the region and the keys come from the environment, as the SDK reads it (`AWS_ENDPOINT_URL`,
//! `AWS_REGION`, `AWS_ACCESS_KEY_ID`, …). When the session is ready, one line on stdout tells the local port:
//! `{"port":40123,"session":"…","agent":"3.3.0.0"}`. SIGTERM and SIGINT end the session; so does its own end,
//! whose reason goes to stderr. The exit code is 0 for an end that was asked for, 1 for everything else.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use aws_ssm_bridge::documents::PortForwardingToRemoteHost;
use aws_ssm_bridge::{
    EndpointPolicy, PortForwardConfig, PortForwarder, SessionBuilder, ShutdownSignal,
    install_signal_handlers,
};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer-ssm-bridge: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [target, host, port] = &words[..] else {
        return Err("usage: peer-ssm-bridge TARGET HOST PORT".into());
    };
    let stop = ShutdownSignal::new();
    install_signal_handlers(stop.clone());

    let session = SessionBuilder::new(target)
        .document(PortForwardingToRemoteHost::new(host, port.parse()?))
        // The simulator's gateway speaks ws:// on loopback, which the client refuses unless told otherwise.
        .endpoint_policy(EndpointPolicy::AllowAny)
        .start()
        .await?;
    let session = Arc::new(session);
    session.wait_ready().await?;
    let forwarder = PortForwarder::bind(PortForwardConfig::default()).await?;
    println!(
        r#"{{"port":{},"session":"{}","agent":"{}"}}"#,
        forwarder.local_addr().port(),
        session.id(),
        session.agent_version().unwrap_or_default(),
    );

    let forwarding = forwarder.forward(Arc::clone(&session), stop.clone()).await;
    let reason = session.close_reason();
    if reason.is_none() {
        session.terminate().await?;
    }
    forwarding?;
    match reason {
        None => Ok(()),
        Some(reason) => Err(format!("the session is over: {reason:?}").into()),
    }
}

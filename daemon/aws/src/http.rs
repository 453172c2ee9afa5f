//! The HTTP client below the SDK: whom its TLS trusts, and through which proxy it goes.

use std::path::{Path, PathBuf};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bastion_cloud::{CloudError, Kind};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::access::CONFIGURATION;

/// Whom TLS trusts: a bundle of certificates and nobody else, or whom the system trusts.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    bundle: Option<PathBuf>,
}

impl Trust {
    pub(crate) fn new(bundle: Option<PathBuf>) -> Self {
        Self { bundle }
    }

    /// The bundle's file.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.bundle.as_deref()
    }

    /// The bundle's text, if it holds certificates: the SDK would not survive one that doesn't.
    fn store(&self) -> Result<TrustStore, CloudError> {
        let Some(path) = &self.bundle else {
            return Ok(TrustStore::default());
        };
        let bad = |words: String| CloudError {
            call: CONFIGURATION,
            kind: Kind::Invalid,
            message: format!("the certificates in {}: {words}", path.display()),
            request_id: None,
        };
        let text = std::fs::read(path).map_err(|err| bad(err.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|err| bad(err.to_string()))?;
            roots.add(certificate).map_err(|err| bad(err.to_string()))?;
        }
        if roots.is_empty() {
            return Err(bad("there are none".to_owned()));
        }
        Ok(TrustStore::empty().with_pem_certificate(text))
    }
}

/// A client as the environment's HTTPS_PROXY and NO_PROXY want it: the SDK looks at neither by itself.
pub(crate) fn client(trust: &Trust) -> Result<SharedHttpClient, CloudError> {
    let context = TlsContext::builder().with_trust_store(trust.store()?).build();
    let context = context.map_err(|err| CloudError {
        call: CONFIGURATION,
        kind: Kind::Invalid,
        message: err.to_string(),
        request_id: None,
    })?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    }))
}

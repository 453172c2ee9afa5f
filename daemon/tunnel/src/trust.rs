//! Whom TLS trusts: read from the system or from a file, and kept for all tunnels together.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::witness::Witness;

/// Whom TLS trusts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Roots {
    /// Whom the system trusts.
    #[default]
    System,
    /// The certificates in a PEM file, and nobody else.
    Bundle(PathBuf),
}

/// The certificates to trust, read when they are needed first. Clones share them: a system's hundred and more roots are
/// then in memory once, not once for each tunnel.
#[derive(Clone, Default)]
pub struct Trust {
    roots: Roots,
    read: Arc<Mutex<Option<Read>>>,
}

struct Read {
    config: Arc<ClientConfig>,
    at: Instant,
}

impl Trust {
    /// Trust in these.
    pub fn new(roots: Roots) -> Self {
        Self { roots, read: Arc::default() }
    }

    /// How to speak TLS. Certificates change while a daemon runs, so they are read again after a while.
    pub(crate) async fn config(&self, now: Instant) -> io::Result<Arc<ClientConfig>> {
        if let Some(read) = &*self.lock()
            && now.saturating_duration_since(read.at) < FRESH
        {
            return Ok(Arc::clone(&read.config));
        }
        let roots = self.roots.clone();
        let config = tokio::task::spawn_blocking(move || read(roots)).await??;
        *self.lock() = Some(Read { config: Arc::clone(&config), at: now });
        Ok(config)
    }

    /// Reads them again before the next use: somebody was not trusted, and that may have been put right by then.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Read>> {
        // Nothing in here can panic half-way.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trust").field(&self.roots).finish()
    }
}

fn read(roots: Roots) -> io::Result<Arc<ClientConfig>> {
    let mut store = RootCertStore::empty();
    let certificates = match roots {
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            if let (true, Some(error)) = (found.certs.is_empty(), found.errors.into_iter().next()) {
                return Err(io::Error::other(error));
            }
            found.certs
        }
        Roots::Bundle(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(io::Error::other)?,
    };
    let (trusted, _unreadable) = store.add_parsable_certificates(certificates);
    if trusted == 0 {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no certificate to trust"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
            .build()
            .map_err(io::Error::other)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks every version that rustls does")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Witness(verifier)))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// How long certificates are believed to be what the system or the file holds; a failure ends that at once.
const FRESH: Duration = Duration::from_secs(3600);

//! Our own certificate authority: what lets us speak TLS to a database client that asks for it, to say why it is not
//! served. It is made in the state directory once; nobody trusts it who was not told to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::state::{StateError, private_dir, set_aside, write_private};

/// A certificate authority whose key lies in the state directory.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    /// Two visits at once must not make two keys, of which each overwrites half of the other's files.
    making: Mutex<()>,
}

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// The authority's directory or files cannot be made.
    #[error(transparent)]
    State(#[from] StateError),
    /// The authority's key cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        err: io::Error,
    },
    /// A key or a certificate cannot be made.
    #[error("making a certificate")]
    Make(#[from] rcgen::Error),
    /// The certificate does not suit TLS.
    #[error("using a certificate of our own")]
    Tls(#[from] rustls::Error),
}

impl Authority {
    /// The authority of this state directory; nothing is made yet.
    pub fn new(state_dir: &Path) -> Self {
        Self { dir: state_dir.join(DIR), making: Mutex::default() }
    }

    /// Makes what is not there yet, so that a client can be told to trust it before anything goes wrong.
    pub fn prepare(&self) -> Result<(), AuthorityError> {
        self.key().map(drop)
    }

    /// What a client is told to trust (`sslrootcert`).
    pub fn certificate(&self) -> PathBuf {
        self.dir.join(CERTIFICATE)
    }

    /// A server of that name: with a key and a certificate of its own, which live as long as the answer.
    ///
    /// Without a name, and besides it, the certificate is for this machine's loopback.
    pub fn server(&self, name: Option<&str>) -> Result<Arc<ServerConfig>, AuthorityError> {
        let issuer = Issuer::new(authority_params(), self.key()?);
        let mut names: Vec<String> = LOOPBACK.map(str::to_owned).into();
        names.extend(name.map(str::to_owned));
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "bastiond");
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let chain = vec![CertificateDer::from(certificate)];
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![POSTGRES_ALPN.to_vec()];
        Ok(Arc::new(config))
    }

    /// The authority's key: as it was, else a new one; its certificate lies beside it.
    fn key(&self) -> Result<KeyPair, AuthorityError> {
        let _alone = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.dir.join(KEY);
        match fs::read_to_string(&path) {
            Ok(text) => match KeyPair::from_pem(&text) {
                Ok(key) if self.certificate().exists() => return Ok(key),
                Ok(key) => {
                    self.certify(&key)?;
                    return Ok(key);
                }
                Err(_) => drop(set_aside(&path)?),
            },
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) if err.kind() == io::ErrorKind::InvalidData => drop(set_aside(&path)?),
            Err(err) => return Err(AuthorityError::Read { path, err }),
        }
        private_dir(&self.dir)?;
        let key = KeyPair::generate()?;
        // The certificate first: what stands there is never of another key.
        self.certify(&key)?;
        write_private(&path, key.serialize_pem().as_bytes())?;
        Ok(key)
    }

    fn certify(&self, key: &KeyPair) -> Result<(), AuthorityError> {
        let certificate = authority_params().self_signed(key)?;
        Ok(write_private(&self.certificate(), certificate.pem().as_bytes())?)
    }
}

/// What the authority's certificate says: the same each time, but for its key. It ends at the last moment that the
/// short form of a date can say.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "bastiond on this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) =
        (date_time_ymd(2026, 1, 1), date_time_ymd(2049, 12, 31));
    params
}

/// The authority's place in the state directory.
const DIR: &str = "authority";
const CERTIFICATE: &str = "root.pem";
const KEY: &str = "root.key";

/// What every certificate is for.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What a PostgreSQL client asks for that begins with TLS at once; others ask for nothing, and are served too.
const POSTGRES_ALPN: &[u8] = b"postgresql";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    /// Whether a client that trusts the authority takes the server that it makes for `asked` as `expected`.
    async fn trusts(authority: &Authority, asked: Option<&str>, expected: &str) -> bool {
        let server = authority.server(asked).unwrap();
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(authority.certificate()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, far) = tokio::io::duplex(4096);
        let name = ServerName::try_from(expected.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        let (_, connected) =
            tokio::join!(TlsAcceptor::from(server).accept(near), connector.connect(name, far));
        connected.is_ok()
    }

    #[tokio::test]
    async fn a_client_that_trusts_us_believes_the_name_that_it_asked_for_and_loopback() {
        let state = tempfile::tempdir().unwrap();
        let authority = Authority::new(state.path());
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert!(trusts(&authority, None, name).await, "{name}");
        }
        let database = "db.abc.eu-west-1.rds.amazonaws.com";
        assert!(trusts(&authority, Some(database), database).await);
        assert!(!trusts(&authority, None, database).await, "nobody asked for that name");
    }

    #[tokio::test]
    async fn the_authority_stays_the_same_and_its_key_is_ours_alone() {
        let state = tempfile::tempdir().unwrap();
        Authority::new(state.path()).server(None).unwrap();
        let key = state.path().join("authority/root.key");
        let (before, mode) =
            (fs::read(&key).unwrap(), fs::metadata(&key).unwrap().permissions().mode());
        assert_eq!(mode & 0o777, 0o600);
        let again = Authority::new(state.path());
        assert!(trusts(&again, None, "localhost").await);
        assert_eq!(fs::read(&key).unwrap(), before);
    }

    #[tokio::test]
    async fn a_certificate_that_somebody_removed_is_made_again_for_the_same_key() {
        let state = tempfile::tempdir().unwrap();
        let authority = Authority::new(state.path());
        authority.prepare().unwrap();
        let key = fs::read(state.path().join("authority/root.key")).unwrap();
        fs::remove_file(authority.certificate()).unwrap();
        assert!(trusts(&authority, None, "localhost").await);
        assert_eq!(fs::read(state.path().join("authority/root.key")).unwrap(), key);
    }

    #[test]
    fn visits_that_need_it_at_once_get_one_authority() {
        for _ in 0..20 {
            let state = tempfile::tempdir().unwrap();
            let authority = Authority::new(state.path());
            let keys: Vec<Vec<u8>> = std::thread::scope(|scope| {
                let made: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| authority.key().unwrap().serialize_der()))
                    .collect();
                made.into_iter().map(|key| key.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]));
        }
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_read_is_set_aside_and_another_one_made() {
        let state = tempfile::tempdir().unwrap();
        let dir = state.path().join("authority");
        private_dir(&dir).unwrap();
        let key = dir.join("root.key");
        for broken in [&b"no key"[..], b"\xff\xfe"] {
            fs::write(&key, broken).unwrap();
            let authority = Authority::new(state.path());
            assert!(trusts(&authority, None, "localhost").await);
        }
        let mut aside = fs::read_dir(&dir)
            .unwrap()
            .filter_map(|file| file.unwrap().file_name().into_string().ok())
            .filter(|name| name.starts_with("root.key.unreadable"))
            .collect::<Vec<_>>();
        aside.sort();
        assert_eq!(aside, ["root.key.unreadable-1", "root.key.unreadable-2"]);
    }
}

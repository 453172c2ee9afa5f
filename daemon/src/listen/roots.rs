//! Whom a client may trust that verifies certificates: the authorities of RDS and our own, which tells it why it is not
//! served, in one file beside ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::authority::{Authority, AuthorityError};
use crate::state::{StateError, write_private};

/// Why the authorities cannot be joined.
#[derive(Debug, Error)]
pub enum RootsError {
    /// The bundle cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        err: io::Error,
    },
    /// There is no certificate in the bundle: a page that says no, mostly.
    #[error("{path} holds no certificate")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Our own authority cannot be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The joined file cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The file of both, written afresh where one of them has changed; none where there is no bundle.
pub fn joined(state_dir: &Path, bundle: &Path) -> Result<Option<PathBuf>, RootsError> {
    let read = |path: &Path, err| RootsError::Read { path: path.to_owned(), err };
    let theirs = match fs::read_to_string(bundle) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(read(bundle, err)),
    };
    if !theirs.contains(CERTIFICATE) {
        return Err(RootsError::Empty { path: bundle.to_owned() });
    }
    let authority = Authority::new(state_dir);
    authority.prepare()?;
    let certificate = authority.certificate();
    let ours = fs::read_to_string(&certificate).map_err(|err| read(&certificate, err))?;
    let path = certificate.with_file_name(JOINED);
    let both = format!("{}\n{ours}", theirs.trim_end());
    if fs::read_to_string(&path).ok().as_ref() != Some(&both) {
        write_private(&path, both.as_bytes())?;
    }
    Ok(Some(path))
}

/// The joined file, in the authority's directory.
const JOINED: &str = "roots.pem";
/// How each certificate begins (RFC 7468).
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const THEIRS: &str = "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----";

    #[test]
    fn both_authorities_stand_in_one_file_that_only_this_user_reads() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("rds.pem");
        fs::write(&bundle, THEIRS).unwrap();
        let state = dir.path().join("state");
        let path = joined(&state, &bundle).unwrap().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let ours = fs::read_to_string(state.join("authority/root.pem")).unwrap();
        assert_eq!(text, format!("{THEIRS}\n{ours}"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_file_follows_the_bundle_and_is_left_alone_where_nothing_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("rds.pem");
        fs::write(&bundle, THEIRS).unwrap();
        let path = joined(dir.path(), &bundle).unwrap().unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        joined(dir.path(), &bundle).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        fs::write(&bundle, THEIRS.replace("QQ==", "Qg==")).unwrap();
        joined(dir.path(), &bundle).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("Qg=="));
    }

    #[test]
    fn without_a_bundle_there_is_nothing_to_join_and_a_page_that_says_no_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("rds.pem");
        assert_eq!(joined(dir.path(), &bundle).unwrap(), None);
        fs::write(&bundle, "<Error><Code>AccessDenied</Code></Error>").unwrap();
        let refused = joined(dir.path(), &bundle).unwrap_err().to_string();
        assert!(refused.ends_with("rds.pem holds no certificate"), "{refused}");
    }
}

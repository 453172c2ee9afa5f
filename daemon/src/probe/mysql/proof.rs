//! How each method proves that we know the password.

use bastion_cloud::Secret;
use sha1::Sha1;
use sha2::Sha256;
use sha2::digest::Digest;

/// The proof by a method; none where we do not know it, or where it would give the password away.
pub(super) fn of(method: &str, password: &Secret, salt: &[u8], encrypted: bool) -> Option<Vec<u8>> {
    let words = password.reveal().as_bytes();
    match method {
        // No password is proven by no proof.
        "mysql_native_password" | "caching_sha2_password" if words.is_empty() => Some(Vec::new()),
        "mysql_native_password" => Some(native(words, salt)),
        "caching_sha2_password" => Some(sha2(words, salt)),
        PLAIN if encrypted => Some(plain(password)),
        _ => None,
    }
}

/// Whether a method wants the password itself, so that it is for TLS alone.
pub(super) fn is_plain(method: &str) -> bool {
    method == PLAIN
}

/// The password itself; said inside TLS alone.
pub(super) fn plain(password: &Secret) -> Vec<u8> {
    [password.reveal().as_bytes(), &[0]].concat()
}

/// SHA1(password) ⊕ SHA1(salt · SHA1(SHA1(password)))
fn native(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password);
    let twice = Sha1::digest(once);
    let salted = Sha1::digest([salt, &twice].concat());
    xor(&once, &salted)
}

/// SHA256(password) ⊕ SHA256(SHA256(SHA256(password)) · salt)
fn sha2(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password);
    let twice = Sha256::digest(once);
    let salted = Sha256::digest([&twice, salt].concat());
    xor(&once, &salted)
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

/// What a server that speaks caching_sha2_password says: it knows the password by heart.
pub(super) const FAST: u8 = 3;
/// It has to see the password itself.
pub(super) const FULL: u8 = 4;
/// RDS's IAM tokens are said so.
const PLAIN: &str = "mysql_clear_password";

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python's hashlib.
    #[test]
    fn proofs_are_those_of_the_real_client() {
        let (password, salt) = (Secret::new("correct horse"), b"abcdefghijklmnopqrst");
        let shown = |method| hex(&of(method, &password, salt, false).unwrap());
        assert_eq!(shown("mysql_native_password"), "f818c19fe633b29679484354514737c5394f4954");
        assert_eq!(
            shown("caching_sha2_password"),
            "9eabc426d7dd6ecb6209bc003cb14acd5ef6538f68ad9868137da9325a5e6928"
        );
    }

    #[test]
    fn the_password_itself_is_for_tls_alone() {
        let password = Secret::new("correct horse");
        assert_eq!(of(PLAIN, &password, b"", false), None);
        assert_eq!(of(PLAIN, &password, b"", true).unwrap(), b"correct horse\0");
        assert!(is_plain(PLAIN) && !is_plain("client_ed25519"));
        assert_eq!(of("client_ed25519", &password, b"", true), None);
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

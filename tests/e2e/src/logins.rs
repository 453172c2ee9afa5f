//! A person's AWS files, in the house's own home: profiles, and what `aws sso login` leaves behind.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use bastion_api::Timestamp;
use bastion_sim::world::SsoLogin;
use sha1::{Digest as _, Sha1};

use crate::House;

/// A profile that logs in by IAM Identity Center, with its session; `{name}` stands for the profile's name.
pub const SSO_PROFILE: &str = "[profile {name}]
region = ap-northeast-1
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Dev
[sso-session corp]
sso_region = ap-northeast-1
sso_start_url = https://corp.example/start
";

/// How an SSO token in the cache is renewed: a refresh token that AWS knows, too.
pub const REFRESH: &str = "refresh-1";

/// An hour, in seconds: what logins last unless a story says otherwise.
pub const HOUR: i64 = 3600;

impl House {
    /// Writes `~/.aws/config`.
    pub fn write_profiles(&self, text: &str) {
        fs::create_dir_all(self.path("home/.aws/sso/cache")).unwrap();
        fs::write(self.path("home/.aws/config"), text).unwrap();
    }

    /// A profile with the simulated account's own keys, as the config file has it.
    pub fn keys_profile(&self, name: &str) -> String {
        let key = self.sim().keys(|keys| keys[0].clone());
        format!(
            "[profile {name}]\nregion = ap-northeast-1\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            key.access_key_id, key.secret_access_key
        )
    }

    /// `aws sso login`: AWS knows the token for so many seconds, and a file here holds it.
    pub fn sso_login(&self, token: &str, seconds: i64) {
        self.sso_known(token, seconds, None);
        self.write_sso_token(token, seconds, "");
    }

    /// A login that has ended an hour ago and can be renewed by its refresh token, here and at AWS.
    pub fn sso_login_to_renew(&self, token: &str) {
        self.sso_known(token, -HOUR, Some(REFRESH));
        let more = format!(
            r#","clientId":"c","clientSecret":"s","refreshToken":"{REFRESH}","registrationExpiresAt":"{}""#,
            stamp(24 * HOUR)
        );
        self.write_sso_token(token, -HOUR, &more);
    }

    /// The login's time is up: its file says so, and AWS refuses it and whatever it has given.
    pub fn sso_ends(&self, token: &str) {
        self.sim().world(|world| world.sso_logins.remove(token));
        self.sim().keys(|keys| keys.retain(|key| key.session_token.is_none()));
        self.write_sso_token(token, -HOUR, "");
    }

    /// This machine's side of a login, with more fields as they stand in JSON.
    pub fn write_sso_token(&self, token: &str, seconds: i64, more: &str) {
        let text = format!(r#"{{"accessToken":"{token}","expiresAt":"{}"{more}}}"#, stamp(seconds));
        // As the AWS CLI does: a new file in the old one's place.
        let beside = self.path("home/token");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.sso_cache()).unwrap();
    }

    /// The file of [`SSO_PROFILE`]'s session.
    pub fn sso_cache(&self) -> PathBuf {
        let mut name = String::new();
        for byte in Sha1::digest(b"corp") {
            write!(name, "{byte:02x}").unwrap();
        }
        self.path("home/.aws/sso/cache").join(name + ".json")
    }

    /// AWS's side of a login.
    fn sso_known(&self, token: &str, seconds: i64, refresh: Option<&str>) {
        let login = SsoLogin {
            expires_ms: (now() + seconds) * 1000,
            refresh: refresh.map(str::to_owned),
            roles: vec!["Dev".to_owned()],
            role_seconds: HOUR,
        };
        self.sim().world(|world| world.sso_logins.insert(token.to_owned(), login));
    }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// So many seconds from now, as the AWS CLI writes it.
fn stamp(seconds: i64) -> String {
    let at = Timestamp::from_second(now() + seconds);
    at.expect("a time of this century").to_string()
}

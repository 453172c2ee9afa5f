use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_config::profile::ProfileSet;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use bastion_cloud::LoginWay;

use super::{Base, Chain, cache_path, program};

/// 2026-01-01 00:00:00 UTC.
const NOW: Duration = Duration::from_secs(1_767_225_600);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

async fn profiles(text: &str) -> ProfileSet {
    let files = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, text).build();
    let (fs, env) = Default::default();
    aws_config::profile::load(&fs, &env, &files, None).await.unwrap()
}

async fn chain(text: &str, name: &str) -> Chain {
    Chain::of(&profiles(text).await, name, Some(Path::new("/home/dev")))
}

const SESSION: &str = "[profile sso]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = Dev\n\
    [sso-session corp]\nsso_region = ap-northeast-1\nsso_start_url = https://corp.example/start\n";

#[tokio::test]
async fn each_kind_of_profile_has_its_base() {
    for (lines, base) in [
        ("aws_access_key_id = A\naws_secret_access_key = s", Base::Keys),
        ("credential_process = /opt/vault exec prod", Base::Helper("/opt/vault exec prod".into())),
        ("login_session = arn:aws:iam::1:user/dev", Base::Console),
        ("role_arn = arn:r\ncredential_source = Environment", Base::Other),
        ("role_arn = arn:r\nweb_identity_token_file = /t", Base::Other),
        ("region = ap-northeast-1", Base::Other),
    ] {
        assert_eq!(chain(&format!("[profile p]\n{lines}\n"), "p").await.base, base, "{lines}");
    }
}

#[tokio::test]
async fn the_token_of_a_session_lies_under_its_name_and_an_older_ones_under_its_start_url() {
    let cache = |chain: Chain| {
        let Base::Sso { cache, renews } = chain.base else { panic!("{chain:?}") };
        (cache, renews)
    };
    let home = Path::new("/home/dev");
    assert_eq!(cache(chain(SESSION, "sso").await), (cache_path(home, "corp"), true));
    let older = "[profile p]\nsso_start_url = https://corp.example/start\nsso_region = x\nsso_account_id = 1\nsso_role_name = Dev\n";
    let path = cache_path(home, "https://corp.example/start");
    assert_eq!(cache(chain(older, "p").await), (path, false));
    // As `sha1sum` has it.
    let name = "ee0bfd2552fbd840c02cc48b6e823320543c450f";
    assert_eq!(cache_path(home, "corp").file_stem().unwrap(), name);
}

#[tokio::test]
async fn roles_are_followed_to_their_base_and_the_bases_role_comes_first() {
    let text = format!(
        "[profile outer]\nrole_arn = arn:outer\nsource_profile = inner\n\
         [profile inner]\nrole_arn = arn:inner\nexternal_id = x\nsource_profile = sso\n{SESSION}"
    );
    let chain = chain(&text, "outer").await;
    let arns: Vec<&str> = chain.roles.iter().map(|role| role.arn.as_str()).collect();
    assert_eq!(arns, ["arn:inner", "arn:outer"]);
    assert_eq!(chain.roles[0].external_id.as_deref(), Some("x"));
    assert!(matches!(chain.base, Base::Sso { .. }));
}

#[tokio::test]
async fn keys_beside_a_role_are_the_base_of_who_comes_from_elsewhere() {
    let text = "[profile a]\nrole_arn = arn:a\nsource_profile = b\n\
        [profile b]\nrole_arn = arn:b\nsource_profile = c\naws_access_key_id = A\naws_secret_access_key = s\n";
    let chain = chain(text, "a").await;
    assert_eq!((chain.base, chain.roles.len()), (Base::Keys, 1));
}

#[tokio::test]
async fn profiles_that_lead_in_a_circle_or_nowhere_come_to_an_end() {
    let circle = "[profile a]\nrole_arn = arn:a\nsource_profile = b\n[profile b]\nrole_arn = arn:b\nsource_profile = a\n";
    assert_eq!(chain(circle, "a").await.base, Base::Other);
    let nowhere = "[profile a]\nrole_arn = arn:a\nsource_profile = missing\n";
    assert_eq!(chain(nowhere, "a").await.base, Base::Other);
    let own = "[profile a]\nrole_arn = arn:a\nsource_profile = a\naws_access_key_id = A\naws_secret_access_key = s\n";
    assert_eq!(chain(own, "a").await.base, Base::Keys);
}

#[tokio::test]
async fn a_role_that_wants_an_mfa_code_is_hopeless_however_deep_it_lies() {
    let text = "[profile a]\nrole_arn = arn:a\nsource_profile = b\n\
        [profile b]\nrole_arn = arn:b\nsource_profile = c\nmfa_serial = arn:aws:iam::1:mfa/dev\n\
        [profile c]\naws_access_key_id = A\naws_secret_access_key = s\nmfa_serial = arn:of-no-role\n";
    let (way, _) = chain(text, "a").await.hopeless(now()).unwrap();
    assert_eq!(way, LoginWay::Mfa { serial: "arn:aws:iam::1:mfa/dev".into() });
    // Keys of one's own need no code.
    assert_eq!(chain(text, "c").await.hopeless(now()), None);
}

#[tokio::test]
async fn a_login_is_hopeless_only_where_it_has_ended_and_nothing_can_renew_it() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let profiles = profiles(SESSION).await;
    let judge = |token: &str| {
        std::fs::write(cache_path(home.path(), "corp"), token).unwrap();
        Chain::of(&profiles, "sso", Some(home.path())).hopeless(now()).map(|(way, _)| way)
    };
    let (past, future) = ("2025-12-31T23:00:00Z", "2026-01-01T01:00:00Z");
    let token = |expires: &str, more: &str| {
        format!(r#"{{"accessToken":"t","expiresAt":"{expires}"{more}}}"#)
    };
    let renewing = |registration: &str| {
        format!(
            r#","clientId":"c","clientSecret":"s","refreshToken":"r","registrationExpiresAt":"{registration}""#
        )
    };
    let ended = Some(LoginWay::Sso { ended: Some(now() - Duration::from_secs(3600)) });
    assert_eq!(judge(&token(future, "")), None);
    assert_eq!(judge(&token(past, "")), ended);
    assert_eq!(judge(&token(past, &renewing(future))), None);
    assert_eq!(judge(&token(past, &renewing(past))), ended);
    assert_eq!(judge(&token(past, r#","refreshToken":"r""#)), ended);
    assert_eq!(judge(&token("next week", "")), None, "what nobody can read is worth a try");
    assert_eq!(judge("{"), Some(LoginWay::Sso { ended: None }));
    std::fs::remove_file(cache_path(home.path(), "corp")).unwrap();
    let chain = Chain::of(&profiles, "sso", Some(home.path()));
    assert_eq!(chain.hopeless(now()).unwrap().0, LoginWay::Sso { ended: None });
}

#[tokio::test]
async fn a_login_ends_when_its_token_does_unless_that_renews_itself() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join(".aws/sso/cache")).unwrap();
    let profiles = profiles(SESSION).await;
    let chain = Chain::of(&profiles, "sso", Some(home.path()));
    let ends = |more: &str| {
        let token = format!(r#"{{"accessToken":"t","expiresAt":"2026-01-01T01:00:00Z"{more}}}"#);
        std::fs::write(cache_path(home.path(), "corp"), token).unwrap();
        chain.ends()
    };
    assert_eq!(ends(""), Some(now() + Duration::from_secs(3600)));
    assert_eq!(ends(r#","clientId":"c","clientSecret":"s","refreshToken":"r""#), None);
}

#[test]
fn a_helper_is_named_without_its_folders_and_arguments() {
    assert_eq!(&*program("/opt/bin/aws-vault exec prod --token=SECRET"), "aws-vault");
    assert_eq!(&*program("\"/opt/My Tools/vault\" exec"), "vault");
    assert_eq!(&*program(""), "");
}

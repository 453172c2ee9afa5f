//! What a login needs, by the way that its credentials come.

use std::time::SystemTime;

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::LoginWay;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Why a site has no credentials, and what brings new ones.
pub(super) fn login(site: &str, profile: Option<&str>, way: &LoginWay) -> Problem {
    let Some(profile) = profile else {
        return nameless(site, way);
    };
    match way {
        LoginWay::Console => console(site, profile),
        LoginWay::Helper { program, silent: false } => helper_failed(profile, program),
        LoginWay::Helper { program, silent: true } => helper_silent(profile, program),
        LoginWay::Keys => keys(profile),
        LoginWay::Mfa { serial } => mfa(site, profile, serial),
        LoginWay::Sso { ended } => sso(profile, *ended),
        LoginWay::Unknown => unknown(profile),
    }
}

fn console(site: &str, profile: &str) -> Problem {
    let message = format!("the credentials of profile \"{profile}\" come from `aws login`");
    Problem::new("D18", Sort::Login, message)
        .because("only the AWS CLI can read those")
        .hint(format!("aws login --profile {profile}"))
        .hint(through_the_cli(site, profile))
}

fn helper_failed(profile: &str, program: &str) -> Problem {
    let message = format!("the credential helper of profile \"{profile}\" failed");
    Problem::new("D18", Sort::Login, message)
        .because(format!("its credential_process runs {program}"))
        .hint(format!("see what it says by hand: aws sts get-caller-identity --profile {profile}"))
}

fn helper_silent(profile: &str, program: &str) -> Problem {
    let message = format!("the credential helper of profile \"{profile}\" gives no answer");
    Problem::new("D29", Sort::Login, message)
        .because(format!(
            "its credential_process runs {program}, which may ask on a terminal that isn't there"
        ))
        .hint(format!("let it ask you, once: aws sts get-caller-identity --profile {profile}"))
        .hint("or have it give credentials without asking")
}

fn keys(profile: &str) -> Problem {
    let message = format!("the access keys of profile \"{profile}\" are not valid any more");
    Problem::new("D18", Sort::Login, message)
        .hint(format!(
            "if they are temporary, log in as you did: aws sso login --profile {profile}"
        ))
        .hint(format!("if they are your own: aws configure --profile {profile}"))
}

fn mfa(site: &str, profile: &str, serial: &str) -> Problem {
    let message = format!("profile \"{profile}\" wants an MFA code");
    Problem::new("D28", Sort::Login, message)
        .because(format!("its role asks for the code of {serial}, and a daemon has nobody to ask"))
        .hint(format!(
            "aws sts get-caller-identity --profile {profile} asks for it and keeps what it gives"
        ))
        .hint(through_the_cli(site, profile))
}

fn nameless(site: &str, way: &LoginWay) -> Problem {
    let problem = Problem::new("D18", Sort::Login, "there is no AWS login, or it has expired")
        .hint(format!("name a profile under [site.{site}]: profile = \"…\""));
    match way {
        LoginWay::Keys => problem.hint("aws configure"),
        LoginWay::Console
        | LoginWay::Helper { .. }
        | LoginWay::Mfa { .. }
        | LoginWay::Sso { .. }
        | LoginWay::Unknown => problem.hint("aws sso login"),
    }
}

fn sso(profile: &str, ended: Option<SystemTime>) -> Problem {
    let message = match ended.and_then(local) {
        Some(at) => format!("the AWS SSO login of profile \"{profile}\" ended at {at}"),
        None => format!("nobody has logged in with profile \"{profile}\" yet"),
    };
    Problem::new("D18", Sort::Login, message).hint(format!("aws sso login --profile {profile}"))
}

fn unknown(profile: &str) -> Problem {
    let message = format!("the AWS login of profile \"{profile}\" has expired or is missing");
    Problem::new("D18", Sort::Login, message).hint(format!("aws sso login --profile {profile}"))
}

/// How a daemon comes by what the AWS CLI has.
fn through_the_cli(site: &str, profile: &str) -> String {
    format!(
        "then have the daemon ask the AWS CLI: a profile with the line credential_process = \
         aws configure export-credentials --profile {profile} --format process, named under [site.{site}]"
    )
}

/// A time as this machine's people read it.
fn local(at: SystemTime) -> Option<String> {
    let at = Timestamp::try_from(at).ok()?.to_zoned_datetime(TimeZone::system());
    Some(at.strftime("%H:%M on %Y-%m-%d").to_string())
}

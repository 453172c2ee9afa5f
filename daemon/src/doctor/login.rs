//! The way to AWS: credentials, network, clock, and whether it answers.

use bastion_cloud::{CloudError, Kind, LoginState};
use jiff::Timestamp;

use super::asked::{Asked, asked};
use super::{SiteFacts, Verdict};
use crate::explain;

/// There is a login, and AWS takes it (D18, D28, D29).
pub(super) fn credentials(site: &SiteFacts, now: Timestamp) -> Verdict {
    let whose = site.whose();
    let hopeless = match &site.login {
        LoginState::Hopeless(err) => Some(err),
        LoginState::Promising => None,
    };
    let expired = || first(site, |kind| matches!(kind, Kind::Login { .. }));
    if let Some(err) = hopeless.or_else(expired) {
        return Verdict::fail(explain::doctor::refused(whose, err));
    }
    if let Some(Err(err)) = &site.identity
        && matches!(err.kind, Kind::Denied { .. })
    {
        // Whoever may not even take its role has no credentials, and may ask for nothing.
        return Verdict::fail(explain::doctor::refused(whose, err));
    }
    match asked(&site.identity) {
        Asked::Told(identity) => {
            let ends = site.login_ends.map(|ends| ends.duration_since(now).as_mins());
            let ends = ends.filter(|left| *left > 0).map(in_words);
            let ends = ends.map(|left| format!(" (expires in {left})")).unwrap_or_default();
            Verdict::ok(format!("{} as {}{ends}", identity.account, person(&identity.arn)))
        }
        Asked::Wrong(err) => Verdict::fail(explain::doctor::refused(whose, err)),
        Asked::Nothing(verdict) => verdict,
    }
}

/// Nothing between here and AWS gets in the way (D30).
pub(super) fn network(site: &SiteFacts) -> Verdict {
    let whose = site.whose();
    let in_between = |kind: &Kind| matches!(kind, Kind::Unreachable | Kind::Intercepted { .. });
    if let Some(Err(err)) = &site.gateway
        && (in_between(&err.kind) || err.kind == Kind::TimedOut)
    {
        return Verdict::fail(explain::doctor::unreachable(whose, err));
    }
    if let Some(err) = first(site, in_between) {
        return Verdict::fail(explain::doctor::unreachable(whose, err));
    }
    let gateway = match asked(&site.gateway) {
        Asked::Told(gateway) => gateway,
        Asked::Wrong(err) => return Verdict::unknown(explain::doctor::no_answer(err.call)),
        Asked::Nothing(verdict) => return verdict,
    };
    if let Some(issuer) = &gateway.distrusted_issuer {
        return Verdict::fail(explain::doctor::distrusted(whose, &gateway.host, issuer));
    }
    if let Some(why) = &gateway.upgrade {
        let proxy = gateway.proxy.as_deref();
        return Verdict::fail(explain::doctor::no_websocket(whose, &gateway.host, why, proxy));
    }
    if let Some(problem) = site.lately(&["D30"]) {
        return Verdict::fail(explain::doctor::lately(site.whose(), problem));
    }
    match &gateway.proxy {
        Some(proxy) => Verdict::ok(format!("{} answers through {proxy}", gateway.host)),
        None => Verdict::ok(format!("{} answers", gateway.host)),
    }
}

/// This machine's clock agrees with AWS's (D21).
pub(super) fn clock(site: &SiteFacts) -> Verdict {
    let skewed = first(site, |kind| matches!(kind, Kind::ClockSkew { .. }));
    let skew = asked(&site.clock);
    if let Asked::Told(skew) = &skew {
        let off = skew.seconds.unsigned_abs();
        let sure = off.saturating_sub(skew.within.as_secs());
        if sure >= TOLERATED || (skewed.is_some() && off > skew.within.as_secs()) {
            return Verdict::fail(explain::doctor::clock_off(Some(skew.seconds)));
        }
        let about = skew.within.as_secs() + 1;
        return Verdict::ok(if off <= about {
            format!("in step with AWS, to {about} s")
        } else {
            format!("{off} s off, which AWS still takes")
        });
    }
    if let Some(CloudError { kind: Kind::ClockSkew { seconds }, .. }) = skewed {
        return Verdict::fail(explain::doctor::clock_off(*seconds));
    }
    match skew {
        Asked::Nothing(verdict) => verdict,
        Asked::Told(_) | Asked::Wrong(_) => {
            Verdict::unknown(explain::doctor::no_answer("sts:GetCallerIdentity"))
        }
    }
}

/// AWS does what it is asked (D26).
pub(super) fn aws(site: &SiteFacts) -> Verdict {
    let busy = |kind: &Kind| matches!(kind, Kind::Throttled | Kind::Service);
    if let Some(err) = first(site, busy) {
        return Verdict::fail(explain::doctor::refused(site.whose(), err));
    }
    if let Some(problem) = site.lately(&["D26"]) {
        return Verdict::fail(explain::doctor::lately(site.whose(), problem));
    }
    Verdict::ok("answers what it is asked")
}

/// The first failure of such a kind.
fn first(site: &SiteFacts, is: impl Fn(&Kind) -> bool) -> Option<&CloudError> {
    site.failures().into_iter().find(|err| is(&err.kind))
}

/// The role's or the user's own name: `AWSReservedSSO_Dev` of `arn:…:assumed-role/AWSReservedSSO_Dev_0a1b2c3d4e5f6a7b/amy`.
fn person(arn: &str) -> &str {
    let mut parts = arn.rsplit(':').next().unwrap_or(arn).split('/');
    let (kind, last) = (parts.next().unwrap_or(arn), parts.next_back());
    match (kind, parts.next_back()) {
        // The last is the session, whose name is a person's address.
        ("assumed-role", Some(role)) => match role.rsplit_once('_') {
            Some((name, number)) if name.starts_with("AWSReservedSSO_") && is_number(number) => {
                name
            }
            Some(_) | None => role,
        },
        _ => last.unwrap_or(kind),
    }
}

/// `6 h 12 min`
fn in_words(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours @ 1..48, 0) => format!("{hours} h"),
        (hours @ 1..48, minutes) => format!("{hours} h {minutes} min"),
        (hours, _) => format!("{} d", hours / 24),
    }
}

fn is_number(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// AWS refuses signatures that are five minutes off; a little less is found out before it does.
const TOLERATED: u64 = 4 * 60;

#[cfg(test)]
mod tests {
    use super::{in_words, person};

    #[test]
    fn the_end_of_a_login_is_told_in_hours_and_minutes() {
        let said = [1, 60, 372, 2880].map(in_words);
        assert_eq!(said, ["1 min", "1 h", "6 h 12 min", "2 d"]);
    }

    #[test]
    fn who_logs_in_by_sso_is_called_by_the_permission_set() {
        for (arn, name) in [
            (
                "arn:aws:sts::1:assumed-role/AWSReservedSSO_Dev_0a1b2c3d4e5f6a7b/amy@x.org",
                "AWSReservedSSO_Dev",
            ),
            ("arn:aws:sts::1:assumed-role/bastion-operator/s", "bastion-operator"),
            ("arn:aws:iam::1:user/team/amy", "amy"),
            ("arn:aws:iam::1:root", "root"),
        ] {
            assert_eq!(person(arn), name);
        }
    }
}

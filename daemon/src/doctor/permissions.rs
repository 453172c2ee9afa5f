//! Policies allow what the daemon does (D19).

use bastion_cloud::{CloudError, Kind, Permission, Says};

use super::asked::{Asked, asked_aside};
use super::{SiteFacts, Verdict};
use crate::explain;

/// What IAM's simulator says to each thing that the daemon does; where nobody may ask it, what AWS has refused so far.
pub(super) fn permissions(site: &SiteFacts) -> Verdict {
    let whose = site.whose();
    let simulated = asked_aside(&site.permissions);
    if let Asked::Told(permissions) = &simulated {
        let refused: Vec<&Permission> = permissions.iter().filter(|one| is_refused(one)).collect();
        if !refused.is_empty() {
            return Verdict::fail(explain::doctor::not_permitted(whose, &refused));
        }
    }
    if let Some(err) = refused_to_the_daemon(site) {
        return Verdict::fail(explain::doctor::refused(whose, err));
    }
    if let Some(problem) = site.lately(&["D19"]) {
        return Verdict::fail(explain::doctor::lately(whose, problem));
    }
    match simulated {
        Asked::Told(permissions) => match conditional(permissions) {
            Some(words) => Verdict::unknown(words),
            None => Verdict::ok(format!("all {} that are needed", permissions.len())),
        },
        Asked::Nothing(verdict) => verdict,
        Asked::Wrong(err) => Verdict::unknown(explain::doctor::not_simulated(err)),
    }
}

/// Whether it is refused for sure. A simulation that lacks what a condition asks for proves nothing: a policy that forbids
/// all but a region, a network or a login with MFA forbids everything where none is told.
pub(super) fn is_refused(permission: &Permission) -> bool {
    match permission.says {
        Says::Allowed => false,
        Says::Denied | Says::NotAllowed => permission.missing.is_empty(),
    }
}

/// What hangs on conditions that only a real call meets or does not; none where nothing does.
pub(super) fn conditional(permissions: &[Permission]) -> Option<String> {
    let open = |one: &&Permission| one.says != Says::Allowed && !is_refused(one);
    let open: Vec<&Permission> = permissions.iter().filter(open).collect();
    (!open.is_empty()).then(|| explain::doctor::conditional(&open))
}

/// The first call that the daemon itself makes for a visit, and that AWS does not permit.
fn refused_to_the_daemon(site: &SiteFacts) -> Option<&CloudError> {
    let place = site.place.as_ref().and_then(|fact| fact.as_ref().err());
    let targets = site.targets.iter().flat_map(|target| {
        let found = target.found.as_ref().and_then(|fact| fact.as_ref().err());
        let password = target.password.as_ref().and_then(|fact| fact.as_ref().err());
        [found, password]
    });
    let mut all = [place].into_iter().chain(targets).flatten();
    all.find(|err| matches!(err.kind, Kind::Denied { .. }))
}

//! Nobody does what his policies do not allow: what each call asks of IAM, and the refusal.
//!
//! ```text
//!   call ─► wishes: actions on resources, with a context ─► each judged by the caller's policies (iam) ─► done, or AccessDenied
//! ```
//!
//! Whoever the world does not know as a user or a role may do everything.

mod wishes;

use crate::api::{Ask, AwsError};
use crate::iam::{Decision, Question};
use crate::interfere::{denied, denied_channel};
use crate::realm::Realm;
use crate::sigv4::Caller;

use wishes::Wish;

/// The refusal of a call that its caller may not make, in its service's words.
pub(crate) fn refusal(realm: &Realm, ask: &Ask) -> Option<AwsError> {
    let (wish, explicit) = first_refused(realm, &ask.caller, wishes::of_call(realm, ask))?;
    Some(denied(ask.service, &ask.caller, &wish.action, explicit, Some(&wish.resource)))
}

/// The refusal of a data channel that its caller may not open.
pub(crate) fn channel_refusal(realm: &Realm, caller: &Caller, session: &str) -> Option<AwsError> {
    let wishes = vec![wishes::of_channel(realm, caller, session)];
    let (wish, explicit) = first_refused(realm, caller, wishes)?;
    Some(denied_channel(caller, explicit, Some(&wish.resource)))
}

/// The first wish that is not allowed, and whether something denies it.
fn first_refused(realm: &Realm, caller: &Caller, wishes: Vec<Wish>) -> Option<(Wish, bool)> {
    wishes.into_iter().map(|wish| wish.by(caller)).find_map(|wish| {
        let question = Question {
            action: &wish.action,
            resource: &wish.resource,
            context: wish.context.clone(),
        };
        let verdict = realm.world(|world| world.judge(&caller.arn, &question))?;
        match verdict.decision {
            Decision::Allowed => None,
            Decision::NotAllowed => Some((wish, false)),
            Decision::Denied => Some((wish, true)),
        }
    })
}

//! What is left of a visit: one event, one line in the ledger, and, where it went wrong, a problem in the status.

use bastion_api::{EventKind, Problem, RefusedRecord, VisitRecord, Visitor};
use bastion_cloud::TaskId;

use super::House;
use super::peer::{Peer, Place, Unwelcome};
use super::roster::Entry;
use super::shadow;
use crate::config::Target;
use crate::explain;
use crate::keeper::Refusal;

/// Somebody of whom the config says that they are not let in. They are told nothing: their connection is closed.
pub(super) fn unwelcome(house: &House, target: &Target, who: Visitor, why: Unwelcome) {
    let problem = explain::not_let_in(&target.name, &words(&who), why == Unwelcome::Container);
    house.events.tell_problem(Some(&target.name), EventKind::VisitRefused, &problem);
    refused(house, &target.name, who, &problem);
}

/// A visit that gets no stream, because of what the keeper shows for as long as it stands.
pub(super) fn turned_away(
    house: &House,
    target: &Target,
    entry: &Entry,
    refusal: &Refusal,
) -> Problem {
    let who = entry.visitor();
    let problem = explain::refusal(target, refusal);
    let problem = match refusal {
        // A program that comes back again and again is to be known by its name.
        Refusal::Reconnects => explain::naming(problem, &words(&who)),
        Refusal::UnknownTarget
        | Refusal::Cloud(_)
        | Refusal::Tunnel(_)
        | Refusal::TookTooLong(_)
        | Refusal::TaskGone(_)
        | Refusal::NotStopped
        | Refusal::Closed
        | Refusal::Silent(_)
        | Refusal::TooOld(_)
        | Refusal::Removed
        | Refusal::Journal(_)
        | Refusal::Stopping => problem,
    };
    house.events.tell_problem(Some(&target.name), EventKind::VisitRefused, &problem);
    refused(house, &target.name, who, &problem);
    problem
}

/// A visit that is told to come back, because its program would not wait until its bastion is there.
pub(super) fn put_off(house: &House, target: &Target, who: Visitor, problem: &Problem) {
    house.events.tell_problem(Some(&target.name), EventKind::VisitRefused, problem);
    refused(house, &target.name, who, problem);
}

/// A visit that gets no stream, because of what it has met by itself.
pub(super) fn failed(house: &House, target: &Target, who: Visitor, problem: &Problem) {
    met(house, target, problem);
    refused(house, &target.name, who, problem);
}

/// A visit that went through is taken back by the keeper.
pub(super) fn taken_back(
    house: &House,
    target: &Target,
    entry: &Entry,
    task: &TaskId,
    refusal: &Refusal,
) -> Problem {
    let who = entry.visitor();
    let problem = explain::naming(explain::refusal(target, refusal), &words(&who));
    house.events.tell_problem(Some(&target.name), EventKind::VisitRefused, &problem);
    record(house, target, entry, who, Some(task), &problem.message);
    problem
}

/// A visit that went through has met something.
pub(super) fn broken(
    house: &House,
    target: &Target,
    entry: &Entry,
    task: &TaskId,
    problem: &Problem,
) {
    met(house, target, problem);
    record(house, target, entry, entry.visitor(), Some(task), &problem.message);
}

/// A visit has ended as visits do; `task` is none where it left while it waited.
pub(super) fn left(
    house: &House,
    target: &Target,
    entry: &Entry,
    task: Option<&TaskId>,
    how: &str,
) {
    let (who, moved) = (entry.visitor(), entry.moved());
    if moved.outward() > 0 {
        house.roster.clear_trouble(&target.name);
    }
    let words = format!(
        "visit {} ({}) {how}: {} bytes in, {} bytes out",
        entry.id,
        words(&who),
        moved.inward(),
        moved.outward()
    );
    house.events.tell(Some(&target.name), EventKind::VisitClosed, words);
    record(house, target, entry, who, task, how);
}

/// Who somebody is, as the ledger writes it.
pub(super) fn visitor(peer: &Peer, process: Option<&super::peer::Process>) -> Visitor {
    let program = match peer.place {
        Place::Here => process.and_then(|process| process.program.clone()),
        Place::Container => Some("docker".to_owned()),
        Place::Elsewhere => None,
    };
    Visitor { program, pid: process.map(|process| process.pid), uid: peer.uid }
}

fn words(who: &Visitor) -> String {
    shadow::in_words(who.program.as_deref(), who.pid, who.uid)
        .unwrap_or_else(|| "somebody whom the system does not name".to_owned())
}

/// Tells, and shows, what a visit has met.
fn met(house: &House, target: &Target, problem: &Problem) {
    house.roster.note_trouble(&target.name, problem.clone(), house.clock.now());
    house.events.tell_problem(Some(&target.name), EventKind::VisitRefused, problem);
}

fn refused(house: &House, target: &str, visitor: Visitor, problem: &Problem) {
    house.ledger.refused(RefusedRecord {
        time: house.clock.calendar(),
        target: target.to_owned(),
        visitor,
        code: Some(problem.code.clone()),
        why: problem.message.clone(),
    });
}

fn record(
    house: &House,
    target: &Target,
    entry: &Entry,
    visitor: Visitor,
    task: Option<&TaskId>,
    ended: &str,
) {
    let (now, moved) = (house.clock.now(), entry.moved());
    house.ledger.visit(VisitRecord {
        time: house.clock.calendar(),
        target: target.name.clone(),
        visitor,
        since: entry.since(),
        seconds: moved.age(now).as_secs_f64(),
        bytes_in: moved.inward(),
        bytes_out: moved.outward(),
        task: task.map(|task| task.as_str().to_owned()),
        ended: ended.to_owned(),
    });
}

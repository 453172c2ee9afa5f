//! What somebody may do, as IAM's own simulator says.
//!
//! needs: iam:SimulatePrincipalPolicy (and iam:GetRole where a role's path is not known) — simulate

use std::collections::HashMap;

use aws_smithy_xml::decode::XmlDecodeError;
use bastion_cloud::{CloudError, Kind, Permission, Says, Wish};

use crate::Aws;
use crate::clients::Clients;
use crate::fault::Refusal;
use crate::handmade::{self, Call, SignedFor};
use crate::pace;
use crate::token::escaped;

mod answer;
mod principal;

use answer::Told;
use principal::Principal;

/// What IAM says to each wish, in their order.
pub(super) async fn simulate(
    aws: &Aws,
    principal: &str,
    wishes: &[Wish],
) -> Result<Vec<Permission>, CloudError> {
    let clients = aws.access.clients().await?;
    let names = match Principal::of(principal, &clients.region) {
        Principal::Root => return Ok(wishes.iter().map(|wish| permitted(wish.clone())).collect()),
        Principal::Named(names) => names,
        Principal::Unknown => {
            return Err(CloudError {
                call: SIMULATE,
                kind: Kind::Invalid,
                message: format!("IAM keeps no policies of {principal} that it could try out"),
                request_id: None,
            });
        }
    };
    let mut missing = None;
    for name in &names {
        match all(&clients, name, wishes).await {
            Ok(told) => return Ok(told),
            Err(refusal) if refusal.is("NoSuchEntity") => missing = Some(refusal),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    // A session tells its role without the path that is part of the role's name.
    if let Some(role) = principal::session_role(principal)
        && let Ok(found) = role_arn(&clients, role).await
        && !names.contains(&found)
    {
        return all(&clients, &found, wishes).await.map_err(CloudError::from);
    }
    let what = if principal.contains(":user/") { "user" } else { "role" };
    let kind = Kind::NotFound { what, candidates: Vec::new() };
    Err(missing.map(|refusal| refusal.into_kind(kind)).expect("somebody was asked for"))
}

/// All wishes: the first ones tell whether there is such a principal, the others go side by side.
async fn all(
    clients: &Clients,
    principal: &str,
    wishes: &[Wish],
) -> Result<Vec<Permission>, Refusal> {
    let groups = grouped(wishes);
    let (first, rest) = groups.split_at(groups.len().min(1));
    let mut told = lane(clients, principal, first.iter()).await?;
    let side = |number: usize| lane(clients, principal, rest.iter().skip(number).step_by(LANES));
    let (one, two, three) = tokio::try_join!(side(0), side(1), side(2))?;
    for lane in [one, two, three] {
        told.extend(lane);
    }
    let mut permissions = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let Some(told) = told.get(&key(wish, &wish.action)) else {
            return Err(Refusal::from(CloudError {
                call: SIMULATE,
                kind: Kind::Service,
                message: format!("an answer that does not speak of {}", wish.action),
                request_id: None,
            }));
        };
        permissions.push(told.permission(wish.clone()));
    }
    Ok(permissions)
}

/// Wishes that name the same resource and bring the same along may go into one call.
struct Group<'a> {
    like: &'a Wish,
    actions: Vec<&'a str>,
}

fn grouped(wishes: &[Wish]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for wish in wishes {
        let same = |like: &Wish| like.resource == wish.resource && like.context == wish.context;
        match groups.iter_mut().find(|group| same(group.like)) {
            Some(group) if group.actions.contains(&wish.action.as_str()) => {}
            Some(group) => group.actions.push(&wish.action),
            None => groups.push(Group { like: wish, actions: vec![&wish.action] }),
        }
    }
    groups
}

/// A wish as its answer is found again: IAM may write the action in another case.
fn key(like: &Wish, action: &str) -> Wish {
    Wish { action: action.to_lowercase(), ..like.clone() }
}

/// Some groups, one after the other.
async fn lane<'a>(
    clients: &Clients,
    principal: &str,
    groups: impl Iterator<Item = &'a Group<'a>>,
) -> Result<HashMap<Wish, Told>, Refusal> {
    let mut told = HashMap::new();
    for Group { like, actions } in groups {
        for some in actions.chunks(AT_ONCE) {
            let answers = match ask(clients, principal, like, some).await {
                // Which actions may stand in one call nobody tells; each may stand alone.
                Err(refusal) if some.len() > 1 && refusal.says(APART) => {
                    let mut answers = Vec::new();
                    for action in some {
                        answers.extend(ask(clients, principal, like, &[action]).await?);
                    }
                    answers
                }
                other => other?,
            };
            told.extend(answers.into_iter().map(|told| (key(like, &told.action), told)));
        }
    }
    Ok(told)
}

/// All pages of one simulation.
async fn ask(
    clients: &Clients,
    principal: &str,
    wish: &Wish,
    actions: &[&str],
) -> Result<Vec<Told>, Refusal> {
    let mut form = vec![
        ("Action".to_owned(), "SimulatePrincipalPolicy".to_owned()),
        ("Version".to_owned(), VERSION.to_owned()),
        ("PolicySourceArn".to_owned(), principal.to_owned()),
        ("ResourceArns.member.1".to_owned(), wish.resource.clone()),
    ];
    for (number, action) in (1..).zip(actions) {
        form.push((format!("ActionNames.member.{number}"), (*action).to_owned()));
    }
    for (number, (key, value)) in (1..).zip(&wish.context) {
        let entry = |part: &str| format!("ContextEntries.member.{number}.{part}");
        let kind = if matches!(value.as_str(), "true" | "false") { "boolean" } else { "string" };
        form.push((entry("ContextKeyName"), key.clone()));
        form.push((entry("ContextKeyType"), kind.to_owned()));
        form.push((entry("ContextKeyValues.member.1"), value.clone()));
    }
    let mut told = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let more = marker.take().map(|marker| ("Marker".to_owned(), marker));
        let body = encode(form.iter().cloned().chain(more));
        let page = call(clients, SIMULATE, body, answer::page).await?;
        told.extend(page.told);
        match page.marker {
            Some(next) => marker = Some(next),
            None => return Ok(told),
        }
    }
}

/// A role's whole name, by the last part of it.
async fn role_arn(clients: &Clients, role: &str) -> Result<String, Refusal> {
    let form = [("Action", "GetRole"), ("Version", VERSION), ("RoleName", role)];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
    call(clients, GET_ROLE, encode(form), answer::role).await
}

/// Makes a call, again where AWS throttles it.
async fn call<T>(
    clients: &Clients,
    name: &'static str,
    body: String,
    read: fn(&str) -> Result<T, XmlDecodeError>,
) -> Result<T, Refusal>
where
    T: Send + Sync + std::fmt::Debug + 'static,
{
    let (endpoint, region) = service(&clients.region);
    let call = Call {
        name,
        endpoint: handmade::endpoint(clients, "IAM", endpoint.to_owned()),
        signed_for: Some(SignedFor { service: "iam", region }),
        method: "POST",
        headers: &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
        body,
    };
    let mut tries = 1;
    loop {
        match handmade::ask(clients, call.clone(), move |told| answer::read(told, read)).await {
            Err(refusal) if refusal.error.kind == Kind::Throttled && tries < TRIES => {
                tokio::time::sleep(pace::session(tries, true, rand::random())).await;
                tries += 1;
            }
            told => return told,
        }
    }
}

/// IAM is one for all regions of a partition.
fn service(region: &str) -> (&'static str, &'static str) {
    if region.starts_with("cn-") {
        ("https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1")
    } else if region.starts_with("us-gov-") {
        ("https://iam.us-gov.amazonaws.com", "us-gov-west-1")
    } else {
        ("https://iam.amazonaws.com", "us-east-1")
    }
}

fn permitted(wish: Wish) -> Permission {
    Permission { wish, says: Says::Allowed, by: Vec::new(), missing: Vec::new(), from_above: false }
}

fn encode(form: impl IntoIterator<Item = (String, String)>) -> String {
    let pairs = form.into_iter().map(|(name, value)| format!("{name}={}", escaped(&value)));
    pairs.collect::<Vec<_>>().join("&")
}

const SIMULATE: &str = "iam:SimulatePrincipalPolicy";
const GET_ROLE: &str = "iam:GetRole";
const VERSION: &str = "2010-05-08";

/// How often a call is made that AWS throttles: IAM takes few simulations a second of one account.
const TRIES: u32 = 4;

/// How many calls are under way at once, of those few that IAM takes a second.
const LANES: usize = 3;

/// How IAM says that two actions may not stand in one call: "Invalid Input Actions: [iam:PassRole] and [sts:AssumeRole]
/// require different authorization information."
const APART: &str = "require different authorization information";

/// Actions of one call: a page of IAM's holds a hundred answers.
const AT_ONCE: usize = 100;

#[cfg(test)]
mod tests;

//! Identity and Access Management: trying policies out, and a role's whole name.

use super::xml::Xml;
use super::{Answer, Ask, AwsError};
use crate::api::ask::page;
use crate::clock::iso8601;
use crate::iam::{Context, Decision, Question, Verdict};
use crate::realm::Realm;

pub(super) fn act(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    match ask.action.as_str() {
        "SimulatePrincipalPolicy" => simulate_principal_policy(realm, ask),
        "GetRole" => get_role(realm, ask),
        other => Err(AwsError::new(
            "InvalidAction",
            format!("Could not find operation {other} for version 2010-05-08"),
        )),
    }
}

fn simulate_principal_policy(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let principal = ask.text("PolicySourceArn").ok_or_else(|| missing("policySourceArn"))?;
    if !principal.contains(":user/") && !principal.contains(":role/")
        || !principal.contains(":iam:")
    {
        let text = format!(
            "Invalid Entity Arn: {principal} does not clearly define entity type and name."
        );
        return Err(AwsError::new("InvalidInput", text));
    }
    let actions = ask.members("ActionNames.member");
    if actions.is_empty() {
        return Err(missing("actionNames"));
    }
    if let Some(odd) = actions.iter().find(|action| !is_action(action)) {
        return Err(AwsError::new("InvalidInput", format!("Invalid Action Name: {odd}")));
    }
    let mut resources = ask.members("ResourceArns.member");
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let context = context(ask);
    let mut results = Vec::new();
    for action in &actions {
        let judge = |resource: &String| {
            let question = Question { action, resource, context: context.clone() };
            realm.world(|world| world.judge(principal, &question))
        };
        let verdicts: Option<Vec<Verdict>> = resources.iter().map(judge).collect();
        let verdicts = verdicts.ok_or_else(|| no_such(principal))?;
        results.push(result(principal, action, &resources, &verdicts));
    }
    let size = usize::try_from(ask.number("MaxItems").unwrap_or(100)).unwrap_or(100);
    let (results, next) = page(results, ask.text("Marker"), size.min(realm.config().page_size))
        .map_err(|_| AwsError::new("InvalidInput", "Invalid Marker"))?;
    let all = results.into_iter().fold(Xml::new(), |all, one| all.group("member", one));
    let xml = Xml::new()
        .leaf("IsTruncated", next.is_some())
        .some("Marker", next)
        .group("EvaluationResults", all);
    Ok(Answer::Xml(xml.finish()))
}

/// What is said to one action: of all its resources together, and of each.
fn result(principal: &str, action: &str, resources: &[String], verdicts: &[Verdict]) -> Xml {
    let worst = verdicts.iter().max_by_key(|verdict| severity(verdict.decision));
    let worst = worst.expect("there is a verdict for each resource, and at least one of those");
    let each = resources.iter().zip(verdicts).map(|(resource, verdict)| {
        Xml::new()
            .leaf("EvalResourceName", resource)
            .leaf("EvalResourceDecision", words(verdict.decision))
            .group("MatchedStatements", matched(principal, verdict))
            .texts("MissingContextValues", "member", &verdict.missing)
    });
    let mut xml = Xml::new()
        .leaf("EvalActionName", action)
        .leaf("EvalResourceName", if let [one] = resources { one } else { "*" })
        .leaf("EvalDecision", words(worst.decision))
        .group("MatchedStatements", matched(principal, worst))
        .texts("MissingContextValues", "member", &worst.missing)
        .list("ResourceSpecificResults", "member", each);
    if let Some(allows) = worst.organisation {
        let detail = Xml::new().leaf("AllowedByOrganizations", allows);
        xml = xml.group("OrganizationsDecisionDetail", detail);
    }
    if let Some(allows) = worst.boundary {
        let detail = Xml::new().leaf("AllowedByPermissionsBoundary", allows);
        xml = xml.group("PermissionsBoundaryDecisionDetail", detail);
    }
    xml
}

fn matched(principal: &str, verdict: &Verdict) -> Xml {
    let kind = if principal.contains(":user/") { "user" } else { "role" };
    verdict.by.iter().fold(Xml::new(), |all, name| {
        let place = |line: u32| Xml::new().leaf("Line", line).leaf("Column", 1);
        let statement = Xml::new()
            .leaf("SourcePolicyId", name)
            .leaf("SourcePolicyType", kind)
            .group("StartPosition", place(1))
            .group("EndPosition", place(9));
        all.group("member", statement)
    })
}

fn get_role(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let name = ask.text("RoleName").ok_or_else(|| missing("roleName"))?;
    let path = realm.world(|world| world.roles.get(name).map(|role| role.path.clone()));
    let path = path.ok_or_else(|| {
        let text = format!("The role with name {name} cannot be found.");
        AwsError::status(404, "NoSuchEntity", text)
    })?;
    let account = &realm.config().account;
    let role = Xml::new()
        .leaf("Path", format!("/{path}"))
        .leaf("RoleName", name)
        .leaf("RoleId", "AROASIMULATEDROLE0001")
        .leaf("Arn", format!("arn:aws:iam::{account}:role/{path}{name}"))
        .leaf("CreateDate", iso8601(CREATED_MS))
        .leaf("MaxSessionDuration", 3600);
    Ok(Answer::Xml(Xml::new().group("Role", role).finish()))
}

fn context(ask: &Ask) -> Context {
    let mut context = Context::default();
    let entry = |number: usize, part: &str| format!("ContextEntries.member.{number}.{part}");
    let keys = (1..)
        .map_while(|number| Some((number, ask.text(&entry(number, "ContextKeyName"))?.to_owned())));
    for (number, key) in keys {
        for value in ask.members(&entry(number, "ContextKeyValues.member")) {
            context.add(&key, &value);
        }
    }
    context
}

fn is_action(name: &str) -> bool {
    name.split_once(':').is_some_and(|(service, action)| {
        !service.is_empty()
            && !action.is_empty()
            && action.chars().all(|c| c.is_ascii_alphanumeric() || c == '*')
    })
}

fn words(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::NotAllowed => "implicitDeny",
        Decision::Denied => "explicitDeny",
    }
}

fn severity(decision: Decision) -> u8 {
    match decision {
        Decision::Allowed => 0,
        Decision::NotAllowed => 1,
        Decision::Denied => 2,
    }
}

fn no_such(principal: &str) -> AwsError {
    let kind = if principal.contains(":user/") { "user" } else { "role" };
    let name = principal.rsplit('/').next().unwrap_or(principal);
    let text = format!("The {kind} with name {name} cannot be found.");
    AwsError::status(404, "NoSuchEntity", text)
}

fn missing(name: &str) -> AwsError {
    let text = format!(
        "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
    );
    AwsError::new("ValidationError", text)
}

/// 2026-01-05T00:00:00Z
const CREATED_MS: i64 = 1_767_571_200_000;

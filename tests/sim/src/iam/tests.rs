use serde_json::{Value, json};

use super::{Context, Decision, Policies, Question, Verdict, judge};

fn policies(own: &[Value]) -> Policies {
    let own = own.iter().enumerate();
    let own = own.map(|(number, statements)| {
        (format!("policy-{number}"), json!({ "Version": "2012-10-17", "Statement": statements }))
    });
    Policies { own: own.collect(), boundary: None }
}

fn ask<const N: usize>(
    policies: &Policies,
    action: &str,
    resource: &str,
    context: [(&str, &str); N],
) -> Verdict {
    judge(policies, None, &Question { action, resource, context: Context::from(context) })
}

fn is(policies: &Policies, action: &str, resource: &str) -> Decision {
    ask(policies, action, resource, []).decision
}

const TASK: &str = "arn:aws:ecs:eu-west-1:1:task/prod/0a1b";

#[test]
fn what_nothing_speaks_of_is_not_allowed_and_what_is_denied_is_denied_whatever_allows_it() {
    let own = policies(&[
        json!({ "Effect": "Allow", "Action": ["ecs:Describe*", "ssm:startsession"], "Resource": "*" }),
        json!([{ "Effect": "Deny", "Action": "ssm:StartSession", "Resource": "arn:aws:ecs:*:*:task/*" }]),
    ]);
    assert_eq!(is(&own, "ecs:DescribeTasks", "*"), Decision::Allowed);
    assert_eq!(is(&own, "ecs:RunTask", "*"), Decision::NotAllowed);
    let verdict = ask(&own, "ssm:StartSession", TASK, []);
    assert_eq!((verdict.decision, verdict.by), (Decision::Denied, vec!["policy-1".to_owned()]));
    assert_eq!(
        is(&own, "SSM:STARTSESSION", "arn:aws:ec2:eu-west-1:1:instance/i-1"),
        Decision::Allowed
    );
    assert_eq!(is(&Policies::default(), "ecs:DescribeTasks", "*"), Decision::NotAllowed);
}

#[test]
fn the_negated_forms_speak_of_all_else() {
    let own = policies(&[json!([
        { "Effect": "Allow", "NotAction": ["iam:*", "ssm:*"], "Resource": "*" },
        { "Effect": "Deny", "Action": "ecs:StopTask", "NotResource": TASK },
    ])]);
    assert_eq!(is(&own, "ecs:RunTask", "*"), Decision::Allowed);
    assert_eq!(is(&own, "iam:PassRole", "*"), Decision::NotAllowed);
    assert_eq!(is(&own, "ecs:StopTask", TASK), Decision::Allowed);
    assert_eq!(is(&own, "ecs:StopTask", "arn:aws:ecs:eu-west-1:1:task/dev/1"), Decision::Denied);
}

#[test]
fn a_variable_is_filled_in_and_one_without_a_value_fits_nothing() {
    let own = policies(&[json!({
        "Effect": "Allow", "Action": "ssm:ResumeSession", "Resource": "arn:aws:ssm:*:*:session/${aws:userid}-*",
    })]);
    let session = "arn:aws:ssm:eu-west-1:1:session/AROA1:me-0a1b";
    let asked = |context| ask(&own, "ssm:ResumeSession", session, context);
    assert_eq!(asked([("aws:userid", "AROA1:me")]).decision, Decision::Allowed);
    assert_eq!(asked([("AWS:UserId", "AROA1:you")]).decision, Decision::NotAllowed);
    let verdict = ask(&own, "ssm:ResumeSession", session, []);
    assert_eq!(verdict.decision, Decision::NotAllowed);
    assert!(verdict.missing.contains("aws:userid"));
}

#[test]
fn conditions_must_all_hold_and_what_they_lack_is_told() {
    let own = policies(&[json!({
        "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {
            "StringEquals": { "iam:PassedToService": ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"] },
            "BoolIfExists": { "ssm:SessionDocumentAccessCheck": "true" },
            "ArnLike": { "ecs:cluster": "arn:aws:ecs:*:*:cluster/prod" },
        },
    })]);
    let service = ("iam:PassedToService", "ecs-tasks.amazonaws.com");
    let cluster = ("ecs:cluster", "arn:aws:ecs:eu-west-1:1:cluster/prod");
    let check = |on| ("ssm:SessionDocumentAccessCheck", on);
    let asked = |context: [(&str, &str); 3]| ask(&own, "a:b", "*", context).decision;
    assert_eq!(asked([service, cluster, check("true")]), Decision::Allowed);
    assert_eq!(asked([service, cluster, check("false")]), Decision::NotAllowed);
    assert_eq!(
        asked([service, ("ecs:cluster", "arn:aws:ecs:x:1:cluster/dev"), check("true")]),
        Decision::NotAllowed
    );
    assert_eq!(ask(&own, "a:b", "*", [service, cluster]).decision, Decision::Allowed, "IfExists");
    let verdict = ask(&own, "a:b", "*", []);
    let missing: Vec<_> = verdict.missing.iter().map(String::as_str).collect();
    assert_eq!(
        (verdict.decision, &missing[..]),
        (Decision::NotAllowed, &["ecs:cluster", "iam:PassedToService"][..])
    );
}

#[test]
fn a_negated_condition_holds_where_there_is_no_value_and_null_asks_for_just_that() {
    let deny = |condition: Value| {
        policies(&[json!([
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition },
        ])])
    };
    let abroad = deny(json!({ "StringNotEquals": { "aws:RequestedRegion": "eu-west-1" } }));
    assert_eq!(
        ask(&abroad, "a:b", "*", [("aws:RequestedRegion", "eu-west-1")]).decision,
        Decision::Allowed
    );
    assert_eq!(ask(&abroad, "a:b", "*", []).decision, Decision::Denied);
    let untagged = deny(json!({ "Null": { "aws:RequestTag/owner": true } }));
    assert_eq!(
        ask(&untagged, "a:b", "*", [("aws:RequestTag/owner", "me")]).decision,
        Decision::Allowed
    );
    assert_eq!(ask(&untagged, "a:b", "*", []).decision, Decision::Denied);
    let tags = deny(json!({ "ForAnyValue:StringLike": { "aws:TagKeys": "secret-*" } }));
    assert_eq!(
        ask(&tags, "a:b", "*", [("aws:TagKeys", "a"), ("aws:TagKeys", "secret-b")]).decision,
        Decision::Denied
    );
    assert_eq!(ask(&tags, "a:b", "*", [("aws:TagKeys", "a")]).decision, Decision::Allowed);
}

#[test]
fn what_stands_above_must_allow_it_too_and_its_deny_counts() {
    let everything = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
    let ecs = json!({ "Statement": { "Effect": "Allow", "Action": "ecs:*", "Resource": "*" } });
    let no_ssm = json!({ "Statement": [
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": "ssm:*", "Resource": "*" },
    ] });
    let own = Policies { own: [("all".to_owned(), everything)].into(), boundary: Some(ecs) };
    let question = |action| Question { action, resource: "*", context: Context::default() };
    let verdict = judge(&own, None, &question("ssm:StartSession"));
    assert_eq!(
        (verdict.decision, verdict.boundary, verdict.organisation),
        (Decision::NotAllowed, Some(false), None)
    );
    let verdict = judge(&own, Some(&no_ssm), &question("ssm:StartSession"));
    assert_eq!((verdict.decision, verdict.organisation), (Decision::Denied, Some(false)));
    assert_eq!(judge(&own, Some(&no_ssm), &question("ecs:RunTask")).decision, Decision::Allowed);
}

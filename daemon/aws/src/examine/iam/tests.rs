use bastion_cloud::{Says, Wish};

use super::answer::page;
use super::{encode, service};

/// As IAM answers, cut to what is read and some of what is not.
const ANSWER: &str = r#"<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
  <SimulatePrincipalPolicyResult>
    <IsTruncated>true</IsTruncated>
    <Marker>next&amp;page</Marker>
    <EvaluationResults>
      <member>
        <MatchedStatements>
          <member>
            <SourcePolicyId>guard</SourcePolicyId>
            <SourcePolicyType>IAM Policy</SourcePolicyType>
            <EndPosition><Column>4</Column><Line>9</Line></EndPosition>
          </member>
        </MatchedStatements>
        <MissingContextValues/>
        <EvalResourceName>*</EvalResourceName>
        <EvalDecision>explicitDeny</EvalDecision>
        <EvalActionName>ssm:StartSession</EvalActionName>
        <OrganizationsDecisionDetail><AllowedByOrganizations>true</AllowedByOrganizations></OrganizationsDecisionDetail>
        <ResourceSpecificResults>
          <member><EvalResourceDecision>allowed</EvalResourceDecision><MissingContextValues><member>aws:SourceIp</member></MissingContextValues></member>
        </ResourceSpecificResults>
      </member>
      <member>
        <EvalActionName>ecs:RunTask</EvalActionName>
        <EvalDecision>implicitDeny</EvalDecision>
        <MissingContextValues><member>ecs:cluster</member></MissingContextValues>
        <OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>
      </member>
    </EvaluationResults>
  </SimulatePrincipalPolicyResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</SimulatePrincipalPolicyResponse>"#;

#[test]
fn an_answer_tells_the_decision_of_each_action_and_who_made_it() {
    let page = page(ANSWER).unwrap();
    assert_eq!(page.marker.as_deref(), Some("next&page"));
    let told: Vec<_> =
        page.told.iter().map(|told| told.permission(Wish::new(&told.action, "*"))).collect();
    assert_eq!(told[0].wish.action, "ssm:StartSession");
    assert_eq!((told[0].says, told[0].from_above), (Says::Denied, false));
    assert_eq!(told[0].by, ["guard"]);
    // Of a resource that is named, IAM tells there and nowhere else what it misses.
    assert_eq!(told[0].missing, ["aws:SourceIp"]);
    assert_eq!((told[1].says, told[1].from_above), (Says::NotAllowed, true));
    assert_eq!(told[1].missing, ["ecs:cluster"]);
    assert_eq!(told.len(), 2);
}

#[test]
fn no_answer_that_is_cut_makes_us_fall() {
    for at in 0..ANSWER.len() {
        drop(page(&ANSWER[..at]));
    }
}

#[test]
fn a_value_is_escaped_for_a_form() {
    let pairs =
        [("a".to_owned(), "b c+d/é".to_owned()), ("n.1".to_owned(), "x~y_z-1.*".to_owned())];
    assert_eq!(encode(pairs), "a=b%20c%2Bd%2F%C3%A9&n.1=x~y_z-1.%2A");
}

#[test]
fn each_partition_has_one_iam() {
    assert_eq!(service("ap-northeast-1").1, "us-east-1");
    assert_eq!(service("cn-northwest-1").1, "cn-north-1");
    assert_eq!(service("us-gov-east-1").1, "us-gov-west-1");
}

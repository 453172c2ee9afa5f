//! The role of the task: what its agent does with it, and who may take it.

use std::collections::{BTreeMap, BTreeSet};

use bastion_api::{PolicyDocument, PolicyStatement, PolicyValues};

use super::draft::{Condition, Draft, LANGUAGE};
use super::names::Names;

/// The four calls of the agent, and nothing else.
pub(super) fn statement() -> Draft {
    Draft::new("LetTheAgentConnect", ACTIONS, ["*".to_owned()])
        .because(
            "lets the SSM agent in the task connect to the session service",
            "the agent stops, and no bastion is ever reached (D08)",
        )
        .note("AWS knows no narrower resource for these")
}

/// ECS may take it for its tasks; where the account is known, for tasks of that account alone.
pub(super) fn trust(names: &[Names]) -> PolicyDocument {
    let accounts: Option<BTreeSet<String>> = names.iter().map(Names::known_account).collect();
    let mut condition = Condition::new();
    if let Some(accounts) = accounts.filter(|accounts| !accounts.is_empty()) {
        let sources: BTreeSet<String> = names.iter().map(|names| names.arn("ecs", "*")).collect();
        let values = |all: BTreeSet<String>| PolicyValues::from(Vec::from_iter(all));
        let source = BTreeMap::from([("aws:SourceArn".to_owned(), values(sources))]);
        let account = BTreeMap::from([("aws:SourceAccount".to_owned(), values(accounts))]);
        condition.insert("ArnLike".to_owned(), source);
        condition.insert("StringEquals".to_owned(), account);
    }
    let statement = PolicyStatement {
        sid: "LetTasksTakeIt".to_owned(),
        effect: "Allow".to_owned(),
        principal: BTreeMap::from([("Service".to_owned(), "ecs-tasks.amazonaws.com".to_owned())]),
        action: vec!["sts:AssumeRole".to_owned()],
        resource: Vec::new(),
        condition,
    };
    PolicyDocument { version: LANGUAGE.to_owned(), statement: vec![statement] }
}

const ACTIONS: &[&str] = &[
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];

use std::collections::BTreeSet;

use bastion_api::Policy;
use bastiond::policy;

use crate::shapes::{FROM_ZERO, SERVICE, TASKS, TASKS_BY_ID, TOKENS, all, known, seats, statement};

fn sids(policy: &Policy) -> Vec<&str> {
    policy.document.statement.iter().map(|one| one.sid.as_str()).collect()
}

fn resources<'a>(policy: &'a Policy, sid: &str) -> Vec<&'a str> {
    let found = statement(policy, sid).unwrap_or_else(|| panic!("no {sid}: {:?}", sids(policy)));
    found.resource.iter().map(String::as_str).collect()
}

fn condition<'a>(policy: &'a Policy, sid: &str, operator: &str, key: &str) -> &'a [String] {
    statement(policy, sid).unwrap().condition[operator][key].all()
}

#[test]
fn a_task_may_be_run_of_one_definition_in_one_cluster() {
    let policy = policy::user(&known(TASKS), false);
    let definition = "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/proxy:*";
    assert_eq!(resources(&policy, "RunBastions"), [definition]);
    let cluster = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/main";
    assert_eq!(condition(&policy, "RunBastions", "ArnEquals", "ecs:cluster"), [cluster]);
    assert_eq!(condition(&policy, "ListTasks", "ArnEquals", "ecs:cluster"), [cluster]);
    let pinned = policy::user(&known(TASKS_BY_ID), false);
    assert_eq!(resources(&pinned, "RunBastions"), [definition.replace(":*", ":7")]);
}

#[test]
fn only_the_two_roles_of_the_definition_are_passed_and_only_to_tasks() {
    let policy = policy::user(&known(TASKS), false);
    let roles = ["proxy-execution", "proxy-task"]
        .map(|role| format!("arn:aws:iam::123456789012:role/{role}"));
    assert_eq!(resources(&policy, "PassTaskRoles"), roles);
    let to = condition(&policy, "PassTaskRoles", "StringEquals", "iam:PassedToService");
    assert_eq!(to, ["ecs-tasks.amazonaws.com"]);
    let unknown = policy::user(&seats(TASKS), false);
    assert_eq!(resources(&unknown, "PassTaskRoles"), ["arn:aws:iam::*:role/*"]);
    let reason = unknown.statements.iter().find(|one| one.sid == "PassTaskRoles").unwrap();
    assert!(reason.notes[0].contains("could not be read"), "{reason:?}");
}

#[test]
fn a_definition_without_roles_passes_none() {
    let mut seats = known(TASKS);
    let definition = seats[0].facts.definition.as_mut().unwrap();
    (definition.task_role, definition.execution_role) = (None, None);
    assert!(statement(&policy::user(&seats, false), "PassTaskRoles").is_none());
}

#[test]
fn a_session_is_opened_on_tasks_by_the_forwarding_document_and_never_as_a_shell() {
    let policy = policy::user(&known(TASKS), false);
    let both = [
        "arn:aws:ecs:ap-northeast-1:123456789012:task/main/*",
        "arn:aws:ssm:ap-northeast-1::document/AWS-StartPortForwardingSessionToRemoteHost",
    ];
    assert_eq!(resources(&policy, "OpenSessions"), both);
    let key = "ssm:SessionDocumentAccessCheck";
    assert_eq!(condition(&policy, "OpenSessions", "BoolIfExists", key), ["true"]);
}

#[test]
fn sessions_and_their_channels_are_ones_own() {
    let policy = policy::user(&known(TASKS), false);
    for sid in ["KeepOwnSessions", "OpenDataChannels"] {
        let own = ["${aws:userid}", "${aws:username}"]
            .map(|own| format!("arn:aws:ssm:ap-northeast-1:123456789012:session/{own}-*"));
        assert_eq!(resources(&policy, sid), own);
    }
    let tag = "ssm:resourceTag/aws:ssmmessages:session-id";
    let owner = condition(&policy, "KeepOwnSessionsOfRoles", "StringLike", tag);
    assert_eq!(owner, ["${aws:userid}"]);
}

#[test]
fn what_is_given_by_id_or_by_host_is_not_looked_up() {
    let policy = policy::user(&known(TASKS_BY_ID), false);
    for sid in ["FindPlaces", "FindInstances", "ReadSecrets", "DecryptSecrets"] {
        assert!(statement(&policy, sid).is_none(), "{sid}");
    }
    let half = policy::user(&known(TOKENS), false);
    assert_eq!(statement(&half, "FindPlaces").unwrap().action, ["ec2:DescribeSubnets"]);
}

#[test]
fn a_database_is_found_by_its_own_name_in_small_letters() {
    let policy = policy::user(&known(TASKS), false);
    let db = "arn:aws:rds:ap-northeast-1:123456789012:db:prod-db";
    assert_eq!(resources(&policy, "FindInstances"), [db]);
    let policy = policy::user(&known(FROM_ZERO), false);
    let clusters = ["cluster-endpoint:analytics", "cluster:dev-aurora"]
        .map(|rest| format!("arn:aws:rds:eu-west-1:123456789012:{rest}"));
    assert_eq!(resources(&policy, "FindClusters"), clusters);
    let policy = policy::user(&seats(TOKENS), false);
    assert_eq!(resources(&policy, "FindProxies"), ["arn:aws:rds:ap-northeast-1:*:db-proxy:*"]);
}

#[test]
fn a_secret_is_the_one_that_is_named_and_its_key_serves_it_alone() {
    let policy = policy::user(&known(TASKS), false);
    let secret = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:prod/db-AbCdEf";
    assert_eq!(resources(&policy, "ReadSecrets"), [secret]);
    let key = "arn:aws:kms:ap-northeast-1:123456789012:key/1111aaaa-22bb-33cc-44dd-5555eeee6666";
    assert_eq!(resources(&policy, "DecryptSecrets"), [key]);
    let via = condition(&policy, "DecryptSecrets", "StringEquals", "kms:ViaService");
    assert_eq!(via, ["secretsmanager.ap-northeast-1.amazonaws.com"]);
    let unknown = policy::user(&seats(TASKS), false);
    let pattern = "arn:aws:secretsmanager:ap-northeast-1:*:secret:prod/db-??????";
    assert_eq!(resources(&unknown, "ReadSecrets"), [pattern]);
    let managed = policy::user(&seats(SERVICE), false);
    let pattern = "arn:aws:secretsmanager:eu-west-1:*:secret:rds!cluster-*";
    assert_eq!(resources(&managed, "ReadSecrets"), [pattern]);
}

#[test]
fn a_token_is_for_one_user_of_one_database() {
    let policy = policy::user(&known(TOKENS), false);
    let users = ["db-ABCDEFGHIJKLMNOP/app", "prx-0123456789abcdef0/app"]
        .map(|rest| format!("arn:aws:rds-db:ap-northeast-1:123456789012:dbuser:{rest}"));
    assert_eq!(resources(&policy, "ConnectWithTokens"), users);
    assert!(statement(&policy, "ReadSecrets").is_none());
}

#[test]
fn a_services_tasks_are_seen_and_neither_run_nor_stopped() {
    let policy = policy::user(&known(SERVICE), false);
    for sid in ["RunBastions", "StopBastions", "PassTaskRoles", "TagBastions", "ScaleServices"] {
        assert!(statement(&policy, sid).is_none(), "{sid}");
    }
    let service = "arn:aws:ecs:eu-west-1:123456789012:service/dev/bastion";
    assert_eq!(resources(&policy, "SeeServices"), [service]);
    let policy = policy::user(&known(FROM_ZERO), false);
    assert_eq!(resources(&policy, "ScaleServices"), [service]);
}

#[test]
fn logs_are_those_of_the_definition() {
    let policy = policy::user(&known(TASKS), false);
    let group = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/ecs/proxy:log-stream:*";
    assert_eq!(resources(&policy, "ReadLogs"), [group]);
    let mut seats = known(TASKS_BY_ID);
    seats[0].facts.definition.as_mut().unwrap().containers[0].log_group = None;
    let policy = policy::user(&seats, false);
    assert!(statement(&policy, "ReadLogs").is_none());
    // The image's own command runs in the container that is named: nothing is left to read.
    assert!(statement(&policy, "ReadTaskDefinitions").is_none());
}

#[test]
fn what_several_sites_say_alike_is_said_once_and_the_rest_has_names_of_its_own() {
    let (_, several) = all().into_iter().find(|(name, _)| *name == "several sites").unwrap();
    let policy = policy::user(&known(&several), false);
    let names = sids(&policy);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    // Any of the clusters may be listed; what runs in one of them may not run in another.
    let clusters = condition(&policy, "ListTasks", "ArnEquals", "ecs:cluster");
    assert_eq!(clusters.len(), 2, "{clusters:?}");
    assert_eq!(resources(&policy, "RunBastions").len(), 1);
    let reason = policy.statements.iter().find(|one| one.sid == "FindInstances").unwrap();
    assert_eq!(reason.sites, ["prod", "test"]);
    assert_eq!(resources(&policy, "FindInstances").len(), 2);
    assert_eq!(policy.sites, ["dev", "prod", "test"]);
}

#[test]
fn what_differs_in_two_ways_is_never_joined() {
    let other = TASKS.replace("prod", "test").replace("Prod", "Test").replace("15432", "15434");
    let other = other.replace("\"main\"", "\"second\"").replace("\"proxy\"\nsub", "\"other\"\nsub");
    let policy = policy::user(&known(&format!("{TASKS}{other}")), false);
    for (sid, cluster, definition) in
        [("RunBastions", "main", "proxy"), ("RunBastions2", "second", "other")]
    {
        let clusters = condition(&policy, sid, "ArnEquals", "ecs:cluster");
        assert!(matches!(clusters, [one] if one.ends_with(&format!("cluster/{cluster}"))));
        assert!(resources(&policy, sid)[0].ends_with(&format!("task-definition/{definition}:*")));
    }
}

#[test]
fn accounts_that_differ_or_are_not_known_are_told() {
    let mut seats = known(&format!("{TASKS}{SERVICE}"));
    seats[0].facts.identity.as_mut().unwrap().account = "210987654321".to_owned();
    let notes = policy::user(&seats, false).notes;
    assert!(notes[0].contains("several accounts") && notes[0].contains("210987654321 (dev)"));
    let notes = policy::user(&self::seats(TASKS), false).notes;
    assert!(notes[0].contains("* stands for its number: prod"), "{notes:?}");
}

#[test]
fn a_policy_that_iam_would_not_take_for_its_length_says_so() {
    let of = |count: usize| {
        let target = |n| {
            format!(
                "[target.t{n}]\nsite = \"prod\"\nrds = \"database-number-{n}\"\nlisten = {}\n",
                20000 + n
            )
        };
        let targets: String = (0..count).map(target).collect();
        policy::user(&known(&format!("{TASKS}{targets}")), false)
    };
    assert!(of(3).notes.is_empty(), "{:?}", of(3).notes);
    let long = of(80);
    assert!(long.document.size() > 6144);
    assert!(long.notes[0].contains("a managed policy takes 6144"), "{:?}", long.notes);
}

#[test]
fn arns_are_of_the_partition_that_the_region_is_of() {
    let policy = policy::user(&seats(&TASKS.replace("ap-northeast-1", "cn-north-1")), false);
    assert_eq!(resources(&policy, "FindInstances"), ["arn:aws-cn:rds:cn-north-1:*:db:prod-db"]);
}

#[test]
fn only_for_the_sites_that_are_named() {
    let (_, several) = all().into_iter().find(|(name, _)| *name == "several sites").unwrap();
    let config = bastiond::config::parse(std::path::Path::new("c.toml"), &several).unwrap();
    let names = ["test".to_owned()];
    let seats = policy::seats(&config, &names).unwrap();
    assert_eq!(policy::user(&seats, false).sites, ["test"]);
    let names = ["test".to_owned(), "tset".to_owned()];
    assert_eq!(policy::seats(&config, &names).unwrap_err(), "tset");
}

#[test]
fn a_site_without_targets_has_a_policy_too() {
    let (site, _) = TASKS.split_once("[target.").unwrap();
    let policy = policy::user(&seats(site), false);
    assert!(statement(&policy, "RunBastions").is_some());
    assert!(statement(&policy, "FindInstances").is_none());
}

#[test]
fn the_doctors_part_comes_only_when_it_is_asked_for_and_can_be_left_out() {
    let plain = policy::user(&known(TASKS), false);
    let doctor = policy::user(&known(TASKS), true);
    let more: Vec<_> = doctor.statements[plain.statements.len()..].iter().collect();
    assert!(
        more.len() >= 3 && more.iter().all(|one| one.sid.starts_with("Doctor") && one.optional)
    );
    assert!(resources(&doctor, "DoctorAsksIam").contains(&"arn:aws:iam::123456789012:role/*Dev"));
}

#[test]
fn the_role_of_the_task_may_connect_its_agent_and_only_tasks_may_take_it() {
    let policy = policy::task_role(&known(&format!("{TASKS}{SERVICE}")));
    let [statement] = &policy.document.statement[..] else { panic!("{:?}", sids(&policy)) };
    assert_eq!(statement.action.len(), 4);
    assert!(statement.action.iter().all(|action| action.starts_with("ssmmessages:")));
    let trust = &policy.trust.unwrap().statement[0];
    assert_eq!(trust.principal["Service"], "ecs-tasks.amazonaws.com");
    assert_eq!(trust.condition["StringEquals"]["aws:SourceAccount"].all(), ["123456789012"]);
    assert_eq!(policy::task_role(&seats(TASKS)).trust.unwrap().statement[0].condition.len(), 0);
}

#[test]
fn every_statement_says_what_it_is_for_and_what_is_missed_without_it() {
    for (name, config) in all() {
        for seats in [seats(&config), known(&config)] {
            let policy = policy::user(&seats, true);
            assert_eq!(policy.statements.len(), policy.document.statement.len(), "{name}");
            for (reason, statement) in policy.statements.iter().zip(&policy.document.statement) {
                assert_eq!(reason.sid, statement.sid, "{name}");
                assert!(!reason.why.is_empty() && !reason.without.is_empty(), "{reason:?}");
                assert!(statement.sid.chars().all(char::is_alphanumeric), "{}", statement.sid);
                assert!(!statement.resource.is_empty() && !statement.action.is_empty());
            }
        }
    }
}

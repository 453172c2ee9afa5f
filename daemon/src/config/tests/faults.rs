use super::*;

/// A site's table or a target's, and the one fault that it has.
#[test]
fn each_fault_is_told_with_its_line_its_reason_and_what_to_write() {
    let site = [
        (
            "cluster = 7",
            "3 site.s.cluster: must be text, is a whole number | put it in quotes: cluster = \"…\"",
        ),
        ("", "1 site.s.cluster: missing | add cluster = \"…\": the ECS cluster's name"),
        ("cluster = \"\"", "3 site.s.cluster: is empty | write a name or an ARN"),
        ("cluster = \"a b\"", "3 site.s.cluster: \"a b\" cannot be it | write a name or an ARN"),
        (
            "cluster = \"c\"\nregoin = \"eu-west-1\"",
            "4 site.s.regoin: unknown key | did you mean \"region\"?",
        ),
        (
            "cluster = \"c\"\nregion = \"eu-west-1a\"",
            "4 site.s.region: \"eu-west-1a\" is no region | that is an availability zone; write region = \"eu-west-1\"",
        ),
        (
            "cluster = \"c\"\nregion = \"evil.com/\"",
            "4 site.s.region: \"evil.com/\" is no region | write it as AWS does: region = \"ap-northeast-1\"",
        ),
        (
            "cluster = \"c\"\nservice = \"b\"",
            "4 site.s.service: task_definition is given too (line 2) | keep one: task_definition starts tasks of our own, \
             service uses one that runs anyway",
        ),
        (
            "cluster = \"c\"\nlaunch = \"SPOT\"",
            "4 site.s.launch: there is no \"SPOT\" | write one of FARGATE, FARGATE_SPOT",
        ),
        (
            "cluster = \"c\"\nlaunch = \"fargate-spot\"",
            "4 site.s.launch: there is no \"fargate-spot\" | did you mean \"FARGATE_SPOT\"?",
        ),
        (
            "cluster = \"c\"\nassign_public_ip = \"yes\"",
            "4 site.s.assign_public_ip: must be true or false, is text | write assign_public_ip = true",
        ),
        (
            "cluster = \"c\"\nidle_timeout = 900",
            "4 site.s.idle_timeout: must be a time in quotes, is a whole number | seconds are written idle_timeout = \"900s\"",
        ),
        (
            "cluster = \"c\"\nidle_timeout = \"15 parsecs\"",
            "4 site.s.idle_timeout: \"15 parsecs\" is no time | write a number and a unit: \"90s\", \"15m\", \"1h 30m\"",
        ),
        (
            "cluster = \"c\"\nidle_timeout = \"15M\"",
            "4 site.s.idle_timeout: \"15M\" is too long | between 1s and 7days; a small \"m\" is minutes",
        ),
        (
            "cluster = \"c\"\nstart_timeout = \"0s\"",
            "4 site.s.start_timeout: \"0s\" is too short | between 1s and 1h; a small \"m\" is minutes",
        ),
        (
            "cluster = \"c\"\nendpoints = [\"https://vpce-1.example.com/\"]",
            "4 site.s.endpoints: \"https://vpce-1.example.com/\" is no host | write \"vpce-1.example.com\"",
        ),
        (
            "cluster = \"c\"\nendpoints = \"vpce-1.example.com\"",
            "4 site.s.endpoints: must be a list of texts, is text | write a list: endpoints = [\"…\"]",
        ),
    ];
    for (lines, expected) in site {
        let text = format!(
            "[site.s]\ntask_definition = \"t\"\n{lines}\nsubnets = [\"subnet-1\"]\nsecurity_groups = [\"sg-1\"]\n"
        );
        assert_eq!(told(&text), [expected], "{text}");
    }
    let place = [
        (
            "",
            "1 site.s.subnets: missing | add subnets = { name = \"…\" }, or subnets = [\"subnet-…\"]",
        ),
        ("subnets = []", "4 site.s.subnets: names none | write [\"subnet-…\"]"),
        (
            "subnets = [\n  \"subnet-1\",\n  \"private-1\"]",
            "6 site.s.subnets: \"private-1\" is no id | an id begins with \"subnet-\"; by name: subnets = { name = \"private-1\" }",
        ),
        (
            "subnets = \"private-*\"",
            "4 site.s.subnets: must be a list of ids, or a table, is text | write subnets = { name = \"…\" }, \
             or subnets = [\"subnet-0a1b2c3d\"]",
        ),
        (
            "subnets = {}",
            "4 site.s.subnets: says neither name nor tags | write subnets = { name = \"…\" }, or subnets = [\"subnet-0a1b2c3d\"]",
        ),
        (
            "subnets = { name = \"a\", tags = { b = \"c\" } }",
            "4 site.s.subnets: says both name and tags | keep one; a name is a tag too: { tags = { Name = \"…\" } }",
        ),
        (
            "subnets = { nmae = \"a\", name = \"b\" }",
            "4 site.s.subnets.nmae: unknown key | did you mean \"name\"?",
        ),
        (
            "subnets = { tags = {} }",
            "4 site.s.subnets.tags: names none | write tags = { Tier = \"private\" }",
        ),
        (
            "subnets = { tags = { a = 1 } }",
            "4 site.s.subnets.tags: must be a table of texts, is a whole number | write tags = { Tier = \"private\" }",
        ),
        (
            "subnets = { name = \"\" }",
            "4 site.s.subnets.name: is empty | write a text of one line, not empty",
        ),
    ];
    for (lines, expected) in place {
        let text = format!(
            "[site.s]\ncluster = \"c\"\ntask_definition = \"t\"\n{lines}\nsecurity_groups = [\"sg-1\"]\n"
        );
        assert_eq!(told(&text), [expected], "{text}");
    }
    let target = [
        ("rds = \"d\"", "6 target.t.listen: missing | add a local port: listen = 15432"),
        (
            "listen = 1",
            "6 target.t.rds: missing | say which database it is: rds = \"…\", aurora = \"…\", proxy = \"…\", or host = \"…\" and port",
        ),
        (
            "listen = 1\nrds = \"d\"\nhost = \"h\"\nport = 1",
            "10 target.t.host: rds is given too (line 9) | keep one of rds, aurora, proxy, host",
        ),
        (
            "listen = 1\nrds = \"d\"\nendpoint = \"reader\"",
            "10 target.t.endpoint: goes with aurora only | remove it, or name a cluster: aurora = \"…\"",
        ),
        (
            "listen = 1\nrds = \"d\"\nport = 5432",
            "10 target.t.port: goes with host only | remove it; the port is looked up with the database",
        ),
        (
            "listen = 1\nrds = \"d.abc.eu-west-1.rds.amazonaws.com\"",
            "9 target.t.rds: \"d.abc.eu-west-1.rds.amazonaws.com\" is no identifier | that is an endpoint's name; \
             the identifier is its first part: rds = \"d\"",
        ),
        (
            "listen = 1\nhost = \"h\"",
            "9 target.t.port: missing: a host needs one | add the port that it listens on in the VPC: port = 5432",
        ),
        (
            "listen = 1\nhost = \"h.example:5432\"\nport = 5432",
            "9 target.t.host: is no host | write host = \"h.example\" and port = 5432",
        ),
        (
            "listen = 1\nhost = \"redis://me:hunter2@h.example/0\"\nport = 1",
            "9 target.t.host: is no host | write host = \"h.example\"",
        ),
        (
            "listen = 1\nhost = \"h\"\nport = 65536",
            "10 target.t.port: 65536 is no port | a port is between 1 and 65535",
        ),
        (
            "listen = 1\nrds = \"d\"\nengine = \"postgresql\"",
            "10 target.t.engine: there is no \"postgresql\" | did you mean \"postgres\"?",
        ),
        (
            "listen = 1\nrds = \"d\"\nengine = \"oracle\"",
            "10 target.t.engine: there is no \"oracle\" | write one of postgres, mysql, other",
        ),
        (
            "listen = 1\nrds = \"d\"\ndatabse = \"x\"",
            "10 target.t.databse: unknown key | did you mean \"database\"?",
        ),
        (
            "listen = 1\nrds = \"d\"\nuser = \"a\\nb\"",
            "10 target.t.user: \"a\\nb\" cannot be it | write a text of one line, not empty",
        ),
        (
            "listen = 1\nrds = \"d\"\npassword = \"hunter2\"",
            "10 target.t.password: must be a table, is text | no password belongs here: write { secret = \"NAME\" } \
             for a secret of Secrets Manager, or { rds_managed = true }, or { iam = true }",
        ),
        (
            "listen = 1\nrds = \"d\"\npassword = { iam = false }",
            "10 target.t.password.iam: says nothing when false | remove it, or write password = { secret = \"…\" }",
        ),
        (
            "listen = 1\nhost = \"10.0.0.7\"\nport = 5432\npassword = { iam = true }",
            "11 target.t.password.iam: needs the database's own name: a token is signed for it | name it as AWS does: \
             rds = \"…\", or host = \"….rds.amazonaws.com\"",
        ),
        (
            "listen = 1\nrds = \"d\"\npassword = { iam = true, secret = \"s\" }",
            "10 target.t.password: says more than one of secret, rds_managed and iam | write { secret = \"NAME\" } for \
             a secret of Secrets Manager, or { rds_managed = true }, or { iam = true }",
        ),
        (
            "listen = 1\nrds = \"d\"\ndanger = \"yes\"",
            "10 target.t.danger: must be true or false, is text | write danger = true",
        ),
        (
            "listen = 1\nrds = \"d\"\npassword = { secret = \"my hunter2\" }",
            "10 target.t.password.secret: is no name of a secret | write the secret's name or ARN, as Secrets Manager shows it",
        ),
        (
            "listen = 1\nrds = \"d\"\npassword = { rds_managed = false }",
            "10 target.t.password.rds_managed: says nothing when false | remove it, or write password = { secret = \"…\" }",
        ),
        (
            "listen = 1\nproxy = \"d\"\npassword = { rds_managed = true }",
            "10 target.t.password.rds_managed: goes with rds and aurora only | name the secret: password = { secret = \"…\" }",
        ),
        (
            "listen = 1\nrds = \"d\"\npassword = {}",
            "10 target.t.password: says none of secret, rds_managed and iam | write { secret = \"NAME\" } for a secret \
             of Secrets Manager, or { rds_managed = true }, or { iam = true }",
        ),
        (
            "listen = 1\nrds = \"d\"\nport = \"5432\"",
            "10 target.t.port: must be a whole number, is text | write port = 5432",
        ),
    ];
    for (lines, expected) in target {
        let text = format!("{SITE}[target.t]\nsite = \"s\"\n{lines}\n");
        assert_eq!(told(&text), [expected], "{text}");
    }
    let listen = [
        ("0", "0 is no port | a port is between 1 and 65535"),
        ("70000", "70000 is no port | a port is between 1 and 65535"),
        ("-1", "-1 is no port | a port is between 1 and 65535"),
        ("[]", "names no place | write listen = 15432"),
        (
            "true",
            "must be a port or a word, is true or false | write listen = 15432, or [15432, \"docker\"], or \"unix\"",
        ),
        ("\"15432\"", "there is no \"15432\" | write the port without quotes: 15432"),
        ("\"localhost:15432\"", "there is no \"localhost:15432\" | write the port alone: 15432"),
        (
            "\"db.example:15432\"",
            "there is no \"db.example:15432\" | write an address in place of the name; IPv6 in brackets: \"[::1]:15432\"",
        ),
        ("\"0.0.0.0\"", "there is no \"0.0.0.0\" | add the port: \"0.0.0.0:15432\""),
        ("\"dcoker\"", "there is no \"dcoker\" | did you mean \"docker\"?"),
        (
            "\"docker\"",
            "\"docker\" needs a port | name the port beside it: listen = [15432, \"docker\"]",
        ),
        ("\"127.0.0.1:0\"", "0 is no port | a port is between 1 and 65535"),
        (
            "\"0.0.0.0:15432\"",
            "0.0.0.0:15432 can be reached from other machines | add exposed = true if that is meant; \
             containers need only [15432, \"docker\"]",
        ),
        (
            "\"10.0.0.5:15432\"",
            "10.0.0.5:15432 can be reached from other machines | add exposed = true if that is meant",
        ),
        ("[15432, 15432]", "port 15432 is named twice | remove one"),
        ("[15432, \"127.0.0.1:15432\"]", "127.0.0.1:15432 is named twice | remove one"),
        ("[\"unix\", \"unix\"]", "\"unix\" is named twice | remove one"),
    ];
    for (value, expected) in listen {
        let text = format!("{SITE}[target.t]\nsite = \"s\"\nrds = \"d\"\nlisten = {value}\n");
        assert_eq!(told(&text), [format!("9 target.t.listen: {expected}")], "{text}");
    }
}

#[test]
fn ten_faults_are_told_at_once_from_the_top_to_the_end() {
    let text = r#"[site.prod]
profil = "prod"
region = "mars"
cluster = "c"
subnets = ["subnet-1"]
security_groups = ["net-1"]
idle_timeout = 15

[target.prod-db]
site = "prd"
rds = "a b"
listen = 70000
engine = "postgre"

[targets.x]
site = "prod"

[target."a/b"]
"#;
    let told = told(text);
    let heads: Vec<&str> = told.iter().map(|fault| fault.split(" | ").next().unwrap()).collect();
    let expected = [
        "1 site.prod.task_definition: missing",
        "2 site.prod.profil: unknown key",
        "3 site.prod.region: \"mars\" is no region",
        "6 site.prod.security_groups: \"net-1\" is no id",
        "7 site.prod.idle_timeout: must be a time in quotes, is a whole number",
        "10 target.prod-db.site: there is no site \"prd\"",
        "11 target.prod-db.rds: \"a b\" is no identifier",
        "12 target.prod-db.listen: 70000 is no port",
        "13 target.prod-db.engine: there is no \"postgre\"",
        "15 targets: unknown key",
        "18 target.\"a/b\": cannot be a target's name",
        "18 target.\"a/b\".site: missing",
        "18 target.\"a/b\".rds: missing",
        "18 target.\"a/b\".listen: missing",
    ];
    assert_eq!(heads, expected);
    assert!(told[5].ends_with("did you mean \"prod\"?"), "{}", told[5]);
    assert!(told[9].ends_with("did you mean \"target\"?"), "{}", told[9]);
}

#[test]
fn a_missing_key_hides_no_other_fault_of_its_site() {
    let text = "[site.s]\ncluster = \"c\"\nsubnets = [\"subnet-0123456789abcdef0\"]\n\
                security_groups = [\"sg-0123456789abcdef0\"]\n\
                idle_timeout = \"15 parsecs\"\nstart_timeout = \"soon\"\n";
    let told = told(text);
    let heads: Vec<&str> = told.iter().map(|fault| fault.split(" | ").next().unwrap()).collect();
    assert_eq!(
        heads,
        [
            "1 site.s.task_definition: missing",
            "5 site.s.idle_timeout: \"15 parsecs\" is no time",
            "6 site.s.start_timeout: \"soon\" is no time",
        ]
    );
}

#[test]
fn two_targets_on_one_port_are_both_named() {
    let meet = [
        ("15432", "15432"),
        ("15432", "\"127.0.0.1:15432\""),
        ("15432", "\"[::1]:15432\""),
        ("15432", "\"0.0.0.0:15432\""),
        ("\"[::]:15432\"", "15432"),
        ("\"0.0.0.0:15432\"", "\"192.168.0.7:15432\""),
        ("\"127.0.0.2:15432\"", "\"127.0.0.2:15432\""),
    ];
    for (first, second) in meet {
        let told = told(&two(first, second));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("14 target.b.listen: "), "{told:?}");
        assert!(told[0].contains(" is taken by target \"a\" (line 9) | "), "{told:?}");
    }
    let apart = [
        ("15432", "15433"),
        ("15432", "\"127.0.0.2:15432\""),
        ("\"unix\"", "\"unix\""),
        ("[15432, \"docker\"]", "[15433, \"docker\"]"),
        ("[15432, \"docker\"]", "\"127.0.0.2:15432\""),
    ];
    for (first, second) in apart {
        assert_eq!(told(&two(first, second)), [""; 0], "{first} {second}");
    }
}

#[test]
fn names_that_differ_in_case_alone_are_refused() {
    let told = told(&two("1", "2").replace("target.b", "target.A"));
    assert_eq!(
        told,
        ["11 target.A: is the same as target \"a\" (line 6) but for its case | \
          their sockets would meet on a Mac's disk; rename one"]
    );
}

#[test]
fn a_service_takes_nothing_that_it_would_not_look_at() {
    let told = told(
        "[site.s]\ncluster = \"c\"\nservice = \"b\"\nsubnets = [\"subnet-1\"]\nlaunch = \"FARGATE\"\n",
    );
    let hint = "goes with task_definition, not with service | remove it; a service's tasks run where the service puts them";
    assert_eq!(told, [format!("4 site.s.subnets: {hint}"), format!("5 site.s.launch: {hint}")]);
}

#[test]
fn a_faulty_site_is_still_a_site_that_targets_may_name() {
    let text = two("1", "2").replace("cluster = \"c\"", "clutser = \"c\"");
    assert_eq!(
        told(&text),
        [
            "1 site.s.cluster: missing | add cluster = \"…\": the ECS cluster's name",
            "2 site.s.clutser: unknown key | did you mean \"cluster\"?",
        ]
    );
}

#[test]
fn what_is_not_toml_is_told_by_its_line() {
    let broken = "[site.prod]\ncluster = \"c\nregion = \"x\"\nlisten = = 3\n[target.x\n";
    assert_eq!(
        told(broken),
        [
            "2 : invalid basic string, expected `\"` | ",
            "4 : extra `=` | ",
            "5 : unclosed table, expected `]` | ",
        ]
    );
    let twice = told("[site.s]\ncluster = \"a\"\ncluster = \"b\"\n");
    assert!(twice[0].starts_with("3 : ") && twice.len() == 1, "{twice:?}");
}

#[test]
fn tables_in_the_wrong_place_are_told() {
    assert_eq!(
        told("site = \"prod\"\n[target]\nlisten = 1\n"),
        [
            "1 site: must be a table, is text | write [site.NAME] and its keys below",
            "3 target.listen: must be a table, is a whole number | a target has a name: write [target.NAME] above this line",
        ]
    );
}

#[test]
fn faults_print_one_below_the_other_as_compilers_do() {
    let faults = parse(Path::new("c.toml"), "a = 1\nsiet = 2\n").unwrap_err();
    assert_eq!(
        faults.to_string(),
        "c.toml:1: a: unknown key\n  hint: known here: daemon, site, target\n\
         c.toml:2: siet: unknown key\n  hint: did you mean \"site\"?"
    );
}

/// Each fault as `line key: reason | hint`.
pub(super) fn told(text: &str) -> Vec<String> {
    let Err(faults) = parse(Path::new("c.toml"), text) else { return Vec::new() };
    let told = faults.iter().map(|fault| {
        let (line, hint) = (fault.line.unwrap(), fault.hint.as_deref().unwrap_or(""));
        format!("{line} {}: {} | {hint}", fault.key, fault.reason)
    });
    told.collect()
}

fn two(first: &str, second: &str) -> String {
    let target = |name: &str, listen: &str| {
        format!("[target.{name}]\nsite = \"s\"\nrds = \"d\"\nlisten = {listen}\nexposed = true\n")
    };
    format!("{SITE}{}{}", target("a", first), target("b", second))
}

/// Five lines.
pub(super) const SITE: &str = "[site.s]\ncluster = \"c\"\ntask_definition = \"t\"\nsubnets = [\"subnet-1\"]\nsecurity_groups = [\"sg-1\"]\n";

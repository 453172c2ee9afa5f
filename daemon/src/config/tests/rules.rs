use super::faults::{SITE, told};
use super::*;

#[test]
fn each_rule_has_its_meaning_and_a_target_may_say_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ca.pem"), "").unwrap();
    fs::write(dir.path().join("rds.pem"), "").unwrap();
    let text = r#"
        [daemon]
        on_stop = "leave"
        ca_bundle = "ca.pem"
        rds_ca_bundle = "rds.pem"
        unread_per_stream = "1 MiB"
        unread_in_all = "2gb"

        [site.own]
        cluster = "c"
        task_definition = "t"
        subnets = ["subnet-1"]
        security_groups = ["sg-1"]
        tunnels_per_bastion = 4
        max_bastions = 3
        keepalive = "never"
        payload_probing = false
        first_byte_timeout = "3s"
        silent_after = 0
        max_life = "30m"
        command = "keep"
        share = true
        price_per_hour = 1

        [site.cdk]
        cluster = "c"
        service = "b"
        scale_from_zero = true
        price_per_hour = 0.0154
        silent_after = "2h"
        patience = "20s"

        [target.plain]
        site = "own"
        rds = "d"
        listen = [1, "docker"]

        [target.other]
        site = "cdk"
        rds = "d"
        listen = 2
        max_bastions = 2
        first_byte_timeout = "20s"
        silent_after = "0s"
        patience = "auto"
        allow = ["any"]

        [target.third]
        site = "cdk"
        rds = "d"
        listen = [3, "docker"]
        allow = ["same-user", "docker"]
    "#;
    let config = parse(&dir.path().join("config.toml"), text).unwrap();
    assert_eq!(config.on_stop, OnStop::Leave);
    assert_eq!(config.ca_bundle, Some(dir.path().join("ca.pem")));
    assert_eq!(config.rds_ca_bundle, Some(dir.path().join("rds.pem")));
    assert_eq!((config.unread_per_stream, config.unread_in_all), (1 << 20, 2_000_000_000));

    let [plain, other, third] = &config.targets[..] else { panic!("{config:?}") };
    assert_eq!((plain.rules.tunnels_per_bastion, plain.rules.max_bastions), (4, 3));
    assert_eq!(
        (plain.rules.keepalive, plain.rules.command),
        (KeepAlive::Never, BastionCommand::Keep)
    );
    assert!(!plain.rules.payload_probing && plain.rules.share && !plain.rules.scale_from_zero);
    assert_eq!(
        (plain.rules.first_byte_timeout, plain.rules.silent_after),
        (Duration::from_secs(3), None)
    );
    assert_eq!((plain.rules.max_life, plain.rules.price_per_hour), (minutes(30), Some(1.0)));
    assert_eq!(plain.allow, Allow { same_user_only: true, docker: true });

    assert_eq!((other.rules.tunnels_per_bastion, other.rules.max_bastions), (2, 2));
    assert_eq!(
        (other.rules.first_byte_timeout, other.rules.silent_after),
        (Duration::from_secs(20), None)
    );
    assert!(other.rules.scale_from_zero && other.rules.price_per_hour == Some(0.0154));
    assert!(!other.allow.same_user_only, "{:?}", other.allow);

    assert_eq!(third.rules.silent_after, Some(minutes(120)));
    let patience = [plain.rules.patience, other.rules.patience, third.rules.patience];
    let twenty = Patience::AtMost(Duration::from_secs(20));
    assert_eq!(patience, [Patience::Auto, Patience::Auto, twenty]);
    assert_eq!(third.allow, Allow { same_user_only: true, docker: true });
}

#[test]
fn each_fault_of_a_rule_is_told() {
    let site = [
        ("tunnels_per_bastion = 0", "0 is not possible | between 1 and 64"),
        (
            "tunnels_per_bastion = \"2\"",
            "must be a whole number, is text | write tunnels_per_bastion = 2",
        ),
        ("max_bastions = 65", "65 is not possible | between 1 and 64"),
        ("max_bastions = -1", "-1 is not possible | between 1 and 64"),
        ("keepalive = \"allways\"", "there is no \"allways\" | write one of auto, never"),
        (
            "keepalive = true",
            "must be text, is true or false | put it in quotes: keepalive = \"…\"",
        ),
        (
            "payload_probing = \"no\"",
            "must be true or false, is text | write payload_probing = true",
        ),
        (
            "first_byte_timeout = 0",
            "\"0s\" is too short | between 1s and 10m; a small \"m\" is minutes",
        ),
        (
            "silent_after = \"5s\"",
            "\"5s\" is too short | between 1m and 7days; a small \"m\" is minutes",
        ),
        (
            "silent_after = 3600",
            "must be a time in quotes, is a whole number | seconds are written silent_after = \"3600s\"",
        ),
        ("patience = \"0s\"", "\"0s\" is too short | between 1s and 1h; a small \"m\" is minutes"),
        (
            "max_life = \"29m\"",
            "\"29m\" is too short | between 30m and 14days; a small \"m\" is minutes",
        ),
        ("command = \"watchdogs\"", "there is no \"watchdogs\" | did you mean \"watchdog\"?"),
        ("share = 1", "must be true or false, is a whole number | write share = true"),
        (
            "scale_from_zero = true",
            "goes with service, not with task_definition | remove it; tasks of our own are started when they are wanted",
        ),
        (
            "price_per_hour = -1",
            "-1 is no price | US dollars an hour, between 0 and 1000: price_per_hour = 0.0154",
        ),
        (
            "price_per_hour = nan",
            "NaN is no price | US dollars an hour, between 0 and 1000: price_per_hour = 0.0154",
        ),
        ("price_per_hour = \"1\"", "must be a number, is text | write price_per_hour = 0.0154"),
    ];
    for (line, expected) in site {
        let key = line.split(' ').next().unwrap();
        let text = format!("{SITE}{line}\n");
        assert_eq!(told(&text), [format!("6 site.s.{key}: {expected}")], "{text}");
    }
    let service = "remove it; a service's tasks run as the service says";
    for (line, key) in [
        ("command = \"keep\"", "command"),
        ("max_life = \"1h\"", "max_life"),
        ("share = true", "share"),
    ] {
        let text = format!("[site.s]\ncluster = \"c\"\nservice = \"b\"\n{line}\n");
        let expected =
            format!("4 site.s.{key}: goes with task_definition, not with service | {service}");
        assert_eq!(told(&text), [expected], "{text}");
    }
    let allow = [
        ("[\"same_user\"]", "there is no \"same_user\" | did you mean \"same-user\"?"),
        ("[\"root\"]", "there is no \"root\" | known here: same-user, docker, any"),
        ("\"any\"", "must be a list of texts, is text | write a list: allow = [\"…\"]"),
        (
            "[\"docker\"]",
            "leaves out the daemon's own user | write [\"same-user\"], [\"same-user\", \"docker\"] or [\"any\"]",
        ),
        (
            "[]",
            "leaves out the daemon's own user | write [\"same-user\"], [\"same-user\", \"docker\"] or [\"any\"]",
        ),
        ("[\"any\", \"docker\"]", "\"any\" holds all the others | write allow = [\"any\"] alone"),
        (
            "[\"same-user\"]",
            "lets in nobody who comes from \"docker\", where this target listens | \
             write allow = [\"same-user\", \"docker\"], or take it out of listen",
        ),
    ];
    for (value, expected) in allow {
        let text = format!(
            "{SITE}[target.t]\nsite = \"s\"\nrds = \"d\"\nlisten = [1, \"docker\"]\nallow = {value}\n"
        );
        assert_eq!(told(&text), [format!("10 target.t.allow: {expected}")], "{text}");
    }
}

#[test]
fn a_target_may_not_say_what_is_its_sites_alone() {
    let text = format!(
        "{SITE}[target.t]\nsite = \"s\"\nrds = \"d\"\nlisten = 1\ntunnels_per_bastion = 3\nshare = true\n"
    );
    let told = told(&text);
    let heads: Vec<&str> = told.iter().map(|fault| fault.split(" | ").next().unwrap()).collect();
    assert_eq!(
        heads,
        ["10 target.t.tunnels_per_bastion: unknown key", "11 target.t.share: unknown key"]
    );
}

#[test]
fn each_fault_of_the_daemons_own_keys_is_told() {
    let daemon = [
        ("on_stop = \"kill\"", "2 daemon.on_stop: there is no \"kill\" | write one of stop, leave"),
        (
            "ca_bundle = \"/no/such.pem\"",
            "2 daemon.ca_bundle: /no/such.pem is no file | \
             name a file of certificates in PEM form, as an administrator gives it out",
        ),
        (
            "ca_bundle = \"~/such.pem\"",
            "2 daemon.ca_bundle: ~/such.pem is no file | write the whole path, without \"~\"",
        ),
        (
            "rds_ca_bundle = \"/no/such.pem\"",
            "2 daemon.rds_ca_bundle: /no/such.pem is no file | \
             name a file of certificates in PEM form, as an administrator gives it out",
        ),
        (
            "unread_per_stream = \"64\"",
            "2 daemon.unread_per_stream: \"64\" is no size | write a whole number and a unit: unread_per_stream = \"64MB\"",
        ),
        (
            "unread_per_stream = \"1KB\"",
            "2 daemon.unread_per_stream: \"1KB\" is too little | between 1MB and 64GB",
        ),
        (
            "unread_in_all = \"99999999999999999999GB\"",
            "2 daemon.unread_in_all: \"99999999999999999999GB\" is no size | \
             write a whole number and a unit: unread_in_all = \"64MB\"",
        ),
        (
            "unread_in_all = \"99999999999999GB\"",
            "2 daemon.unread_in_all: \"99999999999999GB\" is too much | between 1MB and 64GB",
        ),
        (
            "unread_in_all = \"32MB\"",
            "2 daemon.unread_in_all: one stream may keep more than all of them together | \
             make unread_in_all at least unread_per_stream",
        ),
        (
            "unread_per_stream = \"512MB\"",
            "2 daemon.unread_per_stream: one stream may keep more than all of them together | \
             make unread_in_all at least unread_per_stream",
        ),
        ("onstop = \"stop\"", "2 daemon.onstop: unknown key | did you mean \"on_stop\"?"),
    ];
    for (line, expected) in daemon {
        assert_eq!(told(&format!("[daemon]\n{line}\n")), [expected]);
    }
    assert_eq!(
        told("daemon = 1\n"),
        ["1 daemon: must be a table, is a whole number | write [daemon] and its keys below"]
    );
}

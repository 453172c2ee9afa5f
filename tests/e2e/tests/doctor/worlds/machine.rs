//! This machine: config, port, login, clock, network.

use std::net::{Ipv6Addr, TcpListener};

use bastion_e2e::House;
use bastion_e2e::logins::{HOUR, SSO_PROFILE};
use bastion_sim::between::Between;

use crate::world::{Kept, World};

pub(super) fn worlds() -> Vec<World> {
    vec![
        World::new("somebody holds the port", &["D13"])
            .home(|house| hold(TcpListener::bind(("127.0.0.1", house.port("prod-db"))).unwrap()))
            .told(&["pid", "listen = "])
            .in_ci(),
        World::new("somebody holds the port on ::1", &["D13"])
            .home(|house| {
                hold(TcpListener::bind((Ipv6Addr::LOCALHOST, house.port("prod-db"))).unwrap());
            })
            .told(&["[::1]", "listen = "]),
        World::new("somebody holds the port on every address", &["D13"])
            .home(|house| hold(TcpListener::bind(("0.0.0.0", house.port("prod-db"))).unwrap()))
            .told(&["0.0.0.0"]),
        World::new("the config was spoilt while the daemon runs", &["D32"])
            .deed(|house| {
                Box::pin(async {
                    let path = house.path("config.toml");
                    let text = std::fs::read_to_string(&path).unwrap();
                    std::fs::write(&path, text.replace("cluster =", "clutser =")).unwrap();
                    Box::new(()) as Kept
                })
            })
            .told(&["config.toml:", "clutser"]),
        World::by_profile("the SSO login has expired", &["D18"])
            .home(|house| {
                house.write_profiles(&SSO_PROFILE.replace("{name}", "prod"));
                house.write_sso_token("old", -HOUR, "");
            })
            .told(&["aws sso login --profile prod"])
            .in_ci(),
        World::by_profile("nobody has logged in yet", &["D18"])
            .home(|house| house.write_profiles(&SSO_PROFILE.replace("{name}", "prod")))
            .told(&["aws sso login --profile prod"]),
        World::by_profile("AWS does not know the keys any more", &["D18"]).home(|house| {
            house.write_profiles(&house.keys_profile("prod"));
            house.sim().keys(Vec::clear);
        }),
        World::by_profile("the role wants an MFA code", &["D28"])
            .home(|house| mfa(house, "prod"))
            .told(&["arn:aws:iam::123456789012:mfa/dev", "credential_process"]),
        World::by_profile("a role on the way to the profile's own wants an MFA code", &["D28"])
            .home(|house| {
                let keys = house.keys_profile("base");
                let way = MFA.replace("{name}", "way");
                house.write_profiles(&format!("{keys}{way}source_profile = base\n{BEHIND}"));
            }),
        World::by_profile("the credential helper asks and asks", &["D29"])
            .home(|house| helper(house, "sleep 600"))
            .told(&["sleep", "aws sts get-caller-identity --profile prod"]),
        World::by_profile("the credential helper waits for its terminal", &["D29"])
            .home(|house| helper(house, "sh -c \"read code < fifo\"")),
        World::new("this machine's clock is ten minutes behind", &["D21"])
            .plan(|plan| plan.sim(|sim| sim.clock_offset_seconds = 600))
            .told(&["600 s behind"])
            .in_ci(),
        World::new("this machine's clock is an hour ahead", &["D21"])
            .plan(|plan| plan.sim(|sim| sim.clock_offset_seconds = -3600))
            .told(&["3600 s ahead"]),
        World::new("a box between opens TLS", &["D30"])
            .plan(|plan| plan.sim(|sim| sim.between = Some(Between::Inspector)))
            .told(&["Example Inspection CA", "ca_bundle"]),
        World::new("a filter between lets no WebSocket through", &["D30"])
            .plan(|plan| plan.sim(|sim| sim.between = Some(Between::Filter)))
            .told(&["1.1 filter.example.com", "HTTP 403"]),
        World::new("nobody answers at AWS's address", &["D30"]).plan(|plan| {
            let nobody = xtask::place::free_port().unwrap();
            plan.env("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{nobody}"))
        }),
        World::new("the proxy is not there", &["D30"]).plan(|plan| {
            let nobody = xtask::place::free_port().unwrap();
            plan.env("AWS_ENDPOINT_URL", "http://aws.invalid")
                .env("HTTP_PROXY", &format!("http://127.0.0.1:{nobody}"))
        }),
    ]
}

pub(super) fn mfa(house: &House, name: &str) {
    let keys = house.keys_profile("base");
    let role = MFA.replace("{name}", name);
    house.write_profiles(&format!("{keys}{role}source_profile = base\n"));
}

/// A credential helper that gives no answer.
fn helper(house: &House, command: &str) {
    let fifo = house.path("fifo");
    if command.contains("fifo") {
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
    }
    let command = command.replace("fifo", &fifo.display().to_string());
    house.write_profiles(&format!(
        "[profile prod]\nregion = ap-northeast-1\ncredential_process = {command}\n"
    ));
}

/// Keeps a port for as long as this process lives: no other world uses it.
pub(super) fn hold(listener: TcpListener) {
    std::mem::forget(listener);
}

const MFA: &str = "[profile {name}]
region = ap-northeast-1
role_arn = arn:aws:iam::123456789012:role/bastion-operator-mfa
mfa_serial = arn:aws:iam::123456789012:mfa/dev
";

/// A profile whose role is assumed from another's.
const BEHIND: &str = "[profile prod]
region = ap-northeast-1
role_arn = arn:aws:iam::123456789012:role/bastion-operator
source_profile = way
";

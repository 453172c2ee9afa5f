//! What the demo's programs are told: the daemon's config, the simulated account, the keys to it.

use std::time::Duration;

use serde_json::{Value, json};

/// How the daemon finds the simulated AWS, and as whom it asks.
pub(super) fn aws(endpoint: &str) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", KEY.0.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", KEY.1.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

/// The simulated account: the script way's, with a start that takes seconds instead of half a minute.
pub(super) fn simulated(postgres: u16, password: &str) -> Value {
    let secret = json!({ "username": USER, "password": password }).to_string();
    json!({
        "region": REGION,
        "keys": [{ "access_key_id": KEY.0, "secret_access_key": KEY.1, "user": "demo" }],
        "timings": {
            "provisioning_ms": 1500, "pulling_ms": 2500, "agent_ms": 1000, "connecting_ms": 1000,
            "list_lag_ms": 200, "stopping_ms": 500
        },
        "hosts": { format!("{ADDRESS}:5432"): format!("127.0.0.1:{postgres}") },
        "world": {
            "db_instances": { "neuraknot-prod-db": { "address": ADDRESS } },
            "secrets": { "prod/neuraKnot": { "value": secret } }
        }
    })
}

/// The daemon's config, as it stands in the README.
pub(super) fn written(port: u16, idle: Duration) -> String {
    format!(
        r#"[site.prod]
region = "{REGION}"
cluster = "neuraKnot-prod-cluster"
task_definition = "neuraKnot-prod-ssm-proxy"
container = "proxy"
subnets = {{ name = "neuraKnot-prod-private-*" }}
security_groups = {{ name = "neuraKnot-prod-ecs-sg" }}
idle_timeout = "{}s"

[target.{TARGET}]
site = "prod"
rds = "neuraKnot-prod-db"
engine = "postgres"
listen = {port}
database = "{DATABASE}"
user = "{USER}"
password = {{ secret = "prod/neuraKnot" }}
"#,
        idle.as_secs()
    )
}

/// The one target of the demo.
pub(super) const TARGET: &str = "prod-db";
const REGION: &str = "ap-northeast-1";
/// The database inside the server.
pub(super) const DATABASE: &str = "neuraKnot";
/// Its one account.
pub(super) const USER: &str = "postgres";
const ADDRESS: &str = "neuraknot-prod-db.cx1simulated.ap-northeast-1.rds.amazonaws.com";
/// Known to the simulator alone.
const KEY: (&str, &str) = ("AKIADEMODEMODEMO0001", "demo/demo+demo/demo0000000000000000000001");

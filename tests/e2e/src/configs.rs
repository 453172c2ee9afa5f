//! Configs that stories share. `{port:NAME}` becomes a free port, which [`crate::House::port`] tells.

/// The script way: tasks of our own, in front of a PostgreSQL.
pub const SCRIPT_WAY: &str = r#"
[site.prod]
region = "ap-northeast-1"
cluster = "neuraKnot-prod-cluster"
task_definition = "neuraKnot-prod-ssm-proxy"
container = "proxy"
subnets = { name = "neuraKnot-prod-private-*" }
security_groups = { name = "neuraKnot-prod-ecs-sg" }
idle_timeout = "{idle}"
start_timeout = "{start}"

[target.prod-db]
site = "prod"
rds = "neuraKnot-prod-db"
engine = "postgres"
listen = {port:prod-db}
database = "neuraKnot"
user = "postgres"
password = { secret = "prod/neuraKnot" }
"#;

/// The script way's site by another name, with more settings.
pub fn site(name: &str, more: &str) -> String {
    let (site, _) = SCRIPT_WAY.split_once("\n[target.").expect("it has a target");
    let head = format!("[site.{name}]\n{more}");
    format!("{}\n", site.replace("[site.prod]\n", &head))
}

/// So many targets `t0`, `t1`, … of the script way's site, each of which leads to the default world's PostgreSQL.
pub fn targets(count: usize) -> String {
    let target = |number| {
        format!(
            "\n[target.t{number}]\nsite = \"prod\"\nrds = \"neuraKnot-prod-db\"\nengine = \"postgres\"\n\
             listen = {{port:t{number}}}\n"
        )
    };
    (0..count).map(target).fold(site("prod", ""), |config, target| config + &target)
}

/// A target of a site in front of a PostgreSQL with this name in the VPC.
pub fn target(name: &str, site: &str, host: &str) -> String {
    format!(
        "\n[target.{name}]\nsite = \"{site}\"\nhost = \"{host}\"\nport = 5432\nengine = \"postgres\"\n\
         listen = {{port:{name}}}\n"
    )
}

/// The CDK way: the task of an ECS service, in front of a MySQL.
pub const CDK_WAY: &str = r#"
[site.dev]
region = "ap-northeast-1"
cluster = "dev-cluster"
service = "bastion-service"
container = "bastion"
idle_timeout = "{idle}"
start_timeout = "{start}"

[target.dev-mysql]
site = "dev"
rds = "dev-mysql"
engine = "mysql"
listen = {port:dev-mysql}
database = "app"
user = "admin"
password = { secret = "dev/mysql" }
"#;

/// A MySQL behind tasks of our own: what an engine whose server speaks first needs to show.
pub const MYSQL_BY_TASK: &str = r#"
[site.prod]
region = "ap-northeast-1"
cluster = "neuraKnot-prod-cluster"
task_definition = "neuraKnot-prod-ssm-proxy"
container = "proxy"
subnets = { name = "neuraKnot-prod-private-*" }
security_groups = { name = "neuraKnot-prod-ecs-sg" }
idle_timeout = "{idle}"
start_timeout = "{start}"

[target.shop]
site = "prod"
rds = "dev-mysql"
engine = "mysql"
listen = {port:shop}
database = "app"
user = "admin"
password = { secret = "dev/mysql" }
"#;

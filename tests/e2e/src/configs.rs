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

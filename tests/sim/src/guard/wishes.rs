//! What each call asks of IAM: which actions, on which resources, in which context (Service Authorization Reference).

use crate::api::{Ask, Service};
use crate::iam::Context;
use crate::realm::Realm;
use crate::sigv4::Caller;

/// One thing that a call does, as IAM sees it.
pub(super) struct Wish {
    /// `ssm:StartSession`
    pub(super) action: String,
    /// An ARN, or `*` where there is none.
    pub(super) resource: String,
    /// Condition keys and their values.
    pub(super) context: Context,
}

impl Wish {
    fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Context::default() }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.context.add(key, value);
        self
    }

    /// With what IAM knows of whoever has it.
    pub(super) fn by(self, caller: &Caller) -> Self {
        let wish = self.with("aws:userid", &caller.user_id).with("aws:PrincipalArn", &caller.arn);
        // Whoever has taken a role has no user name.
        if is_role(caller) { wish } else { wish.with("aws:username", &caller.name) }
    }
}

/// All that must be allowed for a call, in the order in which it is asked.
pub(super) fn of_call(realm: &Realm, ask: &Ask) -> Vec<Wish> {
    match ask.service {
        Service::Ecs => ecs(realm, ask),
        Service::Ssm => ssm(realm, ask),
        Service::Rds => vec![rds(realm, ask)],
        Service::SecretsManager => secrets(realm, ask),
        Service::Logs => vec![logs(realm, ask)],
        // Nobody is refused to know himself, or what his own login gives him; a role's own trust decides who takes it.
        Service::Sts | Service::Sso => Vec::new(),
        Service::Ec2 => vec![plain(ask)],
        Service::Iam => vec![iam(realm, ask)],
    }
}

/// The upgrade to a session's websocket.
pub(super) fn of_channel(realm: &Realm, caller: &Caller, session: &str) -> Wish {
    // AWS's own sample policies have it on the caller's id, where a role was taken.
    let named = match session.strip_prefix(&caller.name) {
        Some(rest) if is_role(caller) => format!("{}{rest}", caller.user_id),
        Some(_) | None => session.to_owned(),
    };
    Wish::new("ssmmessages:OpenDataChannel", realm.arn("ssm", &format!("session/{named}")))
}

fn is_role(caller: &Caller) -> bool {
    caller.arn.contains(":assumed-role/")
}

/// An action that knows no resource.
fn plain(ask: &Ask) -> Wish {
    Wish::new(format!("{}:{}", ask.service.name(), ask.action), "*")
}

fn ecs(realm: &Realm, ask: &Ask) -> Vec<Wish> {
    let cluster = last(ask.text("cluster").unwrap_or("default"));
    let cluster_arn = realm.arn("ecs", &format!("cluster/{cluster}"));
    let on = |rest: String| Wish::new(plain(ask).action, realm.arn("ecs", &rest));
    let task = |name: &str| on(format!("task/{cluster}/{}", last(name)));
    let service = |name: &str| on(format!("service/{cluster}/{}", last(name)));
    match ask.action.as_str() {
        "RunTask" => run_task(realm, ask, cluster, &cluster_arn),
        "StopTask" => vec![task(ask.text("task").unwrap_or_default())],
        "DescribeTasks" => ask.texts("tasks").iter().map(|name| task(name)).collect(),
        "DescribeServices" => ask.texts("services").iter().map(|name| service(name)).collect(),
        "UpdateService" => vec![service(ask.text("service").unwrap_or_default())],
        "DescribeClusters" => {
            let names = ask.texts("clusters");
            names.iter().map(|name| on(format!("cluster/{}", last(name)))).collect()
        }
        // Tasks that do not exist yet have no name: the cluster is in the context alone.
        "ListTasks" | "ListServices" => vec![plain(ask).with("ecs:cluster", &cluster_arn)],
        _ => vec![plain(ask)],
    }
}

/// RunTask is three wishes in one: the task, its tags, and both of its roles.
fn run_task(realm: &Realm, ask: &Ask, cluster: &str, cluster_arn: &str) -> Vec<Wish> {
    let name = ask.text("taskDefinition").unwrap_or_default();
    let found =
        realm.world(|world| world.task_definition(name).map(|(key, found)| (key, found.clone())));
    let key = found.as_ref().map_or(name, |(key, _)| key.as_str());
    let exec = if ask.flag("enableExecuteCommand") { "true" } else { "false" };
    let definition = realm.arn("ecs", &format!("task-definition/{}", last(key)));
    let mut wishes = vec![
        Wish::new("ecs:RunTask", definition)
            .with("ecs:cluster", cluster_arn)
            .with("ecs:enable-execute-command", exec),
    ];
    if ask.parameters["tags"].as_array().is_some_and(|tags| !tags.is_empty()) {
        let tasks = realm.arn("ecs", &format!("task/{cluster}/*"));
        wishes.push(Wish::new("ecs:TagResource", tasks).with("ecs:CreateAction", "RunTask"));
    }
    let roles = found.map(|(_, found)| [found.task_role, found.execution_role]);
    let roles = roles.into_iter().flatten().flatten();
    wishes.extend(roles.map(|role| {
        Wish::new("iam:PassRole", role).with("iam:PassedToService", "ecs-tasks.amazonaws.com")
    }));
    wishes
}

fn ssm(realm: &Realm, ask: &Ask) -> Vec<Wish> {
    match ask.action.as_str() {
        "StartSession" => start_session(realm, ask),
        "ResumeSession" | "TerminateSession" => {
            let id = ask.text("SessionId").unwrap_or_default();
            let wish = Wish::new(plain(ask).action, realm.arn("ssm", &format!("session/{id}")));
            // A role session's sessions are named after it, which no variable of a policy gives; their tag is.
            let own = is_role(&ask.caller) && id.starts_with(&format!("{}-", ask.caller.name));
            let tag = "ssm:resourceTag/aws:ssmmessages:session-id";
            vec![if own { wish.with(tag, &ask.caller.user_id) } else { wish }]
        }
        _ => vec![plain(ask)],
    }
}

/// The task, and the document that is named; where none is, the task alone, and then it is a shell.
fn start_session(realm: &Realm, ask: &Ask) -> Vec<Wish> {
    let target = ask.text("Target").unwrap_or_default();
    let mut parts = target.strip_prefix("ecs:").unwrap_or(target).rsplitn(3, '_').skip(1);
    let (task, cluster) = (parts.next().unwrap_or(target), parts.next().unwrap_or_default());
    let document = ask.text("DocumentName");
    let checked = if document.is_some() { "true" } else { "false" };
    let wish = |resource: String| {
        Wish::new("ssm:StartSession", resource).with("ssm:SessionDocumentAccessCheck", checked)
    };
    let task = realm.arn("ecs", &format!("task/{cluster}/{task}"));
    let region = &realm.config().region;
    let document = document.map(|name| match name {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        aws if aws.starts_with("AWS-") => format!("arn:aws:ssm:{region}::document/{aws}"),
        own => realm.arn("ssm", &format!("document/{own}")),
    });
    [Some(task), document].into_iter().flatten().map(wish).collect()
}

fn rds(realm: &Realm, ask: &Ask) -> Wish {
    let (kind, named) = match ask.action.as_str() {
        "DescribeDBInstances" => ("db", ask.text("DBInstanceIdentifier")),
        "DescribeDBClusters" | "DescribeDBClusterEndpoints" => {
            ("cluster", ask.text("DBClusterIdentifier"))
        }
        // A proxy's ARN has its id, which no call names.
        "DescribeDBProxies" => ("db-proxy", None),
        _ => return plain(ask),
    };
    let id = named.map_or_else(|| "*".to_owned(), str::to_lowercase);
    Wish::new(plain(ask).action, realm.arn("rds", &format!("{kind}:{id}")))
}

/// A secret, and its key where it has one of one's own.
fn secrets(realm: &Realm, ask: &Ask) -> Vec<Wish> {
    let Some(id) = ask.text("SecretId") else { return vec![plain(ask)] };
    let found =
        realm.world(|world| world.secret(id).map(|(name, secret)| (name.clone(), secret.clone())));
    let Some((name, secret)) = found else {
        let resource = if id.starts_with("arn:") {
            id.to_owned()
        } else {
            realm.arn("secretsmanager", &format!("secret:{id}"))
        };
        return vec![Wish::new(plain(ask).action, resource)];
    };
    let arn = realm.arn("secretsmanager", &format!("secret:{name}-{}", secret.suffix));
    let read = Wish::new(plain(ask).action, arn);
    let key = secret.kms_key.filter(|_| ask.action == "GetSecretValue");
    let decrypt = key.map(|key| {
        let arn =
            if key.starts_with("arn:") { key } else { realm.arn("kms", &format!("key/{key}")) };
        let through = format!("secretsmanager.{}.amazonaws.com", realm.config().region);
        Wish::new("kms:Decrypt", arn).with("kms:ViaService", &through)
    });
    std::iter::once(read).chain(decrypt).collect()
}

fn logs(realm: &Realm, ask: &Ask) -> Wish {
    let (Some(group), Some(stream)) = (ask.text("logGroupName"), ask.text("logStreamName")) else {
        return plain(ask);
    };
    let resource = realm.arn("logs", &format!("log-group:{group}:log-stream:{stream}"));
    Wish::new(plain(ask).action, resource)
}

/// Whose policies are tried out, or which role is looked at.
fn iam(realm: &Realm, ask: &Ask) -> Wish {
    let role = |name: &str| {
        let path = realm.world(|world| world.roles.get(name).map(|role| role.path.clone()));
        let path = path.unwrap_or_default();
        format!("arn:aws:iam::{}:role/{path}{name}", realm.config().account)
    };
    let principal = ask.text("PolicySourceArn").map(str::to_owned);
    let on = principal.or_else(|| ask.text("RoleName").map(role));
    Wish::new(plain(ask).action, on.unwrap_or_else(|| "*".to_owned()))
}

fn last(arn_or_name: &str) -> &str {
    arn_or_name.rsplit('/').next().unwrap_or(arn_or_name)
}

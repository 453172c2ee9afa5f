//! How the tests ask the simulator: raw HTTP on a socket of its own, signed by AWS's own signer.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test may panic and ask the time; each test uses its part of this"
)]

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bastion_sim::{Key, Sim, SimConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const CLUSTER: &str = "neuraKnot-prod-cluster";
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A simulator with the default world, and someone to ask it.
pub(crate) async fn start() -> (Sim, Asker) {
    start_with(SimConfig::default()).await
}

pub(crate) async fn start_with(mut config: SimConfig) -> (Sim, Asker) {
    config.worker_exe = Some(env!("CARGO_BIN_EXE_bastion-sim").into());
    let key = config.keys[0].clone();
    let sim = Sim::start(config).await.unwrap();
    let asker = Asker { endpoint: sim.endpoint(), key, ahead_seconds: 0 };
    (sim, asker)
}

/// Who asks, and by which clock.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) endpoint: String,
    pub(crate) key: Key,
    pub(crate) ahead_seconds: i64,
}

/// One answer, raw.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// AWS's code of a refusal, in any of the three envelopes.
    pub(crate) fn code(&self) -> String {
        match self.body.starts_with('{') {
            true => self.json()["__type"].as_str().unwrap_or_default().to_owned(),
            false => self.element("Code").unwrap_or_default(),
        }
    }

    /// The text of a refusal.
    pub(crate) fn text(&self) -> String {
        match self.body.starts_with('{') {
            true => {
                let body = self.json();
                body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default().to_owned()
            }
            false => self.element("Message").unwrap_or_default(),
        }
    }

    /// The text of the first element of that name.
    pub(crate) fn element(&self, name: &str) -> Option<String> {
        self.elements(name).into_iter().next()
    }

    /// The texts of all elements of that name.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let after = self.body.split(&open).skip(1);
        after.filter_map(|rest| rest.split_once(&close)).map(|(text, _)| text.to_owned()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

impl Asker {
    pub(crate) async fn ecs(&self, action: &str, body: Value) -> Reply {
        self.json("ecs", "AmazonEC2ContainerServiceV20141113", action, body).await
    }

    pub(crate) async fn ssm(&self, action: &str, body: Value) -> Reply {
        self.json("ssm", "AmazonSSM", action, body).await
    }

    pub(crate) async fn secrets(&self, action: &str, body: Value) -> Reply {
        self.json("secretsmanager", "secretsmanager", action, body).await
    }

    pub(crate) async fn ec2(&self, action: &str, fields: &[(&str, &str)]) -> Reply {
        self.form("ec2", "2016-11-15", action, fields).await
    }

    pub(crate) async fn rds(&self, action: &str, fields: &[(&str, &str)]) -> Reply {
        self.form("rds", "2014-10-31", action, fields).await
    }

    pub(crate) async fn sts(&self, action: &str, fields: &[(&str, &str)]) -> Reply {
        self.form("sts", "2011-06-15", action, fields).await
    }

    pub(crate) async fn json(
        &self,
        service: &str,
        prefix: &str,
        action: &str,
        body: Value,
    ) -> Reply {
        let target = format!("{prefix}.{action}");
        let headers =
            [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        self.post(service, &headers, &body.to_string()).await.unwrap()
    }

    pub(crate) async fn form(
        &self,
        service: &str,
        version: &str,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Reply {
        self.post(service, &[FORM], &form_body(version, action, fields)).await.unwrap()
    }

    /// None where the connection ended without an answer.
    pub(crate) async fn post(
        &self,
        service: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Reply> {
        let mut all: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.extend(self.signature("POST", "/", service, headers, body));
        self.send("POST", "/", &all, body).await
    }

    /// What AWS's own signer adds to a request.
    pub(crate) fn signature(
        &self,
        method: &str,
        path: &str,
        service: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Vec<(String, String)> {
        let key = &self.key;
        let token = key.session_token.clone();
        let identity =
            Credentials::new(&key.access_key_id, &key.secret_access_key, token, None, "test")
                .into();
        let ahead = Duration::from_secs(self.ahead_seconds.unsigned_abs());
        let now = SystemTime::now();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("ap-northeast-1")
            .name(service)
            .time(if self.ahead_seconds < 0 { now - ahead } else { now + ahead })
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let uri = format!("{}{path}", self.endpoint);
        let signable = SignableRequest::new(
            method,
            &uri,
            headers.iter().copied(),
            SignableBody::Bytes(body.as_bytes()),
        );
        let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
        instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Sends a request as it is; None where the connection ended without an answer.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> Option<Reply> {
        let host = self.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await.unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!(
            "content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        // A reset shows as an error: no answer.
        stream.read_to_end(&mut raw).await.ok()?;
        let raw = String::from_utf8(raw).unwrap();
        let (head, body) = raw.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Reply { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// Asks one of the simulator's own doors.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: &str) -> Reply {
        let kind = [("content-type".to_owned(), "application/json".to_owned())];
        self.send(method, &format!("/_sim/{path}"), &kind, body).await.unwrap()
    }

    /// RunTask for one task of the script way, altered by `with`.
    pub(crate) async fn run_task(&self, with: Value) -> Reply {
        let mut body = run_task_body();
        for (name, value) in with.as_object().unwrap() {
            if value.is_null() {
                body.as_object_mut().unwrap().remove(name);
            } else {
                body[name] = value.clone();
            }
        }
        self.ecs("RunTask", body).await
    }

    /// A task of the script way; its ARN.
    pub(crate) async fn task(&self) -> String {
        let reply = self.run_task(json!({})).await;
        reply.json()["tasks"][0]["taskArn"]
            .as_str()
            .unwrap_or_else(|| panic!("{reply:?}"))
            .to_owned()
    }

    /// What DescribeTasks shows of one task; null where it is MISSING.
    pub(crate) async fn describe(&self, arn: &str) -> Value {
        let body = json!({ "cluster": CLUSTER, "tasks": [arn], "include": ["TAGS"] });
        self.ecs("DescribeTasks", body).await.json()["tasks"].get(0).cloned().unwrap_or_default()
    }
}

/// What the script way asks for.
pub(crate) fn run_task_body() -> Value {
    json!({
        "cluster": CLUSTER,
        "taskDefinition": "neuraKnot-prod-ssm-proxy",
        "launchType": "FARGATE",
        "enableExecuteCommand": true,
        "networkConfiguration": { "awsvpcConfiguration": {
            "subnets": ["subnet-0a11ce0000000001a", "subnet-0a11ce0000000001c"],
            "securityGroups": ["sg-0a11ce000000000ec"],
            "assignPublicIp": "DISABLED",
        }},
    })
}

pub(crate) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

pub(crate) fn form_body(version: &str, action: &str, fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let more: String =
        fields.iter().map(|(name, value)| format!("&{}={}", encode(name), encode(value))).collect();
    format!("Action={action}&Version={version}{more}")
}

/// Waits until the task is in that state, by the simulator's own word.
pub(crate) async fn until_status(sim: &Sim, arn: &str, status: bastion_sim::Status) {
    let there = sim.until(LIMIT, |sim| task(sim, arn).last_status == status).await;
    assert!(there, "{arn} is {:?}", task(sim, arn));
}

/// Waits until the task's agent takes sessions.
pub(crate) async fn until_connected(sim: &Sim, arn: &str) {
    assert!(
        sim.until(LIMIT, |sim| task(sim, arn).connected).await,
        "{arn} is {:?}",
        task(sim, arn)
    );
}

pub(crate) fn task(sim: &Sim, arn: &str) -> bastion_sim::TaskView {
    sim.tasks().into_iter().find(|task| task.arn == arn).unwrap()
}

/// The target of the container `proxy` of a task.
pub(crate) fn target(sim: &Sim, arn: &str) -> String {
    let task = task(sim, arn);
    format!("ecs:{CLUSTER}_{}_{}", task.id, task.container("proxy").unwrap().runtime_id)
}

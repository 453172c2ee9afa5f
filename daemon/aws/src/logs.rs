//! The last lines that a task has said, from the log group that its definition names (D05).
//!
//! needs: logs:GetLogEvents on the definition's log group — read a task's last lines

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::ErrorMetadata;
use bastion_cloud::{CloudError, Kind, TaskId};
use serde_json::{Value, json};

use crate::Aws;
use crate::clients::Clients;
use crate::container::{self, Candidate, LogStream};
use crate::ecs::describe_tasks;
use crate::handmade::{self, Call, SignedFor};
use crate::task;

/// The last lines of the container that a bastion is made of, or of the one that broke off; none where it keeps no
/// log.
pub(crate) async fn task_logs(aws: &Aws, task: &TaskId) -> Result<Vec<String>, CloudError> {
    let clients = aws.access.clients().await?;
    let seen = describe_tasks(&clients, &aws.site, std::slice::from_ref(task)).await?;
    let Some(seen) = seen.get(task) else {
        return Ok(Vec::new());
    };
    let definition = seen.task_definition_arn().unwrap_or_default();
    let containers = aws.definitions.containers(&clients, definition).await?;
    let name = match task::broken(seen).and_then(|container| container.name()) {
        Some(name) => name.to_owned(),
        None => match &aws.site.container {
            Some(name) => name.clone(),
            None => container::only(GET, &containers)?,
        },
    };
    let log = containers.iter().find(|one| one.name == name).and_then(Candidate::log);
    match log {
        Some(log) => read(&clients, log, &format!("{}/{name}/{}", log.prefix, task.short())).await,
        None => Ok(Vec::new()),
    }
}

async fn read(clients: &Clients, log: &LogStream, stream: &str) -> Result<Vec<String>, CloudError> {
    let region = log.region.as_deref().unwrap_or(&clients.region);
    let body = json!({
        "logGroupName": log.group,
        "logStreamName": stream,
        "limit": LINES,
        "startFromHead": false,
    });
    let answer = ask(clients, region, body.to_string()).await;
    match answer {
        Ok(answer) => Ok(lines(&answer)),
        // Whoever died before its first word has no stream.
        Err(error) if matches!(error.kind, Kind::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn lines(answer: &Value) -> Vec<String> {
    let events = answer["events"].as_array().into_iter().flatten();
    let said = events.filter_map(|event| event["message"].as_str());
    let mut lines: Vec<String> = said.flat_map(str::lines).map(tidy).collect();
    // A message of several lines makes more of them than were asked for.
    lines.drain(..lines.len().saturating_sub(LINES));
    lines
}

/// A line that a terminal can show: no control characters, and not without end.
fn tidy(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(LINE).collect()
}

async fn ask(clients: &Clients, region: &str, body: String) -> Result<Value, CloudError> {
    let usual = format!("https://logs.{region}.{}", handmade::domain(region));
    let call = Call {
        name: GET,
        endpoint: handmade::endpoint(clients, "CloudWatch Logs", usual),
        signed_for: Some(SignedFor { service: "logs", region }),
        method: "POST",
        headers: &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", TARGET)],
        body,
    };
    handmade::ask(clients, call, read_answer).await.map_err(|refusal| {
        if refusal.is("ResourceNotFoundException") {
            return refusal.into_kind(Kind::NotFound { what: "log", candidates: Vec::new() });
        }
        refusal.into()
    })
}

fn read_answer(answer: &HttpResponse) -> Result<Value, ErrorMetadata> {
    let body: Value =
        serde_json::from_slice(answer.body().bytes().unwrap_or_default()).unwrap_or_default();
    if answer.status().is_success() {
        return Ok(body);
    }
    let code = body["__type"].as_str().unwrap_or_default();
    let meta = ErrorMetadata::builder()
        .code(code.rsplit('#').next().unwrap_or(code))
        .message(body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default());
    Err(meta.build())
}

const GET: &str = "logs:GetLogEvents";
const TARGET: &str = "Logs_20140328.GetLogEvents";

/// How many lines are read (product.md, D05).
const LINES: usize = 20;

/// How much of a line is kept: enough for any error, and not a whole dump in one line.
const LINE: usize = 300;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{LINE, LINES, lines};

    #[test]
    fn the_last_lines_are_kept_in_order_without_what_a_terminal_would_obey() {
        let mut events: Vec<_> =
            (0..30).map(|n| json!({ "message": format!("line {n}") })).collect();
        events.push(json!({ "message": "\u{1b}[31mred\r\nand after" }));
        let lines = lines(&json!({ "events": events }));
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines[0], "line 12");
        assert_eq!(&lines[LINES - 2..], ["[31mred", "and after"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let lines = lines(&json!({ "events": [{ "message": "x".repeat(10_000) }] }));
        assert_eq!(lines[0].len(), LINE);
    }
}

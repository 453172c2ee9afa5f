//! Requests and answers in AWS's three protocols: which action a request asks for, and the envelope around what is answered.

use axum::body::Body;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::ask::Protocol;
use super::xml::escape;
use super::{Answer, AwsError, Service};

/// Which action of which service a request asks for, with what.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) service: Service,
    pub(crate) action: String,
    pub(crate) parameters: Value,
}

/// Reads a request; a refusal says in which service's envelope it is to be told.
pub(crate) fn read(parts: &Parts, body: &[u8]) -> Result<Wanted, AwsError> {
    match parts.headers.get("x-amz-target") {
        Some(target) => read_json(target, body),
        None => match parts.uri.path() {
            "/federation/credentials" => Ok(read_portal(parts)),
            "/token" => read_rest("CreateToken", body),
            _ => read_form(parts, body),
        },
    }
}

fn read_json(target: &HeaderValue, body: &[u8]) -> Result<Wanted, AwsError> {
    let target = target.to_str().unwrap_or_default();
    let (prefix, action) = target.rsplit_once('.').unwrap_or((target, ""));
    let service = match prefix {
        "AmazonEC2ContainerServiceV20141113" => Service::Ecs,
        "AmazonSSM" => Service::Ssm,
        "Logs_20140328" => Service::Logs,
        "secretsmanager" => Service::SecretsManager,
        _ => return Err(AwsError::new("UnknownOperationException", "")),
    };
    let parameters = match body {
        [] => json!({}),
        body => serde_json::from_slice(body)
            .map_err(|error| AwsError::new("SerializationException", error.to_string()))?,
    };
    Ok(Wanted { service, action: action.to_owned(), parameters })
}

/// GetRoleCredentials: parameters in the query, the token in a header.
fn read_portal(parts: &Parts) -> Wanted {
    let mut parameters = fields(parts.uri.query().into_iter());
    if let Some(token) = parts.headers.get("x-amz-sso_bearer_token").and_then(|it| it.to_str().ok())
    {
        parameters.insert("access_token".to_owned(), json!(token));
    }
    let parameters = Value::Object(parameters);
    Wanted { service: Service::Sso, action: "GetRoleCredentials".to_owned(), parameters }
}

fn read_rest(action: &str, body: &[u8]) -> Result<Wanted, AwsError> {
    let parameters = serde_json::from_slice(body)
        .map_err(|error| AwsError::new("InvalidRequestException", error.to_string()))?;
    Ok(Wanted { service: Service::Sso, action: action.to_owned(), parameters })
}

fn read_form(parts: &Parts, body: &[u8]) -> Result<Wanted, AwsError> {
    let body = String::from_utf8_lossy(body);
    let fields = fields(parts.uri.query().into_iter().chain([&*body]));
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let service = match field("Version") {
        "2016-11-15" => Service::Ec2,
        "2010-05-08" => Service::Iam,
        "2014-10-31" => Service::Rds,
        "2011-06-15" => Service::Sts,
        _ => {
            return Err(AwsError::new(
                "InvalidAction",
                "Could not find operation for the given version",
            ));
        }
    };
    let action = field("Action").to_owned();
    Ok(Wanted { service, action, parameters: Value::Object(fields) })
}

fn fields<'a>(texts: impl Iterator<Item = &'a str>) -> Map<String, Value> {
    let pairs = texts.flat_map(|text| text.split('&')).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), Value::String(decode(value)))).collect()
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// The answer to a call that was done.
pub(crate) fn done(
    service: Service,
    action: &str,
    answer: Answer,
    request_id: &str,
) -> Response<Body> {
    match answer {
        Answer::Json(value) | Answer::Failures(value) => {
            let rest = service.protocol() == Protocol::Rest;
            respond(200, if rest { REST } else { JSON }, value.to_string(), request_id)
        }
        Answer::Xml(inner) => {
            let namespace = service.namespace();
            let body = match service.protocol() {
                Protocol::Ec2 => format!(
                    "{XML_HEAD}<{action}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>{inner}</{action}Response>"
                ),
                Protocol::Query | Protocol::Json | Protocol::Rest => format!(
                    "<{action}Response xmlns=\"{namespace}\"><{action}Result>{inner}</{action}Result>\
                     <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
                ),
            };
            respond(200, XML, body, request_id)
        }
    }
}

/// The answer to a call that was refused. Where the service is unknown, its JSON form.
pub(crate) fn refused(
    service: Option<Service>,
    error: &AwsError,
    request_id: &str,
) -> Response<Body> {
    let protocol = service.map_or(Protocol::Json, Service::protocol);
    let (code, message) = (escape(&error.code), escape(&error.message));
    match protocol {
        Protocol::Json => {
            // ECS and CloudWatch Logs write their text in small letters, the others in capitals, as their models do.
            let name = if matches!(service, Some(Service::Ecs | Service::Logs)) {
                "message"
            } else {
                "Message"
            };
            let mut body = json!({ "__type": error.code, name: error.message });
            if let (Some(Value::Object(more)), Some(body)) = (&error.more, body.as_object_mut()) {
                body.extend(more.clone());
            }
            respond(error.status, JSON, body.to_string(), request_id)
        }
        Protocol::Rest => {
            let body = json!({ "message": error.message }).to_string();
            let mut response = respond(error.status, REST, body, request_id);
            if let Ok(code) = HeaderValue::from_str(&error.code) {
                response.headers_mut().insert("x-amzn-errortype", code);
            }
            response
        }
        Protocol::Query => {
            let namespace = service.map_or("", Service::namespace);
            let fault = if error.status >= 500 { "Receiver" } else { "Sender" };
            let body = format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>"
            );
            respond(error.status, XML, body, request_id)
        }
        Protocol::Ec2 => {
            let body = format!(
                "{XML_HEAD}<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
                 <RequestID>{request_id}</RequestID></Response>"
            );
            respond(error.status, XML, body, request_id)
        }
    }
}

/// Any answer at all, with the headers that every one of AWS's has.
pub(crate) fn respond(
    status: u16,
    content_type: &'static str,
    body: String,
    request_id: &str,
) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

const JSON: &str = "application/x-amz-json-1.1";
const REST: &str = "application/json";
const XML: &str = "text/xml;charset=UTF-8";
const XML_HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

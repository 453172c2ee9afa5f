//! One call as the actions see it, and what they answer.

use serde_json::Value;

use crate::sigv4::Caller;

/// The services that are simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Ecs,
    Ec2,
    Iam,
    Rds,
    Logs,
    Ssm,
    SecretsManager,
    Sso,
    Sts,
}

/// How a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// awsJson1.1.
    Json,
    /// restJson1: the action is in the path.
    Rest,
    /// AWS query: form in, XML out.
    Query,
    /// EC2's dialect of query.
    Ec2,
}

impl Service {
    /// Its name in signatures, endpoints and the record.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Ec2 => "ec2",
            Self::Iam => "iam",
            Self::Rds => "rds",
            Self::Logs => "logs",
            Self::Ssm => "ssm",
            Self::SecretsManager => "secretsmanager",
            Self::Sso => "sso",
            Self::Sts => "sts",
        }
    }

    /// Whether its calls are signed.
    pub(crate) fn is_signed(self) -> bool {
        self != Self::Sso
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Ecs | Self::Logs | Self::Ssm | Self::SecretsManager => Protocol::Json,
            Self::Sso => Protocol::Rest,
            Self::Iam | Self::Rds | Self::Sts => Protocol::Query,
            Self::Ec2 => Protocol::Ec2,
        }
    }

    /// The namespace of its XML.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Rds => "http://rds.amazonaws.com/doc/2014-10-31/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Ecs | Self::Logs | Self::Ssm | Self::SecretsManager | Self::Sso => "",
        }
    }
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) service: Service,
    pub(crate) action: String,
    /// The JSON body; of a query call its fields, each a string.
    pub(crate) parameters: Value,
    pub(crate) caller: Caller,
}

/// What an action answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The JSON body.
    Json(Value),
    /// The XML inside the result element.
    Xml(String),
    /// A JSON body whose `failures` say that nothing was done.
    Failures(Value),
}

impl Ask {
    /// A parameter that is a string, if given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.parameters[name].as_str()
    }

    /// A parameter that is a number, if given, in either protocol.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let value = &self.parameters[name];
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    /// A parameter that is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.parameters[name] == true || self.parameters[name] == "true"
    }

    /// A JSON list of strings.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let list = self.parameters[name].as_array();
        list.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }

    /// A flattened list of a query call: `Name.1`, `Name.2`, … in order.
    pub(crate) fn members(&self, name: &str) -> Vec<String> {
        (1..).map_while(|index| self.text(&format!("{name}.{index}")).map(str::to_owned)).collect()
    }
}

/// One page of `all`: the entries from where `token` points, and the token of the next page.
pub(crate) fn page<T>(
    all: Vec<T>,
    token: Option<&str>,
    size: usize,
) -> Result<(Vec<T>, Option<String>), BadToken> {
    let start = match token {
        None => 0,
        Some(token) => {
            let number = token.strip_prefix(TOKEN).and_then(|rest| rest.parse::<usize>().ok());
            number.filter(|start| *start <= all.len()).ok_or(BadToken)?
        }
    };
    let end = all.len().min(start.saturating_add(size.max(1)));
    let next = (end < all.len()).then(|| format!("{TOKEN}{end}"));
    Ok((all.into_iter().take(end).skip(start).collect(), next))
}

/// A paging token that is none of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadToken;

/// Opaque to callers; long, as AWS's are, so that nobody takes it for a number.
const TOKEN: &str = "eyJzaW11bGF0ZWQiOiJwYWdlIn0-";

//! What IAM answers, in its XML.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use bastion_cloud::{Permission, Says, Wish};

/// What a call was answered: what `answer` reads in it, or IAM's refusal.
pub(super) fn read<T>(
    told: &HttpResponse,
    answer: fn(&str) -> Result<T, XmlDecodeError>,
) -> Result<T, ErrorMetadata> {
    let text = String::from_utf8_lossy(told.body().bytes().unwrap_or_default());
    if told.status().is_success() {
        return answer(&text)
            .map_err(|err| ErrorMetadata::builder().message(err.to_string()).build());
    }
    let error = |part: &str| {
        let mut document = Document::new(&text);
        let root = document.root_element().ok()?;
        text_at(root, &["Error", part]).ok().flatten()
    };
    let meta = ErrorMetadata::builder()
        .code(error("Code").unwrap_or_default())
        .message(error("Message").unwrap_or_default());
    Err(meta.build())
}

/// Reads a role's whole name.
pub(super) fn role(text: &str) -> Result<String, XmlDecodeError> {
    let mut document = Document::new(text);
    let arn = text_at(document.root_element()?, &["GetRoleResult", "Role", "Arn"])?;
    arn.ok_or_else(|| XmlDecodeError::custom("a role without a name"))
}

/// What stands at the end of a path of elements.
fn text_at(
    mut element: ScopedDecoder<'_, '_>,
    path: &[&str],
) -> Result<Option<String>, XmlDecodeError> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(Some(try_data(&mut element)?.into_owned()));
    };
    while let Some(child) = element.next_tag() {
        if child.start_el().matches(first) {
            return text_at(child, rest);
        }
    }
    Ok(None)
}

/// One page of a simulation.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) told: Vec<Told>,
    pub(super) marker: Option<String>,
}

/// What was said to one action.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) action: String,
    decision: String,
    by: Vec<String>,
    missing: Vec<String>,
    from_above: bool,
}

impl Told {
    /// The same, of a wish.
    pub(super) fn permission(&self, wish: Wish) -> Permission {
        let says = match self.decision.as_str() {
            "allowed" => Says::Allowed,
            "explicitDeny" => Says::Denied,
            _ => Says::NotAllowed,
        };
        Permission {
            wish,
            says,
            by: self.by.clone(),
            missing: self.missing.clone(),
            from_above: self.from_above,
        }
    }
}

/// Reads one page of a simulation.
///
/// ```text
///   Response { Result { IsTruncated, Marker?, EvaluationResults { member { EvalActionName, EvalDecision,
///     MatchedStatements { member { SourcePolicyId } }, MissingContextValues { member },
///     OrganizationsDecisionDetail { AllowedByOrganizations }, PermissionsBoundaryDecisionDetail { … },
///     ResourceSpecificResults { member { MissingContextValues { member }, PermissionsBoundaryDecisionDetail { … } } } } } } }
/// ```
pub(super) fn page(text: &str) -> Result<Page, XmlDecodeError> {
    let mut page = Page::default();
    let mut document = Document::new(text);
    let mut root = document.root_element()?;
    while let Some(mut result) = root.next_tag() {
        if !result.start_el().matches("SimulatePrincipalPolicyResult") {
            continue;
        }
        while let Some(mut part) = result.next_tag() {
            if part.start_el().matches("Marker") {
                let marker = try_data(&mut part)?.into_owned();
                page.marker = Some(marker).filter(|marker| !marker.is_empty());
            } else if part.start_el().matches("EvaluationResults") {
                while let Some(member) = part.next_tag() {
                    page.told.push(evaluation(member)?);
                }
            }
        }
    }
    Ok(page)
}

fn evaluation(mut member: ScopedDecoder<'_, '_>) -> Result<Told, XmlDecodeError> {
    let mut told = Told::default();
    while let Some(mut part) = member.next_tag() {
        let name = part.start_el().local().to_owned();
        match name.as_str() {
            "EvalActionName" => told.action = try_data(&mut part)?.into_owned(),
            "EvalDecision" => told.decision = try_data(&mut part)?.into_owned(),
            "MatchedStatements" => {
                while let Some(statement) = part.next_tag() {
                    told.by.extend(text_at(statement, &["SourcePolicyId"])?);
                }
            }
            // Of a wish that names a resource, and no "*", IAM tells what it misses there and nowhere else.
            "ResourceSpecificResults" => {
                while let Some(mut resource) = part.next_tag() {
                    while let Some(part) = resource.next_tag() {
                        detail(part, &mut told)?;
                    }
                }
            }
            _ => detail(part, &mut told)?,
        }
    }
    told.by.dedup();
    told.missing.sort_unstable();
    told.missing.dedup();
    Ok(told)
}

/// What is told of the action, or of its resource.
fn detail(mut part: ScopedDecoder<'_, '_>, told: &mut Told) -> Result<(), XmlDecodeError> {
    let name = part.start_el().local().to_owned();
    match name.as_str() {
        "MissingContextValues" => {
            while let Some(mut key) = part.next_tag() {
                told.missing.push(try_data(&mut key)?.into_owned());
            }
        }
        "OrganizationsDecisionDetail" => {
            let allowed = text_at(part, &["AllowedByOrganizations"])?;
            told.from_above |= allowed.as_deref() == Some("false");
        }
        "PermissionsBoundaryDecisionDetail" => {
            let allowed = text_at(part, &["AllowedByPermissionsBoundary"])?;
            told.from_above |= allowed.as_deref() == Some("false");
        }
        _ => {}
    }
    Ok(())
}

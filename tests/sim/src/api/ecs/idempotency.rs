//! Client tokens: the same token with the same request is the same task; with another request it is a conflict.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::AwsError;

/// What was asked for under each token; the scope of a token is its cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    known: Arc<Mutex<BTreeMap<(String, String), Known>>>,
}

#[derive(Debug)]
struct Known {
    request: Value,
    tasks: Vec<String>,
    at_ms: i64,
}

impl Tokens {
    /// Whether something was asked for under that token.
    pub(super) fn knows(&self, cluster: &str, token: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains_key(&(cluster.to_owned(), token.to_owned()))
    }

    /// The tasks of that token: those that it stood for already, else those that `make` makes now. Two calls at once
    /// make them once.
    pub(super) fn once(
        &self,
        cluster: &str,
        token: &str,
        request: &Value,
        now_ms: i64,
        make: impl FnOnce() -> Vec<String>,
    ) -> Result<Vec<String>, AwsError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, entry| now_ms - entry.at_ms < LIFETIME_MS);
        let place = (cluster.to_owned(), token.to_owned());
        if let Some(entry) = known.get(&place) {
            if entry.request == *request {
                return Ok(entry.tasks.clone());
            }
            let text = "Different parameters were used in a request with the same client token.";
            return Err(AwsError::new("ConflictException", text)
                .with(json!({ "resourceIds": entry.tasks })));
        }
        let tasks = make();
        known
            .insert(place, Known { request: request.clone(), tasks: tasks.clone(), at_ms: now_ms });
        Ok(tasks)
    }
}

/// ECS keeps a token for 24 hours.
const LIFETIME_MS: i64 = 24 * 60 * 60 * 1000;

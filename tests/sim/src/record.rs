//! What was asked of the simulated AWS, in order: the evidence of every test.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// One call, from whom, with what, and how it ended.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// Its place in the record, from 1.
    pub number: u64,
    /// When it came, in milliseconds since 1970 by the simulator's clock.
    pub at_ms: i64,
    /// `ecs`, `ec2`, `rds`, `ssm`, `secretsmanager`, `sts`, `logs`, `sso`.
    pub service: String,
    /// `RunTask`, ….
    pub action: String,
    /// What was asked, as JSON; of a query call its form fields.
    pub parameters: serde_json::Value,
    /// Who asked; empty if unsigned.
    pub access_key: String,
    /// The id given in the answer.
    pub request_id: String,
    /// The kind of the scripted fault that met it.
    pub fault: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether an answer went out; false for one that is held or was cut.
    pub answered: bool,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not acted upon: it is late or held, its connection was cut, or a stranger answered in our place.
    Pending,
    /// Done.
    Done,
    /// Answered with 200, but nothing was done: all that was asked for is in `failures`.
    Failures,
    /// Refused, with this code.
    Refused {
        /// The HTTP status.
        status: u16,
        /// AWS's code, such as `AccessDeniedException`.
        code: String,
    },
}

/// The record, shared by all who write it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Record {
    /// Notes a call that has just come and says its number.
    pub(crate) fn begin(&self, mut call: Call) -> u64 {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        call.number = calls.len() as u64 + 1;
        let number = call.number;
        calls.push(call);
        number
    }

    /// Alters the call of that number.
    pub(crate) fn amend(&self, number: u64, change: impl FnOnce(&mut Call)) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
        if let Some(call) = calls.get_mut(index) {
            change(call);
        }
    }

    /// Everything so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many calls of that action were done.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|call| call.action == action && call.outcome == Outcome::Done)
            .count()
    }
}

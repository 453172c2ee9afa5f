//! A tunnel's owner as a test has written it down: what it answers to a lost websocket, and what time it is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ssm_tunnel::{Clock, Grant, Resume, ResumeError};

use crate::agent::Gate;

/// Answers as a test has written it down, and at the end always with another token.
#[derive(Debug)]
pub(crate) struct Script {
    grant: Grant,
    answers: Mutex<VecDeque<ResumeError>>,
    /// What is answered when `answers` are used up; another token where there is none.
    then: Option<ResumeError>,
    asked: AtomicUsize,
}

impl Script {
    pub(crate) fn of(gate: &Gate, answers: impl IntoIterator<Item = ResumeError>) -> Arc<Self> {
        Self::then(gate, answers, None)
    }

    pub(crate) fn always(gate: &Gate, answer: ResumeError) -> Arc<Self> {
        Self::then(gate, [], Some(answer))
    }

    fn then(
        gate: &Gate,
        answers: impl IntoIterator<Item = ResumeError>,
        then: Option<ResumeError>,
    ) -> Arc<Self> {
        let answers = Mutex::new(answers.into_iter().collect());
        Arc::new(Self { grant: gate.grant(), answers, then, asked: AtomicUsize::new(0) })
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Resume for Script {
    async fn resume(&self) -> Result<Grant, ResumeError> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = self.answers.lock().unwrap().pop_front().or_else(|| self.then.clone());
        match answer {
            Some(error) => Err(error),
            None => {
                let token = format!("TOKEN-{number}");
                Ok(Grant { token, url: String::new(), ..self.grant.clone() })
            }
        }
    }
}

/// A clock that a test turns.
#[derive(Debug)]
pub(crate) struct Hand {
    start: Instant,
    turned: AtomicU64,
}

impl Hand {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), turned: AtomicU64::new(0) })
    }

    pub(crate) fn turn(&self, minutes: u64) {
        self.turned.fetch_add(minutes * 60, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.turned.load(Ordering::Relaxed))
    }
}

pub(crate) fn trouble(words: &str) -> Arc<dyn std::error::Error + Send + Sync> {
    Arc::new(std::io::Error::other(words.to_owned()))
}

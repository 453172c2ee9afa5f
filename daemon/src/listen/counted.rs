//! What the house notices of a visit's conversation: its bytes, its pulse, and whether there is room for a last word.

use std::sync::{Mutex, MutexGuard, PoisonError};

use dbwire::Engine;
use dbwire::postgres::Talk;

use super::moved::Moved;
use super::pipe::Witness;
use crate::clock::Clock;
use crate::keeper::Pulse;

/// Counts a visit's bytes, and lets the keeper feel that it lives.
pub(super) struct Counted<'a> {
    moved: &'a Moved,
    pulse: Pulse,
    clock: &'a Clock,
    /// None where nobody could put in a word that would be understood.
    talk: Option<Mutex<Following>>,
}

/// A conversation that is followed, and whether an answer is on its way in this moment.
#[derive(Default)]
struct Following {
    talk: Talk,
    answering: bool,
}

impl<'a> Counted<'a> {
    /// A visit's witness.
    pub(super) fn new(moved: &'a Moved, pulse: Pulse, clock: &'a Clock, engine: Engine) -> Self {
        let talk = match engine {
            Engine::Postgres => Some(Mutex::default()),
            Engine::Mysql | Engine::Other => None,
        };
        Self { moved, pulse, clock, talk }
    }

    /// Whether an ErrorResponse put in now would be read as one.
    pub(super) fn may_interrupt(&self) -> bool {
        self.following().is_some_and(|it| !it.answering && it.talk.may_interrupt())
    }

    fn following(&self) -> Option<MutexGuard<'_, Following>> {
        let talk = self.talk.as_ref()?;
        Some(talk.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Witness for Counted<'_> {
    fn inward(&self, said: &[u8]) {
        self.moved.count_inward(said.len(), self.clock.now());
        self.pulse.beat();
        if let Some(mut it) = self.following() {
            it.talk.client(said);
        }
    }

    fn answering(&self) {
        if let Some(mut it) = self.following() {
            it.answering = true;
        }
    }

    fn outward(&self, said: &[u8]) {
        self.moved.count_outward(said.len(), self.clock.now());
        self.pulse.beat();
        if let Some(mut it) = self.following() {
            it.talk.server(said);
            it.answering = false;
        }
    }

    fn parted(&self) {
        self.moved.part(self.clock.now());
    }
}

//! What the first bytes of a PostgreSQL client are is known once and for all: more bytes change it only where it was
//! still open.

use dbwire::postgres::{Prologue, prologue};

/// Looks at every beginning of the bytes.
pub fn run(bytes: &[u8]) {
    let mut before = Prologue::More;
    for length in 0..=bytes.len().min(600) {
        let now = prologue(&bytes[..length]);
        assert!(before == Prologue::More || before == now, "{before:?} became {now:?}");
        before = now;
    }
    let _is_visitor = prologue(bytes).is_visitor();
}

//! Where a third may speak does not depend on the pieces in which the two were heard, and what is sealed stays so.

use dbwire::postgres::Talk;

/// Each piece: whose it is and how long (one byte), then its bytes.
pub fn run(mut bytes: &[u8]) {
    let (mut whole, mut pieces) = (Talk::new(), Talk::new());
    while let [head, rest @ ..] = bytes {
        let length = usize::from(head >> 1).min(rest.len());
        let (said, rest) = rest.split_at(length);
        if head & 1 == 0 {
            whole.client(said);
            pieces.client(said);
        } else {
            whole.server(said);
            // The first answer is one byte or none of ours.
            let (early, late) = said.split_at(said.len() / 2);
            if whole.may_interrupt() || pieces.may_interrupt() {
                pieces.server(early);
                pieces.server(late);
                assert_eq!(whole.may_interrupt(), pieces.may_interrupt());
            } else {
                pieces.server(said);
            }
        }
        bytes = rest;
    }
    assert_eq!(whole.may_interrupt(), pieces.may_interrupt());
}

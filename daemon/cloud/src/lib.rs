//! The little that bastiond asks of a cloud.

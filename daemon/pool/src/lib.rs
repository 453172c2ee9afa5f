//! Which bastions exist, who uses them, when they go away.

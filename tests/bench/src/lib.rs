//! Cold start, first byte, idle cost: measured side by side.

//! Stories with real programs and real clients.

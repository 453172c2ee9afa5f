//! Asks the daemon over its Unix socket.

//! The SSM data channel for port sessions, the client's side: bytes in, bytes out.

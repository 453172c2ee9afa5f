//! The SSM data channel on tokio.

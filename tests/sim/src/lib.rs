//! An AWS in a box, spoken to over real HTTP and WebSocket by the real SDK.

//! One question over HTTP to something on this machine; enough to read the simulator's record.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::Failure;

/// Asks for a JSON document at `http://HOST:PORT` plus a path.
///
/// # Errors
/// When nobody answers, or the answer is not 200 with JSON.
pub fn get_json(endpoint: &str, path: &str) -> Result<Value, Failure> {
    let deed = || Failure::io(format!("asking {endpoint}{path}"));
    let address: SocketAddr = endpoint
        .trim_start_matches("http://")
        .parse()
        .map_err(|_| Failure::unexpected("http://HOST:PORT", endpoint))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(deed())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(deed())?;
    // HTTP/1.0: the answer is neither chunked nor kept open.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n")
        .map_err(deed())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(deed())?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| Failure::unexpected("an HTTP answer", answer.as_str()))?;
    if head.split(' ').nth(1) != Some("200") {
        return Err(Failure::unexpected(format!("200 from {path}"), answer.as_str()));
    }
    serde_json::from_str(body)
        .map_err(|err| Failure::unexpected("JSON", format!("{err} in {body}")))
}

/// How long a local program may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

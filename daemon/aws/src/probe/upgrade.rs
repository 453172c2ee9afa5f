//! Whether a WebSocket gets through (D30): an upgrade as a tunnel asks for it, to a session that is nobody's, and a look
//! at who answers.
//!
//! AWS refuses it, or takes it and waits for a token that never comes; either way the answer is AWS's own. What answers in
//! its place tells itself by its words.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{HEAD, Place};

/// What went wrong with an upgrade; none where AWS itself has answered.
pub(super) async fn over<S>(mut stream: S, place: &Place) -> Option<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let asked = request(place);
    if let Err(error) = stream.write_all(asked.as_bytes()).await {
        return Some(format!("the upgrade could not be asked for: {error}"));
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => {
                return Some("the connection was closed in answer to the upgrade".to_owned());
            }
            Err(_) => break,
        }
    }
    fault(&String::from_utf8_lossy(&head))
}

fn request(place: &Place) -> String {
    let authority = place.authority();
    format!(
        "GET /v1/data-channel/{SESSION}?role=publish_subscribe HTTP/1.1\r\nHost: {authority}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// What the head of an answer gives away.
fn fault(head: &str) -> Option<String> {
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default();
    let mut words = first.splitn(3, ' ');
    let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let Some(status) = status.parse::<u16>().ok().filter(|_| version.starts_with("HTTP/")) else {
        return Some("the answer to the upgrade is no HTTP".to_owned());
    };
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_lowercase(), value.trim()))
        .collect();
    let value =
        |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
    if status == 101 || headers.iter().any(|(name, _)| name.starts_with("x-amzn-")) {
        return None;
    }
    let stranger = value("via").or_else(|| value("proxy-agent")).or_else(|| value("server"));
    let page = value("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let passed =
        value("via").is_some() || headers.iter().any(|(name, _)| name.starts_with("proxy-"));
    // AWS refuses with 4xx, and in no browser's words.
    let own = (400..500).contains(&status) && status != PROXY_WANTS_LOGIN && status != TOO_OLD;
    if own && !page && !passed {
        return None;
    }
    let reason = words.next().unwrap_or_default();
    let told: String = format!("HTTP {status} {reason}").trim().chars().take(LINE).collect();
    let whom = stranger.map(|name| name.chars().filter(|c| !c.is_control()).take(LINE).collect());
    Some(match whom {
        Some(whom) => {
            let whom: String = whom;
            format!("the upgrade was answered by {whom}: {told}")
        }
        None => format!("the upgrade was answered with {told}"),
    })
}

/// A session that nobody has: names of real ones end with 17 letters and digits.
const SESSION: &str = "bastiond-looks-whether-a-websocket-gets-through";

/// Any 16 bytes will do.
const KEY: &str = "YmFzdGlvbmQgbG9va3Mu";

const PROXY_WANTS_LOGIN: u16 = 407;

/// What says "upgrade required" has not seen that one was asked for.
const TOO_OLD: u16 = 426;

/// How much of a stranger's words is kept.
const LINE: usize = 80;

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn awss_own_answers_are_no_fault_whatever_they_say() {
        for head in [
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
            "HTTP/1.1 403 Forbidden\r\nx-amzn-RequestId: 1\r\nVia: 1.1 cache\r\n\r\n",
            "HTTP/1.1 500 Oops\r\nX-Amzn-Errortype: InternalServerError\r\n\r\n",
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\n\r\n",
        ] {
            assert_eq!(fault(head), None, "{head}");
        }
    }

    #[test]
    fn who_answers_in_awss_place_is_told_by_name() {
        let squid = "HTTP/1.1 403 Forbidden\r\nServer: squid/5.7\r\nVia: 1.1 proxy.example (squid/5.7)\r\n\r\n";
        let told = fault(squid).unwrap();
        assert!(
            told.contains("1.1 proxy.example (squid/5.7)") && told.contains("HTTP 403"),
            "{told}"
        );
        let page = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nServer: Guard\r\n\r\n";
        assert!(fault(page).unwrap().contains("Guard"));
        for head in [
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "HTTP/1.1 426 Upgrade Required\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 302 Found\r\n\r\n",
        ] {
            assert!(
                fault(head).unwrap().starts_with("the upgrade was answered with HTTP"),
                "{head}"
            );
        }
        for head in ["", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1\r\n\r\n"] {
            assert_eq!(
                fault(head).as_deref(),
                Some("the answer to the upgrade is no HTTP"),
                "{head}"
            );
        }
    }
}

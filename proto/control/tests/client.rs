//! The client against a daemon that says what the test tells it to. The clock is tokio's and stands still until nobody
//! has anything to do: deadlines pass at once.

#![cfg(feature = "client")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bastion_api::client::{Client, ClientError, EventsWanted, Oddity, Why};
use bastion_api::{CloseRequest, OpenEvent, OpenRequest, ProblemKind, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::time::{sleep, timeout};

#[tokio::test(start_paused = true)]
async fn a_call_is_one_request_with_host_and_path() {
    let house = House::new();
    let (heard, version) = house.answers(&[json(200, VERSION)], house.client().version()).await;
    assert_eq!(version.unwrap().version, "0.1.0");
    assert!(heard.starts_with("GET /v1/version HTTP/1.1\r\n"), "{heard}");
    assert!(heard.to_lowercase().contains("\r\nhost: bastiond\r\n"), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_sent_as_json_and_a_name_is_escaped() {
    let house = House::new();
    let client = house.client();
    let request = CloseRequest { force: true };
    let answer = json(200, r#"{"schema_version":1,"target":"a b","was":"ready"}"#);
    let (heard, closed) = house.answers(&[answer], client.close("a b", &request)).await;
    assert_eq!(closed.unwrap().target, "a b");
    assert!(heard.starts_with("POST /v1/targets/a%20b/close HTTP/1.1\r\n"), "{heard}");
    assert!(heard.to_lowercase().contains("\r\ncontent-type: application/json\r\n"), "{heard}");
    assert!(heard.ends_with(r#"{"force":true}"#), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn the_second_place_is_tried_when_nothing_is_at_the_first() {
    let house = House::new();
    let client = Client::new(vec![house.dir.path().join("absent/s"), house.socket.clone()]);
    let (_, version) = house.answers(&[json(200, VERSION)], client.version()).await;
    assert_eq!(version.unwrap().pid, Some(7));
}

#[tokio::test(start_paused = true)]
async fn without_a_daemon_every_place_is_named_with_what_is_wrong_there() {
    let house = House::new();
    drop(UnixListener::bind(&house.socket).unwrap()); // the file stays
    let long = PathBuf::from(format!("/{}", "x".repeat(120)));
    let absent = house.dir.path().join("absent");
    let client = Client::new(vec![absent.clone(), house.socket.clone(), long.clone()]);
    let ClientError::NotRunning { tried } = client.status().await.unwrap_err() else {
        panic!("not as expected");
    };
    assert_eq!(tried[0].path, absent);
    assert_eq!(tried[0].why, Why::Missing);
    assert_eq!(tried[1].path, house.socket);
    assert_eq!(tried[1].why, Why::Refused);
    assert_eq!(tried[2].path, long);
    assert!(matches!(tried[2].why, Why::Unusable(_)));
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_starting_is_waited_for() {
    let house = House::new();
    drop(UnixListener::bind(&house.socket).unwrap());
    let client = house.client();
    let starting = async {
        sleep(Duration::from_millis(300)).await;
        std::fs::remove_file(&house.socket).unwrap();
        house.serve(&[json(200, VERSION)]).await
    };
    let (version, _) = tokio::join!(client.version(), starting);
    assert_eq!(version.unwrap().version, "0.1.0");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_the_problem_in_its_body() {
    let house = House::new();
    let client = house.client();
    let body = r#"{"schema_version":1,"problem":{"code":"D18","kind":"login","message":"no"}}"#;
    let (_, error) = house.answers(&[json(502, body)], client.password("a")).await;
    let ClientError::Problem(problem) = error.unwrap_err() else { panic!("not as expected") };
    assert_eq!(problem.code, "D18");
    assert_eq!(problem.kind, ProblemKind::Login);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_to_close_tells_who_is_connected() {
    let house = House::new();
    let client = house.client();
    let body = r#"{"schema_version":1,"problem":{"code":"D32","message":"in use"},
        "visits":[{"id":1,"program":"psql","pid":9,"since":"2026-01-02T03:04:05Z"}]}"#;
    let request = CloseRequest::default();
    let (_, error) = house.answers(&[json(409, body)], client.close("a", &request)).await;
    let ClientError::Refused(refused) = error.unwrap_err() else { panic!("not as expected") };
    assert_eq!(refused.visits[0].program.as_deref(), Some("psql"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_daemon_does_not_know_is_told_apart_from_a_target_it_does_not_know() {
    let house = House::new();
    let (_, error) = house.answers(&[text(404, "")], house.client().version()).await;
    let error = error.unwrap_err();
    assert!(matches!(&error, ClientError::UnknownCall { call } if call == "GET /v1/version"));
}

#[tokio::test(start_paused = true)]
async fn answers_that_make_no_sense_are_told_by_what_is_odd() {
    let house = House::new();
    let (_, error) = house.answers(&[text(500, "oops")], house.client().version()).await;
    let error = error.unwrap_err();
    let ClientError::Protocol { source: Oddity::Status(status), .. } = error else {
        panic!("not as expected: {error}");
    };
    assert_eq!(status, 500);

    let house = House::new();
    let (_, error) = house.answers(&[json(200, "{}")], house.client().version()).await;
    let error = error.unwrap_err();
    assert!(matches!(&error, ClientError::Protocol { source: Oddity::Shape(_), .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_in_the_middle_is_lost() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
        let house = House::new();
        let (_, error) = house.answers(&[answer.into()], house.client().version()).await;
        let error = error.unwrap_err();
        assert!(matches!(&error, ClientError::Lost { .. }), "{answer}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_daemon_is_given_up_at_the_deadline() {
    let house = House::new();
    let listener = UnixListener::bind(&house.socket).unwrap();
    let error = house.client().version().await.unwrap_err();
    assert!(matches!(&error, ClientError::TimedOut { after, .. } if after.as_secs() == 10));
    drop(listener);
}

#[tokio::test(start_paused = true)]
async fn lines_are_found_wherever_the_pieces_are_cut() {
    let house = House::new();
    let client = house.client();
    let pieces = [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        chunk("\n"),
        chunk(r#"{"event":"stage","stage":"pul"#),
        chunk("ling\",\"elapsed_seconds\":2}\n{\"event\":\"eclipse\"}\n\n{\"event\":\"stage\","),
        chunk("\"stage\":\"connecting\"}"),
        "0\r\n\r\n".to_owned(),
    ];
    let stages = async {
        let mut lines = client.open("a", &OpenRequest::default()).await?;
        let mut stages = Vec::new();
        while let Some(line) = lines.next().await? {
            match line {
                OpenEvent::Stage { stage, .. } => stages.push(Some(stage)),
                OpenEvent::Tunnels { .. } | OpenEvent::Ready { .. } | OpenEvent::Failed { .. } => {
                    panic!("not said")
                }
                OpenEvent::Unknown => stages.push(None),
            }
        }
        Ok::<_, ClientError>(stages)
    };
    let (_, stages) = house.answers(&pieces, stages).await;
    assert_eq!(stages.unwrap(), [Some(Stage::Pulling), None, Some(Stage::Connecting)]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_off_is_lost_after_its_last_whole_line() {
    let house = House::new();
    let client = house.client();
    let pieces = [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        chunk("{\"seq\":1,\"time\":\"2026-01-02T03:04:05Z\",\"message\":\"m\"}\n{\"seq\""),
    ];
    let events = async {
        let mut lines = client.events(&EventsWanted::default()).await?;
        assert_eq!(lines.next().await?.unwrap().seq, 1);
        lines.next().await
    };
    let (_, events) = house.answers(&pieces, events).await;
    let error = events.unwrap_err();
    assert!(matches!(&error, ClientError::Lost { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn events_that_are_followed_have_no_deadline_and_others_have() {
    for follow in [true, false] {
        let house = House::new();
        let client = house.client();
        let wanted = EventsWanted { follow, ..EventsWanted::default() };
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let event = chunk("{\"seq\":1,\"time\":\"2026-01-02T03:04:05Z\",\"message\":\"m\"}\n");
        let listener = UnixListener::bind(&house.socket).unwrap();
        let daemon = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            sleep(Duration::from_secs(24 * 3600)).await;
            // Nobody listens any more where there was a deadline.
            stream.write_all(event.as_bytes()).await.ok();
            std::future::pending::<()>().await
        };
        let events = async { client.events(&wanted).await?.next().await };
        let event = tokio::select! { event = events => event, () = daemon => unreachable!() };
        match follow {
            true => assert_eq!(event.unwrap().unwrap().seq, 1),
            false => assert!(matches!(event.unwrap_err(), ClientError::TimedOut { .. })),
        }
    }
}

/// A directory with a place for a socket.
struct House {
    dir: tempfile::TempDir,
    socket: PathBuf,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("control.sock");
        Self { dir, socket }
    }

    fn client(&self) -> Client {
        Client::new(vec![Path::new(&self.socket).to_owned()])
    }

    /// Answers one request with these pieces while the call is made; gives what was asked, and the call's outcome.
    async fn answers<T>(&self, pieces: &[String], call: impl Future<Output = T>) -> (String, T) {
        tokio::join!(self.serve(pieces), call)
    }

    async fn serve(&self, pieces: &[String]) -> String {
        let listener = UnixListener::bind(&self.socket).unwrap();
        // Where nobody comes, the clock runs this far at once.
        let came = timeout(Duration::from_secs(3600), listener.accept()).await;
        let (mut stream, _) = came.expect("nobody asked").unwrap();
        let heard = read_request(&mut stream).await;
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        heard
    }
}

/// One request: its head, and as much of a body as that says.
async fn read_request(stream: &mut tokio::net::UnixStream) -> String {
    let mut heard = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "the client went away");
        let text = String::from_utf8(heard.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

fn json(status: u16, body: &str) -> String {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n");
    format!("{head}content-length: {length}\r\n\r\n{body}")
}

fn text(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

const VERSION: &str = r#"{"schema_version":1,"version":"0.1.0","pid":7}"#;

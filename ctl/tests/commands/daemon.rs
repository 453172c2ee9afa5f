use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;
use tempfile::TempDir;

/// A daemon that gives the answers it was given, and keeps what it was asked.
pub(crate) struct Daemon {
    dir: TempDir,
    book: Arc<Book>,
    accepting: Option<JoinHandle<()>>,
}

/// What a daemon knows.
struct Book {
    /// The answers to each call, by method and path; the last one is given again and again.
    answers: Mutex<HashMap<String, Vec<Answer>>>,
    heard: Mutex<Vec<String>>,
    over: AtomicBool,
}

/// One answer.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    pieces: Vec<String>,
    /// Keeps the stream open after the last piece until the caller goes.
    held: bool,
}

impl Daemon {
    /// A daemon that answers these calls, and no other.
    pub(crate) fn new<const N: usize>(answers: [(&str, Answer); N]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("control.sock")).unwrap();
        let mut known: HashMap<String, Vec<Answer>> = HashMap::new();
        for (call, answer) in answers {
            known.entry(call.to_owned()).or_default().push(answer);
        }
        let book = Arc::new(Book {
            answers: Mutex::new(known),
            heard: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let own = Arc::clone(&book);
        let accepting = Some(thread::spawn(move || own.accept(&listener)));
        Self { dir, book, accepting }
    }

    /// The directory of the socket; commands run in it, so that no path of this machine is on a screen.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What was asked so far, each as its method, path and body.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.book.heard.lock().unwrap().clone()
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.book.over.store(true, Ordering::Release);
        // A last visit, so that the wait for one ends.
        drop(UnixStream::connect(self.socket()));
        self.accepting.take().unwrap().join().unwrap();
    }
}

impl Book {
    fn accept(self: &Arc<Self>, listener: &UnixListener) {
        let mut calls = Vec::new();
        loop {
            let (stream, _) = listener.accept().unwrap();
            if self.over.load(Ordering::Acquire) {
                break;
            }
            let own = Arc::clone(self);
            calls.push(thread::spawn(move || own.answer(stream)));
        }
        for call in calls {
            call.join().unwrap();
        }
    }

    fn answer(&self, mut stream: UnixStream) {
        // A program that is ended may leave a call half said.
        let Some((call, body)) = request(&mut stream) else { return };
        let said = if body.is_empty() { call.clone() } else { format!("{call} {body}") };
        self.heard.lock().unwrap().push(said);
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            match answers.get_mut(&call) {
                Some(answers) if answers.len() > 1 => answers.remove(0),
                Some(answers) => answers[0].clone(),
                None => Answer { status: 404, pieces: Vec::new(), held: false },
            }
        };
        // The caller may have seen enough.
        answer.write(&mut stream).ok();
    }
}

impl Answer {
    /// Success, with this body.
    pub(crate) fn json(body: &Value) -> Self {
        Self::status(200, body)
    }

    /// Another status, with this body.
    pub(crate) fn status(status: u16, body: &Value) -> Self {
        Self { status, pieces: vec![body.to_string()], held: false }
    }

    /// Lines that come one by one.
    pub(crate) fn lines<const N: usize>(lines: [Value; N]) -> Self {
        let pieces = lines.iter().map(|line| format!("{line}\n")).collect();
        Self { status: 200, pieces, held: false }
    }

    /// A body that is no JSON.
    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self { status, pieces: vec![text.to_owned()], held: false }
    }

    /// The same lines, and then silence until the caller goes.
    pub(crate) fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// It dies before it answers.
    pub(crate) fn none() -> Self {
        Self { status: 0, pieces: Vec::new(), held: false }
    }

    fn write(&self, stream: &mut UnixStream) -> std::io::Result<()> {
        let status = self.status;
        if status == 0 {
            return Ok(());
        }
        write!(stream, "HTTP/1.1 {status} X\r\ntransfer-encoding: chunked\r\n\r\n")?;
        for piece in &self.pieces {
            write!(stream, "{:x}\r\n{piece}\r\n", piece.len())?;
        }
        if self.held {
            // Nothing more is asked on this stream: it ends when the caller goes.
            return stream.read_to_end(&mut Vec::new()).map(|_| ());
        }
        write!(stream, "0\r\n\r\n")
    }
}

/// The method and path of a request, and its body; none where the caller goes away meanwhile.
fn request(stream: &mut UnixStream) -> Option<(String, String)> {
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).unwrap_or(0);
        if read == 0 {
            return None;
        }
        heard.extend_from_slice(&piece[..read]);
        let text = String::from_utf8(heard.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            let call = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
            return Some((call.to_owned(), body.to_owned()));
        }
    }
}

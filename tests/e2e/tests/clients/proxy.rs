//! Stands before a listener, passes everything on, and writes down what each side says.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A port before a port. Dropped, it is gone with all that goes through it.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    calls: Arc<Mutex<Vec<Arc<Call>>>>,
    _running: JoinSet<()>,
}

/// One connection: the beginning of what each side said.
#[derive(Debug, Default)]
struct Call {
    client: Mutex<Vec<u8>>,
    server: Mutex<Vec<u8>>,
}

impl Proxy {
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mine = listener.local_addr().unwrap().port();
        let calls: Arc<Mutex<Vec<Arc<Call>>>> = Arc::default();
        let noted = Arc::clone(&calls);
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut passing = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let call = Arc::new(Call::default());
                noted.lock().unwrap().push(Arc::clone(&call));
                passing.spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let (client_reads, client_writes) = client.into_split();
                    let (server_reads, server_writes) = server.into_split();
                    tokio::join!(
                        pass(client_reads, server_writes, &call.client),
                        pass(server_reads, client_writes, &call.server),
                    );
                });
            }
        });
        Self { port: mine, calls, _running: running }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether TLS was agreed to, and after that some connection began in the clear: then a password could have.
    pub(crate) fn in_the_clear_after_tls(&self) -> bool {
        let calls = self.calls.lock().unwrap();
        let openings = calls.iter().map(|call| call.opening());
        let after = openings.skip_while(|opening| *opening != Opening::Tls);
        after.into_iter().any(|opening| opening == Opening::Clear)
    }

    /// Whether TLS was spoken at all.
    pub(crate) fn spoke_tls(&self) -> bool {
        self.calls.lock().unwrap().iter().any(|call| call.opening() == Opening::Tls)
    }

    /// Whether this stands anywhere in what clients said.
    pub(crate) fn was_said(&self, words: &str) -> bool {
        let calls = self.calls.lock().unwrap();
        calls.iter().any(|call| {
            let said = call.client.lock().unwrap();
            said.windows(words.len()).any(|window| window == words.as_bytes())
        })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opening {
    Tls,
    Clear,
    Nothing,
}

impl Call {
    /// How a PostgreSQL client began once its requests for encryption were answered.
    fn opening(&self) -> Opening {
        let said = self.client.lock().unwrap();
        let mut rest = &said[..];
        while let Some(after) = REQUESTS.into_iter().find_map(|request| rest.strip_prefix(&request))
        {
            rest = after;
        }
        match rest.first() {
            None => Opening::Nothing,
            Some(0x16) => Opening::Tls,
            Some(_) => Opening::Clear,
        }
    }
}

/// Passes one way on until its end, noting the beginning.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    noted: &Mutex<Vec<u8>>,
) {
    let mut piece = vec![0; 4096];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        note(noted, &piece[..read]);
        if to.write_all(&piece[..read]).await.is_err() {
            break;
        }
    }
    drop(to.shutdown().await);
}

fn note(noted: &Mutex<Vec<u8>>, said: &[u8]) {
    let mut noted = noted.lock().unwrap();
    if noted.len() < NOTED {
        noted.extend_from_slice(said);
    }
}

/// SSLRequest and GSSENCRequest.
const REQUESTS: [[u8; 8]; 2] = [[0, 0, 0, 8, 4, 210, 22, 47], [0, 0, 0, 8, 4, 210, 22, 48]];

/// More than any client says before its first query, in bytes.
const NOTED: usize = 64 * 1024;

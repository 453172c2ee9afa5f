//! A database that answers whatever it hears, and notes when it first heard something.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// An echo on a port of this machine; it ends when dropped.
pub(crate) struct Echo {
    port: u16,
    first_byte: Arc<Mutex<Option<SystemTime>>>,
    // Held for its end only.
    _tasks: JoinSet<()>,
}

impl Echo {
    /// Starts it.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let first_byte = Arc::new(Mutex::new(None));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&first_byte)));
        Self { port, first_byte, _tasks: tasks }
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// When it first heard a byte.
    pub(crate) fn first_byte(&self) -> Option<SystemTime> {
        *self.first_byte.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, first_byte: Arc<Mutex<Option<SystemTime>>>) {
    let mut visits = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let first_byte = Arc::clone(&first_byte);
        visits.spawn(async move {
            // A visit that breaks off is over.
            drop(answer(stream, &first_byte).await);
        });
        while visits.try_join_next().is_some() {}
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement of the real time")]
async fn answer(
    mut stream: TcpStream,
    first_byte: &Mutex<Option<SystemTime>>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        first_byte
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(SystemTime::now);
        if piece[..read].ends_with(&GOOD_BYE) {
            return Ok(());
        }
        stream.write_all(&piece[..read]).await?;
    }
}

/// A client of PostgreSQL's that goes says this, and the server hangs up.
pub(crate) const GOOD_BYE: [u8; 5] = [b'X', 0, 0, 0, 4];

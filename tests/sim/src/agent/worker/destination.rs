//! The worker's sockets to the destination: one name looked up once, a task for each stream.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::Order;

/// What comes from the destination's side.
pub(super) enum News {
    Resolved(Result<(), String>),
    Dialled(u32, bool),
    Taken(u32, usize),
    Data(u32, Bytes),
    Closed(u32),
}

pub(super) struct Destinations {
    host: String,
    port: String,
    hosts: BTreeMap<String, String>,
    forbidden: Vec<IpAddr>,
    /// Resolved once; every stream of the session dials these.
    addresses: Arc<Vec<Address>>,
    streams: HashMap<u32, Stream>,
    tasks: JoinSet<()>,
    /// What needs no room.
    small: (mpsc::UnboundedSender<News>, mpsc::UnboundedReceiver<News>),
    /// Data and ends, in order; taken only while there is room.
    data: (mpsc::Sender<News>, mpsc::Receiver<News>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    Socket(SocketAddr),
    /// A packet filter swallows what is sent there.
    Silent,
}

struct Stream {
    task: AbortHandle,
    writer: mpsc::UnboundedSender<Bytes>,
}

impl Destinations {
    pub(super) fn new(order: &Order) -> Self {
        Self {
            host: order.host.clone(),
            port: order.port.clone(),
            hosts: order.hosts.clone(),
            forbidden: order.agent.forbidden.clone(),
            addresses: Arc::default(),
            streams: HashMap::new(),
            tasks: JoinSet::new(),
            small: mpsc::unbounded_channel(),
            data: mpsc::channel(READ_AHEAD),
        }
    }

    /// The next thing that happened; `room` says whether data are wanted.
    pub(super) async fn news(&mut self, room: bool) -> News {
        loop {
            tokio::select! {
                biased;
                Some(news) = self.small.1.recv() => return news,
                Some(news) = self.data.1.recv(), if room => return news,
                // Ended tasks are let go of as they end.
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    pub(super) fn resolve(&mut self) {
        let result = look_up(&self.host, &self.port, &self.hosts, &self.forbidden);
        let result = result.map(|addresses| self.addresses = Arc::new(addresses));
        self.small.0.send(News::Resolved(result)).ok();
    }

    pub(super) fn dial(&mut self, id: u32) {
        let (writer, to_write) = mpsc::unbounded_channel();
        let addresses = Arc::clone(&self.addresses);
        let (small, data) = (self.small.0.clone(), self.data.0.clone());
        let task = self.tasks.spawn(stream(id, addresses, to_write, small, data));
        self.streams.insert(id, Stream { task, writer });
    }

    pub(super) fn write(&mut self, id: u32, data: Bytes) {
        if let Some(stream) = self.streams.get(&id) {
            // A stream whose writer failed says so by its Closed.
            stream.writer.send(data).ok();
        }
    }

    pub(super) fn close(&mut self, id: u32) {
        if let Some(stream) = self.streams.remove(&id) {
            stream.task.abort();
        }
    }
}

/// One stream's life, from the dial on.
async fn stream(
    id: u32,
    addresses: Arc<Vec<Address>>,
    to_write: mpsc::UnboundedReceiver<Bytes>,
    small: mpsc::UnboundedSender<News>,
    data: mpsc::Sender<News>,
) {
    let Some(socket) = reach(&addresses).await else {
        small.send(News::Dialled(id, false)).ok();
        return;
    };
    small.send(News::Dialled(id, true)).ok();
    let (reader, writer) = socket.into_split();
    // Either way's end is both ways' end.
    tokio::select! {
        () = read(id, reader, &data) => {}
        () = write(id, writer, to_write, &small) => {}
    }
    data.send(News::Closed(id)).await.ok();
}

async fn reach(addresses: &[Address]) -> Option<TcpStream> {
    for address in addresses {
        match address {
            Address::Socket(address) => {
                let Ok(socket) = TcpStream::connect(address).await else { continue };
                socket.set_nodelay(true).ok();
                return Some(socket);
            }
            Address::Silent => std::future::pending().await,
        }
    }
    None
}

async fn read(id: u32, mut reader: OwnedReadHalf, data: &mpsc::Sender<News>) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        match reader.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let read = buffer.split_to(buffer.len().min(READ)).freeze();
                if data.send(News::Data(id, read)).await.is_err() {
                    return;
                }
            }
        }
        while !buffer.is_empty() {
            let rest = buffer.split_to(buffer.len().min(READ)).freeze();
            if data.send(News::Data(id, rest)).await.is_err() {
                return;
            }
        }
    }
}

async fn write(
    id: u32,
    mut writer: OwnedWriteHalf,
    mut to_write: mpsc::UnboundedReceiver<Bytes>,
    small: &mpsc::UnboundedSender<News>,
) {
    let mut waiting = Vec::new();
    let mut together = Vec::new();
    while to_write.recv_many(&mut waiting, WRITE).await > 0 {
        // Messages are small: one system call for many of them.
        waiting.drain(..).for_each(|data| together.extend_from_slice(&data));
        if writer.write_all(&together).await.is_err() {
            return;
        }
        small.send(News::Taken(id, together.len())).ok();
        together.clear();
    }
    // The sender goes when the stream is closed, and with it this task.
    std::future::pending().await
}

/// The VPC's name service: what is on the list, this machine, and plain addresses.
fn look_up(
    host: &str,
    port: &str,
    hosts: &BTreeMap<String, String>,
    forbidden: &[IpAddr],
) -> Result<Vec<Address>, String> {
    let literal = host.parse::<IpAddr>().ok();
    if let Some(address) = literal.filter(|address| is_forbidden(*address, forbidden)) {
        return Err(format!("Forwarding to IP address {address} is forbidden."));
    }
    let unknown = || format!("lookup {host} on {NAME_SERVER}: no such host");
    if let Some(local) = hosts.get(&format!("{host}:{port}")) {
        return local.split(',').map(|address| read_address(address).ok_or_else(unknown)).collect();
    }
    let number = port
        .parse::<u16>()
        .map_err(|_| format!("strconv.Atoi: parsing {port:?}: invalid syntax"))?;
    match literal {
        Some(address) => Ok(vec![Address::Socket(SocketAddr::new(address, number))]),
        None if host == "localhost" => {
            Ok(vec![Address::Socket(SocketAddr::from(([127, 0, 0, 1], number)))])
        }
        None => Err(unknown()),
    }
}

fn read_address(address: &str) -> Option<Address> {
    let address = address.trim();
    if address == SILENT {
        return Some(Address::Silent);
    }
    address.replace("localhost:", "127.0.0.1:").parse().ok().map(Address::Socket)
}

/// The agent's own list (appconfig/constants.go) and what the task's subnet adds.
fn is_forbidden(address: IpAddr, more: &[IpAddr]) -> bool {
    const FORBIDDEN: [&str; 9] = [
        "169.254.169.254",
        "169.254.169.253",
        "169.254.169.123",
        "169.254.169.250",
        "169.254.169.251",
        "fd00:ec2::254",
        "fd00:ec2::253",
        "fd00:ec2::240",
        "fd00:ec2::123",
    ];
    more.contains(&address) || FORBIDDEN.iter().any(|listed| listed.parse() == Ok(address))
}

/// In place of an address: a dial that nobody ever answers.
const SILENT: &str = "silent";
/// How many reads may lie between the sockets and the machine.
const READ_AHEAD: usize = 4;
/// How much is read at once: what Go's io.Copy reads, and one smux frame carries.
const READ: usize = 32 * 1024;
/// How many messages are written to the destination together.
const WRITE: usize = 64;
/// The VPC's name service, as the agent's text names it.
const NAME_SERVER: &str = "10.0.0.2:53";

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> BTreeMap<String, String> {
        [("db.internal:5432", "127.0.0.1:1, 127.0.0.1:2"), ("filtered.internal:1", "silent")]
            .map(|(name, address)| (name.to_owned(), address.to_owned()))
            .into()
    }

    #[test]
    fn a_name_leads_to_all_its_addresses() {
        let found = look_up("db.internal", "5432", &hosts(), &[]).unwrap();
        let expected =
            ["127.0.0.1:1", "127.0.0.1:2"].map(|at| Address::Socket(at.parse().unwrap()));
        assert_eq!(found, expected);
        assert_eq!(look_up("filtered.internal", "1", &hosts(), &[]).unwrap(), [Address::Silent]);
    }

    #[test]
    fn an_unknown_name_is_told_as_the_agent_tells_it() {
        let told = look_up("db.internal", "1", &hosts(), &[]).unwrap_err();
        assert_eq!(told, "lookup db.internal on 10.0.0.2:53: no such host");
    }

    #[test]
    fn addresses_of_the_vpc_itself_are_forbidden() {
        let more = ["10.0.1.1".parse().unwrap()];
        for address in ["169.254.169.254", "fd00:ec2::253", "10.0.1.1"] {
            let told = look_up(address, "80", &hosts(), &more).unwrap_err();
            assert_eq!(told, format!("Forwarding to IP address {address} is forbidden."));
        }
        assert!(look_up("10.0.1.5", "80", &hosts(), &more).is_ok());
    }
}

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use super::*;

const US_ALONE: Allow = Allow { same_user_only: true, docker: false };

#[tokio::test]
async fn a_visitor_is_known_by_user_process_and_program_over_either_protocol() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address).await else { continue };
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (local, _) = listener.accept().await.unwrap();
        let peer = of_tcp(&local, Listen::Loopback(0)).await.unwrap();
        assert_eq!(peer.uid, Some(us()), "{address}");
        assert_eq!(peer.admit(US_ALONE, us()), Ok(()));
        let process = process_of(&peer).await.unwrap();
        assert_eq!(process.pid, std::process::id());
        let program = std::env::current_exe().unwrap();
        let program = program.file_name().unwrap().to_str().unwrap();
        assert!(program.starts_with(&process.program.unwrap()), "{program}");
        drop(client);
    }
}

#[tokio::test]
async fn a_client_that_speaks_ipv4_through_an_ipv6_socket_is_known_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let Ok(socket) = TcpSocket::new_v6() else { return };
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    // As a Java program does.
    let _client = socket.connect(SocketAddr::new(mapped.into(), port)).await.unwrap();
    let (local, _) = listener.accept().await.unwrap();
    let peer = of_tcp(&local, Listen::Loopback(0)).await.unwrap();
    assert_eq!(peer.uid, Some(us()));
}

#[tokio::test]
async fn who_has_gone_before_anybody_looked_is_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
    let (local, _) = listener.accept().await.unwrap();
    assert_eq!(of_tcp(&local, Listen::Loopback(0)).await, None);
}

#[tokio::test]
async fn a_visitor_through_a_unix_socket_is_told_by_the_kernel() {
    let (one, _other) = UnixStream::pair().unwrap();
    let peer = of_unix(&one);
    assert_eq!(peer.uid, Some(us()));
    assert_eq!(process_of(&peer).await.unwrap().pid, std::process::id());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn lsof_knows_the_same_visitor() {
    if !std::path::Path::new("/usr/bin/lsof").exists() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (local, _) = listener.accept().await.unwrap();
    let peer = client.local_addr().unwrap();
    let told = crate::listen::shadow::lsof::holder(peer, local.local_addr().unwrap());
    let told = told.expect("lsof shows us our own process");
    assert_eq!((told.uid, told.pid), (Some(us()), Some(std::process::id())));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn sock_diag_and_the_tables_of_proc_say_the_same() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address).await else { continue };
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, local) = (client.local_addr().unwrap(), listener.local_addr().unwrap());
        let told = linux::diag(peer, local).unwrap().unwrap();
        assert_eq!(linux::in_tables(peer, local), Ok(told));
        let nobody = SocketAddr::new(peer.ip(), 1);
        assert!(matches!(linux::owner(nobody, local), Err(linux::Unknown::Gone)));
    }
}

#[test]
fn only_our_own_user_is_let_in_unless_the_config_says_otherwise() {
    let of = |uid| Peer { uid, ..Peer::default() };
    let any = Allow { same_user_only: false, docker: true };
    for stranger in [Some(us() + 1), Some(0).filter(|_| us() != 0), None] {
        let refused = of(stranger).admit(US_ALONE, us());
        assert_eq!(refused, Err(Unwelcome::OtherUser(stranger)));
        assert_eq!(of(stranger).admit(any, us()), Ok(()));
    }
    let container = Peer { place: Place::Container, ..Peer::default() };
    assert_eq!(container.admit(US_ALONE, us()), Err(Unwelcome::Container));
    assert_eq!(container.admit(Allow { docker: true, ..US_ALONE }, us()), Ok(()));
    let elsewhere = Peer { place: Place::Elsewhere, ..Peer::default() };
    assert_eq!(elsewhere.admit(US_ALONE, us()), Ok(()));
}

#[test]
fn what_comes_from_the_bridge_is_a_container_and_what_comes_from_our_own_address_is_not() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let docker = Listen::Docker(1);
    assert_eq!(place(ip("172.17.0.2"), ip("172.17.0.1"), docker), Place::Container);
    assert_eq!(place(ip("172.17.0.1"), ip("172.17.0.1"), docker), Place::Here);
    assert_eq!(place(ip("::ffff:127.0.0.1"), ip("127.0.0.1"), Listen::Loopback(1)), Place::Here);
    let exposed = Listen::Address("0.0.0.0:1".parse().unwrap());
    assert_eq!(place(ip("192.0.2.7"), ip("192.0.2.1"), exposed), Place::Elsewhere);
}

#[tokio::test]
async fn many_who_come_at_once_are_all_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (finder, searching) = Finder::new();
    let mut waiting = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..100 {
        ends.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (local, _) = listener.accept().await.unwrap();
        let peer = of_tcp(&local, Listen::Loopback(0)).await.unwrap();
        let found = Found::default();
        waiting.push((finder.look_for(&peer, &found), found));
        ends.push(local);
    }
    let stop = CancellationToken::new();
    let searching = searching.run(stop.clone());
    let waiting = async {
        for (over, found) in waiting {
            over.wait().await;
            assert_eq!(found.process().unwrap().pid, std::process::id());
        }
        stop.cancel();
    };
    tokio::join!(searching, waiting);
}

async fn process_of(peer: &Peer) -> Option<Process> {
    let (finder, searching) = Finder::new();
    let found = Found::default();
    let over = finder.look_for(peer, &found);
    let stop = CancellationToken::new();
    let waiting = async {
        over.wait().await;
        stop.cancel();
    };
    tokio::time::timeout(Duration::from_secs(10), async {
        tokio::join!(searching.run(stop.clone()), waiting)
    })
    .await
    .unwrap();
    found.process().cloned()
}

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

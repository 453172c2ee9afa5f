use std::net::TcpStream;

use super::super::shadow::tests::Stranger;
use super::*;

#[test]
fn loopback_is_both_addresses_where_there_are_both() {
    let listeners = bind_loopback(0).unwrap();
    let port = listeners[0].local_addr().unwrap().port();
    for listener in &listeners {
        let address = listener.local_addr().unwrap();
        assert_eq!(address.port(), port);
        assert!(is_loopback(address.ip()));
        let _visitor = TcpStream::connect(address).unwrap();
        listener.accept().unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
    assert_eq!(listeners.len(), if has_ipv6() { 2 } else { 1 });
}

#[test]
fn a_port_in_other_hands_is_told_with_its_owner() {
    let stranger = Stranger::at("127.0.0.1:0");
    let err = bind_loopback(stranger.address.port()).unwrap_err();
    assert!(matches!(err, BindError::Taken { .. }), "{err}");
    assert_eq!(err.owner().unwrap().pid, Some(stranger.process.id()));
    assert!(err.may_pass());
    let words = err.to_string();
    assert!(words.starts_with(&format!("{} is in use by ", stranger.address)), "{words}");
    assert!(words.ends_with(&format!("(pid {})", stranger.process.id())), "{words}");
}

#[test]
fn a_wildcard_listener_shadows_the_port() {
    for wanted in ["0.0.0.0:0", "[::]:0"] {
        if wanted.starts_with('[') && !has_ipv6() {
            continue;
        }
        let stranger = Stranger::at(wanted);
        let port = stranger.address.port();
        let err = bind_loopback(port).unwrap_err();
        let BindError::Shadowed { address, owner } = &err else { panic!("{err}") };
        assert_eq!(address.port(), port);
        assert_eq!((owner.address, owner.pid), (stranger.address, Some(stranger.process.id())));
    }
}

#[test]
fn half_a_port_is_no_port() {
    if !has_ipv6() {
        return;
    }
    let stranger = Stranger::at("[::1]:0");
    let port = stranger.address.port();
    let err = bind_loopback(port).unwrap_err();
    let BindError::Taken { address, owner: Some(owner) } = &err else { panic!("{err}") };
    assert_eq!((*address, owner.pid), (stranger.address, Some(stranger.process.id())));
    // The half that was free is free again.
    soon(|| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
}

#[test]
fn our_own_port_has_no_stranger_for_an_owner() {
    let ours = bind_loopback(0).unwrap();
    let err = bind_loopback(ours[0].local_addr().unwrap().port()).unwrap_err();
    assert!(matches!(err, BindError::Taken { owner: None, .. }), "{err}");
}

#[test]
fn a_port_can_be_bound_again_right_after_a_visit() {
    let listeners = bind_loopback(0).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let visitor = TcpStream::connect(address).unwrap();
    // We close first, so that our end is the one that lingers in TIME_WAIT.
    drop(listeners[0].accept().unwrap());
    drop(listeners);
    drop(visitor);
    soon(|| bind_loopback(address.port()));
}

#[test]
fn an_address_that_is_not_here_yet_may_come() {
    let err = bind("192.0.2.1:15432".parse().unwrap()).unwrap_err();
    assert!(matches!(err, BindError::System { .. }), "{err}");
    assert!(err.may_pass());
    assert_eq!(err.to_string(), "binding 192.0.2.1:15432");
}

#[test]
fn loopback_in_any_clothes_is_loopback() {
    for ip in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
        assert!(is_loopback(ip.parse().unwrap()), "{ip}");
    }
    for ip in ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1"] {
        assert!(!is_loopback(ip.parse().unwrap()), "{ip}");
    }
}

/// What comes as soon as no other test is just starting a process, which for a moment shares all that we have open.
fn soon<T, E: std::fmt::Debug>(mut deed: impl FnMut() -> Result<T, E>) -> T {
    for _ in 0..100_000 {
        if let Ok(done) = deed() {
            return done;
        }
        std::thread::yield_now();
    }
    deed().unwrap()
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

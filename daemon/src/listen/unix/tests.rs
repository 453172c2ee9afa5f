use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::thread;

use super::*;

#[test]
fn a_socket_is_for_this_user_alone_and_answers() {
    let temp = private();
    let path = temp.path().join("bastiond/control.sock");
    let listener = bind(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_stale_socket_is_replaced() {
    let temp = private();
    let path = temp.path().join("control.sock");
    drop(bind(&path).unwrap());
    assert!(path.exists(), "the system leaves it behind");
    let _listener = soon(|| bind(&path));
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_live_socket_is_never_replaced() {
    let temp = private();
    let path = temp.path().join("control.sock");
    let listener = bind(&path).unwrap();
    let err = bind(&path).unwrap_err();
    assert!(matches!(err, BindError::Live { .. }), "{err}");
    remove(&path).unwrap_err();
    // Our knocking stands in the queue; the caller behind it is answered.
    UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
}

#[test]
fn a_live_socket_whose_queue_is_full_is_not_waited_for() {
    let temp = private();
    let path = temp.path().join("control.sock");
    let busy = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&busy, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&busy, 0).unwrap();
    while knock(&path).is_ok() {}
    let err = bind(&path).unwrap_err();
    assert!(matches!(err, BindError::Live { .. }), "{err}");
}

#[test]
fn a_datagram_socket_is_somebodys() {
    let temp = private();
    let path = temp.path().join("control.sock");
    let _theirs = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let err = bind(&path).unwrap_err();
    assert!(matches!(err, BindError::Live { .. }), "{err}");
}

#[test]
fn what_is_no_socket_stays() {
    let temp = private();
    let (file, link) = (temp.path().join("file"), temp.path().join("link"));
    fs::write(&file, "a letter").unwrap();
    symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let err = bind(path).unwrap_err();
        assert!(matches!(err, BindError::NotASocket { .. }), "{err}");
        remove(path).unwrap_err();
    }
    assert_eq!(fs::read_to_string(&link).unwrap(), "a letter");
}

#[test]
fn a_directory_that_others_may_enter_is_refused_and_left_as_it_is() {
    let temp = private();
    fs::write(temp.path().join("letter"), "mine").unwrap();
    for open in [0o755, 0o710, 0o701, 0o1777] {
        fs::set_permissions(temp.path(), Permissions::from_mode(open)).unwrap();
        let err = bind(&temp.path().join("control.sock")).unwrap_err();
        let BindError::Open { mode: told, .. } = err else { panic!("{err}") };
        assert_eq!((told, mode(temp.path())), (open, open));
    }
}

#[test]
fn a_directory_that_is_there_for_the_socket_is_closed() {
    let temp = private();
    let path = temp.path().join("control.sock");
    for _ in 0..2 {
        fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).unwrap();
        drop(soon(|| bind(&path)));
        assert_eq!(mode(temp.path()), 0o700);
    }
}

#[test]
fn a_path_over_a_hundred_bytes_is_refused_before_anything_is_made() {
    let temp = private();
    let room = MAX_SOCKET_PATH - temp.path().as_os_str().len() - "/d/".len();
    let fits = temp.path().join("d").join("s".repeat(room));
    let over = temp.path().join("e").join("s".repeat(room + 1));
    let err = bind(&over).unwrap_err();
    assert!(matches!(err, BindError::TooLong { bytes: 101, .. }), "{err}");
    assert!(!over.parent().unwrap().exists());
    bind(&fits).unwrap();
}

#[test]
fn of_many_that_start_at_once_one_wins_and_keeps_its_socket() {
    for _ in 0..50 {
        let temp = private();
        let path = temp.path().join("control.sock");
        // A stale one, which all want to replace.
        drop(UnixListener::bind(&path).unwrap());
        soon(|| if knock(&path) == Err(Errno::CONNREFUSED) { Ok(()) } else { Err("lives") });
        let won: Vec<UnixListener> = thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| bind(&path))).collect();
            all.into_iter().filter_map(|one| one.join().unwrap().ok()).collect()
        });
        let [winner] = &won[..] else { panic!("{} have bound it", won.len()) };
        let _caller = UnixStream::connect(&path).unwrap();
        winner.accept().unwrap();
    }
}

#[test]
fn our_own_socket_goes_with_us() {
    let temp = private();
    let path = temp.path().join("control.sock");
    drop(bind(&path).unwrap());
    soon(|| remove(&path));
    assert!(!path.exists());
    remove(&path).unwrap();
}

#[test]
fn a_targets_socket_is_named_as_its_clients_look_for_it() {
    let socket = |engine| target_socket(Path::new("/s"), "prod-db", engine);
    assert_eq!(socket(Engine::Postgres), Path::new("/s/sockets/prod-db/.s.PGSQL.5432"));
    assert_eq!(socket(Engine::Mysql), Path::new("/s/sockets/prod-db/mysql.sock"));
    assert_eq!(socket(Engine::Other), Path::new("/s/sockets/prod-db/socket"));
}

/// What comes as soon as no other test is just starting a process, which for a moment shares all that we have open.
fn soon<T, E: std::fmt::Debug>(mut deed: impl FnMut() -> Result<T, E>) -> T {
    for _ in 0..100_000 {
        if let Ok(done) = deed() {
            return done;
        }
        thread::yield_now();
    }
    deed().unwrap()
}

fn private() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(PRIVATE_DIR)).tempdir().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

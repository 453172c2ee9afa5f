use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

#[test]
fn a_stranger_is_named_with_his_process_and_program() {
    let stranger = Stranger::at("127.0.0.1:0");
    let owners = strangers(stranger.address.port());
    let [owner] = &owners[..] else { panic!("{owners:?}") };
    assert_eq!((owner.address, owner.pid), (stranger.address, Some(stranger.process.id())));
    // The kernel keeps 15 letters of a program's name.
    let ours = std::env::current_exe().unwrap();
    let ours = ours.file_name().unwrap().to_str().unwrap();
    assert!(ours.starts_with(owner.program.as_deref().unwrap()), "{owner:?} {ours}");
    assert_eq!(owner.uid, Some(rustix::process::geteuid().as_raw()));
    assert!(owner.to_string().ends_with(&format!(" (pid {})", stranger.process.id())));
}

#[test]
fn we_are_no_strangers_to_ourselves() {
    let ours = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(strangers(ours.local_addr().unwrap().port()), []);
}

#[test]
fn lsof_says_what_proc_says() {
    if !Path::new("/usr/bin/lsof").exists() {
        return;
    }
    for wanted in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let stranger = Stranger::at(wanted);
        let port = stranger.address.port();
        let named = |mut owner: Owner| {
            // lsof knows no more than nine letters of it, unless asked.
            owner.program = owner.program.map(|name| name.chars().take(9).collect());
            owner
        };
        let lsof: Vec<Owner> = lsof::strangers(port).into_iter().map(named).collect();
        let proc: Vec<Owner> = strangers(port).into_iter().map(named).collect();
        assert_eq!(lsof, proc, "{wanted}");
        assert_eq!(lsof.len(), 1, "{wanted}");
    }
}

#[test]
fn lsof_lines_are_read() {
    let lines = "p412\ncPostgres\nu501\nf7\ntIPv6\nn[::1]:15432\nf8\ntIPv4\nn127.0.0.1:15432\n\
                 p500\nccom.docker.backend\nu501\nf9\ntIPv6\nn*:15432\nf10\ntIPv4\nn*:15432\nn*:1\nnrubbish\n\n";
    let found: Vec<String> = lsof::owners(lines, 15432)
        .iter()
        .map(|owner| format!("{} {owner}", owner.address))
        .collect();
    assert_eq!(
        found,
        [
            "[::1]:15432 Postgres (pid 412)",
            "127.0.0.1:15432 Postgres (pid 412)",
            "[::]:15432 com.docker.backend (pid 500)",
            "0.0.0.0:15432 com.docker.backend (pid 500)",
        ]
    );
}

#[test]
fn who_is_not_known_is_called_what_is_known() {
    let owner = |pid, program: Option<&str>, uid| Owner {
        address: "0.0.0.0:1".parse().unwrap(),
        pid,
        program: program.map(str::to_owned),
        uid,
    };
    assert_eq!(owner(Some(7), Some("nginx"), Some(0)).to_string(), "nginx (pid 7)");
    assert_eq!(owner(Some(7), None, Some(0)).to_string(), "pid 7");
    assert_eq!(owner(None, None, Some(0)).to_string(), "a process of user 0");
    assert_eq!(owner(None, None, None).to_string(), "another process");
}

#[test]
fn a_wildcard_stands_in_every_way_of_its_port() {
    let meets = |owner: &str, wanted: &str| {
        stands_in_the_way(owner.parse().unwrap(), wanted.parse().unwrap())
    };
    assert!(meets("0.0.0.0:5", "127.0.0.1:5"));
    assert!(meets("[::]:5", "127.0.0.1:5"), "it takes IPv4, too, unless told not to");
    assert!(meets("127.0.0.1:5", "0.0.0.0:5"));
    assert!(meets("[::1]:5", "[::1]:5"));
    assert!(!meets("[::1]:5", "127.0.0.1:5"));
    assert!(!meets("0.0.0.0:6", "127.0.0.1:5"));
    assert!(!meets("172.17.0.1:5", "127.0.0.1:5"));
}

#[cfg(target_os = "linux")]
mod linux_tables {
    use super::super::linux::{gateway, listening};

    #[test]
    fn listeners_are_read_from_the_kernels_table() {
        let found: Vec<String> = listening(TCP)
            .map(|found| format!("{} {} {}", found.address, found.uid, found.inode))
            .collect();
        // What is only connected is left out, and so is what cannot be read.
        let expected = if cfg!(target_endian = "little") {
            ["127.0.0.1:15432 1000 41213", "0.0.0.0:5432 0 512", "[::1]:15432 1000 41214"]
        } else {
            return;
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn dockers_bridge_is_found_among_our_addresses() {
        if cfg!(target_endian = "big") {
            return;
        }
        assert_eq!(gateway(ROUTE, FIB_TRIE), Some("172.17.0.1".parse().unwrap()));
        assert_eq!(gateway(&ROUTE.replace("docker0", "br-1234"), FIB_TRIE), None);
        assert_eq!(gateway(ROUTE, &FIB_TRIE.replace("172.17.0.1", "172.19.0.1")), None);
        assert_eq!(gateway("", ""), None);
        assert_eq!(gateway("docker0", "|-- "), None);
    }

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:3C48 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41213 1 0000000000000000 100 0 0 10 0
   1: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 512 1 0000000000000000 100 0 0 10 0
   2: 0100007F:3C48 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 41300 1 0000000000000000 20 4 30 10 -1
   3: 00000000000000000000000001000000:3C48 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41214 1 0000000000000000 100 0 0 10 0
   4: 01:3C48 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1
   5: garbage
";

    const ROUTE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
br-9f3c\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
";

    const FIB_TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 172.16.0.0/14 2 0 2
        +-- 172.17.0.0/16 2 0 2
           +-- 172.17.0.0/31 1 0 0
              |-- 172.17.0.0
                 /16 link UNICAST
              |-- 172.17.0.1
                 /32 host LOCAL
           |-- 172.17.255.255
              /32 link BROADCAST
           |-- 172.18.0.1
              /32 host LOCAL
        |-- 192.168.2.10
           /32 host LOCAL
";
}

/// Another process that listens until it is dropped.
pub(in crate::listen) struct Stranger {
    pub(in crate::listen) process: Child,
    pub(in crate::listen) address: SocketAddr,
}

impl Stranger {
    pub(in crate::listen) fn at(wanted: &str) -> Self {
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{module}::listens_when_asked"), "--nocapture"])
            .env("STRANGER_AT", wanted)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            Some(line.split_once("listens at ")?.1.parse().unwrap())
        });
        Self { address: address.unwrap(), process }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What a [`Stranger`] does; by itself it does nothing.
#[test]
fn listens_when_asked() {
    let Ok(wanted) = std::env::var("STRANGER_AT") else { return };
    let listener = TcpListener::bind(wanted).unwrap();
    writeln!(io::stdout(), "listens at {}", listener.local_addr().unwrap()).unwrap();
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

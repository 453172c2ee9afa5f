use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

/// A server with this script, and what comes of a talk with it.
async fn talk<F>(wish: Wish, script: impl FnOnce(Peer) -> F) -> Result<Found, Setback>
where
    F: Future<Output = ()>,
{
    let (clock, _hand) = Clock::by_hand();
    let (near, far) = duplex(64 * 1024);
    let talk = probe(near, &wish, clock.now(), &clock);
    let (found, ()) = tokio::join!(talk, script(Peer(far)));
    found
}

struct Peer(DuplexStream);

impl Peer {
    async fn hears(&mut self, bytes: usize) -> Vec<u8> {
        let mut heard = vec![0; bytes];
        self.0.read_exact(&mut heard).await.unwrap();
        heard
    }

    async fn says(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The body of a packet of MySQL's.
    async fn hears_packet(&mut self) -> Vec<u8> {
        let head = self.hears(4).await;
        self.hears(usize::from(head[0]) | usize::from(head[1]) << 8).await
    }

    async fn says_packet(&mut self, number: u8, body: &[u8]) {
        let length = u8::try_from(body.len()).unwrap();
        self.says(&[&[length, 0, 0, number], body].concat()).await;
    }

    /// Answers `SELECT 1` as often as it is asked, until the client goes.
    async fn answers(&mut self) {
        while self.hears_packet().await != [1] {
            for (number, body) in
                [&[1][..], b"column", b"\xfe\0\0\x02\0", b"\x011", b"\xfe\0\0\x02\0"]
                    .into_iter()
                    .enumerate()
            {
                self.says_packet(u8::try_from(number).unwrap() + 1, body).await;
            }
        }
    }
}

fn wish(engine: Engine) -> Wish {
    Wish {
        engine,
        user: Some("amy".into()),
        password: Some(Secret::new("correct horse")),
        private: false,
        database: Some("shop".into()),
    }
}

/// A greeting without TLS.
fn greeting(method: &str) -> Vec<u8> {
    mysql::greeting(0xdfff_f7ff, method)
}

#[tokio::test]
async fn a_mysql_that_knows_the_password_by_heart_lets_in_and_is_asked_five_times() {
    let found = talk(wish(Engine::Mysql), async |mut peer: Peer| {
        peer.says_packet(0, &greeting("caching_sha2_password")).await;
        let response = peer.hears_packet().await;
        assert_eq!(&response[32..36], b"amy\0");
        assert_eq!(response[36], 32);
        assert!(response.ends_with(b"shop\0caching_sha2_password\0"));
        peer.says_packet(2, &[1, 3]).await;
        peer.says_packet(3, &[0, 0, 0, 2, 0, 0, 0]).await;
        peer.answers().await;
    })
    .await
    .unwrap();
    assert_eq!(found.version.as_deref(), Some("8.0.36"));
    assert_eq!((found.login, found.tls, found.rounds.len()), (Login::Done, Some(Tls::None), 5));
    assert!(found.first_byte.is_some() && found.logged_in.is_some());
}

#[tokio::test]
async fn a_password_is_not_said_in_the_clear() {
    let refused = talk(wish(Engine::Mysql), async |mut peer: Peer| {
        peer.says_packet(0, &greeting("caching_sha2_password")).await;
        peer.hears_packet().await;
        peer.says_packet(2, &[1, 4]).await;
        let mut rest = Vec::new();
        peer.0.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    })
    .await;
    assert!(matches!(refused, Err(Setback::InTheClear)), "{refused:?}");
    let private = Wish { private: true, ..wish(Engine::Mysql) };
    let refused = talk(private, async |mut peer: Peer| {
        peer.says_packet(0, &greeting("mysql_native_password")).await;
    })
    .await;
    assert!(matches!(refused, Err(Setback::InTheClear)), "{refused:?}");
    let private = Wish { private: true, ..wish(Engine::Postgres) };
    let refused = talk(private, async |mut peer: Peer| {
        peer.hears(8).await;
        peer.says(b"N").await;
        let mut rest = Vec::new();
        peer.0.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    })
    .await;
    assert!(matches!(refused, Err(Setback::InTheClear)), "{refused:?}");
}

#[tokio::test]
async fn a_postgres_may_ask_for_a_login_that_only_other_clients_know() {
    let refused = talk(wish(Engine::Postgres), async |mut peer: Peer| {
        peer.hears(8).await;
        peer.says(b"N").await;
        let length = usize::from(peer.hears(4).await[3]);
        peer.hears(length - 4).await;
        // AuthenticationGSS.
        peer.says(b"R\0\0\0\x08\0\0\0\x07").await;
    })
    .await;
    let words = "the server asks for a login by Kerberos, or the like";
    assert_eq!(refused.unwrap_err().to_string(), words);
}

#[tokio::test]
async fn a_server_may_switch_to_the_users_own_method_and_may_ask_for_one_that_nobody_knows() {
    let found = talk(wish(Engine::Mysql), async |mut peer: Peer| {
        peer.says_packet(0, &greeting("caching_sha2_password")).await;
        peer.hears_packet().await;
        peer.says_packet(2, b"\xfemysql_native_password\0ABCDEFGHIJKLMNOPQRST\0").await;
        assert_eq!(peer.hears_packet().await.len(), 20);
        peer.says_packet(4, &[0, 0, 0, 2, 0, 0, 0]).await;
        peer.answers().await;
    })
    .await;
    assert_eq!(found.unwrap().login, Login::Done);
    let refused = talk(wish(Engine::Mysql), async |mut peer: Peer| {
        peer.says_packet(0, &greeting("mysql_native_password")).await;
        peer.hears_packet().await;
        peer.says_packet(2, b"\xfeclient_ed25519\0salt\0").await;
    })
    .await;
    assert_eq!(refused.unwrap_err().to_string(), "the server asks for a login by client_ed25519");
}

#[tokio::test]
async fn a_wrong_password_is_known_by_its_code() {
    let refused = talk(wish(Engine::Mysql), async |mut peer: Peer| {
        peer.says_packet(0, &greeting("mysql_native_password")).await;
        peer.hears_packet().await;
        peer.says_packet(2, b"\xff\x15\x04#28000Access denied for user 'amy'").await;
    })
    .await
    .unwrap_err();
    assert!(refused.is_wrong_password() && !refused.is_unknown_database(), "{refused}");
    assert_eq!(refused.to_string(), "1045: Access denied for user 'amy'");
}

#[tokio::test]
async fn without_a_password_a_mysql_is_known_by_its_greeting_and_asked_nothing() {
    let silent = Wish { password: None, ..wish(Engine::Mysql) };
    let found = talk(silent, async |mut peer: Peer| {
        peer.says_packet(0, &greeting("mysql_native_password")).await;
        let mut rest = Vec::new();
        peer.0.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    })
    .await
    .unwrap();
    assert_eq!((found.login, found.version.as_deref()), (Login::NoPassword, Some("8.0.36")));
}

#[tokio::test]
async fn without_a_password_a_postgres_is_asked_for_tls_and_told_a_name() {
    let silent = Wish { password: None, user: None, ..wish(Engine::Postgres) };
    let found = talk(silent, async |mut peer: Peer| {
        assert_eq!(peer.hears(8).await, [0, 0, 0, 8, 4, 210, 22, 47]);
        peer.says(b"N").await;
        let length = usize::from(peer.hears(4).await[3]);
        let hello = peer.hears(length - 4).await;
        assert!(hello.starts_with(b"\0\x03\0\0user\0postgres\0"), "{hello:?}");
        assert!(hello.ends_with(b"database\0shop\0\0"), "{hello:?}");
        peer.says(b"R\0\0\0\x08\0\0\0\x0a").await;
    })
    .await
    .unwrap();
    let expected = (Login::NoPassword, Some(Tls::None), 1, None);
    assert_eq!((found.login, found.tls, found.rounds.len(), found.logged_in), expected);
}

#[tokio::test]
async fn what_a_server_says_in_place_of_an_answer_is_kept() {
    let said = |body: &[u8]| {
        let length = u32::try_from(body.len() + 4).unwrap();
        [b"E", &length.to_be_bytes()[..], body].concat()
    };
    let error = said(b"SFATAL\0VFATAL\0C57P03\0MD24 prod-db does not answer\0\0");
    for (after, password, private) in [
        ("SSLRequest", None, false),
        ("startup", None, false),
        ("SSLRequest", wish(Engine::Postgres).password, false),
        ("SSLRequest", wish(Engine::Postgres).password, true),
        ("startup", wish(Engine::Postgres).password, false),
    ] {
        let asked = Wish { password, private, ..wish(Engine::Postgres) };
        let refused = talk(asked, async |mut peer: Peer| {
            peer.hears(8).await;
            if after == "startup" {
                peer.says(b"N").await;
                let length = usize::from(peer.hears(4).await[3]);
                peer.hears(length - 4).await;
            }
            peer.says(&error).await;
        })
        .await;
        assert_eq!(refused.unwrap_err().to_string(), "57P03: D24 prod-db does not answer");
    }
}

#[tokio::test]
async fn whoever_speaks_something_else_is_told_apart_from_one_who_hangs_up() {
    for (engine, password) in [
        (Engine::Mysql, None),
        (Engine::Mysql, wish(Engine::Mysql).password),
        (Engine::Postgres, None),
        (Engine::Postgres, wish(Engine::Postgres).password),
    ] {
        let wish = Wish { password, ..wish(engine) };
        let strange = talk(wish, async |mut peer: Peer| {
            peer.says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            // Whoever is gone before the client's first words has hung up.
            peer.0.read_to_end(&mut Vec::new()).await.unwrap();
        })
        .await;
        assert!(matches!(strange, Err(Setback::Foreign(_))), "{engine:?}: {strange:?}");
    }
    for engine in [Engine::Postgres, Engine::Mysql] {
        let gone = talk(wish(engine), async |_| {}).await;
        assert!(matches!(gone, Err(Setback::Lost(_))), "{engine:?}: {gone:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_language_is_unknown_an_empty_line_is_said_and_any_answer_or_none_will_do() {
    for answer in [None, Some(b"-ERR unknown command\r\n")] {
        let found = talk(wish(Engine::Other), async |mut peer: Peer| {
            assert_eq!(peer.hears(2).await, b"\r\n");
            if let Some(answer) = answer {
                peer.says(answer).await;
            }
            assert_eq!(peer.0.read(&mut [0]).await.unwrap(), 0, "and nothing else");
        })
        .await
        .unwrap();
        let expected = (Login::NotSpoken, None, answer.is_some());
        assert_eq!((found.login, found.tls, found.first_byte.is_some()), expected);
    }
    let gone = talk(wish(Engine::Other), async |mut peer: Peer| drop(peer.hears(2).await)).await;
    assert!(matches!(gone, Err(Setback::Lost(_))), "{gone:?}");
}

#[test]
fn the_round_trip_is_the_middle_of_all() {
    let of = |rounds: &[u64]| {
        let rounds = rounds.iter().copied().map(Duration::from_millis).collect();
        Found { rounds, ..Found::silent() }.round_trip()
    };
    assert_eq!(of(&[9, 1, 30, 2, 3]), Some(Duration::from_millis(3)));
    assert_eq!((of(&[7]), of(&[])), (Some(Duration::from_millis(7)), None));
}

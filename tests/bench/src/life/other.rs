//! A first visit to one target, alone and while another target of the same daemon fails in every way that takes long.
//!
//! ```text
//!   bad:   visitors that come again and again ──► expired login · no task definition · a dial that hangs · a helper that hangs
//!   good:  one first visit ──────────────────────► a bastion, a tunnel, the first echoed byte: measured
//! ```

#![expect(clippy::disallowed_methods, reason = "a measurement of the real time")]

use std::time::{Duration, Instant};

use bastion_e2e::configs::{site, target};
use bastion_e2e::knock::{SSL_REQUEST, ask};
use bastion_e2e::logins::{HOUR, SSO_PROFILE};
use bastion_e2e::{House, Plan};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::echo::Echo;
use crate::figure::{Figure, Goal, median};

pub(crate) const NAME: &str = "life-beside";

/// How the other target fails.
#[derive(Clone, Copy, Debug)]
enum Failing {
    /// Its SSO login has ended.
    Login,
    /// There is no such task definition.
    Definition,
    /// Nobody answers for its database.
    Dial,
    /// Its credential helper never answers.
    Helper,
}

/// One figure for each way to fail.
pub(crate) async fn measure() -> Vec<Figure> {
    let mut figures = Vec::new();
    for failing in [Failing::Login, Failing::Definition, Failing::Dial, Failing::Helper] {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            alone.push(first_visit(failing, 0).await);
            beside.push(first_visit(failing, VISITORS).await);
        }
        let alone = median(alone);
        figures.push(Figure {
            bench: failing.bench(),
            unit: "s",
            ours: median(beside),
            against: vec![("alone", alone)],
            goal: Goal::AtMost(1.2 * alone),
            runs: RUNS,
        });
    }
    figures
}

/// The seconds of a first visit to the good target of a new daemon, while so many visitors bother the bad one.
async fn first_visit(failing: Failing, visitors: usize) -> f64 {
    let echo = Echo::start().await;
    let house = failing.house(&echo).await;
    let mut others = JoinSet::new();
    for _ in 0..visitors {
        others.spawn(come_again(house.port("bad")));
    }
    tokio::time::sleep(UNDER_WAY).await;
    let begun = Instant::now();
    let answer = ask(house.port("good"), &SSL_REQUEST, 1, LONGEST).await;
    let took = begun.elapsed();
    assert_eq!(answer, SSL_REQUEST[..1], "the echo answered");
    assert_eq!(house.target("good").await.problems, []);
    if visitors > 0 {
        assert!(others.try_join_next().is_none(), "nobody was served by the bad one");
        failing.shows(&house).await;
    }
    took.as_secs_f64()
}

/// A client that is not served and comes again; it ends only where it is served after all.
async fn come_again(port: u16) {
    let mut piece = [0];
    loop {
        if let Ok(mut visit) = TcpStream::connect(("127.0.0.1", port)).await
            && visit.write_all(&SSL_REQUEST).await.is_ok()
            && let Ok(Ok(1)) = tokio::time::timeout(PATIENCE, visit.read(&mut piece)).await
            && piece[0] == SSL_REQUEST[0]
            && visit
                .read(&mut piece)
                .await
                .is_ok_and(|read| read == 1 && piece[0] == SSL_REQUEST[1])
        {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

impl Failing {
    fn bench(self) -> &'static str {
        match self {
            Self::Login => "life-beside-login",
            Self::Definition => "life-beside-task",
            Self::Dial => "life-beside-dial",
            Self::Helper => "life-beside-helper",
        }
    }

    /// It fails as it is meant to, and no other way.
    async fn shows(self, house: &House) {
        let bad = house.target("bad").await;
        let codes: Vec<_> = bad.problems.iter().map(|problem| problem.code.as_str()).collect();
        let tasks = house.sim().count("RunTask");
        match self {
            Self::Login => assert_eq!((codes.as_slice(), tasks), (&["D18"][..], 1)),
            Self::Definition => assert_eq!((codes.as_slice(), tasks), (&["D03"][..], 1)),
            Self::Dial => assert_eq!(tasks, 2, "it has a bastion, and no database behind it"),
            Self::Helper => assert_eq!((codes.len(), tasks), (0, 1), "nothing is known yet"),
        }
    }

    /// A house with a good target and one that fails like this, each of its own site and profile.
    async fn house(self, echo: &Echo) -> House {
        let good = site("fine", "profile = \"fine\"\n") + &target("good", "fine", "fine.internal");
        let bad = site("sick", "profile = \"sick\"\n") + &target("bad", "sick", "sick.internal");
        let bad = match self {
            Self::Definition => bad.replace("neuraKnot-prod-ssm-proxy", "nobody-knows-it"),
            Self::Login | Self::Dial | Self::Helper => bad,
        };
        let silent = |sim: &mut bastion_sim::SimConfig| {
            sim.hosts.insert("sick.internal:5432".to_owned(), "silent".to_owned());
        };
        let plan = Plan::new(&(good + &bad)).route("fine.internal:5432", echo.port());
        let mut house = plan.sim(silent).keys_in_files().lay().await;
        let sick = match self {
            Self::Login => SSO_PROFILE.replace("{name}", "sick"),
            Self::Helper => "[profile sick]\ncredential_process = sleep 600\n".to_owned(),
            Self::Definition | Self::Dial => house.keys_profile("sick"),
        };
        house.write_profiles(&(house.keys_profile("fine") + &sick));
        if let Self::Login = self {
            house.write_sso_token("old", -HOUR, "");
        }
        house.start().await;
        house
    }
}

const RUNS: usize = 5;
const VISITORS: usize = 3;
/// As an impatient pool of connections does.
const AGAIN: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(5);
/// By then the bad one has failed, or hangs where it will fail.
const UNDER_WAY: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);

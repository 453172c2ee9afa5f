//! What happens to clients: a bastion that starts, that takes too long, that fails, that is lost.

use std::time::Duration;

use bastion_api::{EventKind, Problem, State};
use bastion_e2e::plan::{DEV_MYSQL, PROD_DB};
use bastion_e2e::{House, Plan, configs, until};
use bastion_sim::{Fault, What};

/// What happens.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Scene {
    /// It starts, and then it is ready.
    Ready,
    /// It starts for longer than the target's patience.
    Impatient,
    /// The login has expired (D18).
    Login,
    /// The task definition is not there (D03).
    Definition,
    /// The image cannot be pulled (D04).
    Image,
    /// There is no capacity (D27).
    Capacity,
    /// The database refuses (D24).
    Database,
    /// It is closed in the middle of a session.
    Lost,
}

impl Scene {
    pub(crate) const ALL: [Self; 8] = [
        Self::Ready,
        Self::Impatient,
        Self::Login,
        Self::Definition,
        Self::Image,
        Self::Capacity,
        Self::Database,
        Self::Lost,
    ];

    /// The code of the problem that the client is told; none where it is served.
    pub(crate) fn code(self) -> Option<&'static str> {
        match self {
            Self::Ready => None,
            Self::Impatient => Some("D06"),
            Self::Login => Some("D18"),
            Self::Definition => Some("D03"),
            Self::Image => Some("D04"),
            Self::Capacity => Some("D27"),
            Self::Database => Some("D24"),
            Self::Lost => Some("D31"),
        }
    }

    /// The head of its column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Lost => "lost",
            Self::Impatient
            | Self::Login
            | Self::Definition
            | Self::Image
            | Self::Capacity
            | Self::Database => self.code().expect("it has one"),
        }
    }

    /// A house in which it happens, for PostgreSQL's clients or for MySQL's.
    pub(crate) async fn house(self, postgres: bool) -> House {
        let config = if postgres { configs::SCRIPT_WAY } else { configs::MYSQL_BY_TASK };
        let config = match self {
            Self::Impatient => format!("{config}patience = \"1s\"\n"),
            Self::Definition => {
                config.replace("neuraKnot-prod-ssm-proxy", "neuraKnot-prod-ssm-prox")
            }
            Self::Ready
            | Self::Login
            | Self::Image
            | Self::Capacity
            | Self::Database
            | Self::Lost => config.to_owned(),
        };
        let plan = Plan::new(&config).start_timeout("120s");
        let plan = match self {
            Self::Database => {
                let nobody = xtask::place::free_port().unwrap();
                plan.route(if postgres { PROD_DB } else { DEV_MYSQL }, nobody)
            }
            Self::Ready
            | Self::Impatient
            | Self::Login
            | Self::Definition
            | Self::Image
            | Self::Capacity
            | Self::Lost => {
                if postgres {
                    plan.postgres()
                } else {
                    plan.mariadb()
                }
            }
        };
        let house = plan.build().await;
        let fault = match self {
            Self::Impatient => {
                let held = What::Held { name: HELD.to_owned(), before: true };
                Some(Fault::on("RunTask", held))
            }
            Self::Login => Some(Fault::always(What::Expired)),
            Self::Image => Some(Fault::on("RunTask", What::ImagePull)),
            Self::Capacity => Some(Fault::on("RunTask", What::NoCapacity)),
            Self::Ready | Self::Definition | Self::Database | Self::Lost => None,
        };
        if let Some(fault) = fault {
            house.sim().faults().add(fault);
        }
        house
    }

    /// Ends what still goes on in the house.
    pub(crate) fn over(self, house: &House) {
        if self == Self::Impatient {
            house.sim().faults().clear();
            house.sim().faults().release(HELD);
        }
    }
}

/// The target's name in [`Scene::house`].
pub(crate) fn target(postgres: bool) -> &'static str {
    if postgres { "prod-db" } else { "shop" }
}

/// Takes the bastion away, so that the next visit starts one.
pub(crate) async fn cold(house: &House, target: &str) {
    let closed = house.ctl(&["close", target, "--yes"]).await;
    assert!(closed.status.success(), "{closed}");
    until("a cold target", Duration::from_secs(30), async || {
        (house.target(target).await.state == State::Cold).then_some(())
    })
    .await;
    house.until_nothing_runs(Duration::from_secs(30)).await;
}

/// The problems with this code that visits were told of, the latest last.
pub(crate) async fn told(house: &House, code: &str) -> Vec<Problem> {
    let events = house.ctl(&["events", "--json"]).await;
    let events = events.ok().lines().map(|line| serde_json::from_str(line).expect("an event"));
    let events: Vec<bastion_api::Event> = events.collect();
    let refused = events.into_iter().filter(|event| event.kind == EventKind::VisitRefused);
    refused.filter_map(|event| event.problem).filter(|problem| problem.code == code).collect()
}

const HELD: &str = "held for a while";

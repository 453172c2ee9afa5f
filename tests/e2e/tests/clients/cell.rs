//! One client in one scene with one wish for TLS, and whether it showed what is documented.

use std::fs;
use std::path::PathBuf;

use bastion_e2e::House;
use bastion_e2e::databases::{self, POSTGRES};
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::program::{Mode, Program, Shown, Way};
use super::proxy::Proxy;
use super::scene::{Scene, cold, target, told};
use super::table::{Shows, documented};

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Cell {
    pub(crate) program: Program,
    pub(crate) mode: Mode,
    pub(crate) scene: Scene,
}

/// What came of a cell.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) cell: Cell,
    /// As documented, or why not.
    pub(crate) seen: Result<(), String>,
    /// What the client showed.
    pub(crate) shown: String,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.seen.is_ok()
    }

    /// What stands in the matrix.
    pub(crate) fn word(&self) -> &'static str {
        match (&self.seen, self.cell.scene, documented(self.cell)) {
            (Err(_), _, _) => "FAILED",
            (Ok(()), Scene::Ready, _) => "row",
            (Ok(()), _, Shows::All) => "told",
            (Ok(()), _, Shows::Nothing) => "closed",
        }
    }
}

/// Tries all these cells: each scene in houses of its own.
pub(crate) async fn try_all(cells: &[Cell]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for scene in Scene::ALL {
        for postgres in [true, false] {
            let fits = |cell: &&Cell| cell.scene == scene && cell.program.is_postgres() == postgres;
            let fitting: Vec<Cell> = cells.iter().filter(fits).copied().collect();
            if !fitting.is_empty() {
                verdicts.extend(try_scene(scene, postgres, &fitting).await);
            }
        }
    }
    verdicts
}

async fn try_scene(scene: Scene, postgres: bool, cells: &[Cell]) -> Vec<Verdict> {
    let house = scene.house(postgres).await;
    let stage = Stage::set(&house, postgres);
    let verdicts = match scene {
        Scene::Ready => stage.ready(cells).await,
        Scene::Lost => stage.lost(cells).await,
        Scene::Impatient
        | Scene::Login
        | Scene::Definition
        | Scene::Image
        | Scene::Capacity
        | Scene::Database => stage.refused(cells).await,
    };
    scene.over(&house);
    verdicts
}

/// A house, and what its clients trust.
struct Stage<'a> {
    house: &'a House,
    postgres: bool,
    roots: PathBuf,
}

impl<'a> Stage<'a> {
    fn set(house: &'a House, postgres: bool) -> Self {
        let database = if postgres {
            databases::postgres().certificate()
        } else {
            databases::mariadb().certificate()
        };
        let ours = fs::read_to_string(house.path("state/bastiond/authority/root.pem")).unwrap();
        let roots = house.path("roots.pem");
        fs::write(&roots, ours + &database.unwrap()).unwrap();
        Self { house, postgres, roots }
    }

    fn way(&self, port: u16) -> Way<'_> {
        Way { port, roots: &self.roots }
    }

    fn target(&self) -> &'static str {
        target(self.postgres)
    }

    async fn proxy(&self) -> Proxy {
        Proxy::before(self.house.port(self.target())).await
    }

    /// Each client meets a cold target, and gets what the database itself would have answered.
    async fn ready(&self, cells: &[Cell]) -> Vec<Verdict> {
        let direct =
            if self.postgres { databases::postgres().port() } else { databases::mariadb().port() };
        let mut verdicts = Vec::new();
        for &cell in cells {
            let Cell { program, mode, .. } = cell;
            cold(self.house, self.target()).await;
            let before = self.house.sim().count("RunTask");
            let proxy = self.proxy().await;
            let visit =
                program.start(self.house, self.way(proxy.port()), mode).await.finish().await;
            let itself = program.start(self.house, self.way(direct), mode).await.finish().await;
            let started = self.house.sim().count("RunTask") - before;
            let seen = if !itself.succeeded {
                Err(format!("the database itself: {}", itself.text))
            } else if visit.rows != itself.rows || !visit.succeeded {
                Err(format!("{:?} in place of {:?}: {}", visit.rows, itself.rows, visit.text))
            } else if started != 1 {
                Err(format!("{started} tasks were started"))
            } else if self.postgres && mode != Mode::Disable && !proxy.spoke_tls() {
                Err("nobody spoke TLS".to_owned())
            } else {
                Ok(())
            };
            verdicts.push(Verdict { cell, seen, shown: visit.text });
        }
        verdicts
    }

    /// Each client is told why it is not served.
    async fn refused(&self, cells: &[Cell]) -> Vec<Verdict> {
        let places = Semaphore::new(AT_ONCE);
        let tried = cells.iter().map(|&cell| {
            let places = &places;
            async move {
                let _place = places.acquire().await.unwrap();
                let proxy = self.proxy().await;
                let Cell { program, mode, .. } = cell;
                let client = program.start(self.house, self.way(proxy.port()), mode).await;
                let shown = client.finish().await;
                let seen = self.judge(cell, &shown, &proxy).await;
                Verdict { cell, seen, shown: shown.text }
            }
        });
        join_all(tried).await
    }

    /// Each client has a session, and then has none.
    async fn lost(&self, cells: &[Cell]) -> Vec<Verdict> {
        let mut here = Vec::new();
        for &cell in cells {
            let proxy = self.proxy().await;
            let Cell { program, mode, .. } = cell;
            let mut client = program.start(self.house, self.way(proxy.port()), mode).await;
            let first = client.row().await;
            here.push((cell, proxy, client, first));
        }
        cold(self.house, self.target()).await;
        let mut verdicts = Vec::new();
        for (cell, proxy, mut client, first) in here {
            client.ask(&cell.program.again()).await;
            let shown = client.finish().await;
            let seen = match first {
                None => Err(format!("it had no session: {}", shown.text)),
                Some(_) => self.judge(cell, &shown, &proxy).await,
            };
            verdicts.push(Verdict { cell, seen, shown: shown.text });
        }
        verdicts
    }

    /// Whether a client has shown as much as is documented, and no more of itself than it may.
    async fn judge(&self, cell: Cell, shown: &Shown, proxy: &Proxy) -> Result<(), String> {
        let code = cell.scene.code().expect("a client is told something");
        let told = told(self.house, code).await;
        let wrong = |what: &str| Err(format!("{what}; it showed:\n{}", shown.text));
        if shown.succeeded && cell.program != Program::Psql {
            return wrong("it did not fail");
        }
        if told.is_empty() {
            return wrong("no event tells of it");
        }
        // One of them is this visit's: what stands in for it may be worded by the second.
        let whole = told.iter().any(|problem| {
            let message = format!("{} {}", problem.code, problem.message);
            shown.text.contains(&message)
                && problem.hints.iter().all(|hint| shown.text.contains(hint))
        });
        match documented(cell) {
            Shows::All if !whole => return wrong(&format!("not all of {:?}", told.last())),
            Shows::Nothing if shown.text.contains(code) => return wrong("it showed more"),
            Shows::All | Shows::Nothing => {}
        }
        let wants_tls = self.postgres && cell.mode != Mode::Disable;
        if wants_tls && !proxy.spoke_tls() {
            return wrong("nobody spoke TLS");
        }
        if wants_tls && (proxy.in_the_clear_after_tls() || proxy.was_said(POSTGRES.database)) {
            return wrong("it went on in the clear");
        }
        Ok(())
    }
}

/// How many clients are tried at once: some are a Java or a Python that only just starts.
const AT_ONCE: usize = 4;

//! What a person sees in the client: real clients in front of a bastion that starts, that fails, that is lost.
//!
//! ```text
//!   clients.rs           the cells that CI tries, and all of them in full count (cargo xtask test --long clients)
//!   clients/program.rs   the clients, each started as its people start it
//!   clients/scene.rs     what happens to them, and what they have to show
//!   clients/cell.rs      one client in one scene with one wish for TLS
//!   clients/proxy.rs     stands before the port, and writes down what each side says
//!   clients/table.rs     what cannot be shown, as README's table has it
//!   clients/stories.rs   what needs no matrix
//!   clients/pgadmin.rs   pgAdmin, seen through a browser
//!   clients/crowd.rs     what a waiting visit costs
//! ```

#![expect(clippy::disallowed_methods, reason = "how long a client waits is measured in real time")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and prints the matrix"
)]

#[path = "clients/cell.rs"]
mod cell;
#[path = "clients/crowd.rs"]
mod crowd;
#[path = "clients/pgadmin.rs"]
mod pgadmin;
#[path = "clients/program.rs"]
mod program;
#[path = "clients/proxy.rs"]
mod proxy;
#[path = "clients/scene.rs"]
mod scene;
#[path = "clients/stories.rs"]
mod stories;
#[path = "clients/table.rs"]
mod table;

use cell::{Cell, Verdict, try_all};
use program::{Mode, Program};
use scene::Scene;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Python environment that cargo xtask test makes"]
async fn a_dozen_clients_show_what_is_documented() {
    use Mode::{Disable, Prefer, Require, VerifyFull};
    use Program::{Connector, MariaDb, Psql, Psycopg, PyMySql};
    let cells = [
        (Psql, Prefer, Scene::Ready),
        (Psycopg, VerifyFull, Scene::Ready),
        (Connector, Disable, Scene::Ready),
        (Psql, VerifyFull, Scene::Impatient),
        (Psycopg, Require, Scene::Impatient),
        (MariaDb, Prefer, Scene::Login),
        (Psql, Require, Scene::Login),
        (Psql, Prefer, Scene::Login),
        (Psycopg, Prefer, Scene::Capacity),
        (PyMySql, Disable, Scene::Capacity),
        (Psql, Disable, Scene::Lost),
        (Psycopg, Require, Scene::Lost),
    ];
    let cells = cells.map(|(program, mode, scene)| Cell { program, mode, scene });
    let verdicts = try_all(&cells).await;
    assert!(verdicts.iter().all(Verdict::is_good), "{}", matrix(&verdicts));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tries every client that this machine has: cargo xtask test --long clients"]
async fn every_client_shows_what_is_documented() {
    if std::env::var_os("BASTION_TEST_LONG").is_none() {
        return;
    }
    let here = Program::ALL.into_iter().filter(|program| program.is_here());
    let cells: Vec<Cell> = here
        .flat_map(|program| {
            program.modes().iter().flat_map(move |&mode| {
                Scene::ALL.into_iter().map(move |scene| Cell { program, mode, scene })
            })
        })
        .collect();
    let verdicts = try_all(&cells).await;
    println!("{}", matrix(&verdicts));
    // What README's table quotes.
    for Verdict { cell, shown, .. } in &verdicts {
        if matches!(cell.scene, Scene::Lost | Scene::Login) {
            println!(
                "\n{} {} {}:\n{shown}",
                cell.program.name(),
                cell.mode.word(),
                cell.scene.name()
            );
        }
    }
    let good = verdicts.iter().filter(|verdict| verdict.is_good()).count();
    let word = if good == cells.len() { "ok" } else { "failed" };
    println!("clients {word}: {good} of {} cells as documented", cells.len());
    assert_eq!(good, cells.len());
}

/// A line for each client and mode, a column for each scene; what went wrong stands below.
fn matrix(verdicts: &[Verdict]) -> String {
    let mut lines: Vec<(Program, Mode)> = Vec::new();
    for Verdict { cell: Cell { program, mode, .. }, .. } in verdicts {
        if !lines.contains(&(*program, *mode)) {
            lines.push((*program, *mode));
        }
    }
    let mut text = format!("{:<36}", "client");
    for scene in Scene::ALL {
        text.push_str(&format!(" {:>10}", scene.name()));
    }
    for (program, mode) in lines {
        text.push_str(&format!("\n{:<36}", format!("{} {}", program.name(), mode.word())));
        for scene in Scene::ALL {
            let cell = Cell { program, mode, scene };
            let verdict = verdicts.iter().find(|verdict| verdict.cell == cell);
            text.push_str(&format!(" {:>10}", verdict.map_or("-", Verdict::word)));
        }
    }
    for verdict in verdicts {
        if let Err(why) = &verdict.seen {
            text.push_str(&format!("\n\n{:?}: {why}", verdict.cell));
        }
    }
    text
}

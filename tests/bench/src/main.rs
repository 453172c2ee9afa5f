//! The figures that we promise, each measured beside what it is promised against.
//!
//! `cargo xtask bench [NAME] [--json]` builds and runs this; a name picks the figures that contain it: `tunnel` those of
//! the tunnel, `life` those of deaths, restarts and many visits.

#![expect(clippy::print_stdout, reason = "figures are this program's data")]
#![expect(clippy::print_stderr, reason = "how far it has come is told to the person")]

mod cold;
mod echo;
mod figure;
mod hands;
mod idle;
mod life;
mod tunnel;
mod visit;

use std::process::ExitCode;

use figure::Figure;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let json = words.iter().any(|word| word == "--json");
    let name = words.iter().find(|word| !word.starts_with("--")).map_or("", String::as_str);
    let runtime = tokio::runtime::Runtime::new().expect("this machine has threads");
    let figures = runtime.block_on(measured(name));
    if figures.is_empty() {
        let names = [NAMES, hands::NAMES, life::NAMES, tunnel::NAMES].concat().join(", ");
        eprintln!("no figure is called {name}; there are: {names}");
        return ExitCode::FAILURE;
    }
    if json {
        figures.iter().for_each(|figure| println!("{}", figure.json()));
    } else {
        println!("{}", figure::table(&figures));
    }
    if figures.iter().all(Figure::met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measured(name: &str) -> Vec<Figure> {
    let mut figures = Vec::new();
    let wanted = |bench: &&&'static str| bench.contains(name);
    for bench in [NAMES, hands::NAMES, life::NAMES, tunnel::NAMES].concat().iter().filter(wanted) {
        eprintln!("measuring {bench}");
        match *bench {
            cold::NAME => figures.push(cold::measure().await),
            visit::NAME => figures.push(visit::measure().await),
            visit::TOLD => figures.push(visit::told().await),
            idle::MEMORY => figures.push(idle::memory().await),
            idle::WAKE_UPS => figures.push(idle::wake_ups().await),
            of_hands if hands::NAMES.contains(&of_hands) => {
                figures.extend(hands::measure(of_hands).await)
            }
            of_life if life::NAMES.contains(&of_life) => {
                figures.extend(life::measure(of_life).await)
            }
            of_the_tunnel => figures.push(tunnel::measure(of_the_tunnel).await),
        }
    }
    figures
}

const NAMES: &[&str] = &[cold::NAME, visit::NAME, visit::TOLD, idle::MEMORY, idle::WAKE_UPS];

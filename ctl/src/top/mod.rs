//! The dashboard: all targets on a screen that is drawn anew as things change.
//!
//! ```text
//!   keys ─┐                                ┌──▶ view::draw ──▶ terminal
//!   looks ├──▶ Event ──▶ Model::update ────┤
//!   deeds ┘      ▲                         └──▶ Wish ──┐
//!                └────────────── deeds ◀───────────────┘
//! ```

mod deeds;
mod history;
mod keys;
mod model;
mod terminal;
mod view;

use std::io::{self, Read};
use std::time::Instant;

use bastion_api::Status;
use bastion_api::client::Client;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::clock;
use crate::error::Failure;
use crate::signals::Signal;

use model::{Event, Model, Wish};
use terminal::{Screen, Taken};
pub(crate) use view::Paint;

/// Shows the daemon, beginning with what it has just told, until somebody wants it to end.
pub(crate) async fn show(client: &Client, first: Status, paint: Paint) -> Result<(), Failure> {
    let (tell, told) = mpsc::channel(EVENTS_AHEAD);
    let (wish, wishes) = mpsc::channel(EVENTS_AHEAD);
    let mut resized = signal(SignalKind::window_change()).map_err(Failure::System)?;
    let goes_on = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
    let mut called_back = signal(goes_on).map_err(Failure::System)?;
    let taken = Taken::take().map_err(Failure::System)?;
    hear_keys(tell.clone())?;
    let mut shown = Shown {
        model: Model::here(TimeZone::system()),
        terminal: Terminal::new(Screen::new(io::stdout())).map_err(Failure::Stdout)?,
        paint,
        begun: clock::now(),
        told,
        wish,
    };
    let first = Event::Seen { status: Box::new(first), today: clock::today() };
    shown.take_in(first);
    let feeds = async {
        tokio::join!(
            deeds::looks(client, &tell),
            deeds::happenings(client, &tell),
            deeds::deeds(client, wishes, &tell)
        )
    };
    tokio::pin!(feeds);
    loop {
        shown.draw()?;
        tokio::select! {
            ended = shown.next() => match ended {
                Some(Wish::Quit) => return Ok(()),
                Some(Wish::Interrupt) => return Err(Failure::Signal(Signal::Interrupt)),
                Some(Wish::Suspend) => {
                    taken.lend().map_err(Failure::System)?;
                    shown.afresh()?;
                }
                Some(Wish::Open(..) | Wish::Close(..)) | None => {}
            },
            _ = resized.recv() => {}
            // Whoever stopped us, the shell has had the terminal meanwhile.
            _ = called_back.recv() => {
                taken.again().map_err(Failure::System)?;
                shown.afresh()?;
            }
            // They go on for ever.
            _ = &mut feeds => {}
        }
    }
}

/// The dashboard with its screen.
struct Shown {
    model: Model,
    terminal: Terminal<Screen>,
    paint: Paint,
    begun: Instant,
    told: mpsc::Receiver<Event>,
    wish: mpsc::Sender<Wish>,
}

impl Shown {
    /// Takes in what has happened since the last time, all of it before it is drawn. Says how to end or to stand still,
    /// where it is time.
    async fn next(&mut self) -> Option<Wish> {
        let mut event = self.told.recv().await;
        while let Some(this) = event {
            if let Some(end) = self.take_in(this) {
                return Some(end);
            }
            event = self.told.try_recv().ok();
        }
        None
    }

    fn take_in(&mut self, event: Event) -> Option<Wish> {
        let now = clock::now().duration_since(self.begun);
        match self.model.update(event, now)? {
            end @ (Wish::Quit | Wish::Interrupt | Wish::Suspend) => Some(end),
            deed @ (Wish::Open(..) | Wish::Close(..)) => {
                // Who presses keys faster than anything can be done presses them again.
                self.wish.try_send(deed).ok();
                None
            }
        }
    }

    /// Whatever stood on the screen is gone.
    fn afresh(&mut self) -> Result<(), Failure> {
        self.terminal.clear().map_err(Failure::Stdout)
    }

    fn draw(&mut self) -> Result<(), Failure> {
        let (model, paint) = (&self.model, self.paint);
        let drawn = self.terminal.draw(|frame| view::draw(model, paint, frame));
        drawn.map(drop).map_err(Failure::Stdout)
    }
}

/// Reads keys in a thread of its own, for a read from a terminal cannot be called off; it ends with the program.
fn hear_keys(tell: mpsc::Sender<Event>) -> Result<(), Failure> {
    let read = move || {
        let mut piece = [0; 256];
        loop {
            let keys = match io::stdin().read(&mut piece) {
                // A terminal that is gone.
                Ok(0) => vec![keys::Key::Interrupt],
                Ok(length) => keys::keys(&piece[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => vec![keys::Key::Interrupt],
            };
            for key in keys {
                if tell.blocking_send(Event::Pressed(key)).is_err() {
                    return;
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("keys".into()).spawn(read);
    thread.map(drop).map_err(Failure::System)
}

/// How many events may wait: more than happen in the time of a drawing.
const EVENTS_AHEAD: usize = 64;

//! A real world for long runs and for rivals: programs between a pty and a server each, all of them in the same faults at
//! the same time. Nothing is kept: every byte is compared as it comes.

mod lane;
mod line;
mod server;
mod source;
mod subject;

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use lane::{Counters, Lane};
pub use line::Line;
pub use server::Server;
pub use subject::{Place, Subject};

/// How often who talks at a pace is looked at.
const TICK: Duration = Duration::from_millis(5);
/// A program that lives tells its counters within this time.
const ANSWER: Duration = Duration::from_secs(20);

/// All lanes.
#[derive(Debug)]
pub struct Rig {
    /// One for each program.
    pub lanes: Vec<Lane>,
}

impl Rig {
    /// Time passes.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn run(&mut self, span: Duration) -> Result<(), String> {
        self.until(span, |_| false).map(drop)
    }

    /// Time passes until `done`, for at most `limit`; whether `done` came true.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&mut [Lane]) -> bool,
    ) -> Result<bool, String> {
        let until = Instant::now() + limit;
        loop {
            let now = Instant::now();
            for lane in &mut self.lanes {
                lane.turn(now)?;
            }
            if done(&mut self.lanes) {
                return Ok(true);
            }
            if now >= until {
                return Ok(false);
            }
            self.wait()?;
        }
    }

    /// Until something comes, or somebody may talk.
    fn wait(&self) -> Result<(), String> {
        let interests = self.lanes.iter().flat_map(Lane::readable);
        let mut fds: Vec<_> = interests.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let tick = Timespec::try_from(TICK).map_err(|error| error.to_string())?;
        match poll(&mut fds, Some(&tick)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(format!("poll: {error}")),
        }
    }

    /// The counters of the program under test, which is the first.
    ///
    /// # Errors
    /// It has ended, or does not tell.
    pub fn counters(&mut self) -> Result<Counters, String> {
        let asked = self.lanes[0].ask()?;
        let mut counters = None;
        self.until(ANSWER, |lanes| {
            counters = lanes[0].counters(asked);
            counters.is_some()
        })?;
        counters.ok_or_else(|| "the program does not report its counters".to_owned())
    }

    /// Nobody talks any more.
    pub fn hush(&mut self) {
        for lane in &mut self.lanes {
            lane.line.source.talks = false;
            lane.server.source.talks = false;
        }
    }
}

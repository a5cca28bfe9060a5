//! Runs a bridge on the simulated host, turn by turn, and sees that it neither spins nor stands still.

use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, Ledger, Profile};
use super::passed::Passed;
use crate::scenario::Scenario;
use crate::tls::Credentials;
use crate::world::{Act, Observed, World};

/// Turns without a byte moved and without time passing before it counts as a busy loop.
const SPIN: u32 = 500;
/// Time is let pass in steps of at most this, in µs, so that "nothing moves" is noticed.
const STEP: u64 = 250_000;

/// A bridge that can run on the simulated host.
pub trait Subject {
    /// Does the next thing, if there is any; whether it did.
    ///
    /// # Errors
    /// A broken promise.
    fn turn(&mut self, board: &mut Board) -> Result<bool, String>;

    /// What goes on by interrupt, even if the loop hangs.
    fn interrupt(&mut self, board: &mut Board);

    /// When it wants to be woken, in µs.
    fn deadline(&self) -> Option<u64>;

    /// Bytes held, if there is nobody outside to wait for.
    fn holds(&self) -> u64;

    /// Asks it to finish.
    fn stop(&mut self);

    /// Sets its clock back by this many µs.
    fn clock_back(&mut self, span: u64);

    /// A counter.
    fn stat(&self, name: &str) -> Option<u64>;

    /// Its latest doings.
    fn history(&self) -> String;
}

/// A simulated world with a bridge in it.
pub struct SimWorld<S> {
    board: Board,
    subject: Option<S>,
    make: Box<dyn Fn() -> Result<S, String>>,
    hung: bool,
    lossy: bool,
}

impl<S> core::fmt::Debug for SimWorld<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SimWorld").field("board", &self.board).finish_non_exhaustive()
    }
}

impl<S: Subject> SimWorld<S> {
    /// The world of `scenario`, in which `make` makes the bridge; with `credentials` the peers speak TLS.
    pub fn new(
        scenario: &Scenario,
        profile: Profile,
        seed: u64,
        credentials: Option<Arc<Credentials>>,
        make: impl Fn() -> Result<S, String> + 'static,
    ) -> Self {
        Self {
            board: Board::new(scenario, profile, seed, credentials),
            subject: None,
            make: Box::new(make),
            hung: false,
            lossy: profile.loss > 0,
        }
    }

    /// What can be seen, so that long runs can take out what they have looked at; and what has crossed the bridge's ports.
    pub const fn seen(&mut self) -> (&mut Observed, &Passed) {
        (&mut self.board.observed, &self.board.passed)
    }

    /// The same, counted.
    pub const fn ledger(&self) -> Ledger {
        self.board.ledger
    }

    /// Lets the bridge do everything that it can do now.
    fn settle(&mut self) -> Result<(), String> {
        let Some(subject) = &mut self.subject else {
            return Ok(());
        };
        subject.interrupt(&mut self.board);
        let (mut moved, mut spins) = (self.board.moved, 0);
        while !self.hung && subject.turn(&mut self.board)? {
            spins = if self.board.moved == moved { spins + 1 } else { 0 };
            moved = self.board.moved;
            if spins > SPIN {
                return Err(format!("busy loop: {SPIN} turns without a byte moved"));
            }
        }
        Ok(())
    }

    /// When something will happen by itself.
    fn next(&self, limit: u64) -> Result<u64, String> {
        let deadline = self.subject.as_ref().filter(|_| !self.hung).and_then(Subject::deadline);
        if deadline.is_some_and(|at| at <= self.board.now()) {
            return Err("busy loop: asleep until a time that has passed".into());
        }
        let event = self.board.next_event();
        let held = self.subject.as_ref().map_or(0, Subject::holds);
        if deadline.is_none() && event.is_none() && held > 0 && !self.hung && !self.board.excuses_standstill()
        {
            return Err(format!("dead-lock: {held} bytes held, nothing due, nothing to come"));
        }
        let step = self.board.now() + STEP;
        Ok([deadline, event].into_iter().flatten().fold(limit.min(step), u64::min))
    }
}

impl<S: Subject> World for SimWorld<S> {
    fn start(&mut self) -> Result<(), String> {
        self.subject = Some((self.make)()?);
        self.settle()
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        match (act, &mut self.subject) {
            (Act::Device(act), _) => self.board.device(act),
            (Act::Peer(peer, act), _) => self.board.peer(*peer, act)?,
            (Act::Network(act), _) => self.board.network(*act),
            (Act::Hang, _) => self.hung = true,
            (Act::Stop, Some(subject)) => subject.stop(),
            (Act::ClockBack(span), Some(subject)) => {
                subject.clock_back(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
            }
            (Act::Stop | Act::ClockBack(_), None) => return Err("the bridge has not started".into()),
        }
        Ok(())
    }

    fn wait(&mut self, limit: Duration, done: &mut dyn FnMut(&Observed) -> bool) -> Result<bool, String> {
        let span = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let limit = self.board.now().saturating_add(span);
        loop {
            self.settle()?;
            self.board.advance(self.board.now());
            if done(self.board.seen()) {
                return Ok(true);
            }
            if self.board.now() >= limit {
                return Ok(false);
            }
            let next = self.next(limit)?;
            self.board.advance(next);
        }
    }

    fn observed(&self) -> &Observed {
        self.board.seen()
    }

    fn stat(&mut self, name: &str) -> Result<u64, String> {
        let subject = self.subject.as_ref().ok_or("the bridge has not started")?;
        subject.stat(name).ok_or_else(|| format!("there is no counter `{name}`"))
    }

    fn patience(&self, within: Duration) -> Duration {
        if self.lossy { within * 4 + Duration::from_secs(10) } else { within }
    }

    fn history(&mut self) -> String {
        let history = self.subject.as_ref().map(Subject::history).unwrap_or_default();
        format!("\n  at {:?}; latest:{history}", self.board.seen().now)
    }
}

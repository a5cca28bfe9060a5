//! A world in which real time passes: one thread, one `poll(2)`, and every wait is for an event.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::world::Observed;

/// The longest wait between two looks at the clock.
pub(crate) const LOOK: Duration = Duration::from_millis(250);
/// How long another program may take to come up, on a machine that others are using.
const START: Duration = Duration::from_secs(30);

/// A descriptor, and what to wait for on it.
pub(crate) type Interest<'a> = (BorrowedFd<'a>, PollFlags);

/// What such a world is made of.
pub(crate) trait Live {
    /// What can make something happen.
    fn interests(&self) -> Vec<Interest<'_>>;

    /// Takes note of all that has happened.
    fn look(&mut self) -> Result<(), String>;

    /// What can be seen now.
    fn seen(&self) -> &Observed;

    /// Waits for something to happen, for at most `limit`, and takes note of it.
    fn pump(&mut self, limit: Duration) -> Result<(), String> {
        let interests = self.interests();
        let mut fds: Vec<_> = interests.iter().map(|(fd, flags)| PollFd::new(fd, *flags)).collect();
        let timeout = Timespec::try_from(limit).map_err(|error| error.to_string())?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(format!("poll: {error}")),
        }
        self.look()
    }

    /// As [`World::wait`](crate::World::wait).
    fn until(&mut self, limit: Duration, done: &mut dyn FnMut(&Observed) -> bool) -> Result<bool, String> {
        let until = Instant::now() + limit;
        loop {
            self.look()?;
            if done(self.seen()) {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.pump(left.min(LOOK))?;
        }
    }
}

/// Waits until a program that never says so listens at `at`, by connecting to it.
pub(crate) fn await_listener(at: SocketAddr) -> Result<(), String> {
    let limit = Instant::now() + START;
    while let Err(error) = TcpStream::connect(at) {
        if Instant::now() > limit {
            return Err(format!("it does not listen at {at} after {START:?}: {error}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Somebody else may be using this machine.
pub(crate) fn patience(within: Duration) -> Duration {
    within * 3 + Duration::from_secs(10)
}

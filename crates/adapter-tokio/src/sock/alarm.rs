//! Noticing that a connection is broken while nobody reads or writes it.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::Interest;

use crate::descriptor::watch;

/// Rings when a connection has an error: a reset, a refusal (ICMP, RFC 1122 §4.1.3.3), or a limit of TCP's that has passed. It holds
/// the connection open as its other owners do.
pub struct Alarm(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Alarm {
    /// # Errors
    /// The process has no descriptor left.
    pub fn of(connection: impl AsFd) -> io::Result<Self> {
        // Another descriptor of the same socket has events of its own, which nobody clears by reading.
        let twin = connection.as_fd().try_clone_to_owned()?;
        let twin = watch(twin, Interest::ERROR).map_err(|(_, error)| error)?;
        Ok(Self(Box::pin(async move {
            // Whatever it says: reading and writing will tell.
            let _ = twin.ready(Interest::ERROR).await;
        })))
    }

    /// Ready once, when the connection is broken.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let rings = self.0.as_mut().poll(cx);
        if rings.is_ready() {
            self.0 = Box::pin(std::future::pending());
        }
        rings
    }
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}

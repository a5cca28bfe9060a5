//! A bridge whose calls are recorded.

use core::ops::{Deref, DerefMut};

use uartbridge_core::{Action, Bridge, Event, Instant, Misuse};

/// Takes down what a bridge is told and what it asks for.
pub trait Recorder {
    /// Whether anything is recorded. Where it is not, the calls below are not even made.
    const ON: bool = true;

    /// The bridge is about to be told this; `bytes` are those of [`Event::UartRx`] and [`Event::SockRx`].
    fn told(&mut self, now: Instant, event: Event, bytes: &[u8]);

    /// It has refused what it was told last.
    fn refused(&mut self, misuse: Misuse);

    /// It has asked for this.
    fn asked(&mut self, now: Instant, action: Action);
}

/// Nothing is recorded, at no cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Off;

impl Recorder for Off {
    const ON: bool = false;

    fn told(&mut self, _: Instant, _: Event, _: &[u8]) {}

    fn refused(&mut self, _: Misuse) {}

    fn asked(&mut self, _: Instant, _: Action) {}
}

impl<R: Recorder> Recorder for &mut R {
    const ON: bool = R::ON;

    fn told(&mut self, now: Instant, event: Event, bytes: &[u8]) {
        R::told(self, now, event, bytes);
    }

    fn refused(&mut self, misuse: Misuse) {
        R::refused(self, misuse);
    }

    fn asked(&mut self, now: Instant, action: Action) {
        R::asked(self, now, action);
    }
}

/// A bridge, and what records its calls. Whatever neither tells it anything nor asks it what to do is called on the bridge itself.
#[derive(Debug)]
pub struct Traced<'b, 'c, U, D, const P: usize, R> {
    bridge: &'b mut Bridge<'c, U, D, P>,
    recorder: R,
}

impl<'b, 'c, U, D, const P: usize, R> Traced<'b, 'c, U, D, P, R>
where
    U: AsRef<[u8]> + AsMut<[u8]>,
    D: AsRef<[u8]> + AsMut<[u8]>,
    R: Recorder,
{
    /// Records the calls of `bridge` from now on. Only a trace from its first call on can be replayed.
    pub const fn new(bridge: &'b mut Bridge<'c, U, D, P>, recorder: R) -> Self {
        Self { bridge, recorder }
    }

    /// As [`Bridge::handle`].
    ///
    /// # Errors
    /// As [`Bridge::handle`].
    #[inline]
    pub fn handle(&mut self, now: Instant, event: Event) -> Result<(), Misuse> {
        if !R::ON {
            return self.bridge.handle(now, event);
        }
        let bytes = place(self.bridge, event);
        self.recorder.told(now, event, bytes.as_deref().unwrap_or_default());
        self.bridge.handle(now, event).inspect_err(|&misuse| self.recorder.refused(misuse))
    }

    /// As [`Bridge::poll`].
    #[inline]
    pub fn poll(&mut self, now: Instant) -> Action {
        let action = self.bridge.poll(now);
        if R::ON {
            self.recorder.asked(now, action);
        }
        action
    }

    /// What records.
    pub const fn recorder(&mut self) -> &mut R {
        &mut self.recorder
    }
}

impl<'c, U, D, const P: usize, R> Deref for Traced<'_, 'c, U, D, P, R> {
    type Target = Bridge<'c, U, D, P>;

    fn deref(&self) -> &Self::Target {
        self.bridge
    }
}

impl<U, D, const P: usize, R> DerefMut for Traced<'_, '_, U, D, P, R> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.bridge
    }
}

/// Where the bytes lie that an event brings. `None` if it brings none, or says that it brings more than there was room for.
pub(crate) fn place<'b, U, D, const P: usize>(
    bridge: &'b mut Bridge<'_, U, D, P>,
    event: Event,
) -> Option<&'b mut [u8]>
where
    U: AsRef<[u8]> + AsMut<[u8]>,
    D: AsRef<[u8]> + AsMut<[u8]>,
{
    match event {
        Event::UartRx(n) => bridge.uart_rx().get_mut(..n),
        Event::SockRx(n) => bridge.sock_rx().get_mut(..n),
        Event::IpReady
        | Event::IpLost
        | Event::Connected(_)
        | Event::PeerClosed
        | Event::TxFailed
        | Event::Closed(_)
        | Event::SockRxCut(_)
        | Event::TxDone(_)
        | Event::TxAcked(_)
        | Event::UartTxDone(_)
        | Event::UartOpened
        | Event::UartClosed
        | Event::UartEnded
        | Event::UartErrors(_)
        | Event::Timeout
        | Event::Stop => None,
    }
}

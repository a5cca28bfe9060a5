//! Why a connection has ended: the core's word for it, and a text for people.

use std::fmt;
use std::rc::Rc;

use uartbridge_core::{CloseCause, CloseReason};

#[derive(Clone, Debug)]
pub(crate) struct Why {
    reason: CloseReason,
    text: Rc<str>,
}

impl Why {
    pub(crate) fn new(reason: CloseReason, text: impl Into<Rc<str>>) -> Self {
        Self { reason, text: text.into() }
    }
}

impl uartbridge_turn::ends::Why for Why {
    fn reason(&self) -> CloseReason {
        self.reason
    }
}

impl From<CloseReason> for Why {
    fn from(reason: CloseReason) -> Self {
        Self::new(reason, reason.words())
    }
}

impl From<CloseCause> for Why {
    fn from(cause: CloseCause) -> Self {
        Self::new(CloseReason::Done, cause.words())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

//! TLS for the peers of every driver: certificates made on the spot, and an end of a
//! connection that can also misbehave.

mod certificates;
mod credentials;
mod faulty;
mod peer;

pub use credentials::{Calendar, Credentials, sha256};
pub(crate) use peer::{PeerTls, TlsEnd};

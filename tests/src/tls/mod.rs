//! TLS for the peers of every driver: certificates made on the spot, and a server that can also misbehave.

mod certificates;
mod credentials;
mod faulty;
mod server;

pub use credentials::{Calendar, Credentials};
pub(crate) use server::{Server, TlsEnd};

//! TLS as a client, against OpenSSL's server: trust, identity, sessions, ends, and breaks.

mod authority;
pub(crate) mod breaks;
mod connections;
mod files;
mod flow;
mod openssl;
mod outside;
mod refusals;

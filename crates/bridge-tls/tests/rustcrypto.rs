//! All tests of connections once more, with the provider for chips: see `provider` in `common`.

#![allow(
    clippy::duplicate_mod,
    reason = "each file brings `common`, as it does when it is a target of its own"
)]

#[path = "direct.rs"]
mod direct;
#[path = "keys.rs"]
mod keys;
#[path = "openssl.rs"]
mod openssl;
#[path = "proof.rs"]
mod proof;
#[path = "server.rs"]
mod server;
#[path = "stream.rs"]
mod stream;
#[path = "trust.rs"]
mod trust;

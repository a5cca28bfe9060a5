//! TLS as a listener: who comes in, who is refused, and what both hear of it.

mod breaks;
mod clients;
mod files;
mod outside;
mod readme;
mod refusals;
mod reload;
mod s_client;
mod weaknesses;

use std::path::Path;

use crate::certs::made;
use crate::device::Directory;
use crate::process::{Program, command};

/// A directory with all certificates in it.
fn certificates() -> Directory {
    let directory = Directory::new();
    made(&[path(&directory.path(""))]);
    directory
}

fn path(path: &Path) -> &str {
    path.to_str().expect("our own name")
}

/// The program in this directory, listening with these settings, its UART at `tty`.
fn listener(directory: &Directory, settings: &str) -> Program {
    listener_with(directory, settings, &[])
}

/// The same with options.
fn listener_with(directory: &Directory, settings: &str, options: &[&str]) -> Program {
    let net = format!("tls-listen://:0?cert=server.pem&key=server.key{settings}");
    let words = [&["pty:tty", &net], options].concat();
    Program::spawn(command(&words).current_dir(directory.path("")))
}

/// Who wants only clients with a certificate.
const REQUIRED: &str = "&ca=ca.pem";

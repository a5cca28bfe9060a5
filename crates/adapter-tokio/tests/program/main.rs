//! The running program, as a stranger and as a service manager meet it: real ptys, sockets, signals and log lines.

mod certs;
mod device;
mod logs;
mod network;
mod outside;
mod process;
mod replay;
mod serve;
mod service;
mod stdio;
mod stopping;
mod tls;
mod tls_listen;
mod traces;
mod udp;
mod unplugging;

//! `uartbridge serve`: the page's files, and the relay as pages and servers meet it. The protocol is that of docs/relay.md.

mod acknowledged;
mod breaches;
mod ends;
mod files;
mod flow;
mod page;
mod program;
mod refusals;
mod stopping;
mod watch;

//! `uartbridge serve`: its options.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use uartbridge::endpoint::NetEndpoint;
use uartbridge::sock::TcpOptions;

use super::values::Span;
use crate::program::{self, Allow, Limits, Origin};

/// Serve the page for browsers, and relay its WebSockets to TCP servers
///
/// The page's bridge runs in the browser, where the serial port is; this program carries its bytes to a server that a browser
/// cannot reach by itself. It prints the page's URL, which holds a token: whoever has it may use the relay, so treat it as a
/// password. Nothing is allowed that is not named.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    /// Where to listen; a port alone is on 127.0.0.1, and 0 is any free port
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8700")]
    listen: String,
    /// A server that the relay may connect to; * in place of host or port is any; may be given again
    #[arg(long, value_name = "HOST:PORT")]
    allow: Vec<Allow>,
    /// What belongs behind --allow, as one is likely to write it
    #[arg(hide = true)]
    servers: Vec<String>,
    /// Where else the page may come from: a proxy's address, such as https://gate.example; may be given again
    #[arg(long = "origin", value_name = "URL")]
    origins: Vec<Origin>,
    /// A file with the token, which is made if it is absent: the URL stays the same [default: another token in each run]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The most connections at the same time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    max_relays: u16,
    /// Limit for looking up a name and connecting [default: 15s]
    #[arg(long, value_name = "TIME")]
    connect_timeout: Option<Span>,
    /// Idle time before TCP asks whether server and browser are still there, or off [default: 15s]
    #[arg(long, value_name = "TIME")]
    keepalive: Option<Span>,
    /// Give a connection up if the other side acknowledges nothing for this long, or off [default: 30s]
    #[arg(long, value_name = "TIME")]
    unacked_limit: Option<Span>,
}

const EXAMPLES: &str = "\
Examples:
  uartbridge serve --allow 192.0.2.1:4000
        open the printed URL in Chromium, choose the serial port, connect
  uartbridge serve --allow gate.example:4000 --allow 'lab.example:*'
        two hosts, and of the second every port
  uartbridge serve --listen 9000 --token-file token --allow a.example:4000
        the same URL after each start
  ssh -L 8700:127.0.0.1:8700 gateway
        and then the URL in a browser here: for a relay on another machine
  uartbridge serve --allow a.example:4000 --origin https://gate.example
        behind a proxy that speaks TLS and passes WebSockets on

The relay's protocol, for pages of your own: docs/relay.md.";

impl Serve {
    pub(super) fn wanted(self) -> Result<program::Serve, String> {
        if let Some(server) = self.servers.first() {
            return Err(format!(
                "serve {server:?}: each server has an --allow of its own; write --allow {server}"
            ));
        }
        let limits = Limits {
            relays: usize::from(self.max_relays),
            connect: bounded("--connect-timeout", self.connect_timeout, CONNECT)?
                .ok_or("--connect-timeout: must end; for example 15s")?,
            tcp: TcpOptions {
                keepalive: seconds(bounded("--keepalive", self.keepalive, KEEPALIVE)?)?,
                user_timeout: bounded("--unacked-limit", self.unacked_limit, UNACKED)?,
            },
        };
        Ok(program::Serve {
            listen: place(&self.listen)?,
            allow: self.allow,
            origins: self.origins,
            token_file: self.token_file,
            limits,
        })
    }
}

/// As for a bridge.
const CONNECT: Duration = Duration::from_secs(15);
const KEEPALIVE: Duration = Duration::from_secs(15);
const UNACKED: Duration = Duration::from_secs(30);
/// What `TCP_KEEPIDLE` takes (tcp(7)).
const MAX_KEEPALIVE: u64 = 32_767;

/// `None` for off.
fn bounded(option: &str, written: Option<Span>, default: Duration) -> Result<Option<Duration>, String> {
    match written {
        None => Ok(Some(default)),
        Some(Span(time)) if time.is_never() => Ok(None),
        Some(Span(time)) if time.as_micros() < 1_000 => {
            Err(format!("{option}: is too short; for example 15s"))
        }
        Some(Span(time)) => Ok(Some(Duration::from_micros(time.as_micros()))),
    }
}

fn seconds(time: Option<Duration>) -> Result<Option<Duration>, String> {
    match time {
        Some(time) if time.subsec_nanos() > 0 || !(1..=MAX_KEEPALIVE).contains(&time.as_secs()) => {
            Err(format!("--keepalive: is off, or whole seconds from 1s to {MAX_KEEPALIVE}s (tcp(7))"))
        }
        time => Ok(time),
    }
}

/// Host and port to listen on, written as for `tcp-listen://`.
fn place(text: &str) -> Result<(String, u16), String> {
    let wrong = |why: &str| format!("--listen {text:?}: {why}; for example 127.0.0.1:8700, or 8700 alone");
    if text.contains("://") || text.contains('?') {
        return Err(wrong("it is no host and port"));
    }
    match format!("tcp-listen://{text}").parse() {
        Ok(NetEndpoint::TcpListen { host, port, .. }) => Ok((host, port)),
        Ok(_) => Err(wrong("it is no host and port")),
        Err(error) => Err(wrong(error.problem())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_people_write_them() {
        for (text, host, port) in [
            ("127.0.0.1:8700", "127.0.0.1", 8700),
            ("8700", "127.0.0.1", 8700),
            (":8700", "127.0.0.1", 8700),
            ("[::1]:0", "::1", 0),
            ("0.0.0.0:80", "0.0.0.0", 80),
            ("localhost:1", "localhost", 1),
        ] {
            assert_eq!(place(text), Ok((host.to_owned(), port)), "{text}");
        }
        for (text, said) in [
            ("localhost", "the port is missing"),
            ("", "the port is missing"),
            ("*:8700", "0.0.0.0 or [::] is every address"),
            ("127.0.0.1:http", "no port"),
            ("127.0.0.1:70000", "no port"),
            ("http://127.0.0.1:8700", "no host and port"),
        ] {
            let problem = place(text).expect_err(text);
            assert!(problem.contains(said) && problem.contains("for example 127.0.0.1:8700"), "{problem}");
        }
    }
}

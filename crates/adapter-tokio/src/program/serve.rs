//! `uartbridge serve`: the page, and a relay from its WebSockets to TCP servers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::sync::watch;
use uartbridge::sock::{advice, listen};

use super::exit;
use super::notify::Service;
use super::signals::{Order, Signals};
use super::web::{self, Allow, Limits, Origin, Settings, Token, TokenError};

/// What is to be served, and to whom.
pub(crate) struct Serve {
    /// Where to listen: host and port.
    pub(crate) listen: (String, u16),
    /// Servers that the relay connects to.
    pub(crate) allow: Vec<Allow>,
    /// Where pages come from beside here.
    pub(crate) origins: Vec<Origin>,
    /// What keeps the token; otherwise each run has its own.
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) limits: Limits,
}

/// Serves until SIGTERM, SIGINT or SIGHUP.
pub(crate) fn serve(wanted: Serve, watchdog: bool) -> ExitCode {
    super::raise_descriptor_limit();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return ExitCode::from(exit::IO);
        }
    };
    let code = runtime.block_on(run(wanted, watchdog));
    // A name look-up may still be waiting in a thread of its own; nobody needs its answer.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn run(wanted: Serve, watchdog: bool) -> u8 {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!("cannot wait for signals: {error}");
            return exit::IO;
        }
    };
    let mut service = Service::new(watchdog, 0);
    let (listener, at, settings) = match prepare(wanted).await {
        Ok(prepared) => prepared,
        Err((code, problem)) => {
            tracing::error!("{problem}");
            return code;
        }
    };
    let (stop, stopped) = watch::channel(false);
    let mut serving = std::pin::pin!(web::serve(listener, settings, stopped));
    tracing::info!("listening on {at}");
    service.ready();
    loop {
        tokio::select! {
            () = &mut serving => return 0,
            order = signals.next() => match order {
                Order::Stop => {
                    tracing::info!("stopping: ending what is open; a second signal ends at once");
                    service.stopping();
                    stop.send_replace(true);
                }
                Order::StopNow => return 0,
                Order::Report => {}
            },
            // That this comes round is all there is to know.
            () = service.tick() => service.feed(),
        }
    }
}

/// Binds, reads or makes the token, and tells the user all there is to know.
async fn prepare(wanted: Serve) -> Result<(TcpListener, SocketAddr, Settings), (u8, String)> {
    let Serve { listen: (host, port), allow, origins, token_file, limits } = wanted;
    let token = match &token_file {
        Some(file) => Token::of_file(file).map_err(|error| {
            let code = match error {
                TokenError::Unreadable(_) => exit::NO_INPUT,
                TokenError::Unwritable(_) => exit::CANNOT_CREATE,
                TokenError::Bad => exit::CONFIG,
                TokenError::Random(_) => exit::UNAVAILABLE,
            };
            (code, format!("{}: {error}", file.display()))
        })?,
        None => Token::random().map_err(|error| (exit::UNAVAILABLE, error.to_string()))?,
    };
    let (listener, at) = listen(&host, port).await.map_err(|error| {
        let place = SocketAddr::new(host.parse().unwrap_or([127, 0, 0, 1].into()), port);
        let place = if host.parse::<std::net::IpAddr>().is_ok() {
            place.to_string()
        } else {
            format!("{host}:{port}")
        };
        (exit::UNAVAILABLE, format!("cannot listen on {place}: {}", advice(&error)))
    })?;
    if !at.ip().to_canonical().is_loopback() {
        warn_of_the_network(at);
    }
    if allow.iter().any(Allow::is_anywhere) {
        tracing::warn!(
            "--allow *: whoever has the token can connect to whatever this machine reaches, itself included"
        );
    }
    let settings = Settings { token, allow, origins, limits, hub: None };
    introduce(at, &settings, token_file.as_deref());
    Ok((listener, at, settings))
}

/// Beyond loopback there is neither secrecy nor Web Serial.
fn warn_of_the_network(at: SocketAddr) {
    tracing::warn!(
        "{at}: this is plain HTTP: whoever is on the way can read the token and the traffic, and browsers offer serial \
         ports only to pages from https:// or from localhost; put a proxy with TLS before 127.0.0.1:{port} (and give its \
         address as --origin), or use `ssh -L {port}:127.0.0.1:{port}`",
        port = at.port()
    );
}

/// The URL, on standard output. A token that a file keeps is not for the logs that a service's output goes to.
fn introduce(at: SocketAddr, settings: &Settings, token_file: Option<&std::path::Path>) {
    use std::io::IsTerminal;
    let place = if at.ip().is_unspecified() {
        SocketAddr::new(
            if at.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() },
            at.port(),
        )
    } else {
        at
    };
    let hidden = token_file.filter(|_| !std::io::stdout().is_terminal());
    let mut text = format!("http://{place}/{}\n", web::fragment(settings, hidden.is_none()));
    if let Some(file) = hidden {
        text += &format!("To the URL belongs token=TOKEN, the line in {}.\n", file.display());
    }
    if at.ip().is_unspecified() {
        text += &format!(
            "From another machine: the same with an address of this machine in place of {}.\n",
            place.ip()
        );
    }
    if settings.allow.is_empty() {
        text += "The relay connects to no server yet: start with --allow HOST:PORT for each that it may.\n";
    }
    if !uartbridge_page::has_wasm() {
        text += "This program was built without the bridge for browsers: the page will say so, and the relay works.\n";
    }
    // Whoever has closed the output does not want to read this.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
}

//! `cargo xtask firmware run`: the board at hand.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use uartbridge_core::{Config, Duration};
use uartbridge_firmware_config::{Address, Settings, StaticAddress, Tls, Transport};
use uartbridge_firmware_host::{Image, Machine, Plan, Serial};

use super::image;

#[derive(Args)]
pub(crate) struct Options {
    /// Servers, in the order in which they are tried; this machine is 10.0.2.2 there
    #[arg(required = true, value_name = "HOST:PORT")]
    peers: Vec<String>,
    /// Speak TLS, verified by the authority in this file (PEM or DER)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The client's certificate, for servers that ask for one
    #[arg(long, value_name = "FILE", requires_all = ["ca", "key"])]
    cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Speak UDP: what the line's pauses of 10 ms separate is a datagram
    #[arg(long, conflicts_with = "ca")]
    udp: bool,
    /// Behave as the Air780E tutorial's script does, greeting included
    #[arg(long)]
    tutorial: bool,
    /// Send this at the start of each connection
    #[arg(long, value_name = "TEXT")]
    greeting: Option<String>,
    /// The UART's rate; QEMU does not keep to it
    #[arg(long, default_value_t = 115_200)]
    baud: u32,
    /// An address of its own instead of DHCP's, such as 10.0.2.15/24
    #[arg(long, value_name = "ADDRESS/BITS")]
    address: Option<String>,
    /// The router, for --address
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    gateway: Option<Ipv4Addr>,
    /// The name server, for --address
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    dns: Option<Ipv4Addr>,
    /// Tells this device's attempts to reconnect from those of its fleet
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// What the UART is
    #[arg(long, value_enum, default_value_t = Line::Pty)]
    uart: Line,
    /// Keep a trace of what the bridge is told and asks for, and write it to this file each second
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ca", "udp"])]
    trace: Option<PathBuf>,
}

/// How often a trace is written.
const TRACE_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Line {
    /// A pty, whose name is printed: open it with any terminal program
    Pty,
    /// This terminal, line by line
    Terminal,
}

/// Runs an image until QEMU ends.
///
/// # Errors
/// What is wrong with the options, the image or QEMU.
pub(crate) fn run(options: &Options) -> Result<()> {
    let peers = options.peers.join("\n");
    let read = |path: &Option<PathBuf>| path.as_deref().map_or(Ok(Vec::new()), file);
    let (authorities, certificates, key) = (read(&options.ca)?, read(&options.cert)?, read(&options.key)?);
    let mut config = if options.tutorial { Config::tutorial() } else { Config::default() };
    if let Some(greeting) = &options.greeting {
        config.greeting = greeting.as_bytes();
    }
    let (transport, name) = match (&options.ca, options.udp, &options.trace) {
        (Some(_), _, _) => (Transport::Tls, "tls"),
        (None, true, _) => (Transport::Udp, "udp"),
        (None, false, Some(_)) => (Transport::Tcp, "traced"),
        (None, false, None) => (Transport::Tcp, "plain"),
    };
    if options.udp {
        config.packing.datagrams = true;
        config.packing.max_len = 1400;
        config.packing.gap = Duration::from_millis(10);
    }
    let settings = Settings {
        peers: peers.as_bytes(),
        transport,
        address: address(options)?,
        baud: options.baud,
        seed: options.seed,
        tls: Tls { authorities: &authorities, certificates: &certificates, key: &key },
        config,
        ..Settings::default()
    };
    let image = image(name)?;
    let serial = match options.uart {
        Line::Pty => Serial::Pty,
        Line::Terminal => Serial::Socket,
    };
    let plan = Plan { image: &image, settings: &settings, serial, icount: None, debugger: false };
    let mut machine = Machine::start(&plan, |line| eprintln!("{line}"))?;
    let shown = match machine.uart.take() {
        None => {
            println!("UART: {} (Ctrl-C ends)", machine.pty()?.display());
            None
        }
        Some(mut uart) => {
            let mut keys = uart.try_clone().context("the UART's socket")?;
            // Ends with the terminal, or with this program.
            std::thread::spawn(move || io::copy(&mut io::stdin(), &mut keys));
            // Ends with QEMU.
            Some(std::thread::spawn(move || io::copy(&mut uart, &mut io::stdout())))
        }
    };
    match &options.trace {
        Some(file) => keep_trace(&mut machine, &image, file)?,
        None => machine.wait()?,
    }
    if let Some(Ok(copied)) = shown.map(std::thread::JoinHandle::join) {
        copied.context("the UART")?;
    }
    Ok(())
}

/// Writes the board's trace until QEMU ends.
fn keep_trace(machine: &mut Machine, image: &Image, path: &Path) -> Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    while !machine.ended()? {
        match machine.trace(image) {
            // Whoever reads it meanwhile has a whole one.
            Ok(Some(trace)) => {
                fs::write(&fresh, trace).and_then(|()| fs::rename(&fresh, path)).with_context(|| {
                    format!("writing the trace {}; name a file in a directory that is yours", path.display())
                })?;
            }
            Ok(None) => {}
            // Most likely QEMU is about to end; otherwise the board goes on without.
            Err(error) => {
                if !machine.ended()? {
                    eprintln!("no more of the trace: {error:#}");
                }
                return machine.wait();
            }
        }
        std::thread::sleep(TRACE_EVERY);
    }
    Ok(())
}

fn file(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn address(options: &Options) -> Result<Address> {
    let Some(text) = &options.address else { return Ok(Address::Dhcp) };
    let parts = text.split_once('/').map(|(address, prefix)| (address.parse::<Ipv4Addr>(), prefix.parse()));
    let Some((Ok(address), Ok(prefix @ 0..=32))) = parts else {
        bail!("--address {text}: give an IPv4 address and the length of its network, such as 10.0.2.15/24")
    };
    let octets = |address: Option<Ipv4Addr>| address.map(|address| address.octets()).unwrap_or_default();
    let (gateway, dns) = (octets(options.gateway), octets(options.dns));
    Ok(Address::Static(StaticAddress { address: address.octets(), prefix, gateway, dns }))
}

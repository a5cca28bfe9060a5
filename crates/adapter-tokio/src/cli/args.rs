//! What may stand on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::options::Options;
use super::process::Process;
use super::serve::Serve;
use crate::program::{self, ClientName, Host};

/// A UART to network bridge that loses nothing.
///
/// Bytes from the UART are kept until the peer's TCP has acknowledged them and are sent again after a break,
/// in order. Without arguments a demo runs that needs no hardware.
#[derive(Debug, Parser)]
#[command(
    name = "uartbridge",
    version,
    override_usage = "uartbridge UART NET [OPTIONS]\n       uartbridge [COMMAND]",
    disable_help_subcommand = true,
    after_help = EXAMPLES,
    after_long_help = REFERENCE
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// The UART side: /dev/ttyUSB0, pty:/tmp/tty0, unix:/path or - (standard input and output)
    #[arg(value_name = "UART")]
    pub(super) uart: Option<String>,
    /// The network side: host:4000, tls://host:4433, tcp-listen://:4000, tls-listen://:4433?cert=FILE&key=FILE,
    /// udp://host:4000, unix:/path or -; several with commas
    #[arg(value_name = "NET")]
    pub(super) net: Option<String>,
    /// One more peer to turn to when the others fail; may be given again
    #[arg(long = "peer", value_name = "NET", help_heading = "Bridge")]
    pub(super) peers: Vec<String>,
    #[command(flatten)]
    pub(super) options: Options,
    #[command(flatten)]
    pub(super) process: Process,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show a bridge at work, without hardware (so does uartbridge alone)
    Demo(Demo),
    /// Run all bridges of a configuration file
    Run {
        /// A TOML file with [[bridge]] tables
        file: PathBuf,
    },
    /// Say what is wrong with a configuration file
    Check {
        /// A TOML file with [[bridge]] tables
        file: PathBuf,
    },
    /// Make a CA, a server certificate and client certificates, to try TLS out
    Certs(Certs),
    /// Serve the page for browsers, and relay its WebSockets to TCP servers
    Serve(Serve),
    /// Tell what a trace has, and check that the bridge does the same again
    Replay(Replay),
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Lines that the simulated device sends
    #[arg(long, value_name = "N", default_value_t = Self::LINES)]
    pub(super) lines: u32,
    /// End when they have come back, instead of waiting for Ctrl-C
    #[arg(long)]
    pub(super) exit: bool,
    /// Do not serve the page in which a browser can watch it
    #[arg(long)]
    pub(super) no_web: bool,
}

impl Demo {
    const LINES: u32 = 6;
}

impl Default for Demo {
    fn default() -> Self {
        Self { lines: Self::LINES, exit: false, no_web: false }
    }
}

/// Make a CA, a server certificate and client certificates, to try TLS out
///
/// Without --server and --client: all of them, with a client named "client". The CA's key stays in DIR, so that
/// more can be issued later. Keys are ECDSA P-256, in files that only their owner can read.
#[derive(Debug, Args)]
#[command(after_help = CERTS)]
pub(super) struct Certs {
    /// The directory for the files; it is made if it is absent
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// A name or address by which clients reach the server; may be given again [default: localhost, 127.0.0.1,
    /// ::1 and this host's name]
    #[arg(long = "name", value_name = "HOST")]
    names: Vec<Host>,
    /// From the CA in DIR, issue a certificate for this client; may be given again
    #[arg(long = "client", value_name = "NAME")]
    clients: Vec<ClientName>,
    /// From the CA in DIR, issue a new server certificate
    #[arg(long)]
    server: bool,
    /// How long the certificates of server and clients are valid; the CA is for ten years
    #[arg(long, value_name = "N", default_value_t = 397, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

impl Certs {
    /// A name alone is for the server.
    pub(super) fn wanted(&self) -> Result<program::Certs, String> {
        let Self { dir, names, clients, server, days, force } = self;
        let all = !server && clients.is_empty();
        if !all && !server && !names.is_empty() {
            return Err("--name is for the server; add --server for a new certificate of its own".to_owned());
        }
        let mut clients = clients.clone();
        if all {
            clients.push(ClientName::any());
        }
        clients.dedup();
        Ok(program::Certs {
            dir: dir.clone(),
            authority: all,
            server: (all || *server).then(|| names.clone()),
            clients,
            days: *days,
            force: *force,
        })
    }
}

/// Tell what a trace has, and check that the bridge does the same again
///
/// The bridge is told once more what it was told, at the same times, and must ask for the same. The story goes to standard output:
/// a line for each change, and what passed in between.
#[derive(Clone, Debug, Args)]
#[command(after_help = REPLAY)]
pub(super) struct Replay {
    /// What --trace has written, a page has saved, or a debugger has read out of a device's memory
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Tell every event and action
    #[arg(long, short)]
    verbose: bool,
    /// Write both sides as packets, for Wireshark; without --trace-bytes they have lengths only
    #[arg(long, value_name = "OUT")]
    pcapng: Option<PathBuf>,
    /// Write a scenario that does to a bridge what was done to this one; without --trace-bytes, numbered records stand for the bytes
    #[arg(long, value_name = "OUT")]
    scenario: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

impl Replay {
    pub(super) fn wanted(&self) -> program::Replay {
        let Self { file, verbose, pcapng, scenario, force } = self.clone();
        program::Replay { file, verbose, pcapng, scenario, force }
    }
}

const REPLAY: &str = "\
Examples:
  uartbridge /dev/ttyUSB0 192.0.2.1:4000 --trace boiler.trace --trace-bytes
        a bridge that records; then, when something was odd:
  uartbridge replay boiler.trace
        what happened
  uartbridge replay boiler.trace --pcapng boiler.pcapng
        the same for Wireshark, where \"Follow TCP Stream\" works
  uartbridge replay boiler.trace --scenario tests/scenarios/boiler.scn
        the same as a test of this repository

Exit status:
   0  the bridge does the same again
   1  it does not: the first difference is told
  65  no trace, or one that is damaged or cut off: what can be read is told
  66  a file that cannot be read
  73  a file that cannot be written, or is there already";

const CERTS: &str = "\
Examples:
  uartbridge certs certs
        all of them in the directory certs, and the commands to try next
  uartbridge certs certs --name gate.example --name 192.0.2.1
        for a server that is reached by these
  uartbridge certs certs --client pump-2
        one more client
  uartbridge certs certs --server --force
        a new server certificate from the same CA; a listener takes it up
        by itself";

const EXAMPLES: &str = "\
Examples:
  uartbridge
        the demo
  uartbridge /dev/ttyUSB0 192.0.2.1:4000
        a serial port at 115200 8N1 to a TCP server
  uartbridge /dev/ttyUSB0,9600,7e1 tcp-listen://:4000
        wait for a TCP client on 127.0.0.1
  uartbridge pty:/tmp/tty0 a.example:4000,b.example:4000
        a pty, two servers to choose from
  uartbridge check bridges.toml && uartbridge run bridges.toml
        many bridges
  uartbridge serve --allow 192.0.2.1:4000
        a page whose bridge runs in the browser, and its way to a server";

const REFERENCE: &str = "\
Examples:
  uartbridge
        the demo
  uartbridge /dev/ttyUSB0 192.0.2.1:4000
        a serial port at 115200 8N1 to a TCP server
  uartbridge '/dev/ttyS1?baud=9600&mode=7E1&flow=rtscts' tcp-listen://:4000
        wait for a TCP client on 127.0.0.1; tcp-listen://0.0.0.0:4000 lets
        everybody in
  uartbridge certs certs
        certificates for trying TLS out, and the commands to try
  uartbridge /dev/ttyUSB0 tls://a.example:8883
        TLS, verified by the authorities that this system trusts
  uartbridge /dev/ttyUSB0 'tls://a.example:4433?ca=ca.pem&cert=me.pem&key=me.key'
        mutual TLS; tls-listen:// is the other side
  uartbridge '/dev/ttyS1?rs485=on' udp://192.0.2.1:4000 --pack-gap 20ms
        an RS-485 bus, a datagram for each packet
  uartbridge pty:/tmp/tty0 a.example:4000,b.example:4000 --greeting 'ID 17\\r\\n'
        a pty, two servers to choose from, a registration packet
  uartbridge check bridges.toml && uartbridge run bridges.toml
        many bridges; in the file, with the options' names as keys:
            [[bridge]]
            uart = \"/dev/ttyUSB0\"
            net = [\"tcp://a.example:4000\", \"tcp://b.example:4000\"]
            greeting = 'ID 17\\r\\n'
  uartbridge serve --allow 192.0.2.1:4000
        a page whose bridge runs in the browser, and its way to a server
  uartbridge replay boiler.trace
        what happened to a bridge that ran with --trace boiler.trace

Settings of a serial port, after ? and with & between them:
  baud=115200   mode=8N1   flow=none|rtscts|xonxoff
  low-latency=on|off   exclusive=on|off
  rs485=on|off   rs485-before=TIME   rs485-after=TIME
  rs485-rts-on-send=on|off   rs485-rx-during-tx=on|off

Settings of tls://, likewise (FILE: PEM or DER; a new one is used from the next
connection on; without ca and pin, the system's authorities are trusted):
  ca=FILE   pin=sha256:HEX   cert=FILE   key=FILE   sni=NAME   alpn=PROTOCOL
  insecure=verify-nobody
Settings of tls-listen://:
  cert=FILE   key=FILE   ca=FILE   client=none|optional|required
  alpn=PROTOCOL   takeover=on|off

Times are written 500ms, 15s or 1m30s, and off where a rule can be switched
off; sizes 4096, 64KiB or 1MiB.

The log goes to standard error, without colours if NO_COLOR is set. Of one
bridge at most 20 lines in 10 s are written at level info and above; the
others are counted.

Exit status (sysexits.h):
   0  everything was delivered
   1  replay: the bridge does not do again what it did
  64  wrong command line
  65  replay: no trace, or a damaged one
  66  a file or UART cannot be used
  69  an address cannot be listened on
  70  a bug of this program
  73  a file cannot be written, or is there already
  74  input or output error
  75  not everything was delivered, or a restart is wanted
  78  wrong configuration";

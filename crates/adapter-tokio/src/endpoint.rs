//! The two ends of a bridge as people write them: `serial:///dev/ttyUSB0?baud=9600`, `tcp://host:4000`.
//!
//! | written | means |
//! |---|---|
//! | `/dev/ttyUSB0`, `./tty`, `/dev/ttyUSB0,9600,8n1`, `/dev/ttyUSB0,115200n81` | a serial port |
//! | `serial:///dev/ttyUSB0?baud=9600&mode=7E1&flow=rtscts` | a serial port; the settings are at [`SerialSettings`] |
//! | `pty:/path/to/link`, `pty:` | a new pty, with a symbolic link to it, or without |
//! | `tcp://host:4000`, `socket://host:4000`, `tcp:host:4000`, `host:4000`, `[::1]:4000` | connect to a TCP server |
//! | `tcp-listen://0.0.0.0:4000`, `tcp-listen://:4000` | wait for a TCP client; without an address on 127.0.0.1 only |
//! | `tls://host:4000?ca=ca.pem`, `ssl://host:4000` | the same over TLS; the settings are at [`TlsClient`] |
//! | `tls-listen://:4000?cert=me.pem&key=me.key` | wait for a TLS client; the settings are at [`TlsServer`] |
//! | `udp://host:4000` | UDP datagrams |
//! | `unix:/path` | connect to a Unix stream socket; serves as either end |
//! | `-` | standard input and output; serves as either end |
//!
//! In a path, `%` and two hexadecimal digits stand for a byte: `%3F` is `?`, `%2C` a comma, `%25` the per cent
//! sign itself. A comma or `?` not written so starts the settings of a serial port.

mod end;
mod host;
mod pair;
mod path;
mod query;
mod serial;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};

use end::End;
use query::{settings, settings_again, switch};

pub use pair::{MAX_PEERS, pair, peers};
pub use serial::{DataBits, Flow, Parity, Rs485, SerialSettings, StopBits};
pub use tls::{TlsClient, TlsClients, TlsFiles, TlsServer, TlsTrust};

/// The UART side of a bridge. `Display` gives a form that parses to the same value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UartEndpoint {
    /// A serial port, or any other terminal device.
    Serial {
        /// The device, such as `/dev/ttyUSB0` or a link in `/dev/serial/by-id`.
        path: PathBuf,
        /// How its line is set.
        settings: SerialSettings,
    },
    /// A new pty; another program opens its slave as if it were a serial port.
    Pty {
        /// Where to put a symbolic link to the slave.
        link: Option<PathBuf>,
    },
    /// Connect to this Unix stream socket, such as that of an emulator's serial port.
    Unix {
        /// The socket's path.
        path: PathBuf,
    },
    /// Standard input and output.
    Stdio,
}

/// The network side of a bridge. `Display` gives a form that parses to the same value.
///
/// A host is a name or an address without brackets, an IPv6 address perhaps with a zone (`fe80::1%eth0`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NetEndpoint {
    /// Connect to a TCP server.
    Tcp {
        /// Name or address, resolved at each connect.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// Listen for one TCP client at a time.
    TcpListen {
        /// Name or address to bind to; `127.0.0.1` if none was written.
        host: String,
        /// 0: any free port.
        port: u16,
        /// A new client takes the present one's place; otherwise it is turned away.
        takeover: bool,
    },
    /// Connect to a TLS server.
    Tls {
        /// Name or address, resolved at each connect.
        host: String,
        /// 1 to 65535.
        port: u16,
        /// How we meet it.
        tls: TlsClient,
    },
    /// Listen for one TLS client at a time.
    TlsListen {
        /// Name or address to bind to; `127.0.0.1` if none was written.
        host: String,
        /// 0: any free port.
        port: u16,
        /// A new client takes the present one's place; otherwise it is turned away.
        takeover: bool,
        /// How we meet clients.
        tls: TlsServer,
    },
    /// Exchange UDP datagrams with one peer.
    Udp {
        /// Name or address, resolved at each connect.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// Connect to this Unix stream socket.
    Unix {
        /// The socket's path.
        path: PathBuf,
    },
    /// Standard input and output.
    Stdio,
}

impl NetEndpoint {
    /// The end without its settings, for log lines.
    pub(crate) fn short(&self) -> String {
        match self {
            Self::Tls { host, port, .. } => format!("tls://{}", host::HostPort(host, *port)),
            Self::TlsListen { host, port, .. } => format!("tls-listen://{}", host::HostPort(host, *port)),
            Self::Tcp { .. }
            | Self::TcpListen { .. }
            | Self::Udp { .. }
            | Self::Unix { .. }
            | Self::Stdio => self.to_string(),
        }
    }
}

/// A text that names no end, or ends that do not go together. `Display` says what is wrong and shows a form that works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?}: {}; for example {}", .fault.problem, .fault.example)]
pub struct EndpointError {
    given: String,
    fault: Fault,
}

impl EndpointError {
    /// What is wrong, without the text that it is about and without an example.
    pub fn problem(&self) -> &str {
        &self.fault.problem
    }
}

/// What is wrong with a text, and one that works.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    problem: String,
    example: &'static str,
}

impl FromStr for UartEndpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        match End::parse(text)? {
            End::Uart(end) => Ok(end),
            End::Unix(path) => Ok(Self::Unix { path }),
            End::Stdio => Ok(Self::Stdio),
            End::Net(_) => Err(fault("a network end; the UART side is a serial port", SERIAL).of(text)),
        }
    }
}

impl FromStr for NetEndpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        match End::parse(text)? {
            End::Net(end) => Ok(end),
            End::Unix(path) => Ok(Self::Unix { path }),
            End::Stdio => Ok(Self::Stdio),
            End::Uart(_) => Err(fault("a UART end; the network side is a host and a port", TCP).of(text)),
        }
    }
}

impl fmt::Display for UartEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial { path, settings } => {
                write!(f, "{}{settings}", path::Url("serial", path))
            }
            Self::Pty { link: None } => f.write_str("pty:"),
            Self::Pty { link: Some(path) } => path::Url("pty", path).fmt(f),
            Self::Unix { path } => path::Url("unix", path).fmt(f),
            Self::Stdio => f.write_str("-"),
        }
    }
}

impl fmt::Display for NetEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp://{}", host::HostPort(host, *port)),
            Self::TcpListen { host, port, takeover } => {
                let takeover = if *takeover { "?takeover=yes" } else { "" };
                write!(f, "tcp-listen://{}{takeover}", host::HostPort(host, *port))
            }
            Self::Tls { host, port, tls } => write!(f, "tls://{}{tls}", host::HostPort(host, *port)),
            Self::TlsListen { host, port, takeover, tls } => {
                let takeover = if *takeover { "&takeover=yes" } else { "" };
                write!(f, "tls-listen://{}{tls}{takeover}", host::HostPort(host, *port))
            }
            Self::Udp { host, port } => write!(f, "udp://{}", host::HostPort(host, *port)),
            Self::Unix { path } => path::Url("unix", path).fmt(f),
            Self::Stdio => f.write_str("-"),
        }
    }
}

impl<'de> Deserialize<'de> for UartEndpoint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for NetEndpoint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

const SERIAL: &str = "serial:///dev/ttyUSB0?baud=115200";
const PTY: &str = "pty:/tmp/tty0";
const TCP: &str = "tcp://192.0.2.1:4000";
const LISTEN: &str = "tcp-listen://127.0.0.1:4000";
const TLS: &str = "tls://192.0.2.1:4000?ca=ca.pem";
const TLS_LISTEN: &str = "tls-listen://:4000?cert=server.pem&key=server.key";
const UDP: &str = "udp://192.0.2.1:4000";
const UNIX: &str = "unix:/run/device.sock";

fn fault(problem: impl Into<String>, example: &'static str) -> Fault {
    Fault { problem: problem.into(), example }
}

impl Fault {
    fn of(self, given: &str) -> EndpointError {
        EndpointError { given: given.to_owned(), fault: self }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    /// Texts that people write, and the canonical form of each.
    const UARTS: &[(&str, &str)] = &[
        ("/dev/ttyUSB0", "serial:///dev/ttyUSB0?baud=115200&mode=8N1"),
        ("serial:/dev/ttyS1", "serial:///dev/ttyS1?baud=115200&mode=8N1"),
        ("SERIAL:///dev/ttyS1", "serial:///dev/ttyS1?baud=115200&mode=8N1"),
        (" /dev/ttyS1 ", "serial:///dev/ttyS1?baud=115200&mode=8N1"),
        ("/dev/ttyS1,115200n81", "serial:///dev/ttyS1?baud=115200&mode=8N1"),
        ("/dev/ttyS1,115200,8n1", "serial:///dev/ttyS1?baud=115200&mode=8N1"),
        ("/dev/ttyS1,9600,7e1", "serial:///dev/ttyS1?baud=9600&mode=7E1"),
        ("/dev/ttyS1,9600E72,RTSCTS", "serial:///dev/ttyS1?baud=9600&mode=7E2&flow=rtscts"),
        ("/dev/ttyS1,300", "serial:///dev/ttyS1?baud=300&mode=8N1"),
        ("/dev/ttyS1,5o2", "serial:///dev/ttyS1?baud=115200&mode=5O2"),
        ("./tty?baud=4800", "serial:./tty?baud=4800&mode=8N1"),
        (
            "serial:///dev/ttyS1?mode=6m1&flow=xonxoff",
            "serial:///dev/ttyS1?baud=115200&mode=6M1&flow=xonxoff",
        ),
        (
            "/dev/ttyS1?low-latency=no&exclusive=0&mode=8s1",
            "serial:///dev/ttyS1?baud=115200&mode=8S1&low-latency=off&exclusive=off",
        ),
        (
            "serial:///dev/ttyS1?rs485=on&rs485-before=1ms&rs485-after=2ms&rs485-rts-on-send=off&rs485-rx-during-tx=on",
            "serial:///dev/ttyS1?baud=115200&mode=8N1&rs485=on&rs485-before=1ms&rs485-after=2ms\
             &rs485-rts-on-send=off&rs485-rx-during-tx=on",
        ),
        (
            "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0",
            "serial:///dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0?baud=115200&mode=8N1",
        ),
        ("/dev/a%2Cb%3Fc%25", "serial:///dev/a%2Cb%3Fc%25?baud=115200&mode=8N1"),
        ("//dev/ttyS1", "serial:////dev/ttyS1?baud=115200&mode=8N1"),
        ("pty:", "pty:"),
        ("pty:link", "pty:link"),
        ("pty:/tmp/tty 1", "pty:///tmp/tty 1"),
        ("pty:///tmp/100%", "pty:///tmp/100%25"),
        ("unix:/run/x.sock", "unix:///run/x.sock"),
        ("-", "-"),
    ];

    const NETS: &[(&str, &str)] = &[
        ("tcp://example.com:4000", "tcp://example.com:4000"),
        ("TCP:Example.com:4000/", "tcp://example.com:4000"),
        ("socket://host:1", "tcp://host:1"),
        ("host_1:65535", "tcp://host_1:65535"),
        ("192.0.2.1:4000", "tcp://192.0.2.1:4000"),
        ("[::1]:4000", "tcp://[::1]:4000"),
        ("tcp://[2001:DB8:0::1]:4000", "tcp://[2001:db8::1]:4000"),
        ("[fe80::1%eth0]:4000", "tcp://[fe80::1%eth0]:4000"),
        ("udp://[fe80::1%25eth0.5]:4000", "udp://[fe80::1%eth0.5]:4000"),
        ("tcp://bücher.example:80", "tcp://xn--bcher-kva.example:80"),
        ("tcp-listen://0.0.0.0:4000", "tcp-listen://0.0.0.0:4000"),
        ("tcp-listen://:4000", "tcp-listen://127.0.0.1:4000"),
        ("tcp-listen://4000", "tcp-listen://127.0.0.1:4000"),
        ("tcp-listen:4000", "tcp-listen://127.0.0.1:4000"),
        ("tcp-listen://[::]:0?takeover=yes", "tcp-listen://[::]:0?takeover=yes"),
        ("tls://host:4000", "tls://host:4000"),
        ("SSL:Host:4000?ca=/etc/a%26b.pem", "tls://host:4000?ca=/etc/a%26b.pem"),
        (
            "tls://[::1]:1?alpn=a&key=k&sni=Server.Example&cert=c&ca=x%2Cy&alpn=b/1",
            "tls://[::1]:1?ca=x%2Cy&cert=c&key=k&sni=server.example&alpn=a&alpn=b/1",
        ),
        ("tls://a:1?sni=[2001:DB8::1]", "tls://a:1?sni=[2001:db8::1]"),
        ("tls://a:1?insecure=verify-nobody", "tls://a:1?insecure=verify-nobody"),
        (
            "tls://a:1?pin=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=&ca=c",
            "tls://a:1?ca=c&pin=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        ("tls-listen://4000?cert=c&key=k&client=none", "tls-listen://127.0.0.1:4000?cert=c&key=k"),
        (
            "tls-listen://[::]:0?takeover=yes&cert=c&key=k&ca=a&client=required&alpn=x",
            "tls-listen://[::]:0?cert=c&key=k&ca=a&alpn=x&takeover=yes",
        ),
        (
            "tls-listen://:1?cert=c&key=k&ca=a&client=optional",
            "tls-listen://127.0.0.1:1?cert=c&key=k&ca=a&client=optional",
        ),
        ("udp://host:4000", "udp://host:4000"),
        ("unix:x.sock", "unix:x.sock"),
        ("-", "-"),
    ];

    #[test]
    fn what_people_write_has_one_canonical_form() {
        for (written, canonical) in UARTS {
            let end: UartEndpoint = written.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(end.to_string(), *canonical, "{written}");
            assert_eq!(canonical.parse(), Ok(end), "{canonical}");
        }
        for (written, canonical) in NETS {
            let end: NetEndpoint = written.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(end.to_string(), *canonical, "{written}");
            assert_eq!(canonical.parse(), Ok(end), "{canonical}");
        }
    }

    #[test]
    fn a_serial_port_with_every_setting_survives_its_text() {
        let modes = [DataBits::Five, DataBits::Six, DataBits::Seven, DataBits::Eight];
        let parities = [Parity::None, Parity::Even, Parity::Odd, Parity::Mark, Parity::Space];
        for (data_bits, parity) in modes.into_iter().flat_map(|data| parities.map(|parity| (data, parity))) {
            for (stop_bits, flow) in
                [(StopBits::One, Flow::None), (StopBits::Two, Flow::RtsCts), (StopBits::One, Flow::XonXoff)]
            {
                let rs485 = Rs485 { delay_before: Duration::from_micros(1_500), ..Rs485::default() };
                let rs485 = (flow == Flow::None).then_some(rs485);
                let settings = SerialSettings {
                    baud: 1,
                    data_bits,
                    parity,
                    stop_bits,
                    flow,
                    rs485,
                    ..Default::default()
                };
                let end = UartEndpoint::Serial { path: "/dev/ttyS0".into(), settings };
                assert_eq!(end.to_string().parse(), Ok(end));
            }
        }
    }

    #[test]
    fn every_byte_that_a_path_may_hold_survives_its_text() {
        let all: Vec<u8> = (1..=255).collect();
        let path = Path::new("/").join(OsStr::from_bytes(&all));
        for end in [
            UartEndpoint::Pty { link: Some(path.clone()) },
            UartEndpoint::Serial { path: path.clone(), settings: SerialSettings::default() },
        ] {
            assert_eq!(end.to_string().parse(), Ok(end));
        }
    }

    /// A mistake, a part of what is said about it, and an example that is offered.
    const MISTAKES: &[(&str, &str)] = &[
        ("", "empty"),
        ("ttyUSB0", "whole path"),
        ("COM3", "whole path"),
        ("~/tty", "~ is only understood by a shell"),
        ("4000", "a port needs a host"),
        ("localhost", "neither the path of a serial port nor host:port"),
        ("serial:", "path is missing"),
        ("serial:ttyUSB0", "whole path"),
        ("serial://dev/ttyUSB0", "three in all"),
        ("/dev/ttyUSB0?baud=0", "hung up"),
        ("/dev/ttyUSB0?baud=fast", "\"fast\" is no speed"),
        ("/dev/ttyUSB0?baud=+9600", "\"+9600\" is no speed"),
        ("/dev/ttyUSB0?baud=4294967296", "is no speed"),
        ("/dev/ttyUSB0?baud", "key=value"),
        ("/dev/ttyUSB0?baud=1&baud=2", "baud is set twice"),
        ("/dev/ttyUSB0?speed=9600", "no setting \"speed\"; there are baud, mode"),
        ("/dev/ttyUSB0?mode=9N1", "\"9N1\" is no mode"),
        ("/dev/ttyUSB0?mode=8N1.5", "is no mode"),
        ("/dev/ttyUSB0?mode=8X1", "is no mode"),
        ("/dev/ttyUSB0?flow=hardware", "none, rtscts and xonxoff"),
        ("/dev/ttyUSB0?exclusive=maybe", "exclusive is on or off"),
        ("/dev/ttyUSB0?rs485-before=1ms", "without rs485=on"),
        ("/dev/ttyUSB0?rs485=on&rs485-after=1", "\"1\" is no time"),
        ("/dev/ttyUSB0?rs485=on&flow=rtscts", "excludes flow=rtscts"),
        ("/dev/ttyUSB0,fast", "write a comma as %2C"),
        ("/dev/ttyUSB0,", "write a comma as %2C"),
        ("pty:/tmp/x?baud=9600", "no setting \"baud=9600\""),
        ("pty://tmp/x", "three in all"),
        ("/dev/x%00", "NUL"),
        ("unix:", "path is missing"),
        ("unix:@name", "abstract"),
        ("tcp://host", "port is missing"),
        ("tcp://host:", "port is missing"),
        ("tcp://:4000", "host is missing"),
        ("tcp://", "host is missing"),
        ("tcp://host:0", "port 0"),
        ("tcp://host:65536", "\"65536\" is no port"),
        ("tcp://host:http", "\"http\" is no port"),
        ("tcp://host:-1", "\"-1\" is no port"),
        ("tcp://::1:4000", "needs brackets"),
        ("tcp://[::1]", "port is missing"),
        ("tcp://[::1]4000", "\"4000\" after the address is no port"),
        ("tcp://[::g]:1", "\"[::g]\" is no host"),
        ("tcp://[fe80::1%]:1", "no network interface"),
        ("tcp://ho st:1", "is no host"),
        ("tcp://user@host:1", "is no host"),
        ("tcp://192.0.2.256:1", "is no host"),
        ("tcp://host:1?timeout=1", "no setting \"timeout=1\""),
        ("tcp-listen://", "port is missing"),
        ("tcp-listen://0.0.0.0", "port is missing"),
        ("tcp-listen://*:4000", "0.0.0.0 or [::]"),
        ("tcp-listen://:4000?takover=yes", "only takeover"),
        ("tcp-listen://:4000?takeover=perhaps", "takeover is on or off"),
        ("udp://:4000", "host is missing"),
        ("tls://:4000", "host is missing"),
        ("tls://host", "port is missing"),
        ("tls://host:1?cafile=x", "tls has no setting \"cafile\"; there are ca, cert"),
        ("tls://host:1?ca=", "path is missing"),
        ("tls://host:1?ca=x&ca=y", "ca is set twice"),
        ("tls://host:1?key=x", "key needs cert"),
        ("tls://host:1?cert=x", "cert needs key"),
        ("tls://host:1?pin=abc", "pin=abc: the pin is no SHA-256"),
        ("tls://host:1?sni=a_b c", "is no host"),
        ("tls://host:1?alpn=a,b", "\"a,b\" is no application protocol"),
        ("tls://host:1?alpn=", "\"\" is no application protocol"),
        ("tls://host:1?insecure=yes", "must be spelled out"),
        ("tls://host:1?insecure=verify-nobody&ca=x", "contradicts ca and pin"),
        ("tls-listen://", "port is missing"),
        ("tls-listen://:1", "needs a certificate: cert and key"),
        ("tls-listen://:1?cert=c", "cert needs key"),
        ("tls-listen://:1?cert=c&key=k&client=required", "client needs ca"),
        ("tls-listen://:1?cert=c&key=k&ca=a&client=none", "no use with client=none"),
        ("tls-listen://:1?cert=c&key=k&client=maybe", "client is none, optional or required"),
        ("tls-listen://:1?cert=c&key=k&pin=x", "tls-listen has no setting \"pin\"; there are cert"),
        ("tls-listen://:1?cert=c&key=k&takeover=perhaps", "takeover is on or off"),
        ("wss://host/path", "does not do wss"),
        ("ftp://host:21", "ftp:// is none of serial"),
    ];

    #[test]
    fn a_mistake_is_named_and_answered_with_an_example_that_works() {
        for (written, said) in MISTAKES {
            let error = End::parse(written).expect_err(written);
            let text = error.to_string();
            assert!(text.starts_with(&format!("{written:?}: ")), "{text}");
            assert!(text.contains(said), "{text}");
            for example in error.fault.example.split(" or ") {
                assert!(End::parse(example).is_ok(), "{text}");
            }
        }
        let long = format!("unix:/{}", "x".repeat(107));
        assert!(End::parse(&long).expect_err("too long").to_string().contains("at most 107 bytes"));
    }

    #[test]
    fn an_end_of_the_other_side_is_refused() {
        let error = "tcp://host:1".parse::<UartEndpoint>().expect_err("a network end").to_string();
        assert!(error.contains("a network end"), "{error}");
        let error = "/dev/ttyS0".parse::<NetEndpoint>().expect_err("a UART end").to_string();
        assert!(error.contains("a UART end"), "{error}");
    }
}

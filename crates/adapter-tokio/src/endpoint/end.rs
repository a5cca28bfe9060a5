//! What the text of an end names: by its scheme, or by what it looks like without one.

use std::path::PathBuf;

use super::query::no_settings;
use super::{
    EndpointError, Fault, NetEndpoint, PTY, TCP, UDP, UNIX, UartEndpoint, fault, host, path, serial, tls,
};

/// What a text names, before it is known on which side it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Uart(UartEndpoint),
    Net(NetEndpoint),
    /// A Unix socket serves as either end.
    Unix(PathBuf),
    /// So does standard input and output.
    Stdio,
}

/// What may stand before a colon without two slashes after it; everything else there is a host.
const SCHEMES: &[&str] = &[
    "serial",
    "pty",
    "tcp",
    "socket",
    "tcp-listen",
    "udp",
    "unix",
    "tls",
    "ssl",
    "tls-listen",
    "udp-listen",
];

impl End {
    pub(super) fn parse(text: &str) -> Result<Self, EndpointError> {
        Self::parse_inner(text.trim()).map_err(|fault| fault.of(text))
    }

    fn parse_inner(text: &str) -> Result<Self, Fault> {
        let Some((scheme, rest)) = split_scheme(text) else { return Self::parse_bare(text) };
        let after_slashes = rest.strip_prefix("//");
        if ["serial", "pty", "unix"].contains(&scheme.as_str())
            && after_slashes.is_some_and(|path| !path.starts_with('/'))
        {
            return Err(fault(
                "the path is missing its first slash; there are three in all",
                "serial:///dev/ttyUSB0",
            ));
        }
        let rest = after_slashes.unwrap_or(rest);
        match scheme.as_str() {
            "serial" => serial::parse(rest).map(Self::Uart),
            "pty" if rest.is_empty() => Ok(Self::Uart(UartEndpoint::Pty { link: None })),
            "pty" => {
                Ok(Self::Uart(UartEndpoint::Pty { link: Some(path::parse(no_settings(rest, PTY)?, PTY)?) }))
            }
            "tcp" | "socket" => {
                let (host, port) = host::parse(no_settings(rest, TCP)?, TCP)?;
                Ok(Self::Net(NetEndpoint::Tcp { host, port }))
            }
            "tcp-listen" => host::parse_listen(rest).map(Self::Net),
            "udp" => {
                let (host, port) = host::parse(no_settings(rest, UDP)?, UDP)?;
                Ok(Self::Net(NetEndpoint::Udp { host, port }))
            }
            "unix" => path::parse_unix(no_settings(rest, UNIX)?).map(Self::Unix),
            "tls" | "ssl" => tls::parse(rest).map(Self::Net),
            "tls-listen" => tls::parse_listen(rest).map(Self::Net),
            "udp-listen" => Err(fault("this version sends UDP only to a peer that it knows", UDP)),
            "ws" | "wss" | "http" | "https" | "rfc2217" | "telnet" => {
                Err(fault(format!("this version does not do {scheme}, only plain TCP"), TCP))
            }
            _ => Err(fault(
                format!("{scheme}:// is none of serial, pty, tcp, tcp-listen, tls, tls-listen, udp and unix"),
                "serial:///dev/ttyUSB0 or tcp://192.0.2.1:4000",
            )),
        }
    }

    /// What has no scheme: a path is a serial port, host and port are TCP.
    fn parse_bare(text: &str) -> Result<Self, Fault> {
        let either = "/dev/ttyUSB0 or 192.0.2.1:4000";
        if text == "-" {
            Ok(Self::Stdio)
        } else if text.starts_with(['/', '.']) {
            serial::parse(text).map(Self::Uart)
        } else if text.is_empty() {
            Err(fault("the name of an end is empty", either))
        } else if text.starts_with('~') {
            Err(fault("~ is only understood by a shell; write the whole path", "/dev/ttyUSB0"))
        } else if text.starts_with("tty")
            || text.starts_with("dev/")
            || text.to_lowercase().starts_with("com")
        {
            Err(fault("a serial port is named by its whole path", "/dev/ttyUSB0"))
        } else if text.contains(':') {
            let (host, port) = host::parse(no_settings(text, TCP)?, TCP)?;
            Ok(Self::Net(NetEndpoint::Tcp { host, port }))
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            Err(fault(
                "a number alone is no end; a port needs a host",
                "127.0.0.1:4000 or tcp-listen://:4000",
            ))
        } else {
            Err(fault("neither the path of a serial port nor host:port", either))
        }
    }
}

/// The scheme in lower case, and what follows its colon: `scheme://rest` or, for schemes that we know, `scheme:rest`.
fn split_scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let is_word =
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let is_scheme = SCHEMES.contains(&scheme.as_str()) || (is_word && rest.starts_with("//"));
    is_scheme.then_some((scheme, rest))
}

//! Which ends go together.

use uartbridge_tls::Pin;

use super::{End, EndpointError, Fault, NetEndpoint, TCP, UartEndpoint, fault};

/// The most peers that one bridge can have.
pub const MAX_PEERS: usize = 255;

/// The ends of one bridge as a command line names them: `a` the UART side, `b` the network side, each element of
/// which may list several peers with commas between them. Taken the other way round, they are swapped.
///
/// # Errors
/// [`EndpointError`] if a text names no end, if both are of one side, or if peers do not go together.
pub fn pair<S: AsRef<str>>(a: &str, b: &[S]) -> Result<(UartEndpoint, Vec<NetEndpoint>), EndpointError> {
    let [b, further @ ..] = b else {
        return Err(fault("the second end is missing", EXAMPLE).of(a));
    };
    let b = b.as_ref();
    let both = || format!("{a} {b}");
    let (uart, first) = match (Side::parse(a)?, Side::parse(b)?) {
        (Side::Uart(uart), Side::Net(net)) | (Side::Net(net), Side::Uart(uart)) => (uart, net),
        (Side::Uart(uart), Side::Either(net)) | (Side::Either(net), Side::Uart(uart)) => {
            (uart, vec![net.into_net()])
        }
        (Side::Either(uart), Side::Net(net)) | (Side::Net(net), Side::Either(uart)) => {
            (uart.into_uart(), net)
        }
        (Side::Either(uart), Side::Either(net)) if uart == net => {
            return Err(fault("both ends are the same", EXAMPLE).of(&both()));
        }
        (Side::Either(uart), Side::Either(net)) => (uart.into_uart(), vec![net.into_net()]),
        (Side::Uart(_), Side::Uart(_)) => {
            return Err(fault("two UART ends; one of them must be a host and a port", EXAMPLE).of(&both()));
        }
        (Side::Net(_), Side::Net(_)) => {
            return Err(
                fault("two network ends; one of them must be a serial port or a pty", EXAMPLE).of(&both())
            );
        }
    };
    let mut all = first;
    for text in further {
        all.extend(list(text.as_ref())?);
    }
    let said = || further.iter().fold(both(), |said, text| format!("{said} {}", text.as_ref()));
    check(&all).map_err(|fault| fault.of(&said()))?;
    Ok((uart, all))
}

/// The network side alone: the peers to try in turn, each text one or several with commas between them.
///
/// # Errors
/// [`EndpointError`] if a text names no network end, or if they do not go together.
pub fn peers<S: AsRef<str>>(texts: &[S]) -> Result<Vec<NetEndpoint>, EndpointError> {
    let mut all = Vec::new();
    for text in texts {
        all.extend(list(text.as_ref())?);
    }
    let said = || texts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",");
    check(&all).map_err(|fault| fault.of(&said()))?;
    Ok(all)
}

const EXAMPLE: &str = "uartbridge /dev/ttyUSB0 192.0.2.1:4000";
const PEERS: &str = "tcp://192.0.2.1:4000,tcp://192.0.2.2:4000";

/// What one argument names.
enum Side {
    Uart(UartEndpoint),
    Net(Vec<NetEndpoint>),
    Either(Either),
}

/// An end that serves as either.
#[derive(PartialEq, Eq)]
enum Either {
    Unix(std::path::PathBuf),
    Stdio,
}

impl Side {
    fn parse(text: &str) -> Result<Self, EndpointError> {
        // A serial port's settings may stand behind commas, so a list is one only if its first element is a peer.
        let whole = End::parse(text);
        let Some((first, _)) = text.split_once(',') else { return whole.map(Self::of) };
        match End::parse(first) {
            Ok(End::Uart(_)) => whole.map(Self::of),
            Ok(End::Net(_) | End::Unix(_) | End::Stdio) | Err(_) => list(text).map(Self::Net),
        }
    }

    fn of(end: End) -> Self {
        match end {
            End::Uart(uart) => Self::Uart(uart),
            End::Net(net) => Self::Net(vec![net]),
            End::Unix(path) => Self::Either(Either::Unix(path)),
            End::Stdio => Self::Either(Either::Stdio),
        }
    }
}

impl Either {
    fn into_uart(self) -> UartEndpoint {
        match self {
            Self::Unix(path) => UartEndpoint::Unix { path },
            Self::Stdio => UartEndpoint::Stdio,
        }
    }

    fn into_net(self) -> NetEndpoint {
        match self {
            Self::Unix(path) => NetEndpoint::Unix { path },
            Self::Stdio => NetEndpoint::Stdio,
        }
    }
}

fn list(text: &str) -> Result<Vec<NetEndpoint>, EndpointError> {
    let mut found: Vec<String> = Vec::new();
    for part in text.split(',') {
        // A second pin of a TLS server stands behind a comma too, and is no end.
        match found.last_mut().filter(|before| before.contains("pin=")) {
            Some(before) if part.split('&').next().is_some_and(|pin| pin.parse::<Pin>().is_ok()) => {
                before.push(',');
                before.push_str(part);
            }
            Some(_) | None => found.push(part.to_owned()),
        }
    }
    found.iter().map(|part| part.parse()).collect()
}

/// Peers that a bridge can turn to one after the other share its policy, so they must be of one kind.
fn check(peers: &[NetEndpoint]) -> Result<(), Fault> {
    if peers.is_empty() {
        return Err(fault("there is no peer", TCP));
    }
    if peers.len() > MAX_PEERS {
        return Err(fault(
            format!("{} peers are too many; a bridge has at most {MAX_PEERS}", peers.len()),
            PEERS,
        ));
    }
    let [_, _, ..] = peers else { return Ok(()) };
    let listens =
        |peer: &NetEndpoint| matches!(peer, NetEndpoint::TcpListen { .. } | NetEndpoint::TlsListen { .. });
    if peers.iter().any(listens) {
        return Err(fault("a listener waits for anybody, so it cannot be one peer of several", PEERS));
    }
    if peers.contains(&NetEndpoint::Stdio) {
        return Err(fault("standard input and output cannot be one peer of several", PEERS));
    }
    let datagrams = peers.iter().filter(|peer| matches!(peer, NetEndpoint::Udp { .. })).count();
    if datagrams != 0 && datagrams != peers.len() {
        return Err(fault(
            "UDP and other peers cannot take turns: a bridge sends datagrams or a stream",
            PEERS,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The canonical texts of a pair, or what is wrong with it.
    fn said(a: &str, b: &[&str]) -> Result<String, String> {
        let (uart, peers) = pair(a, b).map_err(|error| error.to_string())?;
        let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
        Ok(format!("{uart} {}", peers.join(",")))
    }

    #[test]
    fn ends_find_their_sides() {
        for (a, b, expected) in [
            ("pty:", "host:1", "pty: tcp://host:1"),
            ("host:1", "pty:", "pty: tcp://host:1"),
            ("host:1,host:2", "pty:", "pty: tcp://host:1,tcp://host:2"),
            ("-", "host:1", "- tcp://host:1"),
            ("host:1", "unix:x", "unix:x tcp://host:1"),
            ("unix:x", "-", "unix:x -"),
            ("unix:x", "unix:y", "unix:x unix:y"),
            ("-", "pty:", "pty: -"),
            ("pty:", "tcp://a:1,unix:x", "pty: tcp://a:1,unix:x"),
            ("pty:", "udp://a:1,udp://b:2", "pty: udp://a:1,udp://b:2"),
            ("a:1", "/dev/x,9600,8n1", "serial:///dev/x?baud=9600&mode=8N1 tcp://a:1"),
        ] {
            assert_eq!(said(a, &[b]).as_deref(), Ok(expected));
        }
        let pin = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let pinned = format!("tls://a:1?pin={pin},{pin}&ca=x,tls://b:1");
        let expected = format!("pty: tls://a:1?ca=x&pin={pin}&pin={pin},tls://b:1");
        assert_eq!(said("pty:", &[&pinned]), Ok(expected.clone()));
        assert_eq!(said(&pinned, &["pty:"]), Ok(expected));
        assert_eq!(said("pty:", &["a:1", "b:2,c:3"]).as_deref(), Ok("pty: tcp://a:1,tcp://b:2,tcp://c:3"));
    }

    #[test]
    fn ends_that_do_not_go_together_are_refused() {
        let many = vec!["a:1"; MAX_PEERS + 1].join(",");
        for (a, b, expected) in [
            ("/dev/ttyS0", "pty:", "two UART ends"),
            ("a:1", "tcp-listen://:2", "two network ends"),
            ("-", "-", "both ends are the same"),
            ("pty:", "a:1,tcp-listen://:1", "one peer of several"),
            ("pty:", "a:1,tls-listen://:1?cert=c&key=k", "one peer of several"),
            ("pty:", "a:1,-", "one peer of several"),
            ("pty:", "a:1,udp://b:1", "datagrams or a stream"),
            ("pty:", "a:1,/dev/ttyS0", "a UART end"),
            ("pty:", "a:1,", "empty"),
            ("pty:", &many, "at most 255"),
        ] {
            let error = said(a, &[b]).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
        let error = said("/dev/ttyS0", &[]).expect_err("one end");
        assert!(
            error.contains("second end is missing") && error.contains("uartbridge /dev/ttyUSB0"),
            "{error}"
        );
        assert!(peers::<&str>(&[]).is_err());
        let most = vec!["a:1"; MAX_PEERS];
        assert_eq!(peers(&most).map(|peers| peers.len()), Ok(MAX_PEERS));
    }
}

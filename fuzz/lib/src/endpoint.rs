//! Ends of a bridge as anybody may write them.

use std::fmt::Display;
use std::str::FromStr;
use uartbridge::endpoint::{EndpointError, NetEndpoint, UartEndpoint, pair, peers};

/// What a text turned out to name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// The UART side, and the peers.
    pub uart: Option<UartEndpoint>,
    /// The peers.
    pub net: Vec<NetEndpoint>,
}

/// One run: a line is an end, and two lines are the two ends of a bridge.
///
/// # Panics
/// An end that was accepted is not what its text says, or an error does not name what it is about.
pub fn run(data: &[u8]) -> Depth {
    let Ok(text) = std::str::from_utf8(data) else { return Depth::default() };
    let uart = parse::<UartEndpoint>(text);
    let net = parse::<NetEndpoint>(text);
    let listed = checked(text, peers(&[text]));
    let mut depth = Depth { uart, net: listed.unwrap_or_else(|| net.into_iter().collect()) };
    if let Some((first, second)) = text.split_once('\n') {
        let further: Vec<&str> = second.split('\n').collect();
        let all = std::iter::once(first).chain(further.iter().copied());
        if let Some((uart, net)) = checked_by(all, pair(first, &further)) {
            // In their places, and written out, they are still the same two sides.
            let printed: Vec<String> = net.iter().map(ToString::to_string).collect();
            assert_eq!(peers(&printed).as_ref(), Ok(&net), "{printed:?}");
            again(&uart);
            depth = Depth { uart: Some(uart), net };
        }
    }
    depth.net.iter().for_each(again);
    depth
}

fn parse<E>(text: &str) -> Option<E>
where
    E: FromStr<Err = EndpointError> + Display + PartialEq + std::fmt::Debug,
{
    let end = checked(text, text.parse::<E>())?;
    again(&end);
    Some(end)
}

/// What an end prints is the same end, and prints the same.
fn again<E>(end: &E)
where
    E: FromStr<Err = EndpointError> + Display + PartialEq + std::fmt::Debug,
{
    let printed = end.to_string();
    match printed.parse::<E>() {
        Ok(same) => assert_eq!((&same, same.to_string()), (end, printed.clone()), "{printed:?}"),
        Err(error) => panic!("{end:?} prints as {printed:?}, and that is {error}"),
    }
}

fn checked<T>(text: &str, parsed: Result<T, EndpointError>) -> Option<T> {
    checked_by(std::iter::once(text), parsed)
}

/// An error quotes a part of what it is about, says what is wrong, and shows something better.
fn checked_by<'t, T>(texts: impl Iterator<Item = &'t str>, parsed: Result<T, EndpointError>) -> Option<T> {
    let error = match parsed {
        Ok(parsed) => return Some(parsed),
        Err(error) => error,
    };
    let said = error.to_string();
    assert!(!error.problem().is_empty() && said.contains(error.problem()), "{said}");
    assert!(said.contains("; for example "), "{said}");
    let quoted = said.strip_prefix('"').unwrap_or_else(|| panic!("{said} quotes nothing"));
    let all: Vec<&str> = texts.collect();
    // The first two are a pair, whatever comes after them.
    let mut joined = (1..=all.len()).flat_map(|count| [" ", ","].map(|with| all[..count].join(with)));
    let about = all.iter().flat_map(|text| text.split(',').chain([*text]));
    // A list of pins within a list of ends is put together again, so that the quotation may have commas.
    let names = |part: &str| quoted.starts_with(&format!("{part:?}")[1..]);
    let found = about.clone().any(names) || joined.any(|part| names(&part));
    assert!(found || all.iter().any(|text| text.contains("pin=")), "{said} is not about {all:?}");
    None
}

//! The options of a scenario, as a page hands them to the bridge: names in camel case, sizes in bytes, times in milliseconds.

use serde_json::{Map, Value, json};

use crate::options::{bytes, duration};
use crate::scenario::Scenario;
use crate::words::unescape;

/// What `config` is for the bridge of `scenario`. Texts are lists of bytes, which the page makes `Uint8Array`s of.
///
/// # Errors
/// An option that makes no sense.
pub(super) fn config(scenario: &Scenario) -> Result<Value, String> {
    let mut config = Map::new();
    for (name, value) in &scenario.options {
        let found = option(name, value).map_err(|why| format!("option {name} {value}: {why}"))?;
        config.insert(camel(name), found);
    }
    Ok(Value::Object(config))
}

/// `up-held` becomes `upHeld`.
pub(super) fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let initial = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &initial.into_iter().chain(letters).collect::<String>()
    })
}

fn option(name: &str, value: &str) -> Result<Value, String> {
    Ok(match name {
        "preset" | "overflow" | "power" => json!(value),
        "backoff-jitter" => json!(value == "on"),
        "greeting" | "heartbeat" | "pack-delimiter" => json!(unescape(value)?),
        "up-buffer" | "down-buffer" | "pack-length" => json!(bytes(value)?),
        "next-peer-after" | "reset-after" | "restart-after" => {
            json!(value.parse::<u16>().map_err(|error| error.to_string())?)
        }
        _ => json!(duration(value)?.map(|span| span.as_secs_f64() * 1000.0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_those_of_a_page() {
        let scenario = crate::parse("s", "title t\nproves S1\noption up-buffer 4KiB\noption greeting \"a\\n\"\noption pack-gap never\noption backoff-first 200ms\noption backoff-jitter off\n\nstart\nexpect connected\n").expect("a scenario");
        let config = config(&scenario).expect("valid options");
        assert_eq!(
            config,
            json!({ "upBuffer": 4096, "greeting": [97, 10], "packGap": null, "backoffFirst": 200.0, "backoffJitter": false })
        );
    }
}

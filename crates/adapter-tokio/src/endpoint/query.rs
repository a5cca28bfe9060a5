//! What stands behind `?` in the text of an end: `key=value`, with `&` between them.

use super::{Fault, fault};

/// The settings after `?`, as keys and values.
pub(super) fn settings<'a>(text: &'a str, example: &'static str) -> Result<Vec<(&'a str, &'a str)>, Fault> {
    settings_again(text, example, &[])
}

/// The same; these keys may come more than once.
pub(super) fn settings_again<'a>(
    text: &'a str,
    example: &'static str,
    again: &[&str],
) -> Result<Vec<(&'a str, &'a str)>, Fault> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for setting in text.split('&').filter(|setting| !setting.is_empty()) {
        let Some((key, value)) = setting.split_once('=') else {
            return Err(fault(format!("{setting:?} is no setting of the form key=value"), example));
        };
        if !again.contains(&key) && found.iter().any(|(known, _)| *known == key) {
            return Err(fault(format!("{key} is set twice"), example));
        }
        found.push((key, value));
    }
    Ok(found)
}

pub(super) fn no_settings<'a>(text: &'a str, example: &'static str) -> Result<&'a str, Fault> {
    match text.split_once('?') {
        Some((_, settings)) => Err(fault(format!("this kind of end has no setting {settings:?}"), example)),
        None => Ok(text),
    }
}

/// `on` or `off`, in the words that people use for them.
pub(super) fn switch(key: &str, value: &str, example: &'static str) -> Result<bool, Fault> {
    match value {
        "on" | "yes" | "true" | "1" => Ok(true),
        "off" | "no" | "false" | "0" => Ok(false),
        _ => Err(fault(format!("{key} is on or off, not {value:?}"), example)),
    }
}

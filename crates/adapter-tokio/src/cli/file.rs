//! The configuration file: `[[bridge]]` tables whose keys are the options' names.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use uartbridge::endpoint::{NetEndpoint, UartEndpoint, peers};
use uartbridge::small_file;
use uartbridge::spec::BridgeSpec;
use uartbridge::tls;

use super::claims::Claims;
use super::names;
use super::options::Options;
use super::process::Process;
use super::settings;

/// A file without problems.
#[derive(Debug)]
pub(super) struct File {
    pub(super) bridges: Vec<BridgeSpec>,
    pub(super) process: Process,
}

/// A file that cannot be used. `Display` gives a line a problem, each with the file's name.
#[derive(Debug)]
pub(super) enum BadFile {
    /// It cannot be read.
    Unreadable(String),
    /// It can, and this is wrong with it.
    Wrong(Vec<String>),
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => f.write_str(why),
            Self::Wrong(problems) => f.write_str(&problems.join("\n")),
        }
    }
}

/// Reads a file and checks everything that can be checked without opening an end.
///
/// # Errors
/// [`BadFile`], with every problem and not only the first.
pub(super) fn load(path: &Path) -> Result<File, BadFile> {
    match small_file::read(path) {
        Ok(bytes) => read(path, bytes),
        Err(error) => Err(BadFile::Unreadable(format!(
            "{}: cannot be read: {error}; name a TOML file with [[bridge]] tables",
            path.display()
        ))),
    }
}

/// What the file `path` says, of which `bytes` were read.
///
/// # Errors
/// [`BadFile::Wrong`].
pub(super) fn read(path: &Path, bytes: Vec<u8>) -> Result<File, BadFile> {
    let wrong = |line: usize, what: &str| format!("{}:{line}: {what}", path.display());
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        BadFile::Wrong(vec![wrong(line, "not UTF-8; save the file as UTF-8")])
    })?;
    parse(&text).map_err(|mut problems| {
        problems.sort_by_key(|problem| problem.at);
        let line = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
        BadFile::Wrong(problems.iter().map(|problem| wrong(line(problem.at), &problem.what)).collect())
    })
}

/// What is wrong, and where: an offset into the file, in bytes.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    at: usize,
    what: String,
}

impl Problem {
    fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}

fn parse(text: &str) -> Result<File, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let at = |span: Option<Range<usize>>| span.map_or(0, |span| span.start);
        return Err(errors
            .iter()
            .map(|error| Problem::new(at(error.span()), syntax(error.message())))
            .collect());
    }
    let mut problems = Vec::new();
    let mut process = Process::default();
    let mut tables: &[Spanned<DeValue<'_>>] = &[];
    for (key, value) in table.get_ref() {
        let name: &str = key.get_ref();
        let mut complain = |what: String| problems.push(Problem::new(key.span().start, what));
        if name == "bridge" {
            match value.get_ref().as_array() {
                Some(array) => tables = array,
                None => complain("write [[bridge]] with two brackets: there can be several".to_owned()),
            }
        } else if is_key(name, Process::keys()) {
            match one::<Process>(name, value) {
                Ok(said) => process = process.or(said),
                Err(what) => complain(format!("key `{name}`: {what}")),
            }
        } else if ENDS.contains(&name) || is_key(name, Options::keys()) {
            complain(format!("key `{name}` belongs to a bridge; write it below a line [[bridge]]"));
        } else {
            complain(unknown(name, Process::keys().iter().map(String::as_str).chain(["bridge"])));
        }
    }
    if tables.is_empty() && problems.is_empty() {
        problems.push(Problem::new(0, NO_BRIDGE));
    }
    let bridges = all_bridges(tables, &mut problems);
    if problems.is_empty() { Ok(File { bridges, process }) } else { Err(problems) }
}

const NO_BRIDGE: &str = "there is no bridge in it; for example:\n    [[bridge]]\n    uart = \"/dev/ttyUSB0\"\n    net = \"tcp://192.0.2.1:4000\"";

/// Every table's bridge; what is wrong with one or between several goes to `problems`.
fn all_bridges(tables: &[Spanned<DeValue<'_>>], problems: &mut Vec<Problem>) -> Vec<BridgeSpec> {
    let mut taken: HashSet<String> = tables.iter().filter_map(own_name).collect();
    let mut claims = Claims::default();
    let mut seen = HashSet::new();
    let mut bridges = Vec::new();
    for (number, table) in (1..).zip(tables) {
        let own = own_name(table);
        let label = own.as_ref().map_or(format!("bridge {number}"), |name| format!("bridge {name:?}"));
        let DeValue::Table(keys) = table.get_ref() else {
            problems
                .push(Problem::new(table.span().start, format!("{label}: not a table; write [[bridge]]")));
            continue;
        };
        let bridge = Table { keys, label, at: table.span().start };
        if let Some(name) = &own
            && !seen.insert(name.clone())
        {
            problems.push(bridge.problem("name", "another bridge above has the same name"));
        }
        let (uart, net) = bridge.ends(problems);
        let clash = uart.as_ref().and_then(|uart| claims.add_uart(uart, &bridge.label));
        problems.extend(clash.map(|clash| bridge.problem("uart", &clash)));
        for peer in net.iter().flatten() {
            let clash = claims.add_peer(peer, &bridge.label);
            problems.extend(clash.map(|clash| bridge.problem("net", &clash)));
            problems.extend(tls::check(peer).err().map(|what| bridge.problem("net", &what)));
        }
        let options = bridge.options(problems);
        let (Some(uart), Some(net), Some(options)) = (uart, net, options) else { continue };
        let name = own.unwrap_or_else(|| names::free(names::of(&uart), &mut taken));
        match settings::spec(options, name, uart, net) {
            Ok(spec) => {
                let trace = spec.trace.as_ref();
                let clash = trace.and_then(|trace| claims.add_trace(&trace.path, &bridge.label));
                problems.extend(clash.map(|clash| bridge.problem("trace", &clash)));
                bridges.push(spec);
            }
            Err(fault) => problems.push(bridge.problem(fault.key, &fault.problem)),
        }
    }
    bridges
}

/// One `[[bridge]]` table.
struct Table<'a> {
    keys: &'a DeTable<'a>,
    /// How messages call it.
    label: String,
    /// Where it begins.
    at: usize,
}

impl Table<'_> {
    /// Both sides; `None` comes with a problem.
    fn ends(&self, problems: &mut Vec<Problem>) -> (Option<UartEndpoint>, Option<Vec<NetEndpoint>>) {
        let uart = self.end("uart", "/dev/ttyUSB0", from_value);
        let net = self
            .end("net", "tcp://192.0.2.1:4000", |value| from_value::<Peers>(value).and_then(Peers::parse));
        (
            uart.map_err(|problem| problems.push(problem)).ok(),
            net.map_err(|problem| problems.push(problem)).ok(),
        )
    }

    fn end<T>(
        &self,
        key: &str,
        example: &str,
        parse: impl Fn(&Spanned<DeValue<'_>>) -> Result<T, String>,
    ) -> Result<T, Problem> {
        match self.keys.get(key) {
            Some(value) => parse(value).map_err(|what| self.problem(key, &what)),
            None => Err(self.problem(key, &format!("missing; for example {key} = {example:?}"))),
        }
    }

    /// All other keys; `None` comes with at least one problem.
    fn options(&self, problems: &mut Vec<Problem>) -> Option<Options> {
        let before = problems.len();
        let mut written = Vec::new();
        for (key, value) in self.keys.iter().filter(|(key, _)| !ENDS.contains(&key.get_ref().as_ref())) {
            let name: &str = key.get_ref();
            let mut complain = |what: &str| {
                problems.push(Problem::new(key.span().start, format!("{}: {what}", self.label)));
            };
            if is_key(name, Options::keys()) {
                match one::<Options>(name, value) {
                    Ok(_) => written.push((name, value.clone())),
                    Err(what) => complain(&format!("key `{name}`: {what}")),
                }
            } else if is_key(name, Process::keys()) {
                complain(&format!("key `{name}` concerns all bridges; write it above the first [[bridge]]"));
            } else {
                complain(&unknown(name, Options::keys().iter().map(String::as_str).chain(ENDS)));
            }
        }
        let all: Result<Options, toml::de::Error> =
            Options::deserialize(MapDeserializer::new(written.into_iter()));
        let all = all.map_err(|error| problems.push(Problem::new(self.at, error.message()))).ok();
        let checked = all.filter(|options| match options.name.as_deref().map(names::check) {
            Some(Err(what)) => {
                problems.push(self.problem("name", what));
                false
            }
            Some(Ok(())) | None => true,
        });
        checked.filter(|_| problems.len() == before)
    }

    /// At the key's line if it is written, else at the table's.
    fn problem(&self, key: &str, what: &str) -> Problem {
        let at = self
            .keys
            .iter()
            .find(|(written, _)| written.get_ref() == key)
            .map(|(written, _)| written.span().start);
        Problem::new(at.unwrap_or(self.at), format!("{}: key `{key}`: {what}", self.label))
    }
}

const ENDS: [&str; 2] = ["uart", "net"];

/// One peer or a list of them.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a text such as \"tcp://192.0.2.1:4000\", or a list of such texts in [ ]"
)]
enum Peers {
    One(String),
    Several(Vec<String>),
}

impl Peers {
    fn parse(self) -> Result<Vec<NetEndpoint>, String> {
        match self {
            Self::One(text) => peers(&[text]),
            Self::Several(texts) => peers(&texts),
        }
        .map_err(|error| error.to_string())
    }
}

fn own_name(table: &Spanned<DeValue<'_>>) -> Option<String> {
    Some(table.get_ref().get("name")?.get_ref().as_str()?.to_owned())
}

fn is_key(name: &str, known: &[String]) -> bool {
    known.iter().any(|known| known == name)
}

/// A value by itself.
fn from_value<T: DeserializeOwned>(value: &Spanned<DeValue<'_>>) -> Result<T, String> {
    T::deserialize(value.clone().into_deserializer()).map_err(|error| plain(error.message()))
}

/// Options of which one is written.
fn one<T: DeserializeOwned>(name: &str, value: &Spanned<DeValue<'_>>) -> Result<T, String> {
    let entry = std::iter::once((name, value.clone()));
    T::deserialize(MapDeserializer::new(entry)).map_err(|error: toml::de::Error| plain(error.message()))
}

/// What the parser says, on one line.
fn syntax(message: &str) -> String {
    let advice = if message.contains("escaped value") { "; or put the text into single quotes" } else { "" };
    format!("not TOML: {}{advice}", message.trim().replace('\n', ", "))
}

/// What the deserializer says, without the words of a programming language.
fn plain(message: &str) -> String {
    message
        .replace("unknown variant", "unknown value")
        .replace("expected u16", "expected a number from 0 to 65535")
}

/// A key that does not exist, and the one that was probably meant.
fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near =
        known.map(|key| (names::distance(name, key), key)).filter(|(distance, _)| *distance <= 3).min();
    match near {
        Some((_, key)) => format!("unknown key `{name}`; did you mean `{key}`?"),
        None => {
            format!("unknown key `{name}`; keys are the options that uartbridge --help lists, without dashes")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// The problems of a text as `LINE: what`.
    fn problems(text: &str) -> Vec<String> {
        let mut found = parse(text).err().unwrap_or_default();
        found.sort_by_key(|problem| problem.at);
        found
            .iter()
            .map(|Problem { at, what }| format!("{}: {what}", 1 + text[..*at].matches('\n').count()))
            .collect()
    }

    #[test]
    fn a_file_gives_its_bridges_in_order() {
        let text = r#"
            log-level = "debug"
            watchdog = true

            [[bridge]]
            uart = "/dev/ttyUSB0"
            net = ["tcp://a:1", "tcp://b:2"]
            up-buffer = "2MiB"

            [[bridge]]
            uart = "tty:"
            name = "second"
            net = "a:1, b:2"
        "#
        .replace("tty:", "pty:");
        let file = parse(&text).expect("no problems");
        assert_eq!(file.process.log_level, Some(super::super::values::LogLevel::Debug));
        assert_eq!((file.process.watchdog, file.process.log_format), (Some(true), None));
        let names: Vec<&str> = file.bridges.iter().map(|bridge| bridge.name.as_str()).collect();
        assert_eq!(names, ["ttyUSB0", "second"]);
        assert_eq!(file.bridges[0].up_buffer, 2 << 20);
        assert!(file.bridges.iter().all(|bridge| bridge.peers.len() == 2 && bridge.config.peers == 2));
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let text = r#"log-level = "loud"
lgo-format = "text"
up-buffer = 3
[[bridge]]
name = "a"
uart = "/dev/null,9600"
net = "tcp://host"
up-bufer = "1MiB"
connect-timeout = 15
[[bridge]]
name = "a"
uart = "/dev/../dev/null"
net = 5
reset-after = -1
[[bridge]]
net = "tcp-listen://:4000"
watchdog = true
[[bridge]]
uart = "pty:"
net = "tcp-listen://0.0.0.0:4000"
up-buffer = 0
"#;
        let expected = [
            "1: key `log-level`: unknown value `loud`, expected one of `off`, `error`",
            "2: unknown key `lgo-format`; did you mean `log-format`?",
            "3: key `up-buffer` belongs to a bridge",
            "7: bridge \"a\": key `net`: \"tcp://host\": the port is missing",
            "8: bridge \"a\": unknown key `up-bufer`; did you mean `up-buffer`?",
            "9: bridge \"a\": key `connect-timeout`: 15 lacks its unit",
            "11: bridge \"a\": key `name`: another bridge above has the same name",
            "12: bridge \"a\": key `uart`: the device /dev/../dev/null is taken by bridge \"a\" above",
            "13: bridge \"a\": key `net`: expected a text such as",
            "14: bridge \"a\": key `reset-after`: invalid value: integer `-1`, expected a number from 0 to 65535",
            "15: bridge 3: key `uart`: missing; for example uart = \"/dev/ttyUSB0\"",
            "17: bridge 3: key `watchdog` concerns all bridges",
            "20: bridge 4: key `net`: port 4000 is taken by bridge 3 above",
            "21: bridge 4: key `up-buffer`: must hold at least 1 byte",
        ];
        let found = problems(text);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_told_too() {
        for (text, expected) in [
            ("", "1: there is no bridge in it"),
            ("\n[bridge]\nuart = 'pty:'", "2: write [[bridge]] with two brackets"),
            ("bridge = ['x']", "1: bridge 1: not a table"),
            ("x = \n", "1: not TOML: "),
            ("[[bridge]]\ngreeting = \"\\q\"", "2: not TOML: missing escaped value"),
            ("[[bridge]]\nuart = 'pty:'\nuart = '-'", "3: not TOML: duplicate key"),
            ("[[bridge]]\nuart = 'pty:'\nnet = '-'\nname = ''", "4: bridge \"\": key `name`: is empty"),
            ("[[bridge]]\nuart = 'pty:'\nnet = []", "3: bridge 1: key `net`: \"\": there is no peer"),
            ("[[bridge]]\nuart = 'a:1'\nnet = 'a:1'", "2: bridge 1: key `uart`: \"a:1\": a network end"),
            (
                "[[bridge]]\nuart = '-'\nnet = '-'",
                "3: bridge 1: key `net`: standard input and output is taken",
            ),
            (
                "[[bridge]]\nuart='pty:'\nnet='a:1'\ntrace='x'\n[[bridge]]\nuart='pty:'\nnet='a:1'\ntrace='./x'",
                "8: bridge 2: key `trace`: the trace ./x is taken by bridge 1",
            ),
            (
                "[[bridge]]\nuart = 'pty:x'\nnet = 'a:1'\n[[bridge]]\nuart = 'pty:./x'\nnet = 'a:1'",
                "5: bridge 2: key `uart`: the link ./x is taken by bridge 1",
            ),
        ] {
            let found = problems(text);
            assert!(found.first().is_some_and(|first| first.starts_with(expected)), "{text}\n{found:#?}");
        }
    }

    /// Words such as stand in these files, each for itself right or wrong.
    const VALUES: [&str; 24] = [
        "1",
        "-1",
        "0",
        "true",
        "'on'",
        "'off'",
        "'1s'",
        "'1 year'",
        "'1MiB'",
        "'block'",
        "''",
        "'x'",
        "\"\\u0000\"",
        "'pty:'",
        "'pty:x'",
        "'/dev/null,9600n81'",
        "'-'",
        "'a:1'",
        "'udp://[::1]:1'",
        "'tcp-listen://:1'",
        "'tls://a:1?ca=x'",
        "['a:1', 'b:2']",
        "[]",
        "{}",
    ];

    /// A line of such a file, or what a hand on the keyboard leaves behind.
    fn line() -> impl Strategy<Value = String> {
        let key = || {
            let keys: Vec<_> = [Options::keys(), Process::keys()].concat();
            select(keys).prop_union(select(ENDS.map(str::to_owned).to_vec()))
        };
        prop_oneof![
            6 => (key(), select(VALUES.to_vec())).prop_map(|(key, value)| format!("{key} = {value}\n")),
            3 => Just("[[bridge]]\nuart = 'pty:'\nnet = 'a:1'\n".to_owned()),
            1 => Just("[[bridge]]\n".to_owned()),
            1 => "\\PC{0,8}\n?",
        ]
    }

    proptest! {
        #[test]
        fn whatever_a_file_holds_is_bridges_or_problems_within_it(lines in vec(line(), 0..16)) {
            let text = lines.concat();
            match parse(&text) {
                Ok(file) => prop_assert!(!file.bridges.is_empty()),
                Err(problems) => {
                    prop_assert!(!problems.is_empty());
                    for Problem { at, what } in problems {
                        prop_assert!(at <= text.len() && !what.is_empty(), "{at} of {}: {what:?}", text.len());
                    }
                }
            }
        }
    }
}

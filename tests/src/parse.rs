//! Reads scenario files: header lines first, then a step a line. `tests/scenarios/README.md` lists the words.

mod tls;

use std::time::Duration;

use crate::scenario::{
    Address, Allowed, Depth, DeviceAct, End, Expect, FlowControl, Line, Lost, NetworkAct, Ordering, Payload,
    PeerAct, Proof, Scenario, Step, Transport, What, WorldSettings,
};
use crate::words::Words;

/// How long an expectation waits unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// A line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The file's name.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl core::fmt::Display for ParseError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl core::error::Error for ParseError {}

/// Reads the scenario in `text`, which is called `file` in errors.
///
/// # Errors
/// The first line that makes no sense.
pub fn parse(file: &str, text: &str) -> Result<Scenario, ParseError> {
    let name = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".scn").to_owned();
    let mut scenario = Scenario {
        name,
        title: String::new(),
        proves: Vec::new(),
        options: Vec::new(),
        transport: Transport::Tcp,
        tls: None,
        address: Address::V4,
        peers: 1,
        world: WorldSettings::default(),
        steps: Vec::new(),
    };
    for (index, raw) in text.lines().enumerate() {
        let words = Words::new(raw);
        if words.rest().is_empty() {
            continue;
        }
        read_line(&mut scenario, words, index + 1).map_err(|message| ParseError {
            file: file.to_owned(),
            line: index + 1,
            message,
        })?;
    }
    let lacks = |message: &str| ParseError { file: file.to_owned(), line: 1, message: message.to_owned() };
    if scenario.title.is_empty() {
        return Err(lacks("no `title` line"));
    }
    if scenario.proves.is_empty() {
        return Err(lacks("no `proves` line, such as `proves failure 2, S7`"));
    }
    let can_fail = |line: &Line| matches!(line.step, Step::Expect(_) | Step::StartFails(_));
    if !scenario.steps.iter().any(can_fail) {
        return Err(lacks("no `expect` line: this scenario cannot fail"));
    }
    Ok(scenario)
}

fn read_line(scenario: &mut Scenario, mut words: Words<'_>, number: usize) -> Result<(), String> {
    let text = words.rest().to_owned();
    let mut ahead = words.clone();
    if header(scenario, &mut ahead)? {
        if !scenario.steps.is_empty() {
            return Err("header lines come before the first step".into());
        }
        return ahead.end();
    }
    let step = step(&mut words)?;
    words.end()?;
    tls::check(scenario, &step)?;
    if let Step::Peer(peer, _)
    | Step::Expect(Expect {
        what: What::Bytes(End::Peer(peer), _) | What::Datagram(peer, _) | What::Alert(peer, _),
        ..
    }) = step
        && peer >= scenario.peers
    {
        return Err(format!("there is no peer {}; add `peers {}` to the header", peer + 1, peer + 1));
    }
    scenario.steps.push(Line { number, text, step });
    Ok(())
}

/// Takes a header line; false if it is none.
fn header(scenario: &mut Scenario, words: &mut Words<'_>) -> Result<bool, String> {
    let world = &mut scenario.world;
    let key = words.bare().unwrap_or_default();
    match key {
        "title" => scenario.title = take_rest(words),
        "proves" => scenario.proves = take_rest(words).split(',').map(proof).collect::<Result<_, _>>()?,
        "option" => {
            let name = words.bare().ok_or("`option` needs a name and a value")?.to_owned();
            scenario.options.push((name, take_rest(words).trim_matches('"').to_owned()));
        }
        "transport" => {
            let known =
                [("tcp", Transport::Tcp), ("tcp-listen", Transport::TcpListen), ("udp", Transport::Udp)];
            scenario.transport =
                pick(words, &known).ok_or_else(|| words.wanted("`tcp`, `tcp-listen` or `udp`"))?;
        }
        "address" => {
            let known = [("ipv4", Address::V4), ("ipv6", Address::V6), ("name", Address::Name)];
            scenario.address = pick(words, &known).ok_or_else(|| words.wanted("`ipv4`, `ipv6` or `name`"))?;
        }
        "peers" => scenario.peers = words.bytes()?.max(1),
        "line" if words.eat("baud") => {
            world.baud = u32::try_from(words.number()?.max(1)).map_err(|e| e.to_string())?;
        }
        "line" if words.eat("fifo") => world.fifo = words.bytes()?.max(1),
        "line" if words.eat("without flow control") => world.flow_control = FlowControl::None,
        "line" if words.eat("flow control by the bridge alone") => world.flow_control = FlowControl::Bridge,
        "line" => {
            let known = "`baud N`, `fifo N`, `without flow control` or `flow control by the bridge alone`";
            return Err(words.wanted(known));
        }
        "network" if words.eat("delay") => world.delay = words.span()?,
        "network" if words.eat("window") => world.window = words.bytes()?.max(1),
        _ => return tls::header(&mut scenario.tls, key, words),
    }
    Ok(true)
}

fn take_rest(words: &mut Words<'_>) -> String {
    let rest = words.rest().to_owned();
    *words = Words::new("");
    rest
}

fn proof(text: &str) -> Result<Proof, String> {
    let text = text.trim();
    let number = |digits: &str| digits.parse::<u8>().ok();
    if let Some(row) = text.strip_prefix('S').and_then(number) {
        return Ok(Proof::Row(row));
    }
    match text.strip_prefix("failure ").map(number) {
        Some(Some(n @ 1..=14)) => Ok(Proof::Failure(n)),
        Some(_) => Err(format!("`{text}`: failures are numbered 1 to 14")),
        None if text.is_empty() => Err("a comma too many".into()),
        None => Ok(Proof::Theme(text.to_owned())),
    }
}

fn step(words: &mut Words<'_>) -> Result<Step, String> {
    if words.eat("expect") {
        return expect(words).map(Step::Expect);
    }
    if let Some(peer) = peer(words) {
        return peer_act(words).map(|act| Step::Peer(peer, act));
    }
    if words.eat("device") {
        return device_act(words).map(Step::Device);
    }
    if words.eat("start fails with") {
        return text(words).map(Step::StartFails);
    }
    if words.eat("wait") {
        return words.span().map(Step::Wait);
    }
    if words.eat("clock jumps back") {
        return words.span().map(Step::ClockBack);
    }
    let known = [
        ("start", Step::Start),
        ("stop", Step::Stop),
        ("bridge hangs", Step::Hang),
        ("network black hole", Step::Network(NetworkAct::BlackHole)),
        ("network loses acks", Step::Network(NetworkAct::LosesAcks)),
        ("network heals", Step::Network(NetworkAct::Heals)),
        ("ip lost", Step::Network(NetworkAct::IpLost)),
        ("ip ready", Step::Network(NetworkAct::IpReady)),
    ];
    pick(words, &known).ok_or_else(|| words.wanted("a step (see scenarios/README.md)"))
}

/// `peer`, `second peer`, `third peer`.
fn peer(words: &mut Words<'_>) -> Option<usize> {
    [("peer", 0), ("first peer", 0), ("second peer", 1), ("third peer", 2)]
        .into_iter()
        .find_map(|(name, index)| words.eat(name).then_some(index))
}

fn pick<T: Clone>(words: &mut Words<'_>, known: &[(&str, T)]) -> Option<T> {
    known.iter().find(|(name, _)| words.eat(name)).map(|(_, meaning)| meaning.clone())
}

/// A quoted text that is no arbitrary bytes.
fn text(words: &mut Words<'_>) -> Result<String, String> {
    String::from_utf8(words.quoted()?).map_err(|error| error.to_string())
}

fn payload(words: &mut Words<'_>) -> Result<Payload, String> {
    if words.rest().starts_with('"') {
        return words.quoted().map(Payload::Bytes);
    }
    let bytes = words.bytes()?;
    if words.eat("of records") { Ok(Payload::Records(bytes)) } else { Err(words.wanted("`of records`")) }
}

fn device_act(words: &mut Words<'_>) -> Result<DeviceAct, String> {
    if words.eat("sends") {
        return payload(words).map(DeviceAct::Sends);
    }
    let known = [
        ("floods", DeviceAct::Floods),
        ("stops sending", DeviceAct::StopsSending),
        ("stalls", DeviceAct::Stalls),
        ("reads again", DeviceAct::ReadsAgain),
        ("unplugged", DeviceAct::Unplugged),
        ("plugged", DeviceAct::Plugged),
        ("line error", DeviceAct::LineError),
    ];
    pick(words, &known).ok_or_else(|| words.wanted("what the device does"))
}

fn peer_act(words: &mut Words<'_>) -> Result<PeerAct, String> {
    if let Some(act) = tls::act(words) {
        return Ok(act);
    }
    if words.eat("sends") {
        return payload(words).map(PeerAct::Sends);
    }
    let known = [
        ("floods", PeerAct::Floods),
        ("stops sending", PeerAct::StopsSending),
        ("closes", PeerAct::Closes),
        ("half-closes", PeerAct::HalfCloses),
        ("resets", PeerAct::Resets),
        ("refuses", PeerAct::Refuses),
        ("listens", PeerAct::Listens),
        ("stalls", PeerAct::Stalls),
        ("reads again", PeerAct::ReadsAgain),
        ("trickles", PeerAct::Trickles),
    ];
    pick(words, &known).ok_or_else(|| words.wanted("what the peer does"))
}

fn expect(words: &mut Words<'_>) -> Result<Expect, String> {
    let what = what(words)?;
    let within = if words.eat("within") { words.span()? } else { PATIENCE };
    Ok(Expect { what, within })
}

fn what(words: &mut Words<'_>) -> Result<What, String> {
    if words.eat("device") {
        return at_end(words, End::Device);
    }
    if let Some(index) = peer(words) {
        return at_end(words, End::Peer(index));
    }
    if words.eat("connected") {
        let to = if words.eat("to") {
            Some(peer(words).ok_or_else(|| words.wanted("`peer` or `second peer`"))?)
        } else {
            None
        };
        return Ok(What::Connected(to));
    }
    if words.eat("connections") {
        return Ok(What::Connections(ordering(words), words.number()?));
    }
    if words.eat("stats") {
        let name = words.bare().ok_or("`expect stats` needs a counter's name")?.to_owned();
        return Ok(What::Stat(name, ordering(words), words.number()?));
    }
    if words.eat("bridge says") {
        return text(words).map(What::Says);
    }
    if words.eat("radio resets") {
        return words.number().map(What::RadioResets);
    }
    if words.eat("restarts") {
        return words.number().map(What::Restarts);
    }
    let known = [
        ("disconnected", What::Disconnected),
        ("sleep idle", What::Sleeps(Depth::Idle)),
        ("sleep doze", What::Sleeps(Depth::Doze)),
        ("sleep deep", What::Sleeps(Depth::Deep)),
        ("watchdog fed", What::WatchdogFed),
        ("watchdog bites", What::WatchdogBites),
        ("finished", What::Finished),
        ("bridge gives up", What::GivesUp),
    ];
    pick(words, &known).ok_or_else(|| words.wanted("a condition (see scenarios/README.md)"))
}

fn at_end(words: &mut Words<'_>, end: End) -> Result<What, String> {
    if words.rest().starts_with('"') {
        return words.quoted().map(|bytes| What::Bytes(end, bytes));
    }
    if words.eat("nothing for") {
        return words.span().map(|span| What::Nothing(end, span));
    }
    if words.eat("complete") {
        return allowed(words).map(|allowed| What::Complete(end, allowed));
    }
    if words.eat("held back") {
        return Ok(What::HeldBack(end));
    }
    match end {
        End::Peer(peer) if words.eat("end of stream") => Ok(What::EndOfStream(peer)),
        End::Peer(peer) if words.eat("alert") => {
            let name = words.bare().ok_or_else(|| words.wanted("the name of a TLS alert (RFC 8446 §6)"))?;
            Ok(What::Alert(peer, name.to_owned()))
        }
        End::Peer(peer) if words.eat("datagram") => words.quoted().map(|bytes| What::Datagram(peer, bytes)),
        End::Peer(_) | End::Device => Err(words.wanted("what arrives here")),
    }
}

fn allowed(words: &mut Words<'_>) -> Result<Allowed, String> {
    let mut allowed = Allowed::default();
    while words.eat(",") {
        if words.eat("duplicated <=") {
            allowed.duplicated = words.bytes()?;
        } else if words.eat("loss counted") {
            allowed.lost = Lost::Counted;
        } else if words.eat("whole records lost and counted") {
            allowed.lost = Lost::WholeRecords;
        } else {
            return Err(words.wanted("`duplicated <= N`, `loss counted` or `whole records lost and counted`"));
        }
    }
    Ok(allowed)
}

fn ordering(words: &mut Words<'_>) -> Ordering {
    pick(words, &[("at most", Ordering::AtMost), ("at least", Ordering::AtLeast)]).unwrap_or(Ordering::Is)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tls::{ClientCertificate, Handshake, ServerCertificate, TlsAct, Trust, Version};

    const HEAD: &str = "title a test\nproves failure 3, S7, half-open\n";

    fn error(lines: &str) -> String {
        parse("dir/x.scn", &format!("{HEAD}{lines}")).expect_err("a mistake").to_string()
    }

    #[test]
    fn a_file_is_read_as_it_is_written() {
        let text = format!(
            "{HEAD}option up-buffer 1024\noption greeting \"A  B\"\npeers 2\n\n# how it goes\n\
             device sends 2 KiB of records\nsecond peer sends \"x\\r\\n\" # end\n\
             expect peer complete, duplicated <= 16 bytes within 1 min\n"
        );
        let scenario = parse("dir/x.scn", &text).expect("a scenario");
        assert_eq!(scenario.name, "x");
        assert_eq!(scenario.proves[0], Proof::Failure(3));
        assert_eq!(scenario.options[1], ("greeting".into(), "A  B".into()));
        let allowed = Allowed { duplicated: 16, lost: Lost::Nothing };
        let what = What::Complete(End::Peer(0), allowed);
        assert_eq!(scenario.steps[2].step, Step::Expect(Expect { what, within: Duration::from_secs(60) }));
        assert_eq!(scenario.steps[1].number, 9);
        assert_eq!(scenario.steps[1].step, Step::Peer(1, PeerAct::Sends(Payload::Bytes(b"x\r\n".into()))));
    }

    #[test]
    fn tls_is_read_as_it_is_written() {
        let text = format!(
            "{HEAD}tls mutual\ntls version 1.2\ntrust authority and pin\nserver certificate not yet valid\n\
             client certificate none\npeer stalls the handshake\npeer closes in mid-record\npeer renegotiates\n\
             expect peer alert unknown_ca\nexpect bridge says \"clock\" within 1 s\n"
        );
        let scenario = parse("x.scn", &text).expect("a scenario");
        let tls = scenario.tls.expect("TLS");
        assert_eq!((tls.mutual, tls.version), (true, Some(Version::Tls12)));
        assert_eq!((tls.trust, tls.server), (Trust::AuthorityAndPin, ServerCertificate::NotYetValid));
        assert_eq!(tls.client, ClientCertificate::None);
        let act = |nth: usize| scenario.steps[nth].step.clone();
        assert_eq!(act(0), Step::Peer(0, PeerAct::Tls(TlsAct::Handshake(Handshake::Stalls))));
        assert_eq!(act(1), Step::Peer(0, PeerAct::ClosesMidRecord));
        let expect = |what, within| Step::Expect(Expect { what, within });
        assert_eq!(act(3), expect(What::Alert(0, "unknown_ca".into()), PATIENCE));
        assert_eq!(act(4), expect(What::Says("clock".into()), Duration::from_secs(1)));
    }

    #[test]
    fn errors_name_file_line_and_what_was_expected() {
        let starts = |message: String, start: &str| assert!(message.starts_with(start), "{message}");
        starts(error("device sings"), "dir/x.scn:3: expected what the device does, found `sings`");
        starts(error("wait 5"), "dir/x.scn:3: expected a unit of time");
        starts(error("wait 5 s\npeers 2"), "dir/x.scn:4: header lines come before");
        starts(error("second peer closes"), "dir/x.scn:3: there is no peer 2; add `peers 2`");
        starts(error("device sends \"x"), "dir/x.scn:3: a text in quotes that does not end");
        starts(error("device sends \"\\q\""), "dir/x.scn:3: unknown escape `\\q`");
        starts(error("expect peer \"a\" soon"), "dir/x.scn:3: expected the end of the line, found `soon`");
        starts(error("stop"), "dir/x.scn:1: no `expect` line");
        starts(error("peer sends garbage"), "dir/x.scn:3: the peers do not speak TLS; add");
        starts(error("trust pin"), "dir/x.scn:3: `tls one-way` or `tls mutual` comes before");
        starts(error("tls both-ways"), "dir/x.scn:3: `tls one-way` or `tls mutual` comes before");
        starts(
            error("tls one-way\nserver certificate old"),
            "dir/x.scn:4: expected one of `expired`, `not yet",
        );
        starts(error("tls one-way\nclient certificate none"), "dir/x.scn:4: nobody asks for a client");
        starts(error("tls one-way\npeer renegotiates"), "dir/x.scn:4: only TLS 1.2 knows this");
        starts(error("tls one-way\npeer distrusts the bridge"), "dir/x.scn:4: the peers do not know");
        starts(error("tls one-way\ntransport udp\nstop"), "dir/x.scn:5: TLS goes over `transport tcp`");
        starts(error("tls one-way\ntransport tcp-listen\ntrust pin\nstop"), "dir/x.scn:6: `trust` and `tls");
    }
}

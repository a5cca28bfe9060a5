//! Saving the log, as text and as pcapng; Wireshark's own reader reads the latter.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use uartbridge_tests::browser::Page;

use super::{innocent, quiet, running};
use crate::Place;

pub(super) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("person::saves_the_log_as_text", as_text),
        place.trial("person::saves_the_log_for_wireshark", as_pcapng),
    ]
}

/// A page that has said and heard something, and then shows nothing more; and an empty folder.
fn talked(place: &Place, name: &str) -> Result<(Page, PathBuf), Failed> {
    let mut page = running(place)?;
    quiet(&mut page)?;
    let folder = std::env::temp_dir().join(format!("uartbridge-saved-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok((page, folder))
}

fn as_text(place: &Place) -> Result<(), Failed> {
    let (mut page, folder) = talked(place, "text")?;
    let file = page.download("#save-text", &folder)?;
    let log = std::fs::read_to_string(&file)?;
    std::fs::remove_dir_all(&folder)?;
    for wanted in [
        "  the port is open\n",
        "  UART → net  temp 1 ",
        " C\\r\\n\n",
        "  UART ← net  AT+EVERY=0\\r\\n\n",
        "  UART → net  OK\\r\\n\n",
    ] {
        if !log.contains(wanted) {
            return Err(format!("{wanted:?} is not in {log}").into());
        }
    }
    innocent(&page)
}

fn as_pcapng(place: &Place) -> Result<(), Failed> {
    let (mut page, folder) = talked(place, "pcapng")?;
    let file = page.download("#save-pcapng", &folder)?;
    let packets = blocks(&std::fs::read(&file)?)?;
    let read = tshark(&file)?;
    std::fs::remove_dir_all(&folder)?;
    if packets != read {
        return Err(format!("tshark reads {read:?} in a file of {packets:?}").into());
    }
    let of = |direction: u32| -> Vec<u8> {
        let those = packets.iter().filter(|packet| packet.direction == direction);
        those.flat_map(|packet| packet.bytes.clone()).collect()
    };
    let (inbound, outbound) = (String::from_utf8(of(1))?, String::from_utf8(of(2))?);
    let greeting = "uartbridge demo device, ready; AT+HELP lists what it understands\r\ntemp 1 ";
    if !inbound.starts_with(greeting) || !inbound.ends_with("OK\r\n") || outbound != "AT+EVERY=0\r\n" {
        return Err(format!("from the device {inbound:?}, to it {outbound:?}").into());
    }
    if !packets.iter().any(|packet| packet.comment.contains("the port is open")) {
        return Err("no comment says that the port is open".into());
    }
    innocent(&page)
}

/// Between comments.
const SEPARATOR: &str = "|";

#[derive(Debug, Default, PartialEq, Eq)]
struct Packet {
    bytes: Vec<u8>,
    /// 1 inbound, 2 outbound (pcapng, 4.3.1).
    direction: u32,
    /// All of them, one behind the other.
    comment: String,
}

/// The packets of a file in the order of bytes of this machine: one section, one interface of the link type USER0.
fn blocks(file: &[u8]) -> Result<Vec<Packet>, Failed> {
    let mut packets = Vec::new();
    let (mut kinds, mut rest) = (Vec::new(), file);
    while !rest.is_empty() {
        let (kind, length) = (number(rest, 0)?, number(rest, 4)? as usize);
        let block = rest.get(..length).ok_or("a block is cut off")?;
        if length < 12 || length % 4 != 0 || number(block, length - 4)? as usize != length {
            return Err(format!("a block says it has {length} bytes").into());
        }
        let body = &block[8..length - 4];
        match kind {
            1 if number(body, 0)? != 147 => return Err("the link type is not USER0".into()),
            6 => packets.push(packet(body)?),
            _ => {}
        }
        kinds.push(kind);
        rest = &rest[length..];
    }
    match kinds.get(..2) {
        Some([0x0a0d_0d0a, 1]) if kinds[2..].iter().all(|kind| *kind == 6) => Ok(packets),
        Some(_) | None => Err(format!("blocks of the types {kinds:x?}").into()),
    }
}

fn packet(body: &[u8]) -> Result<Packet, Failed> {
    let captured = number(body, 12)? as usize;
    let bytes = body.get(20..20 + captured).ok_or("a packet is cut off")?.to_vec();
    let mut found = Packet { bytes, ..Packet::default() };
    let mut options = &body[20 + captured.next_multiple_of(4)..];
    while !options.is_empty() {
        let head = number(options, 0)?;
        let (code, length) = (head & 0xffff, (head >> 16) as usize);
        let value = options.get(4..4 + length).ok_or("an option is cut off")?;
        match code {
            0 => break,
            1 => {
                let separator = if found.comment.is_empty() { "" } else { SEPARATOR };
                found.comment += &(separator.to_owned() + std::str::from_utf8(value)?);
            }
            2 => found.direction = number(value, 0)?,
            _ => {}
        }
        options = &options[4 + length.next_multiple_of(4)..];
    }
    Ok(found)
}

fn number(bytes: &[u8], at: usize) -> Result<u32, Failed> {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    Ok(u32::from_le_bytes(four.ok_or("the file is cut off")?))
}

/// The same packets as tshark reads them.
fn tshark(file: &Path) -> Result<Vec<Packet>, Failed> {
    let fields = ["data.data", "frame.packet_flags_direction", "frame.comment"];
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E"]);
    command.arg(format!("aggregator={SEPARATOR}"));
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().map_err(|error| format!("tshark: {error}"))?;
    if !output.status.success() {
        return Err(format!("tshark: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let lines = String::from_utf8(output.stdout)?;
    lines.lines().map(line).collect()
}

fn line(line: &str) -> Result<Packet, Failed> {
    let mut fields = line.split('\t');
    let mut next = || fields.next().unwrap_or_default();
    let (data, direction, comment) = (next(), next(), next());
    let pairs = data.as_bytes().chunks(2).map(|pair| {
        std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or("no hex")
    });
    let direction = direction.trim_start_matches("0x");
    let direction = if direction.is_empty() { 0 } else { u32::from_str_radix(direction, 16)? };
    Ok(Packet { bytes: pairs.collect::<Result<_, _>>()?, direction, comment: comment.to_owned() })
}

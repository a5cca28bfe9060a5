//! The program as it serves, and plain HTTP to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ChildStdout;
use std::thread;

use crate::device::{Patient, client};
use crate::process::Program;

/// The program while it serves, and what it has printed.
pub(super) struct Serving {
    pub(super) program: Program,
    output: Option<BufReader<Patient<ChildStdout>>>,
    pub(super) url: String,
    pub(super) address: SocketAddr,
    pub(super) token: String,
}

impl Serving {
    /// `serve` with these options, on a free port if they do not name one.
    pub(super) fn start(options: &[&str]) -> Self {
        let anywhere: &[&str] = if options.contains(&"--listen") { &[] } else { &["--listen", "0"] };
        Self::of(Program::start(&[&["serve"], anywhere, options].concat()))
    }

    /// With one server that is allowed.
    pub(super) fn to(target: &str) -> Self {
        Self::start(&["--allow", target])
    }

    /// A program that prints a page's URL.
    pub(super) fn of(mut program: Program) -> Self {
        let mut output = BufReader::new(Patient(program.stdout()));
        let url = loop {
            let line = next_line(&mut output);
            if let Some(start) = line.find("http://") {
                break line[start..].to_owned();
            }
        };
        let (place, fragment) = url.split_once("/#").unwrap_or_else(|| panic!("no fragment in {url}"));
        let address = place.trim_start_matches("http://").parse().expect("an address");
        let token = fragment.split('&').find_map(|part| part.strip_prefix("token=")).unwrap_or_default();
        Self { program, output: Some(output), token: token.to_owned(), address, url }
    }

    /// The next line that the program prints.
    pub(super) fn line(&mut self) -> String {
        next_line(self.output.as_mut().expect("somebody else reads it"))
    }

    /// Reads all that the program prints, so that it never waits for that.
    pub(super) fn read_on(&mut self) {
        let output = self.output.take().expect("once");
        thread::spawn(move || output.lines().map_while(Result::ok).for_each(drop));
    }

    /// Stops; the log, in which the token never is.
    pub(super) fn stop(self) -> Vec<String> {
        let (code, log) = self.program.stop();
        assert_eq!(code, 0, "{log:#?}");
        assert!(self.token.is_empty() || !log.join("\n").contains(&self.token), "{log:#?}");
        log
    }

    /// The most memory that the program has had, in KiB (proc(5)).
    pub(super) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.pid()));
        let status = status.expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("proc(5)");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

fn next_line(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("a line in time");
    assert!(line.ends_with('\n'), "the output has ended: {line:?}");
    line.trim_end().to_owned()
}

/// An HTTP request, and its answer: status, headers and body.
pub(super) fn request(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = client(&to.ip().to_string(), to.port());
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head += &format!("Host: {to}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).expect("the program listens");
    Answer::read(stream)
}

/// What the program has answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer in time");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {text}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) fn header(&self, wanted: &str) -> &str {
        let headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
            .next()
            .unwrap_or_else(|| panic!("no {wanted} in {}", self.head))
    }
}

//! TLS: throughput and its cost beside other TLS clients, handshakes, and memory a connection.

mod ends;

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub(super) use ends::{Client, Server};

use super::Entrants;
use super::figures::shown;
use super::figures::with_ratio;
use super::process;
use super::program::{Pair, Program};
use super::report::{Section, Table};
use super::rig::{Entrant, Rig, wait_readable};
use super::throughput::{Load, compare, size};

/// The sizes of the writes, in bytes.
const BLOCKS: [usize; 2] = [1024, 4096];
/// Connections, to tell what one of them takes.
const MANY: usize = 65;

/// Measures everything about TLS.
///
/// # Errors
/// The handshakes cannot be measured; a client that fails otherwise is noted.
pub(super) fn run(quick: bool, failures: &mut Vec<String>) -> Result<Vec<Section>> {
    let mut clients: Vec<_> = Client::ALL.into_iter().map(Program::Tls).map(Entrant::new).collect();
    clients.push(Entrant::new(Program::Uartbridge));
    let mut entrants = Entrants { list: clients };
    let mut sections = throughput(&mut entrants, quick);
    entrants.list.iter_mut().for_each(Entrant::end);
    sections.push(memory(&mut entrants));
    sections.push(handshakes(quick)?);
    failures.extend(entrants.failures());
    Ok(sections)
}

fn throughput(entrants: &mut Entrants, quick: bool) -> Vec<Section> {
    let (rounds, window) = if quick { (3, 100) } else { (11, 200) };
    let mut columns = vec!["load".to_owned()];
    columns
        .extend(entrants.list[..Client::ALL.len()].iter().map(|entrant| entrant.program.name().to_owned()));
    columns.push("uartbridge without TLS".to_owned());
    let (mut rates, mut costs) = (Table::new(columns.clone()), Table::new(columns));
    for load in [Load::Up, Load::Down, Load::Both] {
        for block in BLOCKS {
            let (rate, cost) = compare(entrants, load, block, rounds, Duration::from_millis(window));
            for (table, figures) in [(&mut rates, rate), (&mut costs, cost)] {
                let name = format!("{} {}", load.name(), size(block));
                let cells = (0..entrants.list.len()).map(|n| with_ratio(&figures, n));
                table.row(std::iter::once(name).chain(cells));
            }
        }
    }
    let versions: Vec<_> = Client::ALL.into_iter().filter_map(|client| client.version().ok()).collect();
    let how = format!(
        "The server of all clients is stunnel, in front of the bench's socket; it shares the processors with them. {}. Median of \
         {rounds} rounds of {window} ms; in brackets the ratio to uartbridge.",
        versions.join(", ")
    );
    vec![
        Section::new("TLS throughput", format!("MiB/s at the receiver for writes of one size. {how}"), rates),
        Section::new(
            "TLS CPU time",
            "Seconds a GiB, user and system, of the client alone, in the same runs. stunnel and socat are two processes: their sum.".into(),
            costs,
        ),
    ]
}

/// KiB resident for each connection: the difference between many and one, in one process where that is possible.
fn memory(entrants: &mut Entrants) -> Section {
    let mut table = Table::new(["client", "one connection, MiB", "each further one, KiB"].map(str::to_owned));
    for entrant in &mut entrants.list {
        let program = entrant.program;
        let resident = |lines| -> Result<f64> {
            let rig = Rig::start(program, lines)?;
            Ok(rig.memory()?.resident as f64)
        };
        let both = resident(1).and_then(|one| Ok((one, resident(MANY)?)));
        let name = match program {
            Program::Uartbridge => "uartbridge without TLS",
            Program::Tls(_) | Program::Limit | Program::Again | Program::Socat | Program::Ser2net => {
                program.name()
            }
        };
        let (one, each) = match both {
            Ok((one, many)) => (Some(one / 1024.0), Some((many - one) / (MANY - 1) as f64)),
            Err(error) => {
                entrant.fail(Some("memory"), &error);
                (None, None)
            }
        };
        table.row([name.to_owned(), shown(one), shown(each)]);
    }
    let how = format!(
        "Resident (`VmRSS`, shared pages count for each process) once bytes have gone both ways, with one connection and with {MANY}. \
         socat is a process for each connection; stunnel is one process, with a socat for each."
    );
    Section::new("TLS memory", how, table)
}

/// A client that connects again and again, because the server hangs up each time.
fn handshakes(quick: bool) -> Result<Section> {
    let window = Duration::from_secs(if quick { 1 } else { 5 });
    let mut table =
        Table::new(["handshake", "a second", "CPU ms each", "a second of CPU time"].map(str::to_owned));
    for (name, options) in [
        ("TLS 1.3, resumed", "sslVersionMin = TLSv1.3\n"),
        ("TLS 1.2, resumed", "sslVersionMax = TLSv1.2\n"),
        ("TLS 1.2, full", "sslVersionMax = TLSv1.2\nsessionResume = no\noptions = NO_TICKET\n"),
    ] {
        let (count, cpu) = reconnect(options, window).with_context(|| name.to_owned())?;
        let each = cpu.as_secs_f64() / count as f64;
        table.row([
            name.to_owned(),
            shown(Some(count as f64 / window.as_secs_f64())),
            shown(Some(each * 1000.0)),
            shown(Some(1.0 / each)),
        ]);
    }
    let how = format!(
        "uartbridge connects, the server (stunnel, ECDSA P-256) hangs up, and so on for {} s, without pauses. TCP, verification and \
         the program's whole turn are in it. A server of TLS 1.3 always gives tickets, so a full handshake is measured in TLS 1.2.",
        window.as_secs()
    );
    Ok(Section::new("TLS handshakes", how, table))
}

/// How many connections there were, and what they cost the client.
fn reconnect(options: &str, window: Duration) -> Result<(usize, Duration)> {
    let dir = std::env::temp_dir().join(format!("uartbridge-bench-{}-handshakes", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let pair = Pair { tty: String::new(), tcp: listener.local_addr()?.port() };
    let (_server, pairs) = Server::start(&[pair], &dir, options)?;
    let [Pair { tcp, .. }] = pairs.as_slice() else { bail!("one pair makes one") };
    let end = format!("tls://localhost:{tcp}?ca={}", dir.join("certs/ca.pem").display());
    let mut client = Command::new(Program::Uartbridge.path()?)
        .args(["pty:", &end, "--log-level", "off", "--backoff-first", "1ms", "--backoff-max", "1ms"])
        .args(["--backoff-jitter", "off", "--stable-after", "0s"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let counted = (|| {
        let accept = || -> Result<()> {
            if !wait_readable(listener.as_fd(), Duration::from_secs(10))? {
                bail!("no connection comes");
            }
            drop(listener.accept()?);
            Ok(())
        };
        accept()?;
        let (start, before) = (Instant::now(), process::cpu_time(&[client.id()])?);
        let mut count = 0;
        while start.elapsed() < window {
            accept()?;
            count += 1;
        }
        Ok((count, process::cpu_time(&[client.id()])?.saturating_sub(before)))
    })();
    // It has not ended by itself.
    let _ = client.kill();
    let _ = client.wait();
    let _ = std::fs::remove_dir_all(&dir);
    counted
}

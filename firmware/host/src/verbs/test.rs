//! `cargo xtask firmware test`: the images in QEMU against real peers on this host.

mod configuration;
mod gdb;
pub(crate) mod peer;
mod plain;
mod stream;
pub(crate) mod tls;
mod trace;
mod watchdog;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

#[derive(Args)]
pub(crate) struct Options {
    /// Only the tests whose names contain this
    filter: Option<String>,
    /// Print the boards' logs as they come
    #[arg(long)]
    log: bool,
}

/// A test: its name, which is what it shows, and how it does.
type Test = (&'static str, fn() -> Result<()>);

const TESTS: &[Test] = &[
    ("a mebibyte each way, byte for byte", plain::a_mebibyte_each_way),
    ("a bridge that hangs is reset by the watchdog", watchdog::resets_a_hung_bridge),
    ("cable pulled ten times in mid-stream, no byte lost", plain::cable_pulled_ten_times),
    ("server absent for 30 s, nothing lost", plain::server_absent),
    ("TLS: verified on both sides, by openssl s_server", tls::mutual),
    ("TLS: wrong certificates are refused, and nothing is lost", tls::refused),
    ("UDP: a burst is a datagram, both ways", plain::udp_datagrams),
    ("a trace in the board's memory replays without a difference", trace::replays_without_a_difference),
    ("a configuration that cannot work is told", configuration::is_told),
    ("an address of its own, and a peer by name", configuration::static_address),
];

/// Runs the tests, two at a time: most of them wait for the board's clock.
///
/// # Errors
/// Some have failed; each has said why.
pub(crate) fn run(options: &Options) -> Result<()> {
    peer::LOG.store(options.log, Ordering::Relaxed);
    let wanted = |name: &str| options.filter.as_deref().is_none_or(|part| name.contains(part));
    let tests: Vec<_> = TESTS.iter().filter(|(name, _)| wanted(name)).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, test)) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    failed.fetch_add(usize::from(!passes(name, *test)), Ordering::Relaxed);
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("firmware: {} passed, {failed} failed", tests.len() - failed);
    if failed > 0 || tests.is_empty() {
        bail!(
            "{failed} of {} tests failed; to repeat one: cargo xtask firmware test PART-OF-ITS-NAME",
            tests.len()
        );
    }
    Ok(())
}

/// Runs a test and tells the result.
fn passes(name: &str, test: fn() -> Result<()>) -> bool {
    let start = Instant::now();
    let result = test();
    let took = start.elapsed().as_secs_f64();
    match &result {
        Ok(()) => println!("ok      {took:5.1} s  {name}"),
        Err(error) => println!("FAILED  {took:5.1} s  {name}\n{error:#}"),
    }
    result.is_ok()
}

//! The faults, one by one.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, prlimit};
use uartbridge_tests::rig::Place;

use crate::Done;
use crate::net::{BRIDGE, MOVED, Net, PEER};
use crate::run::Run;

/// Nobody's.
const NOWHERE: &str = "02:00:00:00:00:99";
/// Intercepts the C library's clocks (Debian's package faketime).
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// A fault, and what belongs to it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Through the tunnels, whose packets get lost.
    pub(crate) through: bool,
    /// The UART's driver loses what it holds.
    pub(crate) unplugs: bool,
    /// Before the start: where the program under test runs, and its options.
    pub(crate) prepares: fn(&Net, &mut Place, &mut Vec<String>) -> Done,
    pub(crate) fault: fn(&mut Run<'_>) -> Done,
    /// Afterwards: that the fault was one.
    pub(crate) proves: fn(&Run<'_>) -> Done,
}

const fn row(name: &'static str, fault: fn(&mut Run<'_>) -> Done) -> Row {
    let prepares = |_: &Net, _: &mut Place, _: &mut Vec<String>| Ok(());
    Row { name, through: false, unplugs: false, prepares, fault, proves: |_| Ok(()) }
}

pub(crate) const ROWS: &[Row] = &[
    row("none", |run| run.secs(1, 5)),
    row("reset with bytes in flight", |run| run.reset_in_flight()),
    row("resets, one after another", |run| {
        for _ in 0..run.times(3, 25) {
            run.reset_in_flight()?;
            run.recover(Duration::from_secs(2))?;
        }
        Ok(())
    }),
    row("server killed and started again, again and again", |run| {
        for _ in 0..run.times(3, 50) {
            run.each(|lane| lane.server.holds_off().map_err(|error| error.to_string()))?;
            run.millis(50)?;
            run.each(|lane| {
                lane.server.refuse();
                lane.reset()
            })?;
            run.millis(300)?;
            run.each(|lane| lane.server.listen().map_err(|error| error.to_string()))?;
            run.recover(Duration::from_secs(2))?;
        }
        Ok(())
    }),
    row("server away", |run| {
        run.each(|lane| {
            lane.server.refuse();
            lane.reset()
        })?;
        run.secs(2, 20)?;
        run.each(|lane| lane.server.listen().map_err(|error| error.to_string()))
    }),
    row("closed by the server", |run| {
        run.each(|lane| {
            lane.server.close();
            Ok(())
        })
    }),
    row("link down and up", |run| {
        run.net.bridge("link set v0 down")?;
        run.secs(3, 45)?;
        run.net.bridge("link set v0 up")
    }),
    row("cable pulled and back", |run| {
        run.net.peer("link set v1 down")?;
        run.secs(3, 45)?;
        run.net.peer("link set v1 up")
    }),
    row("address changed", |run| {
        run.net.bridge(&format!("addr del {BRIDGE}/24 dev v0"))?;
        run.net.bridge(&format!("addr add {MOVED}/24 dev v0"))?;
        run.secs(1, 1)
    }),
    row("black hole, longer than TCP_USER_TIMEOUT", |run| {
        run.net.bridge(&format!("neigh replace {PEER} lladdr {NOWHERE} dev v0 nud permanent"))?;
        run.net.peer(&format!("neigh replace {BRIDGE} lladdr {NOWHERE} dev v1 nud permanent"))?;
        run.secs(5, 45)?;
        run.net.bridge(&format!("neigh del {PEER} dev v0"))?;
        run.net.peer(&format!("neigh del {BRIDGE} dev v1"))
    }),
    Row {
        through: true,
        proves: |run| run.net.forwarder.proves_itself(),
        ..row("packets lost, doubled and swapped", |run| {
            run.net.forwarder.loses(true);
            run.secs(3, 45)?;
            run.reset_in_flight()?;
            run.secs(3, 15)?;
            run.net.forwarder.loses(false);
            Ok(())
        })
    },
    row("server reads nothing", |run| {
        run.each(|lane| {
            lane.server.reads = false;
            Ok(())
        })?;
        run.secs(3, 60)?;
        run.each(|lane| {
            lane.server.reads = true;
            Ok(())
        })
    }),
    Row {
        unplugs: true,
        ..row("UART unplugged and back", |run| {
            run.each(|lane| lane.line.unplug().map_err(|error| error.to_string()))?;
            run.secs(2, 5)?;
            run.each(|lane| lane.line.plug().map_err(|error| error.to_string()))
        })
    },
    row("program stopped and continued (SIGSTOP)", |run| {
        run.each(|lane| lane.signal(Signal::STOP))?;
        run.secs(4, 60)?;
        run.each(|lane| lane.signal(Signal::CONT))
    }),
    Row {
        prepares: |net, place, _| {
            let file = net.folder.join("clock");
            set_clock(&file, "+0")?;
            place.environment = [
                ("LD_PRELOAD", FAKETIME),
                ("FAKETIME_TIMESTAMP_FILE", &file.display().to_string()),
                ("FAKETIME_CACHE_DURATION", "1"),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
            Ok(())
        },
        proves: |run| goes_back(&run.log()),
        ..row("clock set back by a day (CLOCK_REALTIME)", |run| {
            set_clock(&run.net.folder.join("clock"), "-1d")?;
            run.secs(3, 10)?;
            run.reset_in_flight()
        })
    },
    row("no descriptors", |run| {
        let before = getrlimit(Resource::Nofile);
        let limit = |run: &mut Run<'_>, current| {
            run.each(|lane| {
                let limit = Rlimit { current, maximum: before.maximum };
                prlimit(Some(lane.pid()), Resource::Nofile, limit)
                    .map(drop)
                    .map_err(|error| format!("prlimit: {error}"))
            })
        };
        limit(run, Some(3))?;
        run.reset_in_flight()?;
        run.secs(3, 20)?;
        limit(run, before.current)
    }),
    Row {
        prepares: |net, place, options| {
            let disk = net.folder.join("disk");
            std::fs::create_dir_all(&disk).map_err(|error| error.to_string())?;
            mount("tmpfs", &disk, "tmpfs", MountFlags::empty(), Some(c"size=256k"))
                .map_err(|error| format!("mount: {error}"))?;
            place.log = Some(disk.join("log"));
            options.push(format!("--trace={}", disk.join("trace").display()));
            options.push("--log-level=debug".into());
            Ok(())
        },
        fault: |run| {
            fill(&disk(run))?;
            run.secs(1, 5)?;
            run.reset_in_flight()?;
            run.secs(2, 10)?;
            std::fs::remove_file(disk(run).join("filler")).map_err(|error| error.to_string())
        },
        proves: |run| unmount(disk(run), UnmountFlags::DETACH).map_err(|error| format!("umount: {error}")),
        ..row("disk full, for log and trace", |_| Ok(()))
    },
];

fn disk(run: &Run<'_>) -> PathBuf {
    run.net.folder.join("disk")
}

/// Writes until nothing more fits.
fn fill(disk: &Path) -> Done {
    let mut filler = File::create(disk.join("filler")).map_err(|error| error.to_string())?;
    for _ in 0..1 << 20 {
        if filler.write_all(&[0; 512]).is_err() {
            return Ok(());
        }
    }
    Err("the disk is never full".into())
}

fn set_clock(file: &Path, offset: &str) -> Done {
    std::fs::write(file, format!("{offset}\n")).map_err(|error| format!("{}: {error}", file.display()))
}

/// Whether a line of the log is older than the one before it.
fn goes_back(log: &Path) -> Done {
    let text = std::fs::read_to_string(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let dates: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once("\"timestamp\":\"").and_then(|(_, rest)| rest.get(..10)))
        .collect();
    if dates.windows(2).any(|pair| pair[1] < pair[0]) {
        Ok(())
    } else {
        Err(format!("the program's clock has not gone back: is {FAKETIME} there? {dates:?}"))
    }
}

//! The fuzzer's finds once more.

use std::path::{Path, PathBuf};
use uartbridge_fuzz_targets::{core, firmware_config, trace};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn names(name: &str) -> Vec<PathBuf> {
    let folder = folder(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
    names.sort();
    names
}

/// What each input of a target's corpus gives, each time.
fn replay<D: PartialEq + std::fmt::Debug>(target: &str, run: impl Fn(&[u8]) -> D) -> Vec<D> {
    let again = |path: PathBuf| {
        println!("{}", path.display());
        let data = std::fs::read(&path).expect("readable");
        let depth = run(&data);
        assert_eq!(run(&data), depth, "the same bytes give the same run");
        depth
    };
    names(&format!("corpus/{target}")).into_iter().map(again).collect()
}

/// A target without a test here would rot.
#[test]
fn every_target_has_a_corpus_that_is_replayed() {
    let stems = |paths: Vec<PathBuf>| -> Vec<_> {
        paths.iter().map(|path| path.file_stem().expect("a name").to_owned()).collect()
    };
    let tests = ["config_file", "core", "endpoint", "firmware_config", "relay", "tls", "trace"];
    assert_eq!(stems(names("corpus")), tests);
    assert_eq!(stems(names("fuzz_targets")), tests);
}

#[cfg(feature = "program")]
#[test]
fn config_file() {
    use uartbridge_fuzz_targets::config_file::{self, Depth};
    let depths = replay("config_file", config_file::run);
    assert!(depths.iter().any(|depth| matches!(depth, Depth::Bridges(names) if names.len() > 1)));
    assert!(depths.iter().any(|depth| matches!(depth, Depth::Wrong(1))));
    assert!(depths.iter().any(|depth| matches!(depth, Depth::Wrong(5..))));
}

#[test]
fn core() {
    let depths = replay("core", core::run);
    let some = |is: fn(&uartbridge_reference::Depth) -> bool| depths.iter().flatten().any(is);
    assert!(depths.iter().any(Result::is_err), "settings that cannot work");
    assert!(some(|depth| depth.replayed > 0 && depth.acked > 0 && depth.device > 0 && depth.connections > 1));
    assert!(some(|depth| depth.dropped > 0) && some(|depth| depth.heartbeats > 0));
    assert!(some(|depth| depth.refused > 0) && some(|depth| depth.back > 0));
    assert!(some(|depth| depth.finished > 0));
}

#[cfg(feature = "program")]
#[test]
fn endpoint() {
    use uartbridge::endpoint::{NetEndpoint, UartEndpoint};
    use uartbridge_fuzz_targets::endpoint;
    let depths = replay("endpoint", endpoint::run);
    let uart = |is: fn(&UartEndpoint) -> bool| depths.iter().any(|depth| depth.uart.as_ref().is_some_and(is));
    let net = |is: fn(&NetEndpoint) -> bool| depths.iter().any(|depth| depth.net.iter().any(is));
    assert!(uart(|end| matches!(end, UartEndpoint::Serial { .. })));
    assert!(uart(|end| matches!(end, UartEndpoint::Pty { .. })));
    assert!(uart(|end| matches!(end, UartEndpoint::Unix { .. })));
    assert!(uart(|end| matches!(end, UartEndpoint::Stdio)));
    assert!(net(|end| matches!(end, NetEndpoint::Tcp { .. })));
    assert!(net(|end| matches!(end, NetEndpoint::TcpListen { .. })));
    assert!(net(|end| matches!(end, NetEndpoint::Tls { .. })));
    assert!(net(|end| matches!(end, NetEndpoint::TlsListen { .. })));
    assert!(net(|end| matches!(end, NetEndpoint::Udp { .. })));
    assert!(net(|end| matches!(end, NetEndpoint::Unix { .. })));
    assert!(net(|end| matches!(end, NetEndpoint::Stdio)));
    assert!(depths.iter().any(|depth| depth.net.len() > 1 && depth.uart.is_some()));
}

#[test]
fn firmware_config() {
    use firmware_config::Depth;
    let depths = replay("firmware_config", firmware_config::run);
    assert!(depths.iter().any(|depth| matches!(depth, Depth::Settings(2..))));
    assert!(depths.iter().any(|depth| matches!(depth, Depth::Refused(_))));
    assert!(depths.iter().any(|depth| matches!(depth, Depth::Unwritten(_))));
}

#[cfg(feature = "program")]
#[test]
fn relay() {
    use uartbridge_fuzz_targets::relay::{self, Depth};
    let depths = replay("relay", relay::run);
    let some = |is: fn(&Depth) -> bool| depths.iter().any(is);
    assert!(some(|depth| depth.refused.is_none() && depth.grants > 1 && depth.understood > 3));
    assert!(some(|depth| depth.refused.is_none() && depth.obeyed == 0 && depth.written > 262_144));
    for problem in ["after its end", "its credit was", "nobody understands", "has no text messages"] {
        let refused = |depth: &Depth| depth.refused.as_ref().is_some_and(|why| why.contains(problem));
        assert!(depths.iter().any(refused), "{problem}");
    }
}

/// So deep that the promises have something to be broken by.
#[cfg(feature = "tls")]
#[test]
fn tls() {
    use uartbridge_fuzz_targets::tls;
    let depths = replay("tls", |data| (data.get(3).is_some_and(|byte| byte & 1 == 1), tls::run(data)));
    let deep = |depth: &tls::Depth| depth.proven > 0 && depth.read > 0 && depth.acked > 0;
    assert!(depths.iter().any(|(served, depth)| *served && deep(depth)));
    assert!(
        depths.iter().any(|(_, depth)| depth.proven == 2 && deep(depth)),
        "the second took up the first one's session"
    );
}

#[test]
fn trace() {
    use trace::Depth;
    let depths = replay("trace", trace::run);
    assert!(depths.contains(&Depth::Refused));
    assert!(depths.iter().any(|depth| matches!(depth, Depth::Bad(_))));
    assert!(depths.iter().any(|depth| matches!(depth, Depth::Differs(_))));
    assert!(depths.iter().any(|depth| matches!(depth, Depth::Replayed(100.., 0))));
}

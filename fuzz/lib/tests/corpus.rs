//! The fuzzer's finds once more.

use std::path::Path;
use uartbridge_fuzz_targets::tls;

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let named = |file: std::io::Result<std::fs::DirEntry>| {
        let path = file.expect("an entry").path();
        (path.display().to_string(), std::fs::read(&path).expect("readable"))
    };
    files.map(named).collect()
}

/// Each by itself, and so deep that the promises have something to be broken by.
#[test]
fn tls() {
    let (mut resumed_or_second, mut servers) = (0, 0);
    for (name, data) in corpus("tls") {
        println!("{name}");
        let depth = tls::run(&data);
        assert_eq!(tls::run(&data), depth, "the same bytes give the same run");
        let served = data.get(3).is_some_and(|byte| byte & 1 == 1);
        servers += u32::from(served && depth.proven > 0 && depth.read > 0 && depth.acked > 0);
        resumed_or_second += u32::from(depth.proven == 2 && depth.read > 0 && depth.acked > 0);
    }
    assert!(servers > 0 && resumed_or_second > 0, "{servers} {resumed_or_second}");
}

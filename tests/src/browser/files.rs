//! A web server for the files of a folder: an origin for pages that are no part of the program.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Serves until the process ends.
#[derive(Debug)]
pub struct Files {
    port: u16,
}

impl Files {
    /// Serves `folder` at 127.0.0.1, at `port`.
    ///
    /// # Errors
    /// The port is taken.
    pub fn serve(folder: &Path, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let folder: Arc<Path> = folder.into();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folder = folder.clone();
                // A browser that hangs up early has lost interest.
                std::thread::spawn(move || answer(&stream, &folder));
            }
        });
        Ok(Self { port })
    }

    /// The address of a file.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }
}

/// One connection, one request.
fn answer(mut stream: &TcpStream, folder: &Path) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
    match file(folder, path) {
        Some((bytes, kind)) => {
            let length = bytes.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )?;
            stream.write_all(&bytes)
        }
        None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}

fn file(folder: &Path, path: &str) -> Option<(Vec<u8>, &'static str)> {
    // What every browser asks for by itself.
    if path == "favicon.ico" {
        return Some((Vec::new(), "image/x-icon"));
    }
    let path = PathBuf::from(path);
    if path.components().any(|part| !matches!(part, Component::Normal(_))) {
        return None;
    }
    let kind = match path.extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    };
    Some((std::fs::read(folder.join(path)).ok()?, kind))
}

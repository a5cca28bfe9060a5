//! Chromium as a process, without a screen.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::devtools::Devtools;
use super::page::Page;

/// A machine that others use may take long to start a browser.
const START: Duration = Duration::from_secs(60);
/// What it prints before its address.
const ADDRESS: &str = "DevTools listening on ";

/// A browser that runs until it is dropped.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    /// `127.0.0.1:PORT`.
    host: String,
    devtools: Mutex<Devtools>,
}

impl Chromium {
    /// Starts the browser `program`, which keeps what it keeps in `folder`.
    ///
    /// # Errors
    /// It does not come up, with what it said.
    pub fn start(program: &Path, folder: &Path) -> Result<Self, String> {
        let profile: PathBuf = folder.join("profile");
        let mut command = Command::new(program);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-extensions",
            "--disable-sync",
            "--no-pings",
            // A name that is no loopback's to the browser: what comes from there is no secure context.
            "--host-resolver-rules=MAP insecure.test 127.0.0.1",
            "--remote-debugging-port=0",
        ]);
        command.arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
        // The adapters that udev's library is to find do not lie in a sysfs; and there is no bus to ask.
        command.env("SYSTEMD_DEVICE_VERIFY_SYSFS", "0").env("HOME", folder);
        command.env("DBUS_SESSION_BUS_ADDRESS", "disabled:").env("DBUS_SYSTEM_BUS_ADDRESS", "disabled:");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        let url = listen(&mut child)?;
        let host = url.split('/').nth(2).unwrap_or_default().to_owned();
        let devtools = Mutex::new(Devtools::connect(&url)?);
        Ok(Self { child, host, devtools })
    }

    /// A new page, which shows nothing yet.
    ///
    /// # Errors
    /// The browser has gone.
    pub fn page(&self) -> Result<Page, String> {
        self.open(&json!({}))
    }

    /// A new page of a profile of its own, in which nothing is remembered.
    ///
    /// # Errors
    /// The browser has gone.
    pub fn stranger(&self) -> Result<Page, String> {
        let context = self.call("Target.createBrowserContext", json!({ "disposeOnDetach": false }))?;
        self.open(&context)
    }

    /// `context` is empty, or names a profile.
    fn open(&self, context: &Value) -> Result<Page, String> {
        // In a window of its own, no page is in the background of another.
        let mut wanted = json!({ "url": "about:blank", "newWindow": true });
        if let Some(id) = context.get("browserContextId") {
            wanted["browserContextId"] = id.clone();
        }
        let target = self.call("Target.createTarget", wanted)?;
        let id = target["targetId"].as_str().ok_or("a page without a name")?.to_owned();
        Page::attach(&format!("ws://{}/devtools/page/{id}", self.host))
    }

    fn call(&self, method: &str, params: Value) -> Result<Value, String> {
        let mut devtools = self.devtools.lock().map_err(|error| error.to_string())?;
        devtools.call(method, params)
    }
}

/// Reads what it says until it says its address, and goes on reading, so that it never waits for us.
fn listen(child: &mut Child) -> Result<String, String> {
    let stderr = child.stderr.take().ok_or("no standard error")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Nobody listens any more once the address is known.
            let _ = sender.send(line);
        }
    });
    let mut said = Vec::new();
    while let Ok(line) = receiver.recv_timeout(START) {
        if let Some(address) = line.strip_prefix(ADDRESS) {
            return Ok(address.to_owned());
        }
        said.push(line);
    }
    Err(format!("the browser has not come up: {}", said.join("\n")))
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It takes its other processes with it.
        let closed = self.call("Browser.close", json!({}));
        if closed.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

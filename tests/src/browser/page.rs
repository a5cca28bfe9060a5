//! A page of the browser: what a test does with it, and everything about it that must not happen.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::chromium::Chromium;
use super::devtools::{Devtools, Event};
use super::relay::Serve;

/// What pages call to tell us something.
pub const REPORT: &str = "report";

/// A page. It is closed when it is dropped.
#[derive(Debug)]
pub struct Page {
    devtools: Devtools,
    /// What it has told by `report(text)`, and nobody has asked for yet.
    reports: Vec<String>,
    /// Errors in its console, exceptions, breaches of its Content-Security-Policy.
    complaints: Vec<String>,
    /// Every address that it has asked for.
    requests: Vec<String>,
    /// Files that it has offered to be saved, by their names, once they are.
    downloads: Vec<String>,
    /// The name of the one that is being saved.
    saving: String,
    loaded: bool,
}

impl Page {
    pub(super) fn attach(url: &str) -> Result<Self, String> {
        let mut devtools = Devtools::connect(url)?;
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            devtools.call(domain, json!({}))?;
        }
        devtools.call("Runtime.addBinding", json!({ "name": REPORT }))?;
        Ok(Self {
            devtools,
            reports: Vec::new(),
            complaints: Vec::new(),
            requests: Vec::new(),
            downloads: Vec::new(),
            saving: String::new(),
            loaded: false,
        })
    }

    /// A page of `serve`'s origin, with the module's `Bridge` and the `port` that this script gives. It is one of the page's files
    /// and not the page, so that nothing else happens there.
    ///
    /// # Errors
    /// What the browser refuses.
    pub fn embedding(chromium: &Chromium, serve: &Serve, port: &str) -> Result<Self, String> {
        let mut page = chromium.page()?;
        page.go(&serve.url("page.css"))?;
        page.evaluate(&format!(
            "(async () => {{
                const module = await import('/wasm/uartbridge.js');
                await module.default();
                globalThis.Bridge = module.Bridge;
                globalThis.port = await {port};
            }})()"
        ))?;
        Ok(page)
    }

    /// Goes to `url` and waits until that is loaded.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub fn go(&mut self, url: &str) -> Result<(), String> {
        self.loaded = false;
        let answer = self.call("Page.navigate", json!({ "url": url }))?;
        if let Some(error) = answer["errorText"].as_str() {
            return Err(format!("{url}: {error}"));
        }
        self.load(url)
    }

    /// Loads the page again, and waits for that.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub fn reload(&mut self) -> Result<(), String> {
        self.loaded = false;
        self.call("Page.reload", json!({}))?;
        self.load("the page")
    }

    fn load(&mut self, what: &str) -> Result<(), String> {
        self.until(Duration::from_secs(60), |page| page.loaded)
            .and_then(|done| if done { Ok(()) } else { Err(format!("{what} is not loaded after a minute")) })
    }

    /// Runs a script before any of each page to come.
    ///
    /// # Errors
    /// The browser has gone.
    pub fn prepare(&mut self, script: &str) -> Result<(), String> {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).map(drop)
    }

    /// Evaluates an expression, and what it promises.
    ///
    /// # Errors
    /// What it throws.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value, String> {
        let mut answer = self.call(
            "Runtime.evaluate",
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true }),
        )?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(exception(details)),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// A command of the protocol, for whatever has no method here.
    ///
    /// # Errors
    /// What the browser says.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let answer = self.devtools.call(method, params);
        self.look()?;
        answer
    }

    /// Takes note of all that has happened.
    ///
    /// # Errors
    /// The browser has gone.
    pub fn look(&mut self) -> Result<(), String> {
        while let Some(event) = self.devtools.event()? {
            self.note(&event);
        }
        Ok(())
    }

    /// Waits for something to happen until `done`; whether it was done within `limit`.
    ///
    /// # Errors
    /// The browser has gone.
    pub fn until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Result<bool, String> {
        let until = Instant::now() + limit;
        while !done(self) {
            match self.devtools.next_event(until)? {
                Some(event) => self.note(&event),
                None if Instant::now() >= until => return Ok(false),
                None => {}
            }
        }
        Ok(true)
    }

    /// What it has told since the last time.
    pub fn reports(&mut self) -> Vec<String> {
        std::mem::take(&mut self.reports)
    }

    /// Whether it has told something.
    pub const fn has_reported(&self) -> bool {
        !self.reports.is_empty()
    }

    /// What must not happen and did.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Every address that it has asked for.
    pub fn requests(&self) -> &[String] {
        &self.requests
    }

    /// The names of files that were downloaded.
    pub fn downloads(&self) -> &[String] {
        &self.downloads
    }

    /// Readable when something has happened.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.devtools.descriptor()
    }

    fn note(&mut self, event: &Event) {
        let params = &event.params;
        match event.method.as_str() {
            "Runtime.bindingCalled" if params["name"] == REPORT => {
                self.reports.extend(params["payload"].as_str().map(str::to_owned));
            }
            "Runtime.exceptionThrown" => self.complaints.push(exception(&params["exceptionDetails"])),
            "Runtime.consoleAPICalled" if params["type"] == "error" || params["type"] == "assert" => {
                self.complaints.push(format!("console: {}", params["args"]));
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                let [source, text, url] =
                    ["source", "text", "url"].map(|name| params["entry"][name].as_str().unwrap_or_default());
                self.complaints.push(format!("{source}: {text} ({url})"));
            }
            "Network.requestWillBeSent" => {
                self.requests.extend(params["request"]["url"].as_str().map(str::to_owned));
            }
            "Network.webSocketCreated" => self.requests.extend(params["url"].as_str().map(str::to_owned)),
            "Page.downloadWillBegin" => {
                params["suggestedFilename"].as_str().unwrap_or_default().clone_into(&mut self.saving);
            }
            "Page.downloadProgress" if params["state"] == "completed" => {
                self.downloads.push(std::mem::take(&mut self.saving));
            }
            "Page.loadEventFired" => self.loaded = true,
            "Inspector.targetCrashed" => self.complaints.push("the page has crashed".to_owned()),
            _ => {}
        }
    }
}

/// What was thrown, in words.
fn exception(details: &Value) -> String {
    let thrown = &details["exception"];
    let text =
        thrown["description"].as_str().or_else(|| thrown["value"].as_str()).or(details["text"].as_str());
    text.unwrap_or("an exception without a word").to_owned()
}

impl Drop for Page {
    fn drop(&mut self) {
        // Gone with its browser, or going now.
        let _ = self.devtools.call("Page.close", json!({}));
    }
}

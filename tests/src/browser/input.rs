//! A person's hands on a page: mouse and keyboard as the browser's input has them, not events made by a script.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::page::Page;

/// How long a page may take to do what it was told.
const SOON: Duration = Duration::from_secs(30);
/// The bit of a held shift key (DevTools protocol, `Input.dispatchKeyEvent`).
pub const SHIFT: u8 = 8;

impl Page {
    /// Clicks into the middle of the element that `selector` finds, where a person could.
    ///
    /// # Errors
    /// There is none, or something else is there.
    pub fn click(&mut self, selector: &str) -> Result<(), String> {
        let place = self.evaluate(&format!("({WHERE})({})", json!(selector)))?;
        let (Some(x), Some(y)) = (place["x"].as_f64(), place["y"].as_f64()) else {
            return Err(format!("{selector} cannot be clicked: {place}"));
        };
        self.mouse("mouseMoved", x, y)?;
        self.mouse("mousePressed", x, y)?;
        self.mouse("mouseReleased", x, y)
    }

    /// Types into whatever has the focus.
    ///
    /// # Errors
    /// The browser has gone.
    pub fn types(&mut self, text: &str) -> Result<(), String> {
        for letter in text.chars() {
            let letter = letter.to_string();
            self.call("Input.dispatchKeyEvent", json!({ "type": "keyDown", "text": letter, "key": letter }))?;
            self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": letter }))?;
        }
        Ok(())
    }

    /// Empties the field at `selector` and types `text` into it.
    ///
    /// # Errors
    /// As [`click`](Self::click).
    pub fn fill(&mut self, selector: &str, text: &str) -> Result<(), String> {
        self.click(selector)?;
        self.call(
            "Input.dispatchKeyEvent",
            json!({ "type": "rawKeyDown", "key": "a", "modifiers": 2, "commands": ["selectAll"] }),
        )?;
        self.key("Backspace", 0)?;
        self.types(text)
    }

    /// Presses a key by its name (UI Events, `key`), with what `modifiers` says held.
    ///
    /// # Errors
    /// A name that is not known here.
    pub fn key(&mut self, name: &str, modifiers: u8) -> Result<(), String> {
        let (number, text) = match name {
            "Backspace" => (8, ""),
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            " " => (32, " "),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            _ => return Err(format!("what is the key {name}?")),
        };
        let code = if name == " " { "Space" } else { name };
        let key =
            json!({ "key": name, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers });
        let mut down = key.clone();
        down["type"] = json!(if text.is_empty() { "rawKeyDown" } else { "keyDown" });
        down["text"] = json!(text);
        let mut up = key;
        up["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", down)?;
        self.call("Input.dispatchKeyEvent", up).map(drop)
    }

    /// What an expression gives once it gives something that is true.
    ///
    /// # Errors
    /// It gives nothing for half a minute.
    pub fn eventually(&mut self, expression: &str) -> Result<Value, String> {
        let wait = format!(
            "new Promise(resolve => {{
                const end = performance.now() + {};
                const look = () => {{
                    const found = {expression};
                    if (found || performance.now() > end) resolve(found || null);
                    else setTimeout(look, 50);
                }};
                look();
            }})",
            SOON.as_millis()
        );
        let found = self.evaluate(&wait)?;
        if found.is_null() {
            Err(format!("for half a minute, there was nothing of {expression}"))
        } else {
            Ok(found)
        }
    }

    /// Lets the window show nothing, as one that is minimized or behind another tab; or shows it again.
    ///
    /// # Errors
    /// The page does not notice.
    pub fn hide(&mut self, hidden: bool) -> Result<(), String> {
        let window = self.call("Browser.getWindowForTarget", json!({}))?;
        let state = if hidden { "minimized" } else { "normal" };
        let bounds = json!({ "windowId": window["windowId"], "bounds": { "windowState": state } });
        self.call("Browser.setWindowBounds", bounds)?;
        self.eventually(&format!("document.hidden === {hidden}")).map(drop)
    }

    /// Clicks at `selector`, which downloads a file into `folder`; the file.
    ///
    /// # Errors
    /// No file comes.
    pub fn download(&mut self, selector: &str, folder: &Path) -> Result<PathBuf, String> {
        let own = self.call("Target.getTargetInfo", json!({}))?;
        let profile = &own["targetInfo"]["browserContextId"];
        let behavior = json!({ "behavior": "allow", "downloadPath": folder, "eventsEnabled": true, "browserContextId": profile });
        self.call("Browser.setDownloadBehavior", behavior)?;
        let before = self.downloads().len();
        self.click(selector)?;
        self.until(SOON, |page| page.downloads().len() > before)?;
        let name = self.downloads().get(before).ok_or_else(|| format!("{selector} downloads nothing"))?;
        Ok(folder.join(name))
    }

    fn mouse(&mut self, kind: &str, x: f64, y: f64) -> Result<(), String> {
        let event = json!({ "type": kind, "x": x, "y": y, "button": if kind == "mouseMoved" { "none" } else { "left" }, "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", event).map(drop)
    }
}

/// The middle of an element, in the window; or why it cannot be clicked there.
const WHERE: &str = "(selector) => {
    const element = document.querySelector(selector);
    if (!element) return 'it is not there';
    element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const { left, top, width, height } = element.getBoundingClientRect();
    const [x, y] = [left + width / 2, top + height / 2];
    const there = document.elementFromPoint(x, y);
    const own = there && (element.contains(there) || there.closest('label')?.contains(element));
    return own ? { x, y } : `${there?.outerHTML.slice(0, 100)} is there`;
}";

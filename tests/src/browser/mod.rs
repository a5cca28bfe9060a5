//! The bridge in a browser: Chromium, with real Web Serial on ptys, and the page of the real program.

mod adapter;
mod chromium;
mod devtools;
mod files;
mod netlink;
mod page;
mod relay;
mod settings;
pub mod space;
mod world;

pub use adapter::Bench;
pub use chromium::Chromium;
pub use devtools::{Devtools, Event};
pub use files::Files;
pub use page::{Page, REPORT};
pub use relay::{Serve, Websockify};
pub use world::{BrowserWorld, Through};

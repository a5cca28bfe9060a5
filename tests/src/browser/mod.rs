//! The bridge in a browser: Chromium, with real Web Serial on ptys, and the page of the real program.

mod adapter;
mod chromium;
mod devtools;
mod files;
mod input;
mod manners;
mod netlink;
mod page;
mod relay;
mod settings;
mod setup;
pub mod space;
mod tap;
mod world;

pub use adapter::Bench;
pub use chromium::Chromium;
pub use devtools::{Devtools, Event};
pub use files::Files;
pub use input::SHIFT;
pub use manners::Relay;
pub use page::{Page, REPORT};
pub use relay::{Serve, Websockify};
pub use setup::{Servers, Setup, Through};
pub use tap::Capture;
pub use world::BrowserWorld;

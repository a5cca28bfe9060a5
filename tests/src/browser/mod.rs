//! The bridge in a browser: Chromium, with real Web Serial on ptys, and the page of the real program.

mod adapter;
mod chromium;
mod devtools;
mod files;
mod netlink;
mod page;
pub mod space;

pub use adapter::Bench;
pub use chromium::Chromium;
pub use devtools::{Devtools, Event};
pub use files::Files;
pub use page::{Page, REPORT};

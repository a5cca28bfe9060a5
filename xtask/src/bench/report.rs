//! The report: Markdown, ready for the README.

use std::fmt::Write as _;
use std::fs;

use anyhow::Result;

use super::rig::Entrant;
use crate::step;

/// All that was measured.
pub(super) struct Report {
    head: String,
    sections: Vec<Section>,
    failures: Vec<String>,
}

/// One question and its answer.
pub(super) struct Section {
    title: &'static str,
    text: String,
    table: Table,
}

/// A table; its first row is the header.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Report {
    /// A report that says when, where, with what and how.
    ///
    /// # Errors
    /// `date` cannot be run.
    pub(super) fn new(entrants: &[Entrant]) -> Result<Self> {
        let date = step::output(std::process::Command::new("date").args(["+%Y-%m-%d"]))?;
        let versions: Vec<_> = entrants
            .iter()
            .map(|entrant| {
                entrant.program.version().unwrap_or_else(|_| format!("{} (absent)", entrant.program.name()))
            })
            .collect();
        let mut head = format!("{}, {}", date.trim(), machine());
        if !versions.is_empty() {
            let _ = write!(head, ", {}", versions.join(", "));
            head.push_str(METHOD);
        }
        Ok(Self { head, sections: Vec::new(), failures: Vec::new() })
    }

    pub(super) fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// What went wrong, for the end of the report.
    pub(super) fn failures(&mut self, failures: Vec<String>) {
        self.failures = failures;
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.head);
        for section in &self.sections {
            let _ =
                write!(text, "\n#### {}\n\n{}\n\n{}", section.title, section.text, section.table.markdown());
        }
        if !self.failures.is_empty() {
            text.push_str("\n#### Failures\n\n");
            for failure in &self.failures {
                let _ = writeln!(text, "- {failure}");
            }
        }
        text
    }
}

/// What holds for all sections.
const METHOD: &str = ".\n\nEach program relays between a pseudo-terminal, whose other end the bench holds as the device, and a TCP connection \
over loopback, whose other end the bench holds too; every byte is compared with what was sent. Programs take turns within each round; a ratio \
is the median of the ratios within the rounds. *limit* is the least that a relay can do: read, write, level-triggered epoll, no policy, \
no reconnect; *limit again* is the same program as another entrant, and its ratio shows how far a ratio can be trusted. ser2net runs with its default settings, among them a delay of 1 ms or more before it sends (`chardelay`). \
The bench itself and the kernel's pty worker share the processors with the program under test.";

impl Section {
    pub(super) fn new(title: &'static str, text: String, table: Table) -> Self {
        Self { title, text, table }
    }
}

impl Table {
    pub(super) fn new(header: impl IntoIterator<Item = String>) -> Self {
        Self { rows: vec![header.into_iter().collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Columns as wide as their widest cell; all but the first are figures and stand at the right.
    fn markdown(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default().max(3)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                let _ = if column == 0 {
                    write!(text, "| {cell:<width$} ")
                } else {
                    write!(text, "| {cell:>width$} ")
                };
            }
            text.push_str("|\n");
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let end = if column == 0 { "-" } else { ":" };
                    let _ = write!(text, "|-{}{end}", "-".repeat(*width));
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

fn machine() -> String {
    let file = |path| fs::read_to_string(path).unwrap_or_default();
    let info = file("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "{processors} × {}, Linux {}",
        model.map_or("unknown processor", str::trim),
        file("/proc/sys/kernel/osrelease").trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let mut table = Table::new(["a", "figure"].map(str::to_owned));
        table.row(["long name", "1 ×"].map(str::to_owned));
        assert_eq!(
            table.markdown(),
            "| a         | figure |\n|-----------|-------:|\n| long name |    1 × |\n"
        );
    }
}

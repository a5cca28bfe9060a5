//! The budget, and the table of what is spent.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Figure;

/// The file.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../budget.txt");

/// What each figure may be.
#[derive(Debug)]
pub(super) struct Budget(Vec<Limit>);

#[derive(Debug, PartialEq, Eq)]
struct Limit {
    goal: u64,
    held: u64,
    figure: String,
}

impl Budget {
    /// Reads `firmware/budget.txt`.
    ///
    /// # Errors
    /// It is not there, or a line makes no sense.
    pub(super) fn read() -> Result<Self> {
        let path = Path::new(FILE);
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        parse(&text).with_context(|| path.display().to_string())
    }

    /// Prints the figures, and gives the number of those above what is held.
    pub(super) fn table(&self, figures: &[Figure]) -> usize {
        println!("{:44} {:>12} {:>12} {:>12}", "figure", "measured", "goal", "held");
        let mut exceeded = 0;
        for (name, value) in figures {
            let Some(limit) = self.0.iter().find(|limit| limit.figure == *name) else {
                println!("{name:44} {value:12}");
                continue;
            };
            let verdict = if *value > limit.held {
                exceeded += 1;
                "EXCEEDED"
            } else if *value > limit.goal {
                "missed"
            } else {
                ""
            };
            println!("{name:44} {value:12} {:12} {:12}  {verdict}", limit.goal, limit.held);
        }
        exceeded
    }
}

fn parse(text: &str) -> Result<Budget> {
    let mut limits = Vec::new();
    for (number, line) in
        text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
    {
        let mut words = line.split_whitespace();
        let (goal, held) = (words.next().map(str::parse), words.next().map(str::parse));
        let (Some(Ok(goal)), Some(Ok(held))) = (goal, held) else {
            bail!("line {}: give the goal, what is held, and the figure's name", number + 1)
        };
        limits.push(Limit { goal, held, figure: words.collect::<Vec<_>>().join(" ") });
    }
    Ok(Budget(limits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_read_and_held() {
        let budget = parse("# a\n\n10 20  plain: text, bytes\n").expect("reads");
        let figure = |value| vec![("plain: text, bytes".to_owned(), value)];
        assert_eq!(budget.table(&figure(10)), 0);
        assert_eq!(budget.table(&figure(20)), 0);
        assert_eq!(budget.table(&figure(21)), 1);
        assert!(parse("10 plain").is_err());
        Budget::read().expect("the committed one reads");
    }
}

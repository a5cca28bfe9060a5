//! Figures of several programs over several rounds.

/// One figure a program and round; `None` where the program failed.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// By program, then by round.
    rounds: Vec<Vec<Option<f64>>>,
}

impl Figures {
    pub(super) fn new(programs: usize) -> Self {
        Self { rounds: vec![Vec::new(); programs] }
    }

    /// The figure of a program's next round.
    pub(super) fn push(&mut self, program: usize, figure: Option<f64>) {
        self.rounds[program].push(figure);
    }

    /// The median over the rounds.
    pub(super) fn median(&self, program: usize) -> Option<f64> {
        median(self.rounds[program].iter().copied().flatten().collect())
    }

    /// The median of the ratios within each round: what disturbs a round disturbs all of its programs.
    pub(super) fn ratio(&self, program: usize, to: usize) -> Option<f64> {
        let pairs = self.rounds[program].iter().zip(&self.rounds[to]);
        median(pairs.filter_map(|(a, b)| Some((*a)? / (*b)?)).filter(|ratio| ratio.is_finite()).collect())
    }
}

/// The value that `part` (0 to 1) of the values do not exceed.
pub(super) fn quantile(mut values: Vec<f64>, part: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * part).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

fn median(values: Vec<f64>) -> Option<f64> {
    quantile(values, 0.5)
}

/// A figure with three digits that mean something, or a dash.
pub(super) fn shown(figure: Option<f64>) -> String {
    match figure {
        None => "—".into(),
        Some(x) if x.abs() >= 100.0 => format!("{x:.0}"),
        Some(x) if x.abs() >= 10.0 => format!("{x:.1}"),
        Some(x) => format!("{x:.2}"),
    }
}

/// A figure and its ratio to the limit's.
pub(super) fn with_ratio(figures: &Figures, program: usize) -> String {
    match figures.ratio(program, 0) {
        None => shown(figures.median(program)),
        ratio => format!("{} ({})", shown(figures.median(program)), times(ratio)),
    }
}

/// A ratio, or a dash.
pub(super) fn times(ratio: Option<f64>) -> String {
    ratio.map_or("—".into(), |ratio| format!("{} ×", shown(Some(ratio))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(values.clone(), 0.5), Some(50.0));
        assert_eq!(quantile(values, 0.99), Some(99.0));
        assert_eq!(quantile(vec![7.0], 0.5), Some(7.0));
        assert_eq!(quantile(Vec::new(), 0.5), None);
    }

    #[test]
    fn a_ratio_is_taken_within_rounds_and_skips_failures() {
        let mut figures = Figures::new(2);
        for (a, b) in
            [(Some(2.0), Some(1.0)), (None, Some(1.0)), (Some(20.0), Some(10.0)), (Some(900.0), None)]
        {
            figures.push(0, a);
            figures.push(1, b);
        }
        assert_eq!(figures.ratio(0, 1), Some(2.0));
        assert_eq!(figures.median(1), Some(1.0));
    }

    #[test]
    fn shown_with_three_digits() {
        assert_eq!(
            [shown(Some(1234.5)), shown(Some(12.345)), shown(Some(1.2345)), shown(None)],
            ["1234", "12.3", "1.23", "—"]
        );
    }
}

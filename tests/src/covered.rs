//! Which bytes of a stream have come, in whatever order.

/// The bytes before `reached`, but for those that are missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Covered {
    /// The end of the furthest byte that has come.
    pub(crate) reached: u64,
    /// What has not come before `reached`.
    missing: Vec<(u64, u64)>,
}

/// Of bytes that come: how many are not new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Old {
    /// They were missing, and come after others that were sent later.
    pub(crate) late: u64,
    /// They had come before.
    pub(crate) again: u64,
}

impl Covered {
    /// None has come.
    pub(crate) const fn new() -> Self {
        Self { reached: 0, missing: Vec::new() }
    }

    /// Bytes that have not come, of `sent`.
    pub(crate) fn lost(&self, sent: u64) -> u64 {
        self.holes() + sent.saturating_sub(self.reached)
    }

    /// Bytes `from..to` come.
    pub(crate) fn add(&mut self, from: u64, to: u64) -> Old {
        if from > self.reached {
            self.missing.push((self.reached, from));
        }
        let old = to.min(self.reached);
        self.reached = self.reached.max(to);
        if from >= old {
            return Old::default();
        }
        let before = self.holes();
        let cut = |&(start, end): &(u64, u64)| [(start, end.min(from)), (start.max(old), end)];
        self.missing = self.missing.iter().flat_map(cut).filter(|(a, b)| a < b).collect();
        let late = before - self.holes();
        Old { late, again: old - from - late }
    }

    fn holes(&self) -> u64 {
        self.missing.iter().map(|(from, to)| to - from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_may_come_late_and_once() {
        let mut covered = Covered::new();
        assert_eq!(covered.add(0, 10), Old::default());
        assert_eq!(covered.add(5, 12), Old { late: 0, again: 5 });
        assert_eq!(covered.add(20, 30), Old::default());
        assert_eq!((covered.reached, covered.lost(40)), (30, 18));
        assert_eq!(covered.add(10, 16), Old { late: 4, again: 2 });
        assert_eq!(covered.add(14, 31), Old { late: 4, again: 2 + 10 });
        assert_eq!(covered.lost(31), 0);
    }
}

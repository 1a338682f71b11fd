//! Looking again and again, where nobody says when something has changed: one way to, with a bound.

use std::thread::sleep;
use std::time::Duration;

/// How often something is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks {
    /// The pause behind each look.
    pub(super) every: Duration,
    /// How many there are at most.
    pub(super) max: u32,
}

impl Looks {
    /// Looks until there is something; none if there never was.
    ///
    /// # Errors
    /// What looking says.
    pub(super) fn until<T>(self, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<Option<T>> {
        for _ in 0..self.max {
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            sleep(self.every);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_there_is_something_or_often_enough() {
        let looks = Looks { every: Duration::ZERO, max: 3 };
        for (there_at, found, looked) in [(1, Some(1), 1), (3, Some(3), 3), (4, None, 3)] {
            let mut times = 0;
            let answer = looks.until(|| {
                times += 1;
                Ok((times == there_at).then_some(times))
            });
            assert_eq!((answer.expect("looking says nothing"), times), (found, looked));
        }
        assert!(looks.until(|| Err::<Option<()>, _>(anyhow::anyhow!("gone"))).is_err());
    }
}

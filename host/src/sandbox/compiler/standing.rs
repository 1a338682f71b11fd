//! Whether components can be compiled at all. Apart from what becomes of one component: a compiler that dies of an upload is an ordinary event and
//! says nothing of the next one, while one that cannot be started, or that others end, is for the operator of the host to see to.

use crate::sandbox::refusal::Refusal;
use std::sync::{Mutex, PoisonError};

/// One lost start may be a hiccup of the machine; so many in a row are not.
const LOST_MAX: u32 = 3;

/// What became of the last starts of the compiler.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Standing(Mutex<Lost>);

#[derive(Debug, Default)]
struct Lost {
    /// In a row.
    times: u32,
    /// Why, the last time.
    says: String,
}

impl Standing {
    /// Notes what became of one. Whatever the compiler says of a component, and whatever it dies of by that component's doing, shows that it was there.
    pub(in crate::sandbox) fn note<T>(&self, compiled: &Result<T, Refusal>) {
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *lost = match compiled {
            Err(Refusal::CompilerLost(says)) => Lost { times: lost.times.saturating_add(1), says: says.clone() },
            Ok(_) | Err(_) => Lost::default(),
        };
    }

    /// What is wrong with the compiler, if anything.
    pub(in crate::sandbox) fn wrong(&self) -> Option<String> {
        let lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (lost.times >= LOST_MAX).then(|| format!("its last {} starts were lost and nothing is compiled: {}", lost.times, lost.says))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_starts_that_were_lost_in_a_row_count() {
        let standing = Standing::default();
        let lost = || Err::<(), _>(Refusal::CompilerLost("no such file".into()));
        let crashed = || Err(Refusal::CompileFailed("signal: 6".into()));
        let told = |ends: &[Result<(), Refusal>]| {
            for end in ends {
                standing.note(end);
            }
            standing.wrong()
        };
        assert_eq!(told(&[crashed(), crashed(), crashed(), crashed()]), None, "uploads did that");
        assert_eq!(told(&[lost(), lost(), crashed(), lost(), lost()]), None, "it was there in between");
        assert!(told(&[lost()]).is_some_and(|says| says.contains("3 starts") && says.contains("no such file")));
        assert_eq!(told(&[Ok(())]), None);
    }
}

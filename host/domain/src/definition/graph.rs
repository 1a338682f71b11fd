//! Which step comes after which: from the names in a document to a graph without circles, and what follows from it. Apart, because it
//! knows nothing of what steps do, and because mappings, kinds and compensation all ask it.

use super::reading::{Mistakes, listed};
use crate::id::StepIndex;
use std::collections::BTreeSet;

/// The steps of a saga and what must be over before each.
#[derive(Debug)]
pub(super) struct Graph {
    after: Vec<BTreeSet<usize>>,
    /// Every step behind all that it comes after; of those that are free the first in the document.
    order: Vec<usize>,
    ancestors: Vec<Bits>,
}

/// What a document says of one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Its id, if that can be read.
    pub(super) id: Option<&'a str>,
    /// The names in `after`; none: it comes after the step above it.
    pub(super) after: Option<&'a [&'a str]>,
}

impl Graph {
    /// Reads the graph. Names that are wrong and circles are told and left out, so that the rest of the document can be checked.
    pub(super) fn read(places: &[Place<'_>], mistakes: &mut Mistakes) -> Self {
        let after = (0..places.len()).map(|at| edges(places, at, mistakes)).collect();
        let mut graph = Self { after, order: Vec::new(), ancestors: Vec::new() };
        graph.arrange();
        if graph.order.len() < places.len() {
            let circle = graph.circle();
            let names: Vec<_> = circle.iter().map(|at| places[*at].id.unwrap_or("?")).collect();
            let first = *circle.iter().min().expect("a circle has steps");
            mistakes.add(
                &format!("steps[{first}].after"),
                format!("goes round in a circle: {}: take one of them out", names.join(" after ")),
            );
            // Whatever else is wrong is told as if the steps stood in a row.
            graph.after = (0..places.len()).map(|at| at.checked_sub(1).into_iter().collect()).collect();
            graph.arrange();
        }
        graph
    }

    /// Makes `last` come after every step that does not come after it.
    pub(super) fn gather_before(&mut self, last: usize) {
        let behind: Vec<bool> = (0..self.after.len()).map(|at| at == last || self.comes_after(at, last)).collect();
        let followed: BTreeSet<usize> =
            (0..self.after.len()).filter(|at| !behind[*at]).flat_map(|at| self.after[at].iter().copied()).collect();
        let ends = (0..self.after.len()).filter(|at| !behind[*at] && !followed.contains(at));
        let ends: Vec<usize> = ends.collect();
        self.after[last].extend(ends);
        self.arrange();
    }

    /// Whether `step` starts only when `earlier` is over.
    pub(super) fn comes_after(&self, step: usize, earlier: usize) -> bool {
        self.ancestors[step].has(earlier)
    }

    /// The steps that must be over before `step` starts, those that others of them stand for left out or not.
    pub(super) fn after(&self, step: usize) -> Vec<StepIndex> {
        self.after[step].iter().map(|at| index(*at)).collect()
    }

    /// The steps that start after each step.
    pub(super) fn before(&self) -> Vec<Vec<StepIndex>> {
        let mut before = vec![Vec::new(); self.after.len()];
        for (at, earlier) in self.after.iter().enumerate() {
            for earlier in earlier {
                before[*earlier].push(index(at));
            }
        }
        before
    }

    /// All steps, each behind those that it comes after.
    pub(super) fn order(&self) -> Vec<StepIndex> {
        self.order.iter().map(|at| index(*at)).collect()
    }

    /// Works out the order and the ancestors. Steps in a circle are not in the order.
    fn arrange(&mut self) {
        let len = self.after.len();
        let before = self.before();
        let mut missing: Vec<usize> = self.after.iter().map(BTreeSet::len).collect();
        let mut free: BTreeSet<usize> = (0..len).filter(|at| missing[*at] == 0).collect();
        self.order = Vec::with_capacity(len);
        self.ancestors = vec![Bits::new(len); len];
        while let Some(at) = free.pop_first() {
            self.order.push(at);
            for next in before[at].iter().map(|next| next.at()) {
                let ancestors = self.ancestors[at].clone();
                self.ancestors[next].take_in(&ancestors);
                self.ancestors[next].set(at);
                missing[next] -= 1;
                if missing[next] == 0 {
                    free.insert(next);
                }
            }
        }
    }

    /// One circle among the steps that are not in the order, from one of its steps back to it.
    fn circle(&self) -> Vec<usize> {
        let ordered: BTreeSet<usize> = self.order.iter().copied().collect();
        let mut at = (0..self.after.len()).find(|at| !ordered.contains(at)).expect("a step is in a circle");
        let mut path = Vec::new();
        loop {
            if let Some(begin) = path.iter().position(|before| *before == at) {
                path.push(at);
                return path.split_off(begin);
            }
            path.push(at);
            at = *self.after[at].iter().find(|earlier| !ordered.contains(earlier)).expect("such a step waits for another such");
        }
    }
}

fn edges(places: &[Place<'_>], at: usize, mistakes: &mut Mistakes) -> BTreeSet<usize> {
    let Some(names) = places[at].after else { return at.checked_sub(1).into_iter().collect() };
    let mut found = BTreeSet::new();
    for (item, name) in names.iter().enumerate() {
        let path = format!("steps[{at}].after[{item}]");
        match places.iter().position(|place| place.id == Some(name)) {
            None => {
                let known: Vec<_> = places.iter().take(10).filter_map(|place| place.id).collect();
                mistakes.add(&path, format!("there is no step `{name}`; the steps are: {}", listed(&known)));
            }
            Some(step) if step == at => mistakes.add(&path, "is the step itself: name steps that are done before it"),
            Some(step) if !found.insert(step) => mistakes.add(&path, format!("names `{name}` twice: name it once")),
            Some(_) => {}
        }
    }
    found
}

fn index(at: usize) -> StepIndex {
    StepIndex(u16::try_from(at).expect("at most 1000 steps"))
}

/// A set of small numbers.
#[derive(Debug, Clone)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn take_in(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(after: &[Option<&[&str]>]) -> (Graph, Vec<String>) {
        let ids = ["a", "b", "c", "d", "e"];
        let places: Vec<_> = ids.iter().zip(after).map(|(id, after)| Place { id: Some(id), after: *after }).collect();
        let mut mistakes = Mistakes::default();
        let graph = Graph::read(&places, &mut mistakes);
        (graph, mistakes.0.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn steps_come_after_the_one_above_or_those_that_they_name() {
        let (graph, mistakes) = graph(&[None, None, Some(&["a"]), Some(&["b", "c"]), Some(&[])]);
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(graph.order.as_slice(), [0, 1, 2, 3, 4]);
        let before: Vec<Vec<u16>> = graph.before().iter().map(|steps| steps.iter().map(|s| s.0).collect()).collect();
        assert_eq!(before, [vec![1, 2], vec![3], vec![3], vec![], vec![]]);
        assert!(graph.comes_after(3, 0) && !graph.comes_after(2, 1) && !graph.comes_after(4, 0));
    }

    #[test]
    fn what_comes_later_in_the_document_may_be_named() {
        let (graph, mistakes) = graph(&[Some(&["c"]), Some(&[]), Some(&["b"])]);
        assert_eq!((mistakes, graph.order.as_slice()), (Vec::new(), &[1, 2, 0][..]));
    }

    #[test]
    fn wrong_names_and_circles_are_told() {
        let (_, mistakes) = graph(&[Some(&["nope", "a"]), Some(&["a", "a"])]);
        assert_eq!(
            mistakes,
            [
                "steps[0].after[0]: there is no step `nope`; the steps are: a, b",
                "steps[0].after[1]: is the step itself: name steps that are done before it",
                "steps[1].after[1]: names `a` twice: name it once",
            ]
        );
        let (graph, mistakes) = graph(&[Some(&[]), Some(&["d"]), Some(&["b"]), Some(&["c", "a"])]);
        assert_eq!(mistakes, ["steps[1].after: goes round in a circle: b after d after c after b: take one of them out"]);
        assert_eq!(graph.order.len(), 4);
    }

    #[test]
    fn a_step_that_gathers_is_alone() {
        let (mut graph, _) = graph(&[None, None, Some(&["a"]), Some(&["b"]), Some(&[])]);
        graph.gather_before(1);
        assert!(graph.comes_after(1, 2) && graph.comes_after(1, 4) && graph.comes_after(3, 4) && !graph.comes_after(2, 1));
        assert_eq!(graph.order.as_slice(), [0, 2, 4, 1, 3]);
    }
}

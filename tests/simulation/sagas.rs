//! Sagas that nobody wrote: random graphs of steps with everything that a definition may say, and beside each document what the checks
//! know of it, so that they need not believe what the host reads out of it.

use crate::dice::Dice;
use crate::plants::Plant;
use amends_domain::definition::{Definition, Kind, OnStuck, Order, read};
use amends_domain::time::Span;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A saga as the checks know it.
#[derive(Debug)]
pub(crate) struct Saga {
    /// What the host is given.
    pub(crate) definition: Arc<Definition>,
    pub(crate) steps: Vec<Step>,
    pub(crate) pivot: Option<usize>,
    pub(crate) order: Order,
    pub(crate) on_stuck: OnStuck,
    pub(crate) deadline: Option<Span>,
    /// How long the way back may take.
    pub(crate) deadline_back: Option<Span>,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) id: String,
    /// Every step that must be over before it, however far before.
    pub(crate) after: BTreeSet<usize>,
    pub(crate) node: Node,
    pub(crate) kind: Kind,
    pub(crate) forward: Tries,
    /// None where nothing takes it back.
    pub(crate) backward: Option<Tries>,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Work(Work),
    /// Waits; for a signal, this one.
    Wait(Option<&'static str>),
}

/// What the handlers of the simulated plugins do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// Moves money between two accounts.
    Move,
    /// Counts one up.
    Count,
    /// Sends requests.
    Send,
    /// Sends requests and moves money.
    Both,
    /// Reads, and sends requests that change nothing.
    Look,
}

/// How often a step is tried in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tries {
    pub(crate) attempts: Option<u32>,
    pub(crate) total: Option<Span>,
}

/// The signals that steps wait for.
pub(crate) const SIGNALS: &[&str] = &["approved", "paid"];
/// The plugins that steps use.
pub(crate) const PLUGINS: &[&str] = &["p", "q"];

impl Work {
    pub(crate) const ALL: &[Self] = &[Self::Move, Self::Count, Self::Send, Self::Both, Self::Look];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Count => "count",
            Self::Send => "send",
            Self::Both => "both",
            Self::Look => "look",
        }
    }

    /// Whether it leaves a mark in the state when it is done, until it is taken back.
    pub(crate) fn leaves_mark(self) -> bool {
        matches!(self, Self::Move | Self::Count | Self::Both)
    }

    pub(crate) fn sends(self) -> bool {
        matches!(self, Self::Send | Self::Both)
    }
}

impl Saga {
    /// Any saga of this name.
    pub(crate) fn any(dice: &mut Dice, name: &str) -> Self {
        let len = usize::try_from(*dice.one(&[1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7])).expect("few");
        let mut draft = Draft::new(dice, len);
        let mut document = json!({ "saga": name, "steps": draft.steps(dice) });
        draft.of_the_whole(dice, &mut document);
        let text = document.to_string();
        let definition = read(&text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
        draft.saga(Arc::new(definition))
    }

    /// What the checks know wrongly, where the host is to be thought wrong.
    pub(crate) fn known_wrongly(mut self, plant: Option<Plant>) -> Self {
        match plant {
            Some(Plant::ForgetsAfter) => {
                let mut pairs = (0..self.steps.len()).flat_map(|at| (0..at).map(move |earlier| (at, earlier)));
                if let Some((at, earlier)) =
                    pairs.find(|(at, earlier)| !self.comes_after(*at, *earlier) && !self.comes_after(*earlier, *at))
                {
                    self.steps[at].after.insert(earlier);
                }
            }
            Some(Plant::OneMoreAttempt) => {
                let all = self.steps.iter_mut().flat_map(|step| Some(&mut step.forward).into_iter().chain(&mut step.backward));
                all.filter_map(|tries| tries.attempts.as_mut()).for_each(|attempts| *attempts = attempts.saturating_sub(1));
            }
            Some(_) | None => {}
        }
        self
    }

    /// Whether `step` starts only when `earlier` is over.
    pub(crate) fn comes_after(&self, step: usize, earlier: usize) -> bool {
        self.steps[step].after.contains(&earlier)
    }
}

impl Step {
    pub(crate) fn work(&self) -> Option<Work> {
        match self.node {
            Node::Work(work) => Some(work),
            Node::Wait(_) => None,
        }
    }
}

/// A saga that is being made up.
struct Draft {
    /// As the document names them; none: the step above.
    after: Vec<Option<Vec<usize>>>,
    all_after: Vec<BTreeSet<usize>>,
    pivot: Option<usize>,
    default_back: Tries,
    steps: Vec<Step>,
    order: Order,
    on_stuck: OnStuck,
    deadline: Option<Span>,
    deadline_back: Option<Span>,
}

impl Draft {
    fn new(dice: &mut Dice, len: usize) -> Self {
        let after: Vec<_> = (0..len).map(|at| any_after(dice, at)).collect();
        let pivot = dice.hits(30).then(|| usize::try_from(dice.below(len as u64)).expect("few"));
        let all_after = closure(&after, pivot);
        Self {
            after,
            all_after,
            pivot,
            default_back: Tries { attempts: Some(3), total: None },
            steps: Vec::new(),
            order: Order::Reverse,
            on_stuck: OnStuck::Continue,
            deadline: None,
            deadline_back: None,
        }
    }

    fn steps(&mut self, dice: &mut Dice) -> Vec<Value> {
        // The saga's own word comes first: compensations inherit it.
        let attempts = u32::try_from(1 + dice.below(4)).expect("few");
        self.default_back.attempts = Some(attempts);
        (0..self.after.len()).map(|at| self.step(dice, at)).collect()
    }

    fn step(&mut self, dice: &mut Dice, at: usize) -> Value {
        let id = format!("s{at}");
        let mut fields = Map::new();
        fields.insert("id".into(), json!(id));
        if let Some(after) = &self.after[at] {
            fields.insert("after".into(), after.iter().map(|earlier| format!("s{earlier}")).collect());
        }
        if dice.hits(12) {
            fields.insert("when".into(), json!(self.any_condition(dice, at)));
        }
        let behind = self.pivot.is_some_and(|pivot| self.all_after[at].contains(&pivot));
        let waits = self.pivot != Some(at) && dice.hits(15);
        let (node, kind, forward, backward) = if waits {
            (self.wait(dice, at, behind, &mut fields), Kind::ReadOnly, NEVER, None)
        } else {
            self.work(dice, at, behind, &mut fields)
        };
        self.steps.push(Step { id, after: self.all_after[at].clone(), node, kind, forward, backward });
        Value::Object(fields)
    }

    fn any_condition(&self, dice: &mut Dice, at: usize) -> String {
        match (dice.below(3), self.all_after[at].iter().next()) {
            (0, Some(earlier)) => format!("${{steps['s{earlier}'].output.flag}}"),
            (1, _) => "${input.n > 3}".to_owned(),
            _ => "${input.flag}".to_owned(),
        }
    }

    fn wait(&self, dice: &mut Dice, at: usize, behind: bool, fields: &mut Map<String, Value>) -> Node {
        let span = any_span(dice, &[5, 100, 2_000, 70_000, 400_000]);
        let (wait, signal) = match dice.below(4) {
            0 => (json!({ "for": span }), None),
            1 => match self.all_after[at].iter().next() {
                Some(earlier) if dice.hits(50) => (json!({ "until": format!("${{steps['s{earlier}'].output.at}}") }), None),
                _ => (json!({ "until": "${input.at}" }), None),
            },
            _ => {
                let name = *dice.one(SIGNALS);
                let mut wait = json!({ "signal": name });
                if dice.hits(75) {
                    wait["timeout"] = json!(span);
                    wait["on_timeout"] = json!(if behind || dice.hits(50) { "continue" } else { "fail" });
                }
                (wait, Some(name))
            }
        };
        fields.insert("wait".into(), wait);
        Node::Wait(signal)
    }

    fn work(
        &self,
        dice: &mut Dice,
        at: usize,
        behind: bool,
        fields: &mut Map<String, Value>,
    ) -> (Node, Kind, Tries, Option<Tries>) {
        let kind = match (self.pivot == Some(at), behind, dice.below(10)) {
            (true, ..) => Kind::Pivot,
            (false, true, 0..3) | (false, false, 0) => Kind::ReadOnly,
            (false, true, _) | (false, false, 1) => Kind::Retriable,
            (false, false, _) => Kind::Compensatable,
        };
        let work = if kind == Kind::ReadOnly { Work::Look } else { *dice.one(&Work::ALL[..4]) };
        fields.insert("uses".into(), json!(format!("{}/{}", dice.one(PLUGINS), work.word())));
        fields.insert("kind".into(), json!(kind.word()));
        if dice.hits(20) {
            fields.insert("input".into(), json!({ "n": "${input.n}", "text": "order ${input.id}" }));
        }
        let forward = any_retry(dice, fields, if behind { Base::Unlimited } else { Base::Attempts(3) });
        let timeout = any_span(dice, &[30, 300, 2_000]);
        fields.insert("limits".into(), json!({ "timeout": timeout }));
        let backward = self.way_back(dice, kind, behind, fields);
        (Node::Work(work), kind, forward, backward)
    }

    fn way_back(&self, dice: &mut Dice, kind: Kind, behind: bool, fields: &mut Map<String, Value>) -> Option<Tries> {
        if behind || kind == Kind::ReadOnly {
            return None;
        }
        let none = if kind == Kind::Pivot { 50 } else { 8 };
        if dice.hits(none) {
            fields.insert("compensate".into(), json!("none"));
            return None;
        }
        if dice.hits(50) {
            return Some(self.default_back);
        }
        let mut own = Map::new();
        let tries = any_retry(dice, &mut own, Base::Attempts(self.default_back.attempts.expect("a number")));
        own.insert("limits".into(), json!({ "timeout": any_span(dice, &[30, 300, 2_000]) }));
        fields.insert("compensation".into(), Value::Object(own));
        Some(tries)
    }

    fn of_the_whole(&mut self, dice: &mut Dice, document: &mut Value) {
        let attempts = self.default_back.attempts;
        document["defaults"] = json!({ "retry": { "attempts": attempts, "initial": "20ms", "max": "1s", "jitter": "5ms" } });
        let mut compensation = Map::new();
        if dice.hits(30) {
            self.order = Order::Parallel;
            compensation.insert("order".into(), json!("parallel"));
        }
        if dice.hits(30) {
            self.on_stuck = OnStuck::Halt;
            compensation.insert("on_stuck".into(), json!("halt"));
        }
        if dice.hits(15) {
            let span = Span(50 + dice.below(3_000));
            self.deadline_back = Some(span);
            compensation.insert("deadline".into(), json!(format!("{}ms", span.0)));
        }
        document["compensation"] = Value::Object(compensation);
        if dice.hits(25) {
            let span = Span(20 + dice.below(8_000));
            self.deadline = Some(span);
            document["deadline"] = json!(format!("{}ms", span.0));
        }
        if dice.hits(50) {
            let last = self.steps.len() - 1;
            document["output"] = json!({ "last": format!("${{steps['s{last}'].output}}"), "n": "${input.n}" });
        }
    }

    fn saga(self, definition: Arc<Definition>) -> Saga {
        let Self { steps, pivot, order, on_stuck, deadline, deadline_back, .. } = self;
        Saga { definition, steps, pivot, order, on_stuck, deadline, deadline_back }
    }
}

/// What waits has no attempts.
const NEVER: Tries = Tries { attempts: Some(0), total: None };

/// What a step's policy is taken from where it says nothing.
#[derive(Clone, Copy)]
enum Base {
    Attempts(u32),
    Unlimited,
}

fn any_retry(dice: &mut Dice, fields: &mut Map<String, Value>, base: Base) -> Tries {
    let mut tries = match base {
        Base::Attempts(attempts) => Tries { attempts: Some(attempts), total: None },
        Base::Unlimited => Tries { attempts: None, total: None },
    };
    let mut retry = json!({ "initial": any_span(dice, &[0, 5, 50, 300]), "max": "500ms", "jitter": any_span(dice, &[0, 0, 20]) });
    match (base, dice.below(10)) {
        // Most of them bounded well: a step behind the pivot is tried until it is done.
        (Base::Unlimited, _) => retry["initial"] = json!("100ms"),
        (Base::Attempts(_), 0) => {
            let total = Span(50 + dice.below(1_000));
            tries = Tries { attempts: None, total: Some(total) };
            retry["attempts"] = json!("unlimited");
            retry["initial"] = json!("20ms");
            retry["for"] = json!(format!("{}ms", total.0));
        }
        (Base::Attempts(_), _) => {
            let attempts = u32::try_from(1 + dice.below(4)).expect("few");
            tries.attempts = Some(attempts);
            retry["attempts"] = json!(attempts);
        }
    }
    fields.insert("retry".into(), retry);
    tries
}

fn any_span(dice: &mut Dice, ms: &[u64]) -> String {
    format!("{}ms", dice.one(ms))
}

/// The steps that a document names before one; none: it says nothing.
fn any_after(dice: &mut Dice, at: usize) -> Option<Vec<usize>> {
    match dice.below(10) {
        0..5 => None,
        5..7 => Some(Vec::new()),
        _ if at == 0 => Some(Vec::new()),
        named => {
            let mut any = || usize::try_from(dice.below(at as u64)).expect("few");
            let after: BTreeSet<usize> = if named == 7 { [any()].into() } else { [any(), any()].into() };
            Some(after.into_iter().collect())
        }
    }
}

/// Of each step all that come before it. The pivot comes after every step that does not come after it.
fn closure(after: &[Option<Vec<usize>>], pivot: Option<usize>) -> Vec<BTreeSet<usize>> {
    let direct = |(at, after): (usize, &Option<Vec<usize>>)| match after {
        None => at.checked_sub(1).into_iter().collect(),
        Some(after) => after.iter().copied().collect(),
    };
    let mut all: Vec<BTreeSet<usize>> = after.iter().enumerate().map(direct).collect();
    complete(&mut all);
    if let Some(pivot) = pivot {
        let others = (0..all.len()).filter(|at| *at != pivot && !all[*at].contains(&pivot));
        let others: Vec<usize> = others.collect();
        all[pivot].extend(others);
        complete(&mut all);
    }
    all
}

fn complete(all: &mut [BTreeSet<usize>]) {
    loop {
        let before: usize = all.iter().map(BTreeSet::len).sum();
        for at in 0..all.len() {
            let further: Vec<usize> = all[at].iter().flat_map(|earlier| all[*earlier].iter().copied()).collect();
            all[at].extend(further);
        }
        if all.iter().map(BTreeSet::len).sum::<usize>() == before {
            return;
        }
    }
}

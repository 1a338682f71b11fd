//! Reads one step of a document: what it uses or what it waits for, its kind, and what a kind asks for.

use super::document::Reader;
use super::graph::Graph;
use super::policy::YEAR;
use super::reading::{join, shown};
use super::{Kind, Node, OnTimeout, Policy, Step, Uses, Wait};
use crate::expression::Mapping;
use crate::id::{HandlerRef, SignalName, StepId};
use crate::time::Span;
use serde_json::{Map, Value};

pub(super) const STEP_FIELDS: &[&str] =
    &["id", "uses", "input", "after", "when", "kind", "retry", "limits", "compensation", "compensate", "wait"];
const WAIT_STEP_FIELDS: &[&str] = &["id", "wait", "after", "when"];
pub(super) const WAIT_FIELDS: &[&str] = &["for", "until", "signal", "timeout", "on_timeout"];
pub(super) const KINDS: &[(&str, Kind)] = &[
    ("compensatable", Kind::Compensatable),
    ("pivot", Kind::Pivot),
    ("retriable", Kind::Retriable),
    ("read-only", Kind::ReadOnly),
];
const SPAN_MIN: Span = Span(1);

/// A step of a document and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Item<'v> {
    /// Its place in the list.
    pub(super) at: usize,
    /// What is written there.
    pub(super) value: &'v Value,
    /// The pivot, if the saga has one.
    pub(super) pivot: Option<usize>,
}

impl Item<'_> {
    fn is_behind_pivot(self, graph: &Graph) -> bool {
        self.pivot.is_some_and(|pivot| graph.comes_after(self.at, pivot))
    }
}

impl Reader<'_> {
    pub(super) fn step(&mut self, item: Item<'_>, graph: &Graph, defaults: Policy) -> Option<Step> {
        let path = format!("steps[{}]", item.at);
        let fields = self.mistakes.object(&path, item.value, STEP_FIELDS)?;
        let id = self.needed(fields, &path, "id", "a name such as charge-payment");
        let id = id.and_then(|v| self.mistakes.parsed::<StepId>(&join(&path, "id"), v, "charge-payment"));
        let when = fields.get("when").map(|v| self.expression(&join(&path, "when"), v, item.at, graph));
        let node = match fields.get("wait") {
            Some(value) => self.wait_step(&path, fields, value, item, graph).map(Node::Wait),
            None => self.uses(&path, fields, item, graph, defaults).map(Node::Uses),
        };
        Some(Step { id: id?, node: node?, when, after: graph.after(item.at), before: Vec::new() })
    }

    fn uses(&mut self, path: &str, fields: &Map<String, Value>, item: Item<'_>, graph: &Graph, defaults: Policy) -> Option<Uses> {
        let handler = self.needed(fields, path, "uses", "plugin/handler, such as orders/charge-payment, or `wait`");
        let handler = handler.and_then(|v| self.mistakes.parsed::<HandlerRef>(&join(path, "uses"), v, "orders/charge-payment"));
        let input = fields.get("input").map(|v| self.mapping(&join(path, "input"), v, Some(item.at), graph));
        let kind =
            fields.get("kind").and_then(|v| self.mistakes.word(&join(path, "kind"), v, KINDS)).unwrap_or(Kind::Compensatable);
        let behind = item.is_behind_pivot(graph);
        let forward = self.forward(path, fields, kind, behind, defaults);
        if behind && kind == Kind::Compensatable {
            let pivot = self.ids[item.pivot.expect("it comes after one")].unwrap_or("?");
            self.mistakes.add(
                &join(path, "kind"),
                format!("is compensatable after the pivot `{pivot}`, where nothing is taken back any more: write `kind: retriable` or `kind: read-only`, or move it before"),
            );
        }
        let backward = self.backward(path, fields, defaults);
        let needs_none = behind || kind == Kind::ReadOnly;
        for field in ["compensation", "compensate"].iter().filter(|field| needs_none && fields.contains_key(**field)) {
            let why = if behind { "after the pivot nothing is taken back" } else { "a read-only step has nothing to take back" };
            self.mistakes.add(&join(path, field), format!("{why}: leave it out"));
        }
        Some(Uses { handler: handler?, kind, input, forward, backward: backward.filter(|_| !needs_none) })
    }

    fn forward(&mut self, path: &str, fields: &Map<String, Value>, kind: Kind, behind: bool, defaults: Policy) -> Policy {
        let mut base = defaults;
        if behind {
            // Nobody but a person can give up what cannot be taken back.
            (base.retry.attempts, base.retry.total) = (None, None);
        }
        let policy = self.mistakes.policy(path, fields, base);
        // Defaults without a bound are told once, where they stand.
        if kind != Kind::Retriable && !behind && fields.contains_key("retry") {
            self.bounded(&join(path, "retry"), policy);
        }
        policy
    }

    /// Whether trying comes to an end.
    fn bounded(&mut self, path: &str, policy: Policy) {
        if policy.retry.attempts.is_none() && policy.retry.total.is_none() {
            self.mistakes
                .add(path, "is unlimited in attempts and in time: write `for: 1h` or another span, or a number of attempts");
        }
    }

    /// A compensation takes its policy from the saga's defaults, not from the step: what a step may fail at often is no measure for
    /// taking it back.
    fn backward(&mut self, path: &str, fields: &Map<String, Value>, defaults: Policy) -> Option<Policy> {
        let place = join(path, "compensation");
        let policy = match fields.get("compensation") {
            None => defaults,
            Some(value) => match self.mistakes.object(&place, value, &["retry", "limits"]) {
                Some(own) => self.mistakes.policy(&place, own, defaults),
                None => defaults,
            },
        };
        let none = fields.get("compensate").map(|v| self.mistakes.word(&join(path, "compensate"), v, &[("none", ())]));
        if none.is_some() && fields.contains_key("compensation") {
            self.mistakes.add(&place, "stands beside `compensate: none`: leave out one of the two");
        }
        if none.is_none() && fields.contains_key("compensation") {
            self.bounded(&join(&place, "retry"), policy);
        }
        none.is_none().then_some(policy)
    }

    fn wait_step(&mut self, path: &str, fields: &Map<String, Value>, value: &Value, item: Item<'_>, graph: &Graph) -> Option<Wait> {
        for name in fields.keys().filter(|name| STEP_FIELDS.contains(&name.as_str()) && !WAIT_STEP_FIELDS.contains(&name.as_str()))
        {
            self.mistakes.add(&join(path, name), "stands beside `wait`: a step waits or uses a handler; leave out one of the two");
        }
        let path = join(path, "wait");
        let fields = self.mistakes.object(&path, value, WAIT_FIELDS)?;
        let kinds: Vec<_> = ["for", "until", "signal"].into_iter().filter(|name| fields.contains_key(*name)).collect();
        let [kind] = kinds.as_slice() else {
            self.mistakes.add(&path, format!("has {}: write one of `for`, `until` and `signal`", super::reading::listed(&kinds)));
            return None;
        };
        for name in ["timeout", "on_timeout"].iter().filter(|name| *kind != "signal" && fields.contains_key(**name)) {
            self.mistakes.add(&join(&path, name), format!("belongs to `signal`, not to `{kind}`: leave it out"));
        }
        let (place, value) = (join(&path, kind), &fields[*kind]);
        match *kind {
            "for" => self.mistakes.span(&place, value, SPAN_MIN..=YEAR).map(Wait::For),
            "until" => Some(Wait::Until(self.expression(&place, value, item.at, graph))),
            _ => {
                let name = self.mistakes.parsed::<SignalName>(&place, value, "approved");
                let (timeout, on_timeout) = self.timeout(&path, fields, item, graph);
                Some(Wait::Signal { name: name?, timeout, on_timeout })
            }
        }
    }

    fn timeout(&mut self, path: &str, fields: &Map<String, Value>, item: Item<'_>, graph: &Graph) -> (Option<Span>, OnTimeout) {
        let timeout = fields.get("timeout").and_then(|v| self.mistakes.span(&join(path, "timeout"), v, SPAN_MIN..=YEAR));
        let words = [("fail", OnTimeout::Fail), ("continue", OnTimeout::Continue)];
        let place = join(path, "on_timeout");
        let on_timeout = fields.get("on_timeout").and_then(|v| self.mistakes.word(&place, v, &words));
        if fields.contains_key("on_timeout") && !fields.contains_key("timeout") {
            self.mistakes.add(&place, "stands without a `timeout`: write one, or leave it out");
        }
        let on_timeout = on_timeout.unwrap_or(OnTimeout::Fail);
        if timeout.is_some() && on_timeout == OnTimeout::Fail && item.is_behind_pivot(graph) {
            self.mistakes
                .add(&place, "is `fail` after the pivot, where nothing is taken back any more: write `on_timeout: continue`");
        }
        (timeout, on_timeout)
    }

    /// A single expression, as `when` and `until` want it.
    fn expression(&mut self, path: &str, value: &Value, at: usize, graph: &Graph) -> Mapping {
        let told = self.mistakes.0.len();
        let mapping = self.mapping(path, value, Some(at), graph);
        if !mapping.is_expression() && self.mistakes.0.len() == told {
            self.mistakes.add(path, format!("is {}: write one expression, such as \"${{input.physical}}\"", shown(value)));
        }
        mapping
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Definition, read};
    use super::*;

    fn told(document: &str) -> Vec<String> {
        let mistakes = read(document).map(|_| ()).expect_err("it is full of mistakes");
        mistakes.0.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn check(document: &str, right: &[(&str, &str)]) {
        let told = told(document);
        for ((path, remedy), found) in right.iter().zip(&told) {
            assert!(found.starts_with(path) && found.contains(remedy), "not `{path} … {remedy}` but `{found}`");
        }
        assert_eq!(told.len(), right.len(), "{told:#?}");
    }

    fn saga(text: &str) -> Definition {
        read(text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    #[test]
    fn what_does_not_fit_around_a_pivot_is_told_at_once() {
        let document = "
saga: s
steps:
  - { id: a, uses: p/a, kind: read-only, compensate: none }
  - { id: b, uses: p/b, kind: read-only, compensation: { retry: { attempts: 2 } } }
  - { id: p, uses: p/p, kind: pivot, compensate: none }
  - { id: q, uses: p/q, kind: pivot }
  - { id: c, uses: p/c }
  - { id: d, uses: p/d, kind: retriable, compensation: {} }
  - { id: e, uses: p/e, kind: read-only, compensate: none }
  - { id: w, wait: { signal: go, timeout: 1h } }
  - { id: v, wait: { signal: go, timeout: 1h, on_timeout: fail } }
  - { id: f, uses: p/f, kind: sometimes }
";
        check(
            document,
            &[
                ("steps[3].kind: is a second pivot, after steps[2]", "write `kind: retriable`"),
                ("steps[0].compensate: a read-only step has nothing to take back", "leave it out"),
                ("steps[1].compensation: a read-only step has nothing to take back", "leave it out"),
                (
                    "steps[4].kind: is compensatable after the pivot `p`",
                    "write `kind: retriable` or `kind: read-only`, or move it before",
                ),
                ("steps[5].compensation: after the pivot nothing is taken back", "leave it out"),
                ("steps[6].compensate: after the pivot nothing is taken back", "leave it out"),
                ("steps[7].wait.on_timeout: is `fail` after the pivot", "write `on_timeout: continue`"),
                ("steps[8].wait.on_timeout: is `fail` after the pivot", "write `on_timeout: continue`"),
                ("steps[9].kind: is \"sometimes\"", "write `compensatable` or `pivot` or `retriable` or `read-only`"),
                ("steps[9].kind: is compensatable after the pivot `p`", "move it before"),
            ],
        );
    }

    #[test]
    fn a_wait_is_one_of_three_and_has_nothing_of_a_step_that_uses_a_handler() {
        let document = "
saga: s
steps:
  - { id: a, uses: p/a, wait: { for: 1s } }
  - { id: b, wait: {} }
  - { id: c, wait: { for: 1s, until: '${input.at}' } }
  - { id: d, wait: { for: 1s, timeout: 2s, on_timeout: continue } }
  - { id: e, wait: { until: tomorrow } }
  - { id: f, wait: { until: '${input.a}-${input.b}' } }
  - { id: g, wait: { signal: Go } }
  - { id: h, wait: { signal: go, on_timeout: continue } }
  - { id: i, wait: { signal: go, timeout: 0s, on_timeout: explode } }
  - { id: j, wait: 10s }
  - { id: k, wait: { for: 400days } }
  - { id: l, wait: { for: 1s }, kind: pivot, retry: {}, input: 1, compensate: none, limits: {}, compensation: {} }
  - { id: m, wait: { sgnal: go } }
  - { id: o }
";
        let beside = "leave out one of the two";
        check(
            document,
            &[
                ("steps[0].uses: stands beside `wait`", beside),
                ("steps[1].wait: has none", "write one of `for`, `until` and `signal`"),
                ("steps[2].wait: has for, until", "write one of"),
                ("steps[3].wait.timeout: belongs to `signal`, not to `for`", "leave it out"),
                ("steps[3].wait.on_timeout: belongs to `signal`, not to `for`", "leave it out"),
                ("steps[4].wait.until: is \"tomorrow\"", "write one expression, such as \"${input.physical}\""),
                ("steps[5].wait.until: is \"${input.a}-${input.b}\"", "write one expression"),
                ("steps[6].wait.signal: `Go` is not a name", "lower-case"),
                ("steps[7].wait.on_timeout: stands without a `timeout`", "write one, or leave it out"),
                ("steps[8].wait.timeout: is 0s", "write a span from 1ms to 365days"),
                ("steps[8].wait.on_timeout: is \"explode\"", "write `fail` or `continue`"),
                ("steps[9].wait: is a text", "write an object with the fields for, until, signal, timeout, on_timeout"),
                ("steps[10].wait.for: is 400days", "write a span from 1ms to 365days"),
                ("steps[11].compensate: stands beside `wait`", beside),
                ("steps[11].compensation: stands beside `wait`", beside),
                ("steps[11].input: stands beside `wait`", beside),
                ("steps[11].kind: stands beside `wait`", beside),
                ("steps[11].limits: stands beside `wait`", beside),
                ("steps[11].retry: stands beside `wait`", beside),
                ("steps[12].wait.sgnal: unknown field", "did you mean `signal`?"),
                ("steps[12].wait: has none", "write one of"),
                ("steps[13].uses: is missing", "such as orders/charge-payment, or `wait`"),
            ],
        );
    }

    #[test]
    fn trying_comes_to_an_end_unless_a_step_is_retriable() {
        let document = "
saga: s
compensation: { deadline: 0s }
steps:
  - { id: a, uses: p/a, retry: { attempts: unlimited } }
  - { id: b, uses: p/b, retry: { attempts: unlimited, for: 1h } }
  - { id: c, uses: p/c, kind: retriable, retry: { attempts: unlimited } }
  - { id: d, uses: p/d, retry: { attempts: 1001, for: soon } }
  - { id: e, uses: p/e, kind: read-only, retry: { attempts: unlimited, for: 0s } }
  - { id: f, uses: p/f, compensation: { retry: { attempts: unlimited } } }
  - { id: g, uses: p/g, compensation: { retry: { attempts: unlimited, for: 1h } } }
  - { id: h, uses: p/h, kind: pivot, retry: { attempts: unlimited } }
";
        let remedy = "write `for: 1h` or another span";
        check(
            document,
            &[
                ("compensation.deadline: is 0s", "from 1ms"),
                ("steps[0].retry: is unlimited in attempts and in time", remedy),
                ("steps[3].retry.attempts: is 1001", "write a whole number from 1 to 1000, or `unlimited`"),
                ("steps[3].retry.for: `soon` is not a span", "such as"),
                ("steps[4].retry.for: is 0s", "from 1ms"),
                ("steps[5].compensation.retry: is unlimited in attempts and in time", remedy),
                ("steps[7].retry: is unlimited in attempts and in time", remedy),
            ],
        );
        let defaults = "
saga: s
defaults: { retry: { attempts: unlimited } }
steps:
  - { id: a, uses: p/a }
  - { id: b, uses: p/b, kind: retriable }
";
        check(defaults, &[("defaults.retry: is unlimited in attempts and in time", "write `for: 1h` or another span as well")]);
    }

    #[test]
    fn expressions_name_only_what_is_certainly_over() {
        let document = "
saga: s
steps:
  - { id: a, uses: p/a, after: [] }
  - { id: b, uses: p/b, after: [a], input: { c: '${steps.c.output}', a: '${steps.a.output}' } }
  - { id: c, uses: p/c, after: [a], when: '${steps.b.output}' }
  - { id: d, uses: p/d, after: [c], input: '${steps.a.output}', when: '${steps.d.output}' }
  - { id: w, wait: { until: '${steps.b.output}' } }
  - { id: e, uses: p/e, when: true }
  - { id: f, uses: p/f, when: 'always ${input.x}' }
  - { id: g, uses: p/g, input: { x: '${steps.zz.output}' }, when: '${1 +}' }
  - { id: h, uses: p/h, after: a }
  - { id: i, uses: p/i, after: [1] }
output: '${[steps.a.output, steps.i.output, steps.zz.output]}'
";
        let not_over = "is not certainly over by then: name a step that this one comes after";
        check(
            document,
            &[
                ("steps[8].after: write a list of ids of steps", "or []"),
                ("steps[9].after: write a list of ids of steps", "such as [charge-payment]"),
                ("steps[1].input.c: step `c`", not_over),
                ("steps[2].when: step `b`", not_over),
                ("steps[3].when: step `d`", not_over),
                ("steps[4].wait.until: step `b`", not_over),
                ("steps[5].when: is true", "write one expression"),
                ("steps[6].when: is \"always ${input.x}\"", "write one expression"),
                ("steps[7].when: ", ""),
                ("steps[7].input.x: there is no step `zz`", "over by then: a, c, d, w, e, f"),
                ("output: there is no step `zz`", "over by then: a, b, c"),
            ],
        );
    }

    #[test]
    fn behind_the_pivot_a_step_is_tried_until_it_is_done_unless_it_says_otherwise() {
        let saga = saga(
            "
saga: s
defaults: { retry: { attempts: 4, for: 1h } }
steps:
  - { id: x, uses: p/x, after: [] }
  - { id: z, uses: p/z, after: [], kind: retriable, retry: { attempts: unlimited } }
  - { id: p, uses: p/p, after: [x], kind: pivot }
  - { id: r, uses: p/r, kind: retriable }
  - { id: o, uses: p/o, kind: read-only, retry: { attempts: 2 } }
  - { id: w, wait: { signal: go, timeout: 48h, on_timeout: continue } }
",
        );
        let uses = |at: usize| saga.steps[at].uses().expect("a step that uses a handler");
        let tried = |at: usize| (uses(at).forward.retry.attempts, uses(at).forward.retry.total);
        let hour = Some(Span(3_600_000));
        assert_eq!([tried(0), tried(1), tried(2)], [(Some(4), hour), (None, hour), (Some(4), hour)]);
        assert_eq!([tried(3), tried(4)], [(None, None), (Some(2), None)]);
        let backward = (0..5).map(|at| uses(at).backward.is_some()).collect::<Vec<_>>();
        assert_eq!(backward, [true, true, true, false, false], "nothing behind the pivot is taken back");
        let after: Vec<u16> = saga.steps[2].after.iter().map(|step| step.0).collect();
        assert_eq!((saga.pivot.map(|pivot| pivot.0), after), (Some(2), vec![0, 1]), "the pivot gathers the branches");
        assert!(matches!(
            saga.steps[5].node,
            Node::Wait(Wait::Signal { timeout: Some(Span(172_800_000)), on_timeout: OnTimeout::Continue, .. })
        ));
    }
}

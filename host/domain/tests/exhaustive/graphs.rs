//! The sagas that are walked through, each as small as can be and still have what it is about.

use super::graph::Ask::{Cancel, CancelNow, Compensate, CompensateFrom, Done, Kill, Pause, Redrive, Retry, Signal, Undone};
use super::graph::{Ask, Bounds, Endings, Graph, Naps, asked, saga};
use amends_domain::event::{Outcome, Resolvers};
use amends_domain::time::Timestamp;

const ALL: &[Outcome] = &[Outcome::Succeeded, Outcome::Compensated, Outcome::Stuck];
const EVERY: &[Outcome] = &[Outcome::Succeeded, Outcome::Compensated, Outcome::Stuck, Outcome::Killed];
const QUIET: Bounds = Bounds { crashes: 0, sends: 0, demands: 0, endings: Endings::All, naps: Naps::None };
const FEW: Bounds = Bounds { endings: Endings::Few, ..QUIET };
const TIMED: Bounds = Bounds { naps: Naps::Long, ..FEW };

/// All of them.
pub(crate) fn all() -> Vec<Graph> {
    [rows(), diamonds(), gaps(), pivots(), waits(), clocks(), pairs()].into_iter().flatten().collect()
}

/// Three steps in a row, in the four ways of taking them back.
pub(crate) fn rows() -> Vec<Graph> {
    let row = |name, crashes, sends, compensation: &str, second: &str| {
        let second = format!(r#"{{"id":"b","uses":"p/b"{second}}}"#);
        let fields = format!(r#""compensation":{compensation},"#);
        let document = saga(2, &fields, &[r#"{"id":"a","uses":"p/a"}"#, &second, r#"{"id":"c","uses":"p/c"}"#]);
        Graph { bounds: Bounds { crashes, sends, ..QUIET }, outcomes: ALL, ..Graph::new(name, &document) }
    };
    vec![
        row("row: reverse, continue, two crashes", 2, 1, r#"{"order":"reverse","on_stuck":"continue"}"#, ""),
        row("row: reverse, halt, a crash", 1, 2, r#"{"order":"reverse","on_stuck":"halt"}"#, ""),
        row("row: parallel, continue, a crash", 1, 1, r#"{"order":"parallel"}"#, ""),
        row("row: second step without compensation, a crash", 1, 2, "{}", r#","compensate":"none""#),
        Graph {
            bounds: Bounds { demands: 1, crashes: 1, sends: 1, ..FEW },
            asks: asked(&[Cancel, CancelNow, Pause, Compensate, CompensateFrom(1), Redrive(1), Undone(1), Kill], Resolvers::One),
            outcomes: EVERY,
            ..row("row: a demand, a crash", 1, 1, "{}", "")
        },
    ]
}

/// Two branches between a beginning and an end.
fn diamond(name: &'static str, attempts: u32, compensation: &str, bounds: Bounds, asks: &[Ask]) -> Graph {
    let steps = [
        r#"{"id":"a","uses":"p/a"}"#,
        r#"{"id":"b","uses":"p/b","after":["a"]}"#,
        r#"{"id":"c","uses":"p/c","after":["a"]}"#,
        r#"{"id":"d","uses":"p/d","after":["b","c"]}"#,
    ];
    let document = saga(attempts, &format!(r#""compensation":{compensation},"#), &steps);
    let outcomes = if asks.iter().any(|ask| matches!(ask, Kill)) { EVERY } else { ALL };
    Graph { bounds, asks: asked(asks, Resolvers::One), outcomes, ..Graph::new(name, &document) }
}

pub(crate) fn diamonds() -> Vec<Graph> {
    let asks = &[
        Cancel,
        CancelNow,
        Pause,
        Compensate,
        CompensateFrom(1),
        CompensateFrom(2),
        Redrive(1),
        Redrive(2),
        Undone(1),
        Done(1),
        Kill,
    ];
    let dead = &[Cancel, Redrive(1), Redrive(2), Undone(1)];
    vec![
        diamond("diamond: two crashes", 1, "{}", Bounds { crashes: 2, sends: 1, ..QUIET }, &[]),
        diamond("diamond: two attempts, a crash", 2, "{}", Bounds { crashes: 1, sends: 1, ..FEW }, &[]),
        diamond("diamond: two attempts, all endings", 2, "{}", Bounds { sends: 2, ..QUIET }, &[]),
        diamond("diamond: parallel, a crash", 1, r#"{"order":"parallel"}"#, Bounds { crashes: 1, sends: 2, ..QUIET }, &[]),
        diamond("diamond: halt, two attempts, a crash", 2, r#"{"on_stuck":"halt"}"#, Bounds { crashes: 1, ..FEW }, &[]),
        diamond("diamond: three demands", 1, "{}", Bounds { demands: 3, sends: 1, ..FEW }, asks),
        diamond("diamond: two demands, a crash", 1, "{}", Bounds { demands: 2, crashes: 1, ..FEW }, asks),
        diamond(
            "diamond: halt, three demands, a crash",
            1,
            r#"{"on_stuck":"halt"}"#,
            Bounds { demands: 3, crashes: 1, ..FEW },
            dead,
        ),
        diamond(
            "diamond: parallel, halt, two demands",
            2,
            r#"{"order":"parallel","on_stuck":"halt"}"#,
            Bounds { demands: 2, ..FEW },
            asks,
        ),
    ]
}

/// Conditions that do not hold, and steps that cannot be taken back.
pub(crate) fn gaps() -> Vec<Graph> {
    let (a, c) = (r#"{"id":"a","uses":"p/a"}"#, r#"{"id":"c","uses":"p/c"}"#);
    let skipped = r#"{"id":"s","uses":"p/s","after":["a"],"when":"${input.go}"}"#;
    let asks = &[Cancel, Pause, Compensate, CompensateFrom(1), CompensateFrom(2), Redrive(2), Kill];
    let graph = |name, steps: &[&str], skips| Graph {
        bounds: Bounds { demands: 2, crashes: 1, sends: 1, ..FEW },
        asks: asked(asks, Resolvers::One),
        input: r#"{"go":false}"#,
        skips,
        outcomes: EVERY,
        ..Graph::new(name, &saga(1, "", steps))
    };
    let side = r#"{"id":"c","uses":"p/c","after":["a"]}"#;
    let last = r#"{"id":"d","uses":"p/d","after":["s","c"]}"#;
    let (read, none) = (r#"{"id":"r","uses":"p/r","kind":"read-only"}"#, r#"{"id":"n","uses":"p/n","compensate":"none"}"#);
    vec![
        graph("gap: a skipped branch of a diamond", &[a, skipped, side, last], &[1]),
        graph("gap: a skipped link between two steps", &[a, skipped, c], &[1]),
        graph("gap: a read-only step and one without compensation", &[a, read, none, c], &[]),
        Graph {
            skips: &[],
            unmapped: &[1],
            input: "{}",
            outcomes: &[Outcome::Compensated, Outcome::Stuck, Outcome::Killed],
            ..graph("gap: a condition that fails", &[a, skipped, c], &[])
        },
    ]
}

/// The point of no return.
pub(crate) fn pivots() -> Vec<Graph> {
    let (x, y) = (r#"{"id":"x","uses":"p/x","after":[]}"#, r#"{"id":"y","uses":"p/y","after":[]}"#);
    let retriable = r#"{"id":"y","uses":"p/y","after":[],"kind":"retriable","retry":{"attempts":"unlimited"}}"#;
    let pivot = r#"{"id":"p","uses":"p/p","after":["x","y"],"kind":"pivot"}"#;
    let none = r#"{"id":"p","uses":"p/p","after":["x"],"kind":"pivot","compensate":"none"}"#;
    let r = r#"{"id":"r","uses":"p/r","after":["p"],"kind":"retriable","retry":{"initial":"0s"}}"#;
    let o = r#"{"id":"o","uses":"p/o","after":["p"],"kind":"read-only","retry":{"attempts":1}}"#;
    let unmapped = r#"{"id":"r","uses":"p/r","after":["p"],"kind":"retriable","when":"${input.go}"}"#;
    let until = r#"{"id":"w","wait":{"until":"${input.at}"},"after":["p"]}"#;
    let late = r#"{"id":"w","wait":{"signal":"go","timeout":"10s","on_timeout":"continue"},"after":["p"]}"#;
    let skipped = r#"{"id":"p","uses":"p/p","after":["x"],"kind":"pivot","when":"${input.go}"}"#;
    let branches = &[Cancel, CancelNow, Pause, Compensate, Redrive(3), Redrive(4), Done(3), Undone(4), Kill];
    let row = &[Cancel, CancelNow, Pause, Redrive(1), Done(1), Undone(1), Redrive(2), Done(2), Undone(2), Kill];
    let graph = |name, attempts, fields: &str, steps: &[&str], bounds, asks: &[Ask]| Graph {
        bounds,
        asks: asked(asks, Resolvers::One),
        outcomes: EVERY,
        ..Graph::new(name, &saga(attempts, fields, steps))
    };
    let demand_crash = Bounds { demands: 1, crashes: 1, sends: 1, ..FEW };
    let demands = Bounds { demands: 2, sends: 1, ..FEW };
    vec![
        graph("pivot: joins two branches, a demand, a crash", 1, "", &[x, y, pivot, r, o], demand_crash, branches),
        graph(
            "pivot: joins two branches, all endings",
            1,
            "",
            &[x, y, pivot, r, o],
            Bounds { endings: Endings::All, ..demands },
            branches,
        ),
        graph("pivot: a wait behind it", 1, "", &[x, none, late, r], demand_crash, &[Cancel, Pause, Signal, Redrive(3), Kill]),
        Graph { skips: &[1], input: r#"{"go":false}"#, ..graph("pivot: skipped", 1, "", &[x, skipped, r], demands, row) },
        graph(
            "pivot: a retriable branch before it",
            1,
            "",
            &[x, retriable, pivot, r],
            demands,
            &[Cancel, CancelNow, Pause, Undone(2), Kill],
        ),
        graph("pivot: cannot be taken back, demands", 2, "", &[x, none, r], Bounds { demands: 3, sends: 1, ..QUIET }, row),
        graph("pivot: cannot be taken back, a crash", 2, "", &[x, none, r], Bounds { endings: Endings::All, ..demand_crash }, row),
        graph(
            "pivot: cannot be taken back, a deadline",
            2,
            r#""deadline":"5s","#,
            &[x, none, r],
            Bounds { naps: Naps::Long, ..demands },
            row,
        ),
        Graph { unmapped: &[2], ..graph("pivot: a condition that fails behind it", 1, "", &[x, none, unmapped], demands, row) },
        Graph { unmapped: &[2], ..graph("pivot: a wait that fails behind it", 1, "", &[x, none, until], demands, row) },
        Graph {
            resolvers: Resolvers::Two,
            asks: asked(&[Redrive(1), Done(1), Undone(1)], Resolvers::Two),
            outcomes: ALL,
            ..graph("pivot: two people settle it", 1, "", &[x, none, r], Bounds { demands: 3, ..demands }, &[])
        },
    ]
}

/// Time and signals.
pub(crate) fn waits() -> Vec<Graph> {
    let a = r#"{"id":"a","uses":"p/a"}"#;
    let fail = r#"{"id":"w","wait":{"signal":"go","timeout":"10s"},"after":["a"]}"#;
    let go_on = r#"{"id":"w","wait":{"signal":"go","timeout":"10s","on_timeout":"continue"},"after":["a"]}"#;
    let for_ever = r#"{"id":"w","wait":{"signal":"go"},"after":["a"]}"#;
    let impatient = r#"{"id":"v","wait":{"signal":"go","timeout":"4s","on_timeout":"continue"},"after":["a"]}"#;
    let span = r#"{"id":"v","wait":{"for":"6s"},"after":["a"]}"#;
    let until = r#"{"id":"u","wait":{"until":"${'1970-01-01T00:00:03Z'}"},"after":["a"]}"#;
    let b = r#"{"id":"b","uses":"p/b","after":["a"]}"#;
    let c = r#"{"id":"c","uses":"p/c"}"#;
    let asks = &[Cancel, CancelNow, Pause, Signal, Compensate, CompensateFrom(1), Kill];
    let graph = |name, fields: &str, steps: &[&str], demands, crashes| Graph {
        bounds: Bounds { crashes, demands, ..TIMED },
        asks: asked(asks, Resolvers::One),
        outcomes: EVERY,
        ..Graph::new(name, &saga(1, fields, steps))
    };
    let joined = |names: &str| format!(r#"{{"id":"c","uses":"p/c","after":[{names}]}}"#);
    vec![
        graph("wait: a signal or failure", "", &[a, fail, c], 2, 1),
        graph("wait: a signal or going on, beside a step", "", &[a, go_on, b, &joined(r#""w","b""#)], 2, 1),
        graph("wait: a signal without an end", "", &[a, for_ever, c], 2, 1),
        graph("wait: a signal before the deadline", r#""deadline":"7s","#, &[a, for_ever, b, &joined(r#""w","b""#)], 2, 0),
        graph("wait: two for one signal", r#""deadline":"20s","#, &[a, impatient, fail, &joined(r#""v","w""#)], 2, 1),
        graph("wait: a span and an instant", r#""deadline":"8s","#, &[a, span, until, &joined(r#""v","u""#)], 2, 1),
    ]
}

/// Attempts and compensations that wait, and what clocks and people do meanwhile.
pub(crate) fn clocks() -> Vec<Graph> {
    let (a, b) = (r#"{"id":"a","uses":"p/a"}"#, r#"{"id":"b","uses":"p/b"}"#);
    let slow = |fields: &str, after: &str| {
        let retry = r#"{"attempts":2,"initial":"1s","jitter":"0s"}"#;
        format!(r#"{{"saga":"s",{fields}"defaults":{{"retry":{retry}}},"steps":[{a},{{"id":"b","uses":"p/b"{after}}}]}}"#)
    };
    let graph = |name, document: &str, asks: &[Ask], bounds| Graph {
        bounds,
        asks: asked(asks, Resolvers::One),
        outcomes: EVERY,
        ..Graph::new(name, document)
    };
    let asks = &[Cancel, CancelNow, Pause, Retry, Redrive(0), Redrive(1), Undone(1), Kill];
    let compensation = |order| format!(r#""compensation":{{"order":"{order}","deadline":"3s"}},"#);
    vec![
        graph(
            "clock: retries and a deadline",
            &slow(r#""deadline":"1500ms","#, ""),
            asks,
            Bounds { demands: 2, crashes: 1, ..TIMED },
        ),
        graph("clock: branches that retry", &slow("", r#","after":[]"#), asks, Bounds { demands: 2, ..TIMED }),
        graph(
            "clock: a deadline of the way back",
            &slow(&compensation("reverse"), ""),
            asks,
            Bounds { demands: 2, crashes: 1, ..TIMED },
        ),
        graph(
            "clock: a deadline of the way back, parallel",
            &slow(&compensation("parallel"), r#","after":[]"#),
            asks,
            Bounds { demands: 1, ..TIMED },
        ),
        Graph {
            begins: Some(Timestamp(10_000)),
            ..graph(
                "clock: a delayed beginning",
                &saga(1, r#""deadline":"5s","#, &[a, b]),
                asks,
                Bounds { demands: 2, crashes: 1, ..TIMED },
            )
        },
    ]
}

/// What two people must agree on.
pub(crate) fn pairs() -> Vec<Graph> {
    let steps = [r#"{"id":"a","uses":"p/a"}"#, r#"{"id":"b","uses":"p/b"}"#];
    vec![Graph {
        bounds: Bounds { demands: 3, crashes: 1, ..FEW },
        resolvers: Resolvers::Two,
        asks: asked(&[Cancel, Redrive(0), Undone(0), Undone(1), Done(1), Kill], Resolvers::Two),
        outcomes: EVERY,
        ..Graph::new("pair: two people settle a dead letter", &saga(1, "", &steps))
    }]
}

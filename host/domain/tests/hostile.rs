//! Documents and expressions come from tenants: whatever they are, the answer is a value or an error, never a panic and never a stack
//! that overflows.

use amends_domain::definition::read;
use amends_domain::expression::{Expression, Scope};
use amends_domain::payload::Payload;
use amends_domain::plugin::Manifest;
use proptest::prelude::*;

/// What expressions are made of, and what breaks them.
const WORDS: &[&str] = &[
    "input",
    "steps['a'].output",
    ".x",
    "[0]",
    "['k']",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "?",
    ":",
    " + ",
    "-",
    "!",
    " in ",
    ".map(x, x)",
    ".all(x, x > 1)",
    "has(",
    "size(",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "1e999",
    "'s'",
    "b'\\xff'",
    "r'''",
    "\"\\u{1F600}",
    "`a`",
    "%",
    "/",
    "*",
    "&&",
    "||",
    "string(",
    "int(",
    "uint(",
    "double(",
    "bytes(",
    ".contains(",
    ",",
    "optional.of(1)",
    ".?x",
    "[?0]",
    "a{b:1}",
    "type(",
    "dyn(",
    "//",
    "\n",
    "ä",
    "\u{0}",
    "matches('a')",
    ".f",
    ".k",
];
/// What documents are made of.
const LINES: &[&str] = &[
    "saga: s\n",
    "steps:\n",
    "- {id: a, uses: p/q}\n",
    "  ",
    "&a ",
    "*a",
    "[",
    "{",
    "}",
    "!!x ",
    "\t",
    "|\n",
    "? ",
    "<<: ",
    "${",
    "}",
];

fn text(words: &'static [&'static str], len_max: usize) -> impl Strategy<Value = String> {
    let word = prop_oneof![9 => proptest::sample::select(words).prop_map(str::to_owned), 1 => ".{0,4}"];
    proptest::collection::vec(word, 0..len_max).prop_map(|words| words.concat())
}

fn evaluate(source: &str) {
    let input = Payload::from(r#"{"x":[1,2,{"k":"v"}],"k":-9223372036854775808,"f":1.5}"#);
    let output = Payload::from(r#"{"x":{"x":1}}"#);
    if let Ok(expression) = Expression::new(source) {
        let _ = expression.evaluate(&Scope::new(&input, std::iter::once(("a", &output))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_expression_breaks_the_host(source in text(WORDS, 14)) {
        evaluate(&source);
    }

    #[test]
    fn no_document_breaks_the_host(lines in text(LINES, 20), any in ".{0,200}") {
        for document in [lines, any] {
            let _ = read(&document);
            let _ = Manifest::read(&document);
        }
    }
}

/// On half the stack of the threads which drive runs.
#[test]
fn nothing_is_deep_enough_to_overflow_the_stack() {
    let deep = || {
        for unit in ["(", "[", "-", "!", "{'a':", "1+", "true||", "[1]+", "true?", "a ? b : ", "-1-", "input.x.map(x, "] {
            let times = 2000 / unit.len();
            evaluate(&unit.repeat(times));
            evaluate(&format!("{}1", unit.repeat(times)));
            evaluate(&format!("{}1", unit.repeat(100)));
            evaluate(&format!("{}1{}", unit.repeat(16), ")".repeat(16)));
        }
        evaluate(&format!("input{}", ".x".repeat(1000)));
        evaluate(&format!("input{}", "[0]".repeat(600)));
        for unit in ["[", "{a: ", "- ", "{\"a\":", "a: &x [*x,*x]\n"] {
            let _ = read(&unit.repeat(50_000));
        }
    };
    let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(deep).expect("a thread");
    thread.join().expect("an error is not a panic");
}

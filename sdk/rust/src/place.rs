//! Where in a payload a mistake is: the path to a line and a column, such as `lines[2].sku`. Found by reading the payload's brackets
//! and keys once more when there is a mistake, for a deserializer that tracks its path would be compiled for every type of every
//! step, and made the example plugin a fifth larger.

/// What is open around a byte.
enum Level {
    /// An object, and the key whose value is being read: where it starts and ends, with its quotes.
    Object { key: Option<(usize, usize)> },
    /// An array, and the index of the element that is being read.
    Array { index: usize },
}

/// The path to the value that ends or is being read at `line` and `column`, both as `serde_json` counts them: lines from 1, columns in
/// bytes from 0. Empty for the whole payload. A key is given as it is written.
pub(crate) fn path(payload: &[u8], line: usize, column: usize) -> String {
    let line_start: usize = payload.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let read = &payload[..payload.len().min(line_start + column)];
    render(read, &levels(read))
}

fn levels(read: &[u8]) -> Vec<Level> {
    let mut levels = Vec::new();
    let mut string = (0, 0);
    let mut at = 0;
    while let Some(byte) = read.get(at) {
        match byte {
            b'"' => {
                string = (at, string_end(read, at));
                at = string.1 - 1;
            }
            b'{' => levels.push(Level::Object { key: None }),
            b'[' => levels.push(Level::Array { index: 0 }),
            b'}' | b']' => drop(levels.pop()),
            b':' => {
                if let Some(Level::Object { key }) = levels.last_mut() {
                    *key = Some(string);
                }
            }
            b',' => match levels.last_mut() {
                Some(Level::Object { key }) => *key = None,
                Some(Level::Array { index }) => *index += 1,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    levels
}

/// The end of the string that starts at `start`: behind its closing quote, or where the reading ended.
fn string_end(read: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = read.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    read.len()
}

fn render(read: &[u8], levels: &[Level]) -> String {
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Object { key: None } => {}
            Level::Object { key: Some((start, end)) } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(String::from_utf8_lossy(&read[*start..*end]).trim_matches('"'));
            }
            Level::Array { index } => path.push_str(&["[", &index.to_string(), "]"].concat()),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Order {
        customer: String,
        #[serde(default)]
        lines: Vec<Line>,
        #[serde(default)]
        notes: BTreeMap<String, Vec<bool>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Line {
        sku: String,
        #[serde(default)]
        quantity: u32,
    }

    #[test]
    fn the_path_leads_to_the_mistake() {
        let check = |payload: &str, expected: &str| {
            let cause = serde_json::from_str::<Order>(payload).expect_err(payload);
            assert_eq!(path(payload.as_bytes(), cause.line(), cause.column()), expected, "{payload}: {cause}");
        };
        check("7", "");
        check("", "");
        check(r#"{"customer":7}"#, "customer");
        check(r#"{"customer" : "x", "colour": 1}"#, "");
        check(r#"{"lines":[]}"#, "");
        check(r#"{"customer":"x","lines":[{"sku":"a"},{"sku":"b","quantity":-1}]}"#, "lines[1].quantity");
        check("{\"customer\":\"x\",\n \"lines\":[\n  {\"sku\":\"a\"},\n  {\"sku\":true}]}", "lines[1].sku");
        check(r#"{"customer":"x","lines":[{"quantity":1}]}"#, "lines[0]");
        check(r#"{"customer":"x","notes":{"a,{\"b":[true,false,null]}}"#, r#"notes.a,{\"b[2]"#);
        check(r#"{"customer":"x","lines":{"sku":1}}"#, "lines");
        check(r#"{"customer":"x","notes":{"open":[true"#, "notes.open[0]");
        check(r#"{"customer":"never closed"#, "customer");
        check(r#"{"customer":"x"} {"#, "");
    }

    proptest! {
        #[test]
        fn no_payload_and_no_place_make_it_panic(payload in prop::collection::vec(any::<u8>(), 0..40), line in 0..4_usize, column in 0..40_usize) {
            path(&payload, line, column);
        }

        #[test]
        fn nor_does_anything_like_json(payload in r#"[\[\]{}:,"\\a\n]{0,40}"#, line in 0..4_usize, column in 0..40_usize) {
            path(payload.as_bytes(), line, column);
        }
    }
}

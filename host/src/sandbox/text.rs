//! Text of guests, made safe to show. Guests choose names, messages and log lines; terminals, logs and reviewers obey control
//! characters and characters that change the direction of writing.

/// What is put behind text that was cut.
const CUT_MARK: char = '…';

/// `text` on one line, with control and direction characters escaped, in at most `len_max` bytes and a mark where it was cut.
pub(super) fn tidy(text: &str, len_max: usize) -> String {
    let mut tidied = String::with_capacity(text.len().min(len_max));
    for c in text.chars() {
        let start = tidied.len();
        if is_plain_char(c) {
            tidied.push(c);
        } else {
            tidied.extend(c.escape_default());
        }
        if tidied.len() > len_max {
            tidied.truncate(start);
            tidied.push(CUT_MARK);
            break;
        }
    }
    tidied
}

/// Whether `text` shows itself and nothing else.
pub(super) fn is_plain(text: &str) -> bool {
    text.chars().all(is_plain_char)
}

/// Whether a character shows itself and nothing else. Refused are the control characters, line and paragraph separators, and the
/// marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX #9), which can make a line read otherwise.
fn is_plain_char(c: char) -> bool {
    !(c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_what_is_long_is_cut() {
        for (text, len_max, tidied) in [
            ("plain, ä, 漢", 100, "plain, ä, 漢"),
            ("a\nb\tc\r", 100, "a\\nb\\tc\\r"),
            ("\u{1b}[31mred", 100, "\\u{1b}[31mred"),
            ("abc\u{202e}txt", 100, "abc\\u{202e}txt"),
            ("abcdef", 3, "abc…"),
            ("abc", 3, "abc"),
            ("ab\u{1b}", 5, "ab…"),
            ("漢漢", 4, "漢…"),
            ("", 0, ""),
        ] {
            assert_eq!(tidy(text, len_max), tidied, "{text:?} in {len_max}");
        }
    }
}

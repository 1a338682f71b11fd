//! Quantities with units and lines of bounded width: how numbers and long texts look in a terminal. Pure.

use amends_domain::time::Span;

/// Most columns of a line that is laid out. Standard output may not be a terminal, and a line should look the same in a log.
pub(super) const WIDTH: usize = 100;

/// Three digits of `value / unit`, or more where it is larger: `1.23`, `12.3`, `123`, `1234`.
fn scaled(value: u64, unit: u64) -> String {
    let hundredths = u128::from(value) * 100 / u128::from(unit);
    match hundredths {
        0..1_000 => format!("{}.{:02}", hundredths / 100, hundredths % 100),
        1_000..10_000 => format!("{}.{}", hundredths / 100, hundredths % 100 / 10),
        _ => (hundredths / 100).to_string(),
    }
}

/// Fuel: `950`, `48.2k`, `1.20M`.
pub(super) fn fuel(units: u64) -> String {
    match units {
        0..1_000 => units.to_string(),
        1_000..1_000_000 => format!("{}k", scaled(units, 1_000)),
        1_000_000..1_000_000_000 => format!("{}M", scaled(units, 1_000_000)),
        1_000_000_000..1_000_000_000_000 => format!("{}G", scaled(units, 1_000_000_000)),
        _ => format!("{}T", scaled(units, 1_000_000_000_000)),
    }
}

/// Time that was taken: `312µs`, `12.3ms`, `1.20s`, `2m05s`, `1h02m`.
pub(super) fn micros(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    match micros {
        0..1_000 => format!("{micros}µs"),
        1_000..1_000_000 => format!("{}ms", scaled(micros, 1_000)),
        1_000_000..60_000_000 => format!("{}s", scaled(micros, 1_000_000)),
        60_000_000..3_600_000_000 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// The same for what is measured in milliseconds: `12ms`, `1.20s`.
pub(super) fn span(span: Span) -> String {
    if span.0 < 1_000 { format!("{}ms", span.0) } else { micros(span.0.saturating_mul(1_000)) }
}

/// Bytes: `900 B`, `226 KiB`, `1.50 MiB`.
pub(super) fn size(bytes: usize) -> String {
    let bytes = bytes as u64;
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", scaled(bytes, 1_024)),
        _ => format!("{} MiB", scaled(bytes, 1_048_576)),
    }
}

/// `1 run`, `2 runs`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// `text` in at most `len_max` characters, with a mark where it was cut.
pub(super) fn cut(text: &str, len_max: usize) -> String {
    if text.chars().count() <= len_max {
        return text.to_owned();
    }
    text.chars().take(len_max.saturating_sub(1)).chain(['…']).collect()
}

/// `text` in lines of at most `width` characters, broken between words where there are any; at most `lines_max`, the last one marked
/// where more was left out.
pub(super) fn wrapped(text: &str, width: usize, lines_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if lines.len() + 1 == lines_max {
            lines.push(cut(rest, width));
            break;
        }
        let (line, behind) = rest.split_at(break_at(rest, width));
        lines.push(line.trim_end().to_owned());
        rest = behind.trim_start();
    }
    lines
}

/// Where the first line of `text` ends.
fn break_at(text: &str, width: usize) -> usize {
    match text.char_indices().nth(width) {
        None => text.len(),
        // A space right behind the line is a good place, too.
        Some((end, ' ')) => end,
        Some((end, _)) => text[..end].rfind(' ').filter(|space| *space > 0).unwrap_or(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_three_digits_and_a_unit() {
        for (units, text) in [(0, "0"), (999, "999"), (1_000, "1.00k"), (48_213, "48.2k"), (999_999, "999k"), (1_204_000, "1.20M")]
        {
            assert_eq!(fuel(units), text);
        }
        assert_eq!([fuel(2_000_000_000), fuel(u64::MAX)], ["2.00G", "18446744T"]);
        for (time, text) in
            [(0, "0µs"), (312, "312µs"), (12_345, "12.3ms"), (1_204_000, "1.20s"), (125_000_000, "2m05s"), (3_725_000_000, "1h02m")]
        {
            assert_eq!(micros(time), text);
        }
        assert_eq!([span(Span(12)), span(Span(1_204)), span(Span(61_000))], ["12ms", "1.20s", "1m01s"]);
        assert_eq!([size(900), size(232_356), size(1_572_864)], ["900 B", "226 KiB", "1.50 MiB"]);
        assert_eq!([count(1, "run"), count(0, "run")], ["1 run", "0 runs"]);
    }

    #[test]
    fn lines_break_between_words_and_have_an_end() {
        for (text, width, lines_max, lines) in [
            ("", 5, 3, &[][..]),
            ("abc", 3, 3, &["abc"]),
            ("ab cd ef", 5, 3, &["ab cd", "ef"]),
            ("ab cd ef", 4, 3, &["ab", "cd", "ef"]),
            ("abcdefgh", 3, 3, &["abc", "def", "gh"]),
            ("ab cd ef gh", 2, 2, &["ab", "c…"]),
            ("äöü äöü", 3, 2, &["äöü", "äöü"]),
            ("äöüß äöü", 3, 3, &["äöü", "ß", "äöü"]),
        ] {
            assert_eq!(wrapped(text, width, lines_max), lines, "{text:?} in {width}");
        }
        assert_eq!([cut("abcd", 4), cut("abcde", 4)], ["abcd", "abc…"]);
    }
}

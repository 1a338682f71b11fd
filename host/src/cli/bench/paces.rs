//! How loads are written on the command line.

use crate::client::load::Pace;
use std::str::FromStr;

/// What is tried where nobody says anything.
const USUAL: [u32; 5] = [1, 16, 64, 256, 1024];
/// Most that are due a second.
const RATE_MAX: f64 = 1_000_000.0;

/// So many a second, written `500/s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PerSecond(f64);

impl FromStr for PerSecond {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix("/s").and_then(|number| number.parse::<f64>().ok());
        match number {
            Some(number) if number > 0.0 && number <= RATE_MAX => Ok(Self(number)),
            Some(_) | None => Err(format!("`{text}` is no rate: write a number up to {RATE_MAX} and a unit, such as `500/s`")),
        }
    }
}

/// The loads, in the order in which they are put on.
pub(super) fn paces(clients: &[u32], rates: &[PerSecond], in_flight_max: u32) -> Vec<Pace> {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let rate = |rate: &PerSecond| Pace::Rate { per_second: rate.0, in_flight_max: count(in_flight_max) };
    let in_flight = |clients: &[u32]| clients.iter().map(|clients| Pace::InFlight(count(*clients))).collect();
    match (clients, rates) {
        ([], []) => in_flight(&USUAL),
        ([], rates) => rates.iter().map(rate).collect(),
        (clients, _) => in_flight(clients),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_a_unit_and_a_bound() {
        assert_eq!(("500/s".parse(), "0.5/s".parse()), (Ok(PerSecond(500.0)), Ok(PerSecond(0.5))));
        for bad in ["500", "/s", "0/s", "-1/s", "NaN/s", "inf/s", "1000001/s", "5/m"] {
            assert!(bad.parse::<PerSecond>().is_err(), "{bad}");
        }
    }

    #[test]
    fn who_says_nothing_gets_the_usual_numbers_in_flight() {
        assert_eq!(paces(&[], &[], 256).len(), USUAL.len());
        assert_eq!(paces(&[3], &[], 256), [Pace::InFlight(3)]);
        assert_eq!(paces(&[], &[PerSecond(9.0)], 7), [Pace::Rate { per_second: 9.0, in_flight_max: 7 }]);
    }
}

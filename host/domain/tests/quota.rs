//! What a tenant may take, from outside: never more than its limits, never less than what is free, whatever the order of things and the
//! clock.

use amends_domain::digest::Digest;
use amends_domain::event::{AttemptEnded, AttemptRef, Direction, Ending, Event, LimitName, LogLevel, LogLine, Spent, TenantEvent};
use amends_domain::id::StepIndex;
use amends_domain::payload::Payload;
use amends_domain::quota::{Account, Measure, Over, Purpose, Usage, Want};
use amends_domain::tenant::TenantLimits;
use amends_domain::time::Timestamp;
use proptest::prelude::*;

const NOON: u64 = 1_764_000_000_000;
const MINUTE_MS: u64 = 60_000;
const STARTS: LimitName = LimitName::StartsPerMinute;
const PLACES: LimitName = LimitName::ConcurrentAttempts;

fn account(set: &[(LimitName, u64)]) -> Account {
    Account::new(TenantLimits::default().with(set))
}

fn at(ms: u64) -> Timestamp {
    Timestamp(NOON + ms)
}

fn used(account: &mut Account, limit: LimitName, now: Timestamp) -> u64 {
    account.filled(now).iter().find(|filled| filled.limit == limit).expect("it is counted").used
}

#[test]
fn a_level_is_full_until_something_is_given_back() {
    let mut account = account(&[(PLACES, 2)]);
    let want = Want::forward(PLACES, 1);
    assert_eq!([account.take(want, at(0)), account.take(want, at(0))], [Ok(()), Ok(())]);
    let over = Over { limit: PLACES, allowed: 2, used: 2, wanted: 1, free_at: None };
    assert_eq!(account.take(want, at(9_999_999)), Err(over));
    assert_eq!(over.to_string(), "limit concurrent_attempts of 2: 2 used, 1 more wanted; try again when some of it has ended");
    account.give_back(PLACES, 1, at(0));
    assert_eq!(account.take(want, at(0)), Ok(()));
}

#[test]
fn a_rate_runs_out_evenly_and_is_full_at_once() {
    let mut account = account(&[(STARTS, 60)]);
    assert_eq!(account.take(Want::forward(STARTS, 60), at(0)), Ok(()));
    let over = account.take(Want::forward(STARTS, 2), at(500)).expect_err("half a start ran out");
    assert_eq!((over.used, over.free_at), (60, Some(at(2000))));
    assert_eq!(over.to_string(), "limit starts_per_minute of 60: 60 used, 2 more wanted; try again at 2025-11-24T16:00:02.000Z");
    assert_eq!(account.take(Want::forward(STARTS, 2), at(1999)).map_err(|over| over.free_at), Err(Some(at(2000))));
    assert_eq!(account.take(Want::forward(STARTS, 2), at(2000)), Ok(()));
    let more = account.take(Want::forward(STARTS, 61), at(0)).expect_err("more than there ever is");
    assert_eq!(more.free_at, None);
    assert!(more.to_string().ends_with("that is more than the limit: ask an operator for a higher one"), "{more}");
}

#[test]
fn a_start_that_is_short_of_a_hair_waits() {
    let mut account = account(&[(STARTS, 59_999)]);
    account.take(Want::forward(STARTS, 59_999), at(0)).expect("it fits");
    let over = account.take(Want::forward(STARTS, 1), at(1)).expect_err("59999 of 60000 parts of a start ran out");
    assert_eq!(over.free_at, Some(at(2)));
    assert_eq!(account.take(Want::forward(STARTS, 1), at(2)), Ok(()));
}

#[test]
fn compensations_are_counted_and_never_refused() {
    for limit in LimitName::ALL.iter().filter(|limit| limit.measure() != Measure::Setting) {
        let allowed = TenantLimits::default().get(*limit);
        let mut account = account(&[]);
        assert_eq!(account.take(Want::forward(*limit, allowed), at(0)), Ok(()));
        assert!(account.take(Want::forward(*limit, 1), at(0)).is_err(), "{limit:?}");
        assert_eq!(account.take(Want::compensation(*limit, 3), at(0)), Ok(()), "{limit:?}");
        assert_eq!(used(&mut account, *limit, at(0)), allowed + 3);
    }
}

#[test]
fn what_was_used_after_the_fact_is_waited_for() {
    let mut account = account(&[(LimitName::FuelPerMinute, 60_000_000)]);
    let some = Want::forward(LimitName::FuelPerMinute, 1);
    assert_eq!(account.take(some, at(0)), Ok(()));
    account.spend(Usage { fuel: 179_999_999, log_bytes: 5, ..Usage::default() }, at(0));
    let over = account.take(some, at(0)).expect_err("three minutes' worth were used");
    // A million a second: two minutes until no more is used than allowed, and a millisecond for one unit more.
    assert_eq!((over.used, over.free_at), (180_000_000, Some(at(2 * MINUTE_MS + 1))));
    assert_eq!(account.take(some, at(2 * MINUTE_MS + 1)), Ok(()));
    assert_eq!(used(&mut account, LimitName::LogBytesPerDay, at(0)), 5);
}

#[test]
fn all_or_nothing_is_taken() {
    let mut account = account(&[(PLACES, 2), (LimitName::LiveMemory, 64 << 20)]);
    let attempt = [Want::forward(PLACES, 1), Want::forward(LimitName::LiveMemory, 48 << 20)];
    assert_eq!(account.take_all(&attempt, at(0)), Ok(()));
    let before = account;
    let over = account.take_all(&attempt, at(0)).expect_err("there is memory for one");
    assert_eq!(over.limit, LimitName::LiveMemory);
    assert_eq!(over.to_string(), "limit live_memory of 64MiB: 48MiB used, 48MiB more wanted; try again when some of it has ended");
    assert_eq!(account, before);
    let twice = [Want::forward(PLACES, 1), Want::forward(PLACES, 1)];
    assert!(account.take_all(&twice, at(0)).is_err(), "together they are too many");
}

#[test]
fn limits_that_are_set_count_at_once() {
    let mut account = account(&[(STARTS, 60), (PLACES, 4)]);
    let set = |account: &mut Account, starts, places, now| {
        account.set_limits(TenantLimits::default().with(&[(STARTS, starts), (PLACES, places)]), now);
    };
    let (start, place) = (Want::forward(STARTS, 1), Want::forward(PLACES, 1));
    account.take_all(&[Want::forward(STARTS, 60), Want::forward(PLACES, 4)], at(0)).expect("it fits");
    set(&mut account, 90, 5, at(0));
    assert_eq!(account.take_all(&[Want::forward(STARTS, 30), place], at(0)), Ok(()), "there is room at once");
    assert!(account.take(start, at(0)).is_err() && account.take(place, at(0)).is_err(), "and no more than that");

    // 20 s at 90 a minute: 30 of 90 ran out. From then on it runs out at 6 a minute, until 5 are left: 55 in 550 s.
    set(&mut account, 6, 1, at(20_000));
    let over = account.take(start, at(20_000)).expect_err("60 are used of 6");
    assert_eq!((over.allowed, over.used, over.free_at), (6, 60, Some(at(570_000))));
    account.give_back(PLACES, 4, at(20_000));
    assert!(account.take(place, at(20_000)).is_err(), "one is used of one");
    account.give_back(PLACES, 1, at(20_000));
    assert_eq!(account.take(place, at(20_000)), Ok(()));
}

#[test]
fn a_limit_of_nothing_gives_nothing_and_never_will() {
    let mut account = account(&[(STARTS, 0)]);
    let over = account.take(Want::forward(STARTS, 1), at(0)).expect_err("nothing is allowed");
    assert_eq!((over.free_at, account.take(Want::forward(STARTS, 0), at(0))), (None, Ok(())));
}

#[test]
fn the_page_has_each_limit_as_it_is() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tenants.md")).expect("the page is there");
    for limit in LimitName::ALL {
        let (range, default) = (limit.range(), limit.default_value());
        let counts = match limit.measure() {
            Measure::Setting if *limit == LimitName::EndedRunsKept => "since a run ended",
            Measure::Setting => "a share",
            Measure::Level => "at once",
            Measure::Rate(span) if span.0 == MINUTE_MS => "a minute",
            Measure::Rate(_) => "a day",
        };
        let [default, least, most] = [default, *range.start(), *range.end()].map(|value| limit.shown(value));
        let row = format!("\n| `{}` | {default} | {least} | {most} | {counts} |", limit.word());
        assert!(page.contains(&row), "docs/tenants.md does not have the row{row}");
    }
}

#[test]
#[should_panic(expected = "2 are given back where 1 are used")]
fn more_than_was_taken_is_not_given_back() {
    let mut account = account(&[]);
    account.take(Want::forward(PLACES, 1), at(0)).expect("it fits");
    account.give_back(PLACES, 2, at(0));
}

#[test]
fn the_largest_numbers_there_are_do_not_wrap() {
    let largest = u64::MAX;
    for limit in LimitName::ALL.iter().filter(|limit| limit.measure() != Measure::Setting) {
        let mut account = account(&[(*limit, largest)]);
        account.note(*limit, largest, Timestamp(0));
        account.note(*limit, largest, Timestamp(0));
        let over = account.take(Want::forward(*limit, largest), Timestamp(largest)).expect_err("it is more than allowed");
        assert!(over.used <= largest && over.free_at.is_none(), "{over}");
        assert_eq!(account.take(Want::compensation(*limit, largest), Timestamp(0)), Ok(()));
    }
    let most = Usage { runs: largest, fuel: largest, ..Usage::default() };
    assert_eq!(most.plus(most), most);
}

#[test]
fn a_clock_that_is_set_back_gives_nothing_and_takes_nothing() {
    let mut account = account(&[(STARTS, 60)]);
    let start = Want::forward(STARTS, 1);
    account.take(Want::forward(STARTS, 60), at(3_600_000)).expect("it fits");
    let over = account.take(start, at(0)).expect_err("nothing ran out");
    assert_eq!(over.free_at, Some(at(1000)), "nobody waits for the hour to come again");
    assert_eq!(account.take(start, at(1000)), Ok(()));
}

/// What happens to an account, and how much later.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Take(u64, Purpose),
    GiveBack(u64),
    Note(u64),
}

fn deeds(most: u64) -> impl Strategy<Value = Vec<(Deed, u64)>> {
    let deed = prop_oneof![
        4 => (0..=most).prop_map(|amount| Deed::Take(amount, Purpose::Forward)),
        1 => (0..=most).prop_map(|amount| Deed::Take(amount, Purpose::Compensation)),
        1 => (0..=most).prop_map(Deed::GiveBack),
        1 => (0..=most).prop_map(Deed::Note),
    ];
    let later = prop_oneof![Just(0_u64), 0..50_u64, 0..MINUTE_MS];
    prop::collection::vec((deed, later), 1..60)
}

proptest! {
    #[test]
    fn a_level_never_has_more_than_is_allowed_by_what_goes_forward(deeds in deeds(6), allowed in 1_u64..20) {
        let mut account = account(&[(PLACES, allowed)]);
        let mut model = 0;
        for (deed, _) in deeds {
            match deed {
                Deed::Take(amount, purpose) => {
                    let taken = account.take(Want { limit: PLACES, amount, purpose }, at(0)).is_ok();
                    prop_assert_eq!(taken, purpose == Purpose::Compensation || model + amount <= allowed);
                    model += if taken { amount } else { 0 };
                }
                Deed::Note(amount) => {
                    account.note(PLACES, amount, at(0));
                    model += amount;
                }
                Deed::GiveBack(amount) => {
                    account.give_back(PLACES, amount.min(model), at(0));
                    model -= amount.min(model);
                }
            }
            prop_assert_eq!(used(&mut account, PLACES, at(0)), model);
        }
    }

    /// In each stretch of time there goes forward at most what is allowed at once and what runs out meanwhile: counted by fractions.
    #[test]
    fn a_rate_is_never_exceeded_in_any_stretch_of_time(
        takes in prop::collection::vec((1_u64..40, prop_oneof![Just(0_u64), 0..300_u64, 0..MINUTE_MS]), 1..60),
        allowed in 1_u64..100,
    ) {
        let mut account = account(&[(STARTS, allowed)]);
        let (mut now, mut taken) = (0, Vec::new());
        for (amount, later) in takes {
            now += later;
            if account.take(Want::forward(STARTS, amount), at(now)).is_ok() {
                taken.push((now, amount));
            }
        }
        for (first, (from, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for (until, amount) in &taken[first..] {
                sum += amount;
                prop_assert!(sum * MINUTE_MS <= allowed * MINUTE_MS + allowed * (until - from), "{sum} from {from} until {until}");
            }
        }
    }

    /// Not a millisecond too early, not one too late.
    #[test]
    fn what_is_refused_fits_when_it_was_said_to(deeds in deeds(50), allowed in 1_u64..60, wanted in 0_u64..70) {
        let mut account = account(&[(STARTS, allowed)]);
        let mut now = 0;
        for (deed, later) in deeds {
            now += later;
            match deed {
                Deed::Take(amount, purpose) => drop(account.take(Want { limit: STARTS, amount, purpose }, at(now))),
                Deed::Note(amount) => account.note(STARTS, amount, at(now)),
                Deed::GiveBack(amount) => account.give_back(STARTS, amount, at(now)),
            }
        }
        let want = Want::forward(STARTS, wanted);
        let Err(over) = account.clone().take(want, at(now)) else { return Ok(()) };
        let Some(free_at) = over.free_at else {
            prop_assert!(wanted > allowed);
            return Ok(());
        };
        prop_assert!(free_at > at(now));
        prop_assert!(account.clone().take(want, Timestamp(free_at.0 - 1)).is_err());
        prop_assert_eq!(account.take(want, free_at), Ok(()));
    }

    /// However often somebody looks in between, nothing is lost by rounding.
    #[test]
    fn looking_changes_nothing(allowed in 1_u64..1_000_000, looks in prop::collection::vec(0..MINUTE_MS, 0..50)) {
        let mut looked_at = account(&[(STARTS, allowed)]);
        looked_at.take(Want::forward(STARTS, allowed), at(0)).expect("it fits");
        let mut left_alone = looked_at;
        let mut looks = looks;
        looks.sort_unstable();
        for now in looks {
            used(&mut looked_at, STARTS, at(now));
        }
        prop_assert_eq!(looked_at.filled(at(MINUTE_MS - 1)), left_alone.filled(at(MINUTE_MS - 1)));
        let at_last = [&mut looked_at, &mut left_alone].map(|account| used(account, STARTS, at(MINUTE_MS)));
        prop_assert_eq!(at_last, [0, 0]);
    }

    #[test]
    fn what_is_given_back_at_once_was_never_taken(before in 0_u64..60, amount in 0_u64..60) {
        for limit in [STARTS, LimitName::QueuedRuns] {
            let mut account = account(&[(limit, 120)]);
            account.note(limit, before, at(0));
            let untouched = account;
            account.take(Want::forward(limit, amount), at(0)).expect("it fits");
            account.give_back(limit, amount, at(0));
            prop_assert_eq!(account, untouched);
        }
    }
}

#[test]
fn a_level_that_others_count_is_what_they_say() {
    let mut account = account(&[(LimitName::StoredBytes, 100 << 20)]);
    account.is_now(LimitName::StoredBytes, 100 << 20);
    assert!(account.take(Want::forward(LimitName::StoredBytes, 1), at(0)).is_err());
    account.is_now(LimitName::StoredBytes, 7);
    assert_eq!(used(&mut account, LimitName::StoredBytes, at(0)), 7);
    assert_eq!(account.take(Want::forward(LimitName::StoredBytes, 1), at(0)), Ok(()));
}

#[test]
fn what_was_used_follows_from_the_facts() {
    let attempt = |direction, fuel| {
        let log = vec![LogLine { level: LogLevel::Info, message: "four".to_owned() }];
        let attempt = AttemptRef { step: StepIndex(0), direction, number: 1 };
        let (ending, spent) = (Ending::Ok { output: Payload::null() }, Spent { fuel, micros: 3, conflicts: 0 });
        Event::AttemptEnded(Box::new(AttemptEnded { attempt, ending, spent, log, writes: Vec::new() }))
    };
    let published = TenantEvent::PluginPublished {
        plugin: "p".parse().expect("a name"),
        version: "1".parse().expect("a version"),
        component: Digest([0; 32]),
        size: 1000,
        by: "ada".to_owned(),
    };
    let facts = [attempt(Direction::Forward, 10), attempt(Direction::Backward, 20), Event::Adopted];
    let mut sum = Usage::of_tenant(&published).plus(Usage::stored(24));
    for fact in &facts {
        sum += Usage::of_run(fact);
    }
    let expected =
        Usage { attempts: 1, compensations: 1, fuel: 30, micros: 6, stored_bytes: 1024, log_bytes: 8, ..Usage::default() };
    assert_eq!(sum, expected);
}

//! The rules of webhooks, as tables and by chance.

use super::*;
use crate::catalogue::Position;
use crate::event::Reach;
use crate::id::Lane;
use crate::time::{Span, Timestamp};
use proptest::prelude::*;

const PACE: Pace = Pace { first: Span(1_000), max: Span(600_000), give_up_after: Span(3 * 86_400_000) };

fn at(seq: u64) -> Position {
    Position { lane: Lane(0), seq, fact: 1, part: 1 }
}

fn status(status: u16) -> Answered {
    Answered::Status { status, again: None }
}

#[test]
fn a_url_goes_over_tls_or_to_an_address_of_this_machine() {
    for (url, path, reach) in [
        ("https://example.com", "/", Reach::Public),
        ("https://example.com?a=b", "/?a=b", Reach::Public),
        ("https://example.com:8443/a?b=c", "/a?b=c", Reach::Public),
        ("https://localhost/", "/", Reach::Public),
        ("https://1.1.1.1/", "/", Reach::Public),
        ("https://127.0.0.1/x", "/x", Reach::Loopback),
        ("http://127.0.0.1:8080/", "/", Reach::Loopback),
        ("http://[::1]/", "/", Reach::Loopback),
    ] {
        let target = Target::read(url).expect(url);
        assert_eq!((target.path(), target.reach(), target.grant().reach), (path, reach, reach), "{url}");
        assert!(crate::capability::grant_for(&[target.grant()], "POST", target.destination()).is_ok(), "{url}");
        assert!(crate::capability::grant_for(&[target.grant()], "GET", target.destination()).is_err(), "{url}");
    }
    for (url, says) in [
        ("http://example.com/", "over http"),
        ("http://localhost/", "over http"),
        ("http://1.1.1.1/", "over http"),
        ("https://10.0.0.1/", "not public"),
        ("https://169.254.169.254/latest", "not public"),
        ("https://[::ffff:127.0.0.1]/", "not public"),
        ("ftp://example.com/", "does not begin with https://"),
        ("example.com", "does not begin with https://"),
        ("https://", "not a host"),
        ("https://ada:secret@example.com/", "names a user"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://example.com/#part", "a fragment"),
        ("https://example.com/a b", "spaces"),
        ("https://example.com/<a>", "with `%`"),
        ("https://example.com/?a=`b`", "with `%`"),
    ] {
        let refused = Target::read(url).expect_err(url).to_string();
        assert!(refused.contains(says) && refused.contains("https://example.com/hooks/amends"), "{url}: {refused}");
    }
    assert!(Target::read(&format!("https://example.com/{}", "a".repeat(URL_LEN_MAX - 20))).is_ok());
    assert!(Target::read(&format!("https://example.com/{}", "a".repeat(URL_LEN_MAX - 19))).is_err());
}

#[test]
fn what_is_taken_goes_on_what_is_gone_stops_and_everything_else_comes_again() {
    let judge = |answered: &Answered| PACE.judge(answered, None, Timestamp(0), "acme billing");
    for taken in [200, 202, 204, 299] {
        assert_eq!(judge(&status(taken)), Verdict::Delivered, "{taken}");
    }
    assert!(matches!(judge(&status(410)), Verdict::Pause { reason } if reason.contains("410")));
    for refused in [100, 199, 300, 301, 302, 307, 400, 401, 404, 408, 409, 411, 413, 422, 429, 500, 503, 599] {
        assert!(matches!(judge(&status(refused)), Verdict::Again { .. }), "{refused}");
    }
    assert!(matches!(judge(&Answered::Nothing), Verdict::Again { .. }));
}

#[test]
fn waits_double_up_to_a_limit_and_are_given_up_after_days() {
    let (mut now, mut failing, mut waits) = (Timestamp(0), None, Vec::new());
    let reason = loop {
        match PACE.judge(&Answered::Nothing, failing, now, "acme billing") {
            Verdict::Again { at, failing: stands } => {
                waits.push(at.since(now).0);
                (now, failing) = (at, Some(stands));
            }
            Verdict::Pause { reason } => break reason,
            Verdict::Delivered => panic!("nothing was answered"),
        }
    };
    for (attempt, wait) in (0_u32..).zip(&waits) {
        let plain = (1_000_u64 << attempt.min(20)).min(600_000);
        assert!((plain..=plain + plain / 4).contains(wait), "attempt {attempt}: {wait}");
    }
    let days = now.since(Timestamp(0));
    assert!((3 * 86_400_000..3 * 86_400_000 + 750_001).contains(&days.0), "{days}");
    assert!((350..440).contains(&waits.len()), "{}", waits.len());
    assert_eq!(reason, format!("nothing was delivered for 3days in {} attempts", waits.len() + 1));
    // One that is delivered begins anew.
    assert_eq!(PACE.judge(&status(200), failing, now, "x"), Verdict::Delivered);
}

#[test]
fn the_other_side_has_the_next_attempt_put_off_within_bounds() {
    let now: Timestamp = "1994-11-06T08:49:00Z".parse().expect("an instant");
    let wait = |text: &str| {
        let answered = Answered::Status { status: 503, again: Pause::read(text) };
        match PACE.judge(&answered, None, now, "s") {
            Verdict::Again { at, .. } => at.since(now).0,
            other => panic!("{other:?}"),
        }
    };
    for (text, least) in [
        ("120", 120_000),
        (" 120 ", 120_000),
        ("0", 1_000),
        ("999999999999999999999", 1_000),
        ("99999999", RETRY_AFTER_MAX.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37_000),
        ("Sun, 06 Nov 1994 07:49:37 GMT", 1_000),
        ("Fri, 31 Dec 2999 23:59:59 GMT", RETRY_AFTER_MAX.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 1_000),
        ("soon", 1_000),
        ("-7", 1_000),
        ("", 1_000),
    ] {
        let wait = wait(text);
        assert!((least..=least + least / 4).contains(&wait), "{text}: {wait}");
    }
}

#[test]
fn webhooks_that_fail_together_come_back_apart() {
    let waits: std::collections::HashSet<_> = (0..100)
        .map(|n| {
            match PACE.judge(&Answered::Nothing, Some(Failing { since: Timestamp(0), attempts: 9 }), Timestamp(7), &n.to_string()) {
                Verdict::Again { at, .. } => at,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert!(waits.len() > 90, "{}", waits.len());
}

#[test]
fn a_batch_is_a_list_with_bounds() {
    let mut batch = Batch::new(2);
    assert!(batch.is_empty() && batch.ends().is_none());
    assert!(batch.put(at(1), b"{}") && !batch.is_full() && batch.put(at(2), b"{\"a\":1}"));
    assert!(batch.is_full() && !batch.put(at(3), b"{}"));
    assert_eq!((batch.len(), batch.ends()), (2, Some((at(1), at(2)))));
    assert_eq!(batch.into_body(), b"[{},{\"a\":1}]");
    assert_eq!(Batch::new(0).into_body(), b"[]");
    // One that is too long for any goes alone.
    let long = vec![b'1'; BATCH_BYTES_MAX + 1];
    let mut alone = Batch::new(9);
    assert!(alone.put(at(1), &long) && alone.is_full() && !alone.put(at(2), b"1"));
    let mut behind = Batch::new(9);
    assert!(behind.put(at(1), b"1") && !behind.put(at(2), &long) && behind.put(at(2), b"2"));
    let (tenant, webhook) = ("acme".parse().expect("a name"), "billing".parse().expect("a name"));
    let id = |last| message_id(&tenant, &webhook, (at(1), at(last)));
    assert!(id(2).len() == 36 && id(2).starts_with("msg_") && id(2) == id(2) && id(2) != id(3), "{}", id(2));
}

#[test]
fn what_is_too_large_is_halved_until_it_is_taken_and_grows_again() {
    let (too_large, taken) = (status(413), status(204));
    let mut len_max = BATCH_LEN_MAX;
    for wanted in [50, 25, 12, 6, 3, 1, 1] {
        let len = if wanted == 50 { 100 } else { len_max };
        len_max = len_max_after(&too_large, len, len_max);
        assert_eq!(len_max, wanted);
    }
    for wanted in [2, 4, 8, 16, 32, 64, 128, BATCH_LEN_MAX, BATCH_LEN_MAX] {
        len_max = len_max_after(&taken, len_max, len_max);
        assert_eq!(len_max, wanted);
    }
    assert_eq!((len_max_after(&status(500), 9, 7), len_max_after(&Answered::Nothing, 9, 7)), (7, 7));
}

proptest! {
    #[test]
    fn batches_have_every_event_once_in_order_and_keep_their_bounds(lens in proptest::collection::vec(0..70_000_usize, 1..60), len_max in 1..20_usize) {
        let events: Vec<Vec<u8>> = lens.iter().zip(0_usize..).map(|(len, n)| format!("\"{n}{}\"", "x".repeat(*len)).into_bytes()).collect();
        let (mut told, mut next) = (Vec::new(), 0);
        while next < events.len() {
            let mut batch = Batch::new(len_max);
            while next < events.len() && batch.put(at(next as u64), &events[next]) {
                next += 1;
            }
            prop_assert!(!batch.is_empty() && batch.len() <= len_max);
            let (len, body) = (batch.len(), batch.into_body());
            prop_assert!(body.len() <= BATCH_BYTES_MAX || len == 1);
            let read: Vec<String> = serde_json::from_slice(&body).expect("it is a list");
            told.extend(read);
        }
        let sent: Vec<String> = events.iter().map(|event| serde_json::from_slice(event).expect("a text")).collect();
        prop_assert_eq!(told, sent);
    }
}

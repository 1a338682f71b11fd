//! A load on a server of a few lines, whose slowness is known: what is told of it is what it did.

use super::*;
use crate::client::Authorities;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Answers each request behind `pause` with `answer`; ends with the process.
fn server(pause: Duration, answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || converse(&stream, pause, answer));
        }
    });
    url
}

fn converse(stream: &TcpStream, pause: Duration, answer: &str) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let mut len = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(said) = line.strip_prefix("content-length: ") {
                len = said.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; len];
        reader.read_exact(&mut body)?;
        std::thread::sleep(pause);
        writer.write_all(answer.as_bytes())?;
    }
}

const DONE: &str = "HTTP/1.1 201 Created\r\ncontent-length: 20\r\n\r\n{\"status\":\"is done\"}";
const BROKEN: &str = "HTTP/1.1 201 Created\r\ncontent-length: 900\r\n\r\n{";

fn measured(url: &str, pace: Pace, lasts: Duration) -> Level {
    let target = Target::new(url, &Authorities::default()).expect("a URL");
    let shape = target.post("/", &[("x-test", "1")], "{}").expect("it can be sent");
    let shot = |name| Shot { name, shape: shape.clone(), wants: "is done".into(), look: None };
    let workload = Workload { usual: shot("usual"), other: Some((shot("other"), 25)) };
    let spans = Spans { warm_up: Duration::from_millis(50), lasts };
    let measuring = Measuring { target: &target, workload: &workload, pace, spans, server: &[] };
    measure(measuring, || ()).expect("it has room").0
}

#[test]
fn so_many_in_flight_take_as_long_as_the_server_does() {
    let level = measured(&server(Duration::from_millis(5), DONE), Pace::InFlight(4), Duration::from_millis(500));
    assert_eq!(level.errors, Errors::default());
    assert!((5_000..100_000).contains(&level.latency.p50), "{level:?}");
    assert!((50..=400).contains(&level.answered), "four at a time, each behind 5 ms: {level:?}");
    let share = level.kinds[1].1.count * 100 / level.latency.count;
    assert!((20..=30).contains(&share), "{share} % are of the other kind: {level:?}");
    assert_eq!((level.server, level.own.is_some()), (None, true));
}

#[test]
fn what_is_due_while_the_server_is_slow_has_waited_and_that_is_told() {
    // One at a time and 20 ms each: fifty a second. Asked a hundred a second, half of them wait, and longer from one to the next.
    let pace = Pace::Rate { per_second: 100.0, in_flight_max: 1 };
    let level = measured(&server(Duration::from_millis(20), DONE), pace, Duration::from_secs(1));
    assert!(level.per_second < 60.0, "{level:?}");
    assert!(level.latency.max > 200_000, "the last ones waited for half a second: {level:?}");
    assert!(level.errors.unsent > 20, "{level:?}");
}

#[test]
fn a_rate_that_the_server_keeps_up_with_is_kept() {
    let pace = Pace::Rate { per_second: 200.0, in_flight_max: 64 };
    let level = measured(&server(Duration::from_millis(1), DONE), pace, Duration::from_secs(1));
    assert!((150.0..=210.0).contains(&level.per_second), "{level:?}");
    assert_eq!((level.errors.unwanted, level.errors.broken, level.errors.unanswered), (0, 0, 0), "{level:?}");
}

#[test]
fn an_answer_that_breaks_off_an_unwanted_one_and_none_are_told_apart() {
    let short = Duration::from_millis(150);
    let refused = "HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nbusy";
    let level = measured(&server(Duration::from_millis(1), refused), Pace::InFlight(2), short);
    assert!(level.errors.unwanted > 0 && level.answered == 0, "{level:?}");
    assert_eq!(level.errors.first.as_deref(), Some("503: busy"));
    // Nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there is a port");
    let level = measured(&format!("http://{nobody}"), Pace::InFlight(2), short);
    assert!(level.errors.unanswered > 0 && level.errors.broken == 0, "{level:?}");
    let level = measured(&cut_off(), Pace::InFlight(2), short);
    assert!(level.errors.broken > 0 && level.errors.unanswered == 0, "{level:?}");
}

/// Begins answers and hangs up.
fn cut_off() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = stream.write_all(BROKEN.as_bytes());
        }
    });
    url
}

//! Clients of HTTP/2 that take back what they ask, or ask and never read: they are ended, take little meanwhile, and others are answered. Frame by
//! frame, because no client would do so (RFC 9113 §4.1).

use harness::Server;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longer than an answer may lie there.
const LONG: Duration = Duration::from_mins(2);
/// Connections of the flood.
const CLIENTS: usize = 8;
/// Most that the server may grow by: what all of these connections may buffer is less.
const GROWTH_MAX_KIB: u64 = 96 * 1024;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// Of HEADERS: the request is whole.
const WHOLE: u8 = 0x5;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("frames are small").to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET path`, in HPACK (RFC 7541 §6): the method and the scheme of its table, the rest literally.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let literal = |index: u8, text: &str| [&[index, u8::try_from(text.len()).expect("it is short")], text.as_bytes()].concat();
    frame(HEADERS, WHOLE, stream, &[vec![0x82, 0x86], literal(0x04, path), literal(0x01, "test")].concat())
}

fn take_back(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// A connection that wants all that there is without being asked again.
fn connect(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    let window = 0x7fff_ffff_u32.to_be_bytes();
    let settings = [&[0, 4], &window[..]].concat();
    let more = (0x7fff_ffff_u32 - 65_535).to_be_bytes();
    let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &settings), frame(WINDOW_UPDATE, 0, 0, &more)];
    stream.write_all(&begin.concat()).expect("it reads");
    stream
}

/// The next frame: its kind and its stream; none: the connection has ended.
fn next(stream: &mut TcpStream) -> Option<(u8, u32)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]])))
}

fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_flood_of_requests_that_are_taken_back_ends_its_connection_and_a_few_do_not() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = Server::start(folder.path());
    let before = resident_kib(&server);
    let mut patient = connect(&server);
    patient.set_read_timeout(Some(LONG)).expect("a socket has this");
    for stream in (1..20).step_by(2) {
        patient.write_all(&[get(stream, "/healthz"), take_back(stream)].concat()).expect("it reads");
    }
    patient.write_all(&get(21, "/healthz")).expect("it is not ended");
    let answered = std::iter::from_fn(|| next(&mut patient)).find(|frame| *frame == (HEADERS, 21));
    assert!(answered.is_some(), "who takes back a few is answered");
    for client in 0..CLIENTS {
        let mut flood = connect(&server);
        flood.set_read_timeout(Some(LONG)).expect("a socket has this");
        flood.set_write_timeout(Some(LONG)).expect("a socket has this");
        // A thousand at a time, so that they are there before any of them is looked at.
        let ended = (0..1000_u32).find(|turn| {
            let streams = (0..1000).map(|n| 1 + 2 * (turn * 1000 + n));
            let lot: Vec<u8> = streams.flat_map(|stream| [get(stream, "/openapi.json"), take_back(stream)].concat()).collect();
            flood.write_all(&lot).is_err()
        });
        assert!(ended.is_some(), "client {client} is never ended");
        let told: Vec<_> = std::iter::from_fn(|| next(&mut flood)).take(100_000).collect();
        assert!(told.len() < 100_000, "it ends");
        assert!(told.is_empty() || told.iter().any(|(kind, _)| *kind == GOAWAY), "it is told so, if it can hear it: {told:?}");
        assert_eq!(server.stranger().get("/healthz").status, 200, "others are answered");
    }
    let grown = resident_kib(&server).saturating_sub(before);
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB more");
    server.stop();
}

/// Writes of `bytes`, again and again and whole, what the other side takes now; false: the connection has ended.
fn pester((stream, written): &mut (TcpStream, usize), bytes: &[u8]) -> bool {
    match stream.write(&bytes[*written..]) {
        Ok(0) => false,
        Ok(taken) => {
            *written = (*written + taken) % bytes.len();
            true
        }
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted),
    }
}

#[test]
fn a_client_that_never_reads_is_ended_and_takes_little_meanwhile() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = Server::start(folder.path());
    assert_eq!(server.stranger().get("/openapi.json").status, 200);
    let before = resident_kib(&server);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| (connect(&server), 0)).collect();
    for (client, _) in &mut clients {
        client.set_write_timeout(Some(Duration::from_millis(20))).expect("a socket has this");
        for stream in (1..120).step_by(2) {
            client.write_all(&get(stream, "/openapi.json")).expect("it reads");
        }
    }
    // What must be answered at once is the other way to have answers pile up.
    let pings: Vec<u8> = (0..512).flat_map(|_| frame(PING, 0, 0, &[0; 8])).collect();
    let begun = Instant::now();
    let mut most = 0;
    while !clients.is_empty() {
        clients.retain_mut(|client| pester(client, &pings));
        assert_eq!(server.stranger().get("/healthz").status, 200, "others are answered");
        most = most.max(resident_kib(&server).saturating_sub(before));
        assert!(most < GROWTH_MAX_KIB, "{most} KiB more");
        assert!(begun.elapsed() < LONG, "{} are never ended", clients.len());
    }
    server.stop();
}

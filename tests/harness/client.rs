//! A server of the program `amends` as a process, and whoever speaks to it: HTTP/1.1 as it is on the wire, so that a test sees what a client
//! sees.

use crate::program::{PATIENCE, Program};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

/// A server that runs.
pub struct Server {
    program: Option<Program>,
    address: SocketAddr,
    /// Where it tells how it fares without a token.
    metrics: Option<SocketAddr>,
    /// The token that it told of when it was started first.
    operator: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// Names in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Somebody with a token.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
}

/// A stream of events.
pub struct Stream(BufReader<TcpStream>);

/// One event of a stream.
#[derive(Debug, PartialEq)]
pub struct Streamed {
    /// Its id.
    pub id: String,
    /// Its type.
    pub name: String,
    /// What it says.
    pub data: Value,
}

impl Server {
    /// Starts `amends serve` over `data`, at a port that the system chooses.
    ///
    /// # Panics
    /// If it does not come to listen.
    pub fn start(data: &Path) -> Self {
        Self::start_as(data, "127.0.0.1:0", [])
    }

    /// The same at an address.
    ///
    /// # Panics
    /// If it does not come to listen.
    pub fn start_at(data: &Path, address: &str) -> Self {
        Self::start_as(data, address, [])
    }

    /// The same, with variables that configure it.
    ///
    /// # Panics
    /// If it does not come to listen.
    pub fn start_with(data: &Path, variables: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        Self::start_as(data, "127.0.0.1:0", variables)
    }

    fn start_as(data: &Path, address: &str, variables: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        let args: [&std::ffi::OsStr; 5] =
            ["serve".as_ref(), "--data".as_ref(), data.as_ref(), "--listen".as_ref(), address.as_ref()];
        let mut program = Program::start_with(variables, args);
        let (mut operator, mut metrics) = (None, None);
        loop {
            let line = program.line().expect("it says where it listens");
            if let Some(told) = line.strip_prefix("operator token ") {
                operator = told.split_whitespace().next().map(str::to_owned);
            } else if let Some(told) = line.strip_prefix("metrics on http://") {
                metrics = told.strip_suffix("/metrics").and_then(|address| address.parse().ok());
            } else if let Some(address) = line.strip_prefix("listening on ") {
                let address = address.split("//").last().and_then(|address| address.parse().ok()).expect("an address");
                return Self { program: Some(program), address, metrics, operator };
            }
        }
    }

    /// The number of its process.
    ///
    /// # Panics
    /// If it is over.
    pub fn pid(&self) -> u32 {
        self.program.as_ref().expect("it runs").id()
    }

    /// The token of its first operator.
    ///
    /// # Panics
    /// If it did not tell it: only the first start does.
    pub fn operator_token(&self) -> &str {
        self.operator.as_deref().expect("this is the first start")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Somebody with this token.
    pub fn client(&self, token: &str) -> Client {
        Client { address: self.address, token: Some(token.to_owned()) }
    }

    /// Somebody without one.
    pub fn stranger(&self) -> Client {
        Client { address: self.address, token: None }
    }

    /// Somebody without one, at the address where it tells how it fares.
    ///
    /// # Panics
    /// If there is none.
    pub fn watcher(&self) -> Client {
        Client { address: self.metrics.expect("it was asked to"), token: None }
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// If it does not end well.
    pub fn stop_and_tell(mut self) -> crate::program::Ended {
        self.program.take().expect("it runs").terminate()
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// If it does not end well.
    pub fn stop(mut self) {
        let program = self.program.take().expect("it runs");
        let ended = program.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// If it takes too long.
    pub fn wait(mut self) -> crate::program::Ended {
        self.program.take().expect("it runs").wait()
    }

    /// Kills it at once.
    pub fn kill(mut self) {
        drop(self.program.take().expect("it runs").kill_after(std::time::Duration::ZERO));
    }
}

impl Client {
    /// Somebody with this token, of a server that was started otherwise.
    pub fn at(address: SocketAddr, token: &str) -> Self {
        Self { address, token: Some(token.to_owned()) }
    }

    /// The server that it speaks to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Asks something and waits for the answer.
    ///
    /// # Panics
    /// If there is none.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
        let mut reader = BufReader::new(self.send(method, path, headers, body));
        let (status, headers) = head(&mut reader);
        let mut body = Vec::new();
        reader.read_to_end(&mut body).expect("an answer ends");
        if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
            body = dechunked(&body);
        }
        Answered { status, headers, body }
    }

    /// Gets something.
    pub fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, &[], b"")
    }

    /// Asks something with JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answered {
        self.ask("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// The same; none if there is nobody who answers.
    pub fn try_post(&self, path: &str, body: &Value) -> Option<Answered> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        self.say(&mut stream, "POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes());
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let mut reader = BufReader::new(answer.strip_prefix(b"HTTP/1.1 ").map(|_| &answer[..])?);
        let (status, headers) = head(&mut reader);
        let mut body = Vec::new();
        reader.read_to_end(&mut body).ok()?;
        Some(Answered { status, headers, body })
    }

    /// Follows a stream of events, from behind `last`.
    ///
    /// # Panics
    /// If there is none.
    pub fn follow(&self, path: &str, last: Option<&str>) -> Stream {
        let mut headers = vec![("Accept", "text/event-stream")];
        headers.extend(last.map(|last| ("Last-Event-ID", last)));
        let mut reader = BufReader::new(self.send("GET", path, &headers, b""));
        let (status, _) = head(&mut reader);
        assert_eq!(status, 200);
        Stream(reader)
    }

    /// Begins a request whose body of `len` bytes does not come.
    ///
    /// # Panics
    /// If nothing listens.
    pub fn begin(&self, method: &str, path: &str, len: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let said = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {len}\r\n{token}\r\n");
        stream.write_all(said.as_bytes()).expect("it reads");
        stream
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has this");
        self.say(&mut stream, method, path, headers, body);
        stream
    }

    fn say(&self, stream: &mut TcpStream, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let token = self.token.iter().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).chain(token).collect();
        let len = body.len();
        let said = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {len}\r\n{headers}\r\n");
        // A server that refuses what is too long need not read it to its end.
        let _ = stream.write_all(said.as_bytes()).and_then(|()| stream.write_all(body));
    }
}

impl Answered {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The JSON, if the status is `status`.
    ///
    /// # Panics
    /// If it is another one.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The code of the problem that it tells, if the status is `status`.
    ///
    /// # Panics
    /// If it tells none.
    pub fn problem(&self, status: u16) -> String {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["status"], status, "{problem}");
        problem["code"].as_str().expect("a code").to_owned()
    }

    /// A header by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Stream {
    /// The next event.
    ///
    /// # Panics
    /// If the stream ends.
    pub fn event(&mut self) -> Streamed {
        let (mut id, mut name, mut data) = (String::new(), String::new(), String::new());
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("an event comes in time") > 0, "the stream ended");
            match line.trim_end().split_once(": ") {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("data", value)) => data.push_str(value),
                _ if line.trim().is_empty() && !data.is_empty() => {
                    let data = serde_json::from_str(&data).expect("an event is JSON");
                    return Streamed { id, name, data };
                }
                // Comments that keep it alive, and the lengths of chunks.
                _ => {}
            }
        }
    }
}

fn head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    reader.read_line(&mut line).expect("an answer comes in time");
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status in {line:?}"));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("headers come in time");
        let Some((name, value)) = line.trim_end().split_once(": ") else { return (status, headers) };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

fn dechunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|pair| pair == b"\r\n") {
        let len = std::str::from_utf8(&chunks[..end]).ok().and_then(|len| usize::from_str_radix(len, 16).ok()).expect("a length");
        body.extend_from_slice(&chunks[end + 2..end + 2 + len]);
        chunks = &chunks[end + 4 + len..];
        if len == 0 {
            break;
        }
    }
    body
}

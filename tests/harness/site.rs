//! A place outside on this machine that guests send requests to: HTTP/1.1 in the few lines that a test needs, so that it can also answer in
//! ways that no server would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// No test waits longer for a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names, in small letters, and values, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Arrived {
    /// The value of a header that is there once; none if it is not.
    ///
    /// # Panics
    /// If it is there more than once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values: Vec<_> = self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect();
        assert!(values.len() <= 1, "{name}: {values:?}");
        values.first().copied()
    }
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// As servers do.
    Answer {
        /// The status.
        status: u16,
        /// More headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// With these bytes, then so often with the others, a pause before each; then the connection is closed.
    Bytes {
        /// At once.
        first: Vec<u8>,
        /// Behind it.
        then: Vec<u8>,
        /// How often.
        times: usize,
        /// The pause.
        pause: Duration,
    },
    /// Not at all: until the other side goes away.
    Silence,
}

impl Reply {
    /// A status and a body.
    pub fn new(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.to_owned() }
    }
}

/// A server. Ends when it is dropped; what is answered then is answered to its end.
pub struct Site {
    port: u16,
    diary: Arc<Mutex<Diary>>,
}

#[derive(Default)]
struct Diary {
    arrived: Vec<Arrived>,
    /// Connections that the other side closed while it was kept waiting.
    given_up: usize,
    /// Connections that are served.
    open: usize,
    over: bool,
}

type Tls = Option<Arc<rustls::ServerConfig>>;

impl Site {
    /// Answers as `reply` says.
    ///
    /// # Panics
    /// If this machine has no port left.
    pub fn start(reply: impl Fn(&Arrived) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, reply)
    }

    /// The same over TLS.
    ///
    /// # Panics
    /// If this machine has no port left.
    pub fn start_secure(config: rustls::ServerConfig, reply: impl Fn(&Arrived) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(Some(Arc::new(config)), reply)
    }

    fn start_with(tls: Tls, reply: impl Fn(&Arrived) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
        let port = listener.local_addr().expect("it is bound").port();
        let diary = Arc::new(Mutex::new(Diary::default()));
        let (own, reply) = (Arc::clone(&diary), Arc::new(reply));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if lock(&own).over {
                    break;
                }
                let (Ok(stream), own, reply, tls) = (stream, Arc::clone(&own), Arc::clone(&reply), tls.clone()) else {
                    continue;
                };
                lock(&own).open += 1;
                std::thread::spawn(move || {
                    serve(&stream, tls, &own, &*reply);
                    lock(&own).open -= 1;
                });
            }
        });
        Self { port, diary }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT` and `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What arrived so far.
    pub fn arrived(&self) -> Vec<Arrived> {
        lock(&self.diary).arrived.clone()
    }

    /// Waits until so many requests arrived.
    ///
    /// # Panics
    /// If they do not.
    pub fn wait_for(&self, requests: usize) {
        let until = Instant::now() + PATIENCE;
        while lock(&self.diary).arrived.len() < requests {
            assert!(Instant::now() < until, "{} of {requests} requests arrived", lock(&self.diary).arrived.len());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until no connection has been served for a while.
    ///
    /// # Panics
    /// If that never happens.
    pub fn wait_until_idle(&self) {
        let until = Instant::now() + PATIENCE;
        let mut idle = 0;
        // One that has only just come is not counted yet.
        while idle < 5 {
            assert!(Instant::now() < until, "{} connections are open", lock(&self.diary).open);
            std::thread::sleep(Duration::from_millis(4));
            idle = if lock(&self.diary).open == 0 { idle + 1 } else { 0 };
        }
    }

    /// How many that were kept waiting went away.
    pub fn given_up(&self) -> usize {
        lock(&self.diary).given_up
    }

    /// Waits until so many that were kept waiting went away.
    ///
    /// # Panics
    /// If they do not.
    pub fn wait_until_given_up(&self, connections: usize) {
        let until = Instant::now() + PATIENCE;
        while self.given_up() < connections {
            assert!(Instant::now() < until, "{} of {connections} went away", self.given_up());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        lock(&self.diary).over = true;
        // The thread that listens looks when somebody comes.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn lock(diary: &Mutex<Diary>) -> MutexGuard<'_, Diary> {
    diary.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, tls: Tls, diary: &Mutex<Diary>, reply: &(impl Fn(&Arrived) -> Reply + ?Sized)) {
    // Whoever breaks the connection is gone; what it did is seen by what arrived.
    let _ = match tls {
        None => converse(stream, stream, diary, reply),
        Some(config) => {
            let connection = rustls::ServerConnection::new(config).expect("a good configuration");
            let both = Both(Mutex::new(rustls::StreamOwned::new(connection, stream.try_clone().expect("it is open"))));
            converse(&both, &both, diary, reply)
        }
    };
    let _ = stream.shutdown(Shutdown::Both);
}

/// A secure connection that is read and written by turns.
struct Both(Mutex<rustls::StreamOwned<rustls::ServerConnection, TcpStream>>);

impl Read for &Both {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(bytes)
    }
}

impl Write for &Both {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

fn converse(
    read: impl Read,
    mut write: impl Write,
    diary: &Mutex<Diary>,
    reply: &(impl Fn(&Arrived) -> Reply + ?Sized),
) -> std::io::Result<()> {
    let mut read = BufReader::new(read);
    let Some(arrived) = request(&mut read)? else { return Ok(()) };
    let reply = reply(&arrived);
    lock(diary).arrived.push(arrived);
    match reply {
        Reply::Answer { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
            for (name, value) in &headers {
                head.extend([name, ": ", value, "\r\n"]);
            }
            write.write_all(format!("{head}\r\n{body}").as_bytes())?;
            write.flush()
        }
        Reply::Bytes { first, then, times, pause } => {
            write.write_all(&first)?;
            write.flush()?;
            for _ in 0..times {
                std::thread::sleep(pause);
                write.write_all(&then)?;
                write.flush()?;
            }
            Ok(())
        }
        Reply::Silence => {
            // Nothing more comes but its end.
            let _ = read.read(&mut [0]);
            lock(diary).given_up += 1;
            Ok(())
        }
    }
}

/// The next request; none if the other side goes away instead.
fn request(read: &mut impl BufRead) -> std::io::Result<Option<Arrived>> {
    let mut line = String::new();
    if read.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        read.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let value = |name: &str| headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    let mut body = Vec::new();
    if let Some(len) = value("content-length").and_then(|len| len.parse().ok()) {
        read.take(len).read_to_end(&mut body)?;
    } else if value("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        while chunk(read, &mut body)? {}
    }
    Ok(Some(Arrived { method, path, headers, body }))
}

/// Reads one chunk; false if it was the last one.
fn chunk(read: &mut impl BufRead, body: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut line = String::new();
    if read.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let len = u64::from_str_radix(line.trim(), 16).map_err(|_| std::io::ErrorKind::InvalidData)?;
    read.take(len).read_to_end(body)?;
    read.read_line(&mut String::new())?;
    Ok(len > 0)
}

//! A client that keeps its connection, as those do that ask much: it can tell an answer that never began from one that broke off.

use crate::client::Client;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than any wait of these tests.
const PATIENCE: Duration = Duration::from_secs(90);

/// A connection that is kept.
pub struct Session {
    client: Client,
    stream: Option<BufReader<TcpStream>>,
}

/// What became of a question.
#[derive(Debug)]
pub enum Heard {
    /// The answer: its status and its body.
    Answer(u16, Vec<u8>),
    /// Not a byte: the server may have done it or not.
    Nothing,
    /// The beginning of an answer.
    Broken(String),
}

impl Session {
    /// A session of a client; it connects when it asks.
    pub fn new(client: Client) -> Self {
        Self { client, stream: None }
    }

    /// Asks and waits for the answer.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Heard {
        let heard = self.exchange(method, path, headers, body);
        if !matches!(heard, Heard::Answer(..)) {
            self.stream = None;
        }
        heard
    }

    fn exchange(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Heard {
        let len = body.len();
        let token = self.client.token.as_deref().unwrap_or_default();
        let said = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n{headers}\r\n"
        );
        let Ok(stream) = self.connected() else { return Heard::Nothing };
        if stream.get_mut().write_all(&[said.as_bytes(), body].concat()).is_err() {
            return Heard::Nothing;
        }
        let mut line = String::new();
        match stream.read_line(&mut line) {
            Ok(0) | Err(_) if line.is_empty() => return Heard::Nothing,
            Ok(_) => {}
            Err(error) => return Heard::Broken(format!("{error} behind {line:?}")),
        }
        match rest(stream) {
            Ok((closes, body)) => {
                let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
                let Some(status) = status else { return Heard::Broken(line) };
                if closes {
                    self.stream = None;
                }
                Heard::Answer(status, body)
            }
            Err(error) => Heard::Broken(format!("{error} behind {line:?}")),
        }
    }

    fn connected(&mut self) -> io::Result<&mut BufReader<TcpStream>> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.client.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            self.stream = Some(BufReader::new(stream));
        }
        Ok(self.stream.as_mut().expect("it was made above"))
    }
}

/// The rest of an answer: whether the connection ends with it, and its body.
fn rest(stream: &mut BufReader<TcpStream>) -> io::Result<(bool, Vec<u8>)> {
    let (mut len, mut closes) = (None, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => len = value.trim().parse::<usize>().ok(),
            "connection" => closes = value.trim().eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let len = len.ok_or_else(|| io::Error::other("an answer without a length"))?;
    let mut body = vec![0; len];
    stream.read_exact(&mut body)?;
    Ok((closes, body))
}

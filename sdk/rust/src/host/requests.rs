//! The way of requests from inside a component: `wasi:http`, of which this is all that the SDK uses.

use crate::http::{Answer, Request, SendError};

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated: which of them it breaks changes with the generator"
)]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "amends:sdk/requests", generate_all });
}

use bindings::wasi::http::outgoing_handler::handle;
use bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use bindings::wasi::io::streams::StreamError;

/// What a stream takes at a time.
const CHUNK_LEN: usize = 4096;
/// What is asked of one at a time.
const READ_LEN: u64 = 64 * 1024;

pub(crate) fn send(request: Request) -> Result<Answer, SendError> {
    let Request { method, url, headers, body, timeout } = request;
    let options = RequestOptions::new();
    let timeout = timeout.map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    options.set_first_byte_timeout(timeout).map_err(|()| refused("the timeout is refused"))?;
    options.set_between_bytes_timeout(timeout).map_err(|()| refused("the timeout is refused"))?;
    let request = outgoing(&method, &url, &headers)?;
    let sink = request.body().map_err(|()| refused("the headers are refused"))?;
    let answer = handle(request, Some(options)).map_err(told)?;
    // An error here has its cause there.
    let written = write(sink, &body);
    answer.subscribe().block();
    let answer = answer.get().expect("it is ready").expect("it is asked for once").map_err(told)?;
    written?;
    read(&answer)
}

fn outgoing(method: &str, url: &str, headers: &[(String, Vec<u8>)]) -> Result<OutgoingRequest, SendError> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| refused("a URL begins with https://"))?;
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value).map_err(|error| SendError::Refused(format!("header `{name}`: {error:?}")))?;
    }
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.to_owned()),
    };
    let request = OutgoingRequest::new(fields);
    request.set_method(&self::method(method)).map_err(|()| refused("the method is none"))?;
    request.set_scheme(Some(&scheme)).map_err(|()| refused("the scheme is none"))?;
    request.set_authority(Some(authority)).map_err(|()| refused("the host is none"))?;
    request.set_path_with_query(Some(path)).map_err(|()| refused("the path is none"))?;
    Ok(request)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn write(sink: OutgoingBody, body: &[u8]) -> Result<(), SendError> {
    let stream = sink.write().expect("it is asked for once");
    for chunk in body.chunks(CHUNK_LEN) {
        stream.blocking_write_and_flush(chunk).map_err(|error| unanswered(&error))?;
    }
    drop(stream);
    OutgoingBody::finish(sink, None).map_err(told)
}

fn read(answer: &IncomingResponse) -> Result<Answer, SendError> {
    let mut body = Vec::new();
    let source = answer.consume().expect("it is asked for once");
    let stream = source.stream().expect("it is asked for once");
    loop {
        match stream.blocking_read(READ_LEN) {
            Ok(bytes) => body.extend_from_slice(&bytes),
            Err(StreamError::Closed) => break,
            Err(error @ StreamError::LastOperationFailed(_)) => return Err(unanswered(&error)),
        }
    }
    Ok(Answer { status: answer.status(), headers: answer.headers().entries(), body })
}

fn unanswered(error: &StreamError) -> SendError {
    match error {
        StreamError::LastOperationFailed(cause) => {
            let code = http_error_code(cause).map_or_else(|| "it broke".to_owned(), |code| format!("{code:?}"));
            SendError::Unanswered(format!("the body: {code}"))
        }
        StreamError::Closed => SendError::Unanswered("the other side closed the connection".to_owned()),
    }
}

fn refused(why: &str) -> SendError {
    SendError::Refused(why.to_owned())
}

/// What an error says about the request: the host connects before it sends, so these tell apart what left and what did not.
fn told(code: ErrorCode) -> SendError {
    let why = format!("{code:?}");
    match code {
        ErrorCode::DestinationIpProhibited
        | ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_) => SendError::Refused(why),
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => SendError::NotSent(why),
        _ => SendError::Unanswered(why),
    }
}

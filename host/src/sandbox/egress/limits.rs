//! How far one request may go. Time is bounded by the attempt's besides.

use std::time::Duration;

/// Requests of one attempt that are on their way at the same time.
pub(super) const IN_FLIGHT_MAX: u32 = 16;
/// Time to find the address, to connect and to agree on keys.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Time from the request to the head of its answer.
pub(super) const FIRST_BYTE_MAX: Duration = Duration::from_mins(1);
/// Time between two parts of the answer's body.
pub(super) const BETWEEN_BYTES_MAX: Duration = Duration::from_secs(30);
/// Time for all of it.
pub(super) const TOTAL_MAX: Duration = Duration::from_mins(2);
/// Headers of a request, and of an answer.
pub(super) const HEADERS_MAX: usize = 100;
/// Bytes of the headers of a request.
pub(super) const HEADERS_LEN_MAX: usize = 16 * 1024;
/// Bytes of an answer that are read before its head is looked at again. As many more may come with the next read, so a head has up to
/// twice as many.
pub(super) const ANSWER_BUFFER_LEN_MAX: usize = 32 * 1024;
/// Bytes of the body of a request, and of an answer.
pub(super) const BODY_LEN_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of a body that wait in the host until the other side takes them.
pub(super) const CHUNK_LEN_MAX: usize = 16 * 1024;
/// Bytes of an answer's body that are kept with the effect, so that a compensation knows what was answered.
pub(super) const KEPT_LEN_MAX: usize = 4 * 1024;
/// How long the beginning of a body is waited for, so that it can be kept. What came by then is kept.
pub(super) const KEPT_WAIT_MAX: Duration = Duration::from_millis(250);
/// Addresses of one name that are looked at.
pub(super) const ADDRESSES_MAX: usize = 32;

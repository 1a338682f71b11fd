//! How the other side knows that it was this host, and that nobody sends it again later: Standard Webhooks 1.0, HMAC-SHA256 over the id, the
//! instant and the body. <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use amends_domain::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What keys begin with when they are shown.
const PREFIX: &str = "whsec_";

/// A key as it is shown once: `whsec_` and base64.
pub(super) fn shown(key: &[u8; 32]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(key))
}

/// The bytes of a key that is shown so; none if it is none.
pub(super) fn bytes_of(shown: &str) -> Option<Vec<u8>> {
    STANDARD.decode(shown.strip_prefix(PREFIX)?).ok()
}

/// The headers that go with a body: its id, when it was signed, and a signature with each of `keys`.
pub(super) fn headers(keys: &[Vec<u8>], id: &str, now: Timestamp, body: &[u8]) -> Vec<(&'static str, String)> {
    let seconds = (now.0 / 1000).to_string();
    let signed = |key: &Vec<u8>| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    let signatures: Vec<_> = keys.iter().map(signed).collect();
    vec![("webhook-id", id.to_owned()), ("webhook-signature", signatures.join(" ")), ("webhook-timestamp", seconds)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the libraries of Standard Webhooks are tested with.
    #[test]
    fn what_is_signed_is_what_the_libraries_check() {
        let key = bytes_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let said = headers(&[key.clone(), b"other".to_vec()], id, Timestamp(1_614_265_330_999), br#"{"test": 2432232314}"#);
        let value =
            |name: &str| said.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()).expect("it is there");
        assert_eq!((value("webhook-id"), value("webhook-timestamp")), (id, "1614265330"));
        let signatures: Vec<_> = value("webhook-signature").split(' ').collect();
        assert_eq!((signatures.len(), signatures[0]), (2, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert!(signatures[1].starts_with("v1,") && signatures[1] != signatures[0]);
    }

    #[test]
    fn a_key_reads_as_it_is_shown() {
        assert_eq!(bytes_of(&shown(&[7; 32])), Some(vec![7; 32]));
        for bad in ["", "whsec_", "whsec_!", "BwcH"] {
            assert!(bytes_of(bad).is_none_or(|bytes| bytes.is_empty()), "{bad}");
        }
    }
}

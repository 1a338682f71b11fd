//! Tokens: what people and programs show to say who they are. Apart, because a token must never reach a log, a record or an error: only
//! here is it read, and only its digest leaves.
//!
//! `amt_<id of the key>_<secret>`: 26 digits, then 56, all in Crockford's base 32. The secret is 256 bits of chance and 24 bits that check
//! the whole, so that a mistyped token is told apart before anything is looked up, and programs that search for leaked secrets can be sure:
//! `amt_[0-7][0-9a-hjkmnp-tv-z]{25}_[0-9a-hjkmnp-tv-z]{56}`. 280 bits are 56 digits with nothing left over, so a token has one form.

use crate::digest::Digest;
use crate::id::{KeyId, bits, digits};
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;

const PREFIX: &str = "amt_";
/// Of the prefix that ids of keys have elsewhere.
const KEY_PREFIX: &str = "key_";
const KEY_DIGITS: usize = 26;
const SECRET_LEN: usize = 32;
const CHECK_LEN: usize = 3;
/// Five bytes are eight digits.
const GROUP_LEN: usize = 5;
const GROUP_DIGITS: usize = 8;
const SECRET_DIGITS: usize = (SECRET_LEN + CHECK_LEN) / GROUP_LEN * GROUP_DIGITS;

/// How long a token is, bytes.
pub const TOKEN_LEN: usize = PREFIX.len() + KEY_DIGITS + 1 + SECRET_DIGITS;

/// A token as somebody holds it. `Debug` shows its key only, and there is no `Display`: whoever shows it says so with [`Token::reveal`].
#[derive(Clone)]
pub struct Token {
    key: KeyId,
    secret: [u8; SECRET_LEN],
}

/// What is kept of a token. Nobody finds 256 bits of chance by trying, so a plain digest will do where passwords need a slow one.
#[derive(Debug, Clone, Copy)]
pub struct TokenDigest(pub Digest);

/// Why a text is not a token. None of these has a part of the text: it may be another secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It begins otherwise.
    #[error("it is not a token: one begins with {PREFIX}")]
    Prefix,
    /// It is cut off, or something was added.
    #[error("the token has {0} characters, one has {TOKEN_LEN}: copy the whole of it")]
    Length(usize),
    /// A letter that no token has.
    #[error("character {0} of the token is one that no token has there: copy it again")]
    Character(usize),
    /// All of it is possible, together it is not.
    #[error("the token is mistyped: its check digits do not fit, copy it again")]
    Mistyped,
}

impl Token {
    /// The token of a new key; `secret` is chance from the system's source.
    pub fn new(key: KeyId, secret: [u8; 32]) -> Self {
        Self { key, secret }
    }

    /// Whose token it says that it is.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The token itself, to be shown once to whoever it is made for.
    pub fn reveal(&self) -> String {
        let mut bytes = [0; SECRET_LEN + CHECK_LEN];
        bytes[..SECRET_LEN].copy_from_slice(&self.secret);
        bytes[SECRET_LEN..].copy_from_slice(&self.check());
        let key = self.key.to_string();
        let mut text = format!("{PREFIX}{}_", key.strip_prefix(KEY_PREFIX).expect("ids of keys begin so"));
        for group in bytes.chunks_exact(GROUP_LEN) {
            let number = group.iter().fold(0, |number, byte| (number << 8) | u128::from(*byte));
            let group: [u8; GROUP_DIGITS] = digits(number);
            text.push_str(std::str::from_utf8(&group).expect("the alphabet is ASCII"));
        }
        text
    }

    /// What is kept of it. The key is part of it, so that a digest that is put beside another key fits no token.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Digest::of_parts(&[b"amends:token:1", &self.key.0.to_be_bytes(), &self.secret]))
    }

    /// Not a secret's keeper: 24 bits against mistakes. Another prefix than the digest's, so that it says nothing about that.
    fn check(&self) -> [u8; CHECK_LEN] {
        let digest = Digest::of_parts(&[b"amends:token-check:1", &self.key.0.to_be_bytes(), &self.secret]);
        [digest.0[0], digest.0[1], digest.0[2]]
    }
}

impl TokenDigest {
    /// Whether this is kept of `token`. Takes as long for one that is nearly right as for any other.
    pub fn is_of(&self, token: &Token) -> bool {
        self.0.0.ct_eq(&token.digest().0.0).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token of {}", self.key)
    }
}

impl FromStr for Token {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let rest = text.strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        if let Some(at) = text.bytes().enumerate().skip(PREFIX.len()).position(|(at, byte)| !belongs(at, byte)) {
            return Err(TokenError::Character(PREFIX.len() + at + 1));
        }
        if text.len() != TOKEN_LEN {
            return Err(TokenError::Length(text.len()));
        }
        let (key, secret) = rest.split_at(KEY_DIGITS);
        let key = format!("{KEY_PREFIX}{key}").parse().expect("26 digits, the first below 8, are an id");
        let bytes = secret_bytes(&secret.as_bytes()[1..]);
        let secret = *bytes.first_chunk().expect("35 bytes have 32");
        let token = Self { key, secret };
        if bool::from(token.check().ct_eq(&bytes[SECRET_LEN..])) { Ok(token) } else { Err(TokenError::Mistyped) }
    }
}

/// Whether a token may have this byte there. The first digit of an id has room for three bits only.
fn belongs(at: usize, byte: u8) -> bool {
    const KEY_AT: usize = PREFIX.len();
    const MARK_AT: usize = KEY_AT + KEY_DIGITS;
    match at {
        KEY_AT => matches!(byte, b'0'..=b'7'),
        MARK_AT => byte == b'_',
        _ => bits(&[byte]).is_some(),
    }
}

/// The secret and its check, from 56 digits.
fn secret_bytes(text: &[u8]) -> Vec<u8> {
    // 40 bits: the last five of sixteen bytes.
    let group = |digits: &[u8]| bits(digits).expect("all of them are digits").to_be_bytes()[16 - GROUP_LEN..].to_owned();
    text.chunks_exact(GROUP_DIGITS).flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: KeyId = KeyId(0x0199_0000_0000_0000_0000_0000_0000_0007);

    #[test]
    fn a_token_has_the_form_that_it_always_had() {
        let token = Token::new(KEY, std::array::from_fn(|at| u8::try_from(at).expect("32 of them")));
        let text = token.reveal();
        assert_eq!(text, "amt_01k40000000000000000000007_000g40r40m30e209185gr38e1w8124gk2gahc5rr34d1p70x3rfg1010");
        assert_eq!(text.len(), TOKEN_LEN);
        assert_eq!(token.digest().0.hex(), "cabdda32155e7bbc8637c28e56ace82dfa306f39eca8ae41a409fade2ae5fc04");
    }

    #[test]
    fn a_token_is_not_shown_by_accident() {
        let token = Token::new(KEY, [0xa5; 32]);
        let secret = &token.reveal()[31..];
        let shown = format!("{token:?} {token:#?} {:?}", token.digest());
        assert!(shown.contains("token of key_01k40000000000000000000007"), "{shown}");
        assert!(!shown.contains(&secret[..8]) && !shown.contains("a5a5") && !shown.contains("165"), "{shown}");
    }

    #[test]
    fn what_is_not_a_token_is_refused_without_being_repeated() {
        let text = Token::new(KEY, [7; 32]).reveal();
        assert!(text.parse::<Token>().is_ok());
        let key = format!("key_{}", &text[4..]);
        let other = |at: usize, with: &str| format!("{}{with}{}", &text[..at], &text[at + 1..]);
        for (wrong, error) in [
            (String::new(), TokenError::Prefix),
            (key, TokenError::Prefix),
            ("hunter2".to_owned(), TokenError::Prefix),
            (text[..60].to_owned(), TokenError::Length(60)),
            (format!("{text}0"), TokenError::Length(TOKEN_LEN + 1)),
            (format!("{text}\n"), TokenError::Character(TOKEN_LEN + 1)),
            (other(40, "u"), TokenError::Character(41)),
            (other(40, "A"), TokenError::Character(41)),
            (other(40, "ä"), TokenError::Character(41)),
            (other(4, "8"), TokenError::Character(5)),
            (other(40, "_"), TokenError::Character(41)),
            (other(30, "0"), TokenError::Character(31)),
            (other(20, "1"), TokenError::Mistyped),
        ] {
            let found = wrong.parse::<Token>().expect_err(&wrong);
            assert_eq!(found, error, "{wrong}");
            assert!(wrong.len() < 5 || !found.to_string().contains(&wrong[4..]), "{found}");
        }
    }

    #[test]
    fn a_digest_fits_its_token_and_no_other() {
        let token = Token::new(KEY, [7; 32]);
        let mut nearly = [7; 32];
        nearly[31] = 6;
        let (nearly, elsewhere) = (Token::new(KEY, nearly), Token::new(KeyId(KEY.0 + 1), [7; 32]));
        let is_of = [&token, &nearly, &elsewhere].map(|other| token.digest().is_of(other));
        assert_eq!(is_of, [true, false, false]);
    }

    proptest! {
        #[test]
        fn a_token_reads_as_written(key: u128, secret: [u8; 32]) {
            let token = Token::new(KeyId(key), secret);
            let read: Token = token.reveal().parse().expect("a token");
            prop_assert_eq!((read.key, read.secret), (token.key, token.secret));
        }

        /// A wrong digit is noticed unless 24 bits agree by chance, which none of these does.
        #[test]
        fn a_mistyped_digit_is_noticed(secret: [u8; 32], at in 4..TOKEN_LEN, digit in 0_usize..31) {
            let mut text = Token::new(KEY, secret).reveal().into_bytes();
            prop_assume!(at != 30 && text[at] != b"0123456789abcdefghjkmnpqrstvwxyz"[digit]);
            text[at] = b"0123456789abcdefghjkmnpqrstvwxyz"[digit];
            prop_assert!(String::from_utf8(text).expect("ASCII").parse::<Token>().is_err());
        }
    }
}

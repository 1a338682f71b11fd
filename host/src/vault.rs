//! Secrets at rest: sealed with a master key that is not in the data directory, each under its own name, so that a copy of the data is worth
//! nothing alone and no secret can be put in the place of another. XChaCha20-Poly1305 (RFC 8439, with the extended nonce of
//! draft-irtf-cfrg-xchacha), because random nonces of 24 bytes never meet.

use amends_domain::digest::Digest;
use amends_domain::id::{SecretName, TenantId, WebhookName};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The variable with the key in it.
pub const KEY_VARIABLE: &str = "AMENDS_MASTER_KEY";
/// The variable with the name of the file that the key is in.
pub const KEY_FILE_VARIABLE: &str = "AMENDS_MASTER_KEY_FILE";

/// Bytes of the key; twice as many hexadecimal digits.
const KEY_LEN: usize = 32;
/// The form of what is sealed; its first byte.
const FORMAT: u8 = 1;
/// Bytes by which a sealed secret says which key it was sealed with.
const KEY_NAME_LEN: usize = 8;
const NONCE_LEN: usize = 24;
/// Longest file that is looked at for a key.
const KEY_FILE_LEN_MAX: u64 = 4096;

/// What seals and opens secrets. Does not show its key.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
    key_name: [u8; KEY_NAME_LEN],
}

/// Why there is no vault, or it does not open.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Nobody said where the key is.
    #[error(
        "there is no master key: set {KEY_FILE_VARIABLE} to a file with 64 hexadecimal digits in it, or {KEY_VARIABLE} to the digits"
    )]
    NoKey,
    /// The file.
    #[error("the master key in {}: {error}", path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What is there is no key.
    #[error("the master key is not 64 hexadecimal digits: make one with `openssl rand -hex 32`")]
    NotAKey,
    /// Sealed by another key.
    #[error("{0} was sealed with another master key: use that one, or have it made anew")]
    OtherKey(String),
    /// Not what was sealed.
    #[error("{0} does not open: it was altered, or belongs to somebody else")]
    Altered(String),
}

/// What is sealed: it opens in its own place only.
#[derive(Debug, Clone, Copy)]
pub enum Thing<'a> {
    /// A secret.
    Secret(&'a SecretName),
    /// What is sent to a webhook is signed with it.
    WebhookKey(&'a WebhookName),
}

impl fmt::Display for Thing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(name) => write!(f, "secret `{name}`"),
            Self::WebhookKey(name) => write!(f, "the key of webhook `{name}`"),
        }
    }
}

impl Vault {
    /// With the key that the environment names; `variable` reads it.
    ///
    /// # Errors
    /// [`VaultError`] if there is none, or it is no key.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, VaultError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        match (set(KEY_VARIABLE), set(KEY_FILE_VARIABLE)) {
            (Some(text), _) => Self::of_text(&text),
            (None, Some(path)) => Self::of_text(&text_of(Path::new(&path))?),
            (None, None) => Err(VaultError::NoKey),
        }
    }

    /// With a key of 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`VaultError::NotAKey`].
    pub fn of_text(text: &str) -> Result<Self, VaultError> {
        let digits = text.trim().as_bytes();
        if digits.len() != 2 * KEY_LEN {
            return Err(VaultError::NotAKey);
        }
        let mut key = [0; KEY_LEN];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(VaultError::NotAKey)?;
        }
        let mut key_name = [0; KEY_NAME_LEN];
        key_name.copy_from_slice(&Digest::of(&[b"amends master key ".as_slice(), &key].concat()).0[..KEY_NAME_LEN]);
        Ok(Self { cipher: XChaCha20Poly1305::new(&key.into()), key_name })
    }

    /// Seals something. It opens only for this tenant and as this thing.
    ///
    /// # Panics
    /// If the system has no randomness.
    pub fn seal(&self, tenant: &TenantId, thing: Thing<'_>, secret: &str) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).expect("the system has randomness");
        let place = place(tenant, thing);
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg: secret.as_bytes(), aad: &place });
        [&[FORMAT], &self.key_name[..], &nonce, &sealed.expect("a secret is far below the limit of the cipher")].concat()
    }

    /// Opens what was sealed for this tenant as this thing.
    ///
    /// # Errors
    /// [`VaultError::OtherKey`] or [`VaultError::Altered`].
    pub fn open(&self, tenant: &TenantId, thing: Thing<'_>, sealed: &[u8]) -> Result<String, VaultError> {
        let altered = || VaultError::Altered(thing.to_string());
        let (head, sealed) = sealed.split_at_checked(1 + KEY_NAME_LEN + NONCE_LEN).ok_or_else(altered)?;
        let (key_name, nonce) = head[1..].split_at(KEY_NAME_LEN);
        if head[0] != FORMAT {
            return Err(altered());
        }
        if key_name != self.key_name {
            return Err(VaultError::OtherKey(thing.to_string()));
        }
        let nonce: [u8; NONCE_LEN] = nonce.try_into().expect("it was split so");
        let place = place(tenant, thing);
        let opened = self.cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &place });
        String::from_utf8(opened.map_err(|_| altered())?).map_err(|_| altered())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// Names have no spaces, so no two places are alike.
fn place(tenant: &TenantId, thing: Thing<'_>) -> Vec<u8> {
    match thing {
        Thing::Secret(name) => format!("{tenant} {name}"),
        Thing::WebhookKey(name) => format!("{tenant} webhook {name}"),
    }
    .into_bytes()
}

fn text_of(path: &Path) -> Result<String, VaultError> {
    let unreadable = |error| VaultError::KeyFile { path: path.to_owned(), error };
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(KEY_FILE_LEN_MAX).read_to_string(&mut text)).map_err(unreadable)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn name(text: &str) -> SecretName {
        text.parse().expect("a name")
    }

    fn tenant(text: &str) -> TenantId {
        text.parse().expect("a name")
    }

    #[test]
    fn a_secret_opens_with_its_key_for_its_tenant_under_its_name_and_not_otherwise() {
        let (vault, other) = (Vault::of_text(KEY).expect("a key"), Vault::of_text(&KEY.replace("00", "ff")).expect("a key"));
        let (token, token2) = (name("token"), name("token2"));
        let sealed = vault.seal(&tenant("acme"), Thing::Secret(&token), "s3cret ä");
        assert_eq!(vault.open(&tenant("acme"), Thing::Secret(&token), &sealed).expect("it opens"), "s3cret ä");
        assert!(!sealed.windows(6).any(|window| window == b"s3cret"));
        assert_ne!(sealed, vault.seal(&tenant("acme"), Thing::Secret(&token), "s3cret ä"), "each time another nonce");
        let hook = "token".parse().expect("a name");
        for (of, thing, says) in [
            ("acme", Thing::Secret(&token2), "secret `token2` does not open"),
            ("other", Thing::Secret(&token), "secret `token` does not open"),
            ("acme", Thing::WebhookKey(&hook), "the key of webhook `token` does not open"),
        ] {
            let error = vault.open(&tenant(of), thing, &sealed).expect_err("it is another place").to_string();
            assert!(error.contains(says), "{error}");
        }
        let of_hook = vault.seal(&tenant("acme"), Thing::WebhookKey(&hook), "key");
        assert_eq!(vault.open(&tenant("acme"), Thing::WebhookKey(&hook), &of_hook).expect("it opens"), "key");
        let error = other.open(&tenant("acme"), Thing::Secret(&token), &sealed).expect_err("another key").to_string();
        assert!(error.contains("another master key"), "{error}");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(vault.open(&tenant("acme"), Thing::Secret(&token), &altered).is_err(), "byte {at}");
            assert!(vault.open(&tenant("acme"), Thing::Secret(&token), &sealed[..at]).is_err(), "cut to {at}");
        }
    }

    #[test]
    fn a_key_is_64_digits_in_a_variable_or_a_file() {
        let dir = std::env::temp_dir().join(format!("amends-vault-{}", std::process::id()));
        std::fs::write(&dir, format!("{KEY}\n")).expect("a file");
        let path = dir.display().to_string();
        let of = |key: Option<&str>, file: Option<&str>| {
            Vault::of_environment(|name| match name {
                KEY_VARIABLE => key.map(str::to_owned),
                KEY_FILE_VARIABLE => file.map(str::to_owned),
                _ => None,
            })
        };
        for (key, file, says) in [
            (Some(KEY), None, None),
            (Some("  000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\n"), None, None),
            (None, Some(path.as_str()), None),
            (Some(""), Some(path.as_str()), None),
            (None, None, Some("there is no master key")),
            (Some(&KEY[1..]), None, Some("not 64 hexadecimal digits")),
            (Some(&KEY.replace('0', "+")), None, Some("not 64 hexadecimal digits")),
            (Some(&KEY.replace('0', "g")), None, Some("not 64 hexadecimal digits")),
            (None, Some("/nowhere/at/all"), Some("/nowhere/at/all")),
        ] {
            match (of(key, file), says) {
                (Ok(_), None) => {}
                (Err(error), Some(says)) => assert!(error.to_string().contains(says), "{error}"),
                (found, says) => panic!("{found:?} and not {says:?}"),
            }
        }
        std::fs::remove_file(dir).expect("it was made here");
    }
}

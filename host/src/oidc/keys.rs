//! The public keys of a provider, as it publishes them (RFC 7517): bounded in number, and each for what its kind can do and nothing else. A token
//! chooses neither the key's kind nor a secret's: keys that sign and verify alike are never kept, so that a public key is no secret to sign with.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use std::str::FromStr;

/// Most keys of a provider.
const KEYS_MAX: usize = 64;

/// Keys that verify signatures.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set of keys. Those that verify nothing here are left out, such as keys of kinds that are not known yet.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(text).map_err(|error| format!("it is no set of keys: {error}"))?;
        let found = document.keys.len();
        if found > KEYS_MAX {
            return Err(format!("it has {found} keys: at most {KEYS_MAX} are allowed"));
        }
        let keys: Vec<_> = document.keys.into_iter().filter_map(Key::of).collect();
        if keys.is_empty() {
            return Err(format!(
                "none of its {found} keys verifies signatures: wanted are RSA, EC (P-256, P-384) or OKP (Ed25519)"
            ));
        }
        Ok(Self(keys))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key with this id that does `algorithm`. A token that names none means the only one that there is.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fits = self.0.iter().filter(|key| key.algorithms.contains(&algorithm));
        match id {
            Some(id) => fits.find(|key| key.id.as_deref() == Some(id)),
            None => fits.next().filter(|_| self.0.len() == 1),
        }
    }
}

impl Key {
    fn of(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let mut algorithms = algorithms(&jwk.algorithm);
        if let Some(only) = jwk.common.key_algorithm {
            let only = Algorithm::from_str(&only.to_string()).ok();
            algorithms.retain(|algorithm| Some(*algorithm) == only);
        }
        let decoding = DecodingKey::from_jwk(&jwk).ok().filter(|_| !algorithms.is_empty())?;
        Some(Self { id: jwk.common.key_id, algorithms, decoding })
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

/// What a key of this kind can do.
fn algorithms(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => vec![EdDSA],
        // Secrets, and curves that nobody verifies here.
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn elliptic(id: &str) -> Value {
        json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" })
    }

    fn read(keys: &[Value]) -> Result<KeySet, String> {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn a_key_does_what_its_kind_can_and_what_it_says_itself() {
        let mut one = elliptic("a");
        let keys = read(std::slice::from_ref(&one)).expect("a key");
        assert!(keys.find(Some("a"), Algorithm::ES256).is_some() && keys.find(None, Algorithm::ES256).is_some());
        for (id, algorithm) in
            [(Some("b"), Algorithm::ES256), (Some("a"), Algorithm::ES384), (Some("a"), Algorithm::HS256), (None, Algorithm::HS256)]
        {
            assert!(keys.find(id, algorithm).is_none(), "{id:?} {algorithm:?}");
        }
        assert!(
            read(&[elliptic("a"), elliptic("b")]).expect("two keys").find(None, Algorithm::ES256).is_none(),
            "which one is not said"
        );
        one["alg"] = json!("ES384");
        assert!(read(&[one]).is_err(), "it says that it does what its kind cannot");
    }

    #[test]
    fn secrets_and_keys_for_other_things_are_never_kept_and_there_are_so_many() {
        let secret = json!({ "kty": "oct", "alg": "HS256", "kid": "a", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" });
        let mut encrypts = elliptic("a");
        encrypts["use"] = json!("enc");
        let unknown = json!({ "kty": "LATTICE", "kid": "q" });
        for refused in [&secret, &encrypts, &unknown] {
            assert!(read(std::slice::from_ref(refused)).is_err(), "{refused}");
        }
        assert_eq!(read(&[secret, unknown, elliptic("a")]).map(|keys| keys.len()), Ok(1), "the others are left out");
        let many: Vec<_> = (0..=KEYS_MAX).map(|n| elliptic(&n.to_string())).collect();
        assert!(read(&many).is_err() && read(&many[1..]).is_ok());
        assert!(KeySet::read(b"{}").is_err() && KeySet::read(b"<html>").is_err());
    }
}

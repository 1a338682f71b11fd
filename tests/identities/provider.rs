//! An identity provider as far as this host sees one: a key, the half of it that is published, and tokens that it signs.

use amends::clock::{Clock, SystemClock};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const AUDIENCE: &str = "amends";

/// With what a provider signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signs {
    P256,
    Ed25519,
}

/// A provider with one key.
pub(crate) struct Provider {
    id: String,
    how: Signs,
    pkcs8: Vec<u8>,
}

/// Now, in seconds.
pub(crate) fn now_s() -> u64 {
    SystemClock.now().0 / 1000
}

/// Claims with all that a token needs besides.
pub(crate) fn whole(claims: &Value) -> Value {
    let mut whole = json!({ "iss": ISSUER, "aud": [AUDIENCE, "others"], "iat": now_s(), "exp": now_s() + 600 });
    whole.as_object_mut().expect("an object").extend(claims.as_object().expect("an object").clone());
    whole
}

/// A token with these claims, and what it needs besides.
pub(crate) fn token_with(provider: &Provider, claims: &Value) -> String {
    provider.sign(&provider.header(), &whole(claims))
}

/// What these providers publish.
pub(crate) fn jwks(providers: &[Provider]) -> Value {
    json!({ "keys": providers.iter().map(Provider::jwk).collect::<Vec<_>>() })
}

fn part(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

impl Provider {
    pub(crate) fn new(id: &str, how: Signs) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = match how {
            Signs::P256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
            Signs::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random),
        };
        Self { id: id.to_owned(), how, pkcs8: pkcs8.expect("a key").as_ref().to_vec() }
    }

    /// The same provider.
    pub(crate) fn again(&self) -> Self {
        Self { id: self.id.clone(), how: self.how, pkcs8: self.pkcs8.clone() }
    }

    fn header(&self) -> Value {
        let algorithm = match self.how {
            Signs::P256 => "ES256",
            Signs::Ed25519 => "EdDSA",
        };
        json!({ "alg": algorithm, "typ": "JWT", "kid": self.id })
    }

    fn p256(&self) -> EcdsaKeyPair {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8, &SystemRandom::new()).expect("it was made here")
    }

    fn public(&self) -> Vec<u8> {
        match self.how {
            Signs::P256 => self.p256().public_key().as_ref().to_vec(),
            Signs::Ed25519 => Ed25519KeyPair::from_pkcs8(&self.pkcs8).expect("it was made here").public_key().as_ref().to_vec(),
        }
    }

    fn jwk(&self) -> Value {
        let public = self.public();
        match self.how {
            Signs::P256 => {
                let (x, y) = public[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id, "x": BASE64.encode(x), "y": BASE64.encode(y) })
            }
            Signs::Ed25519 => json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": self.id, "x": BASE64.encode(public) }),
        }
    }

    /// Any header and any claims, signed.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let signature = match self.how {
            Signs::P256 => self.p256().sign(&SystemRandom::new(), message.as_bytes()).expect("it signs").as_ref().to_vec(),
            Signs::Ed25519 => {
                Ed25519KeyPair::from_pkcs8(&self.pkcs8).expect("it was made here").sign(message.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{message}.{}", BASE64.encode(signature))
    }

    /// A token of somebody.
    pub(crate) fn token(&self, subject: &str, tenant: &str, roles: &[&str]) -> String {
        token_with(self, &json!({ "sub": subject, "tenant": tenant, "roles": roles }))
    }

    /// A token that says that it need not be signed.
    pub(crate) fn unsigned(&self, claims: &Value) -> String {
        format!("{}.{}.", part(&json!({ "alg": "none", "kid": self.id })), part(claims))
    }

    /// A token that takes what is published for a secret that both sides know.
    pub(crate) fn with_public_key_as_secret(&self, claims: &Value) -> String {
        let message = format!("{}.{}", part(&json!({ "alg": "HS256", "kid": self.id })), part(claims));
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.public()), message.as_bytes());
        format!("{message}.{}", BASE64.encode(signature))
    }
}

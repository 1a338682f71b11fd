//! Verifies signatures, with the cryptography that TLS has here already. Apart, because it is all that `jsonwebtoken` has to be told of it: that
//! crate reads tokens and keys, and brings no second set of algorithms with it.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature as ring;
use signature::Verifier;

/// How signatures are verified; nothing is signed here.
static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory: no_signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };

/// Has tokens verified so, in all of this process.
pub(super) fn install() {
    // A second provider of the same process finds it there.
    let _ = PROVIDER.install_default();
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "jsonwebtoken passes so")]
fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "jsonwebtoken passes so")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let how = how(*algorithm).ok_or(ErrorKind::InvalidAlgorithm)?;
    Ok(Box::new(Verifies { algorithm: *algorithm, how, key: key.clone() }))
}

struct Verifies {
    algorithm: Algorithm,
    how: How,
    key: DecodingKey,
}

#[derive(Clone, Copy)]
enum How {
    Rsa(&'static ring::RsaParameters),
    Curve(&'static dyn ring::VerificationAlgorithm),
}

/// None: with a secret, or not at all.
fn how(algorithm: Algorithm) -> Option<How> {
    Some(match algorithm {
        Algorithm::RS256 => How::Rsa(&ring::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => How::Rsa(&ring::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => How::Rsa(&ring::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => How::Rsa(&ring::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => How::Rsa(&ring::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => How::Rsa(&ring::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => How::Curve(&ring::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => How::Curve(&ring::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => How::Curve(&ring::ED25519),
        _ => return None,
    })
}

impl Verifier<Vec<u8>> for Verifies {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let verified = match (self.how, self.key.kind()) {
            (How::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                ring::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (How::Curve(algorithm), DecodingKeyKind::SecretOrDer(point)) => {
                ring::UnparsedPublicKey::new(algorithm, point).verify(message, signature)
            }
            // A key of one kind and an algorithm of another.
            (How::Rsa(_), DecodingKeyKind::SecretOrDer(_)) | (How::Curve(_), DecodingKeyKind::RsaModulusExponent { .. }) => {
                return Err(signature::Error::new());
            }
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Verifies {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::crypto::verify;

    const N: &str = "quE7OuioVn4Ba_A6ZDMtg3yzPGmzPeV_JTszDBhdyQ-9UnQE4H3IbRHCEBybcDcVBfWJtp35iI7xBU1IFzV6BFGIE7vWXQO9LNzrK8RMYKYAVvHGuAa5SntJlnX5fjN8VALRTtNqyCpbfLqKaYIHuIiUokAqOOBlz9VTsMvF6DCAYMgHqr2VajhPU1-5-v89Pjhp0NAoNMTeLfJYAIZMGEGY-CHaCg4OiUJVj5xsHyjbZ6OSccY8H43VtgojU9jiow7V-4zPUqHDJNekGYR0_h-Rhc2Q6QyndFtRIvtOapsN2VXzg1NhizOlnOcNdsVts_EJ328zflcpGp1RXoX_PQ";
    const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjoxMDB9.AIbkXHKr6J7G23bacywu9AMA7dMOYhhQM8uhot8Zs1xaR-U8qEUYFWGzEVf9Mku-peQvfHrNAml5hrXO5APoOhMbYWyWpIUaQrlrE1ws8oXb9Zhpxecm0fpU8r_zuUG9j6FKBhbG-DWyf0JhZ0fsSpTPOFsCQV74YEOD7NeTbFMwfSpTvFiMvDvZl51hW6GMj7gBNrAr6zPua50Td41bfpxVakrcXLN9F0S7Oxa1vfC0JtuZ9Oxd5a5LSRLkHv02exUXLqutFzRLoe0OnEHSMs5frJR1r80sjOm_UyAG5tB33OC9c7EYNzeOjjET1ZOzwcBDLaMrB4M5Vn66thl2eQ";
    const PS256: &str = "eyJhbGciOiJQUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjoxMDB9.Az4-A8R8YMp_zXIuSBzL8PcNOvOf3KkNPAPYddGn1JlQOijDnE6Z_GF5LTZ6HjQD-xDibszovcqIpQcSp6c7d-wWkGxXA3vDaW2eH5-8NcCHC6ULOedI8LLfBXojaKrq1itoUljkngEM6XgxnVRURqLwS_H1eIqSV1EZEb6XDUyonGxwey0g02BuFqStEXyixwADAeBWPmjwJg1InXiAvMtB0bqA1SVxB_si9iHYOVF2KMfYFoamcNUVO-jcy0eYR09CyCes3WOVPPZ6QwNzKou_-xzFySkS5f2PVsvFXsnIHfR-8sp4TTZ9aIENWkk16jgnxWcgMK3sUGt4riYa0g";

    #[test]
    fn signatures_of_rsa_are_verified_with_the_algorithm_that_made_them_and_no_other() {
        install();
        let key = DecodingKey::from_rsa_components(N, "AQAB").expect("a key");
        let of = |token: &str, algorithm| {
            let (message, signature) = token.rsplit_once('.').expect("three parts");
            verify(signature, message.as_bytes(), &key, algorithm).unwrap_or(false)
        };
        assert!(of(RS256, Algorithm::RS256) && of(PS256, Algorithm::PS256));
        for (token, algorithm) in
            [(RS256, Algorithm::PS256), (PS256, Algorithm::RS256), (RS256, Algorithm::RS512), (RS256, Algorithm::HS256)]
        {
            assert!(!of(token, algorithm), "{algorithm:?}");
        }
        assert!(!of(&RS256.replacen("ey", "ez", 1), Algorithm::RS256), "what was signed is something else");
    }
}

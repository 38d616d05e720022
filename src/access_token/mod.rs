//! What SimpleJWT does with `Authorization: Bearer ...` (djangorestframework-simplejwt 5.5.1, PyJWT 2.15.1).
//!
//! The way of a token: [`raw_token`] takes it out of the header, [`Verifier::verify`] gives its [`Claims`],
//! [`Verifier::user_id`] the claim to look the user up by, [`Verifier::check_user`] has the last word.
//! [`Refusal::error_body`] is what a client is told on the way.

mod claims;
mod header;
mod jwk_set;
mod jwks;
mod jwks_fetch;
mod keys;
mod options;
mod pem;
mod public_key;
mod sign;
mod unverified;
#[cfg(test)]
mod vectors;
mod verifier;
mod watch;
mod words;

pub(crate) use claims::Claims;
pub(crate) use header::raw_token;
pub(crate) use keys::KeyError;
pub(crate) use options::{AccessTokenOptions, Algorithm, OneOrMany, TokenClass};
pub(crate) use sign::access_token;
pub(crate) use verifier::{TokenError, Verifier, password_digest};
pub(crate) use watch::{Step, Watch};
pub(crate) use words::{ClassRefusal, Message, Refusal};

//! What SimpleJWT does with `Authorization: Bearer ...` (djangorestframework-simplejwt 5.5.1, PyJWT 2.15.1).

mod options;

pub(crate) use options::{AccessTokenOptions, Algorithm, OneOrMany, TokenClass};

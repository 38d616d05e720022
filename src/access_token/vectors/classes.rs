//! Token classes that ask the blacklist, which no vector has, as SimpleJWT 5.5.1's tokens.py does it.

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;

use super::{NOW, class};
use crate::{
    access_token::{
        AccessTokenOptions, ClassRefusal, Message, Refusal, TokenError, Verifier, access_token, sign::sign_payload,
    },
    python::{Value, json},
    secret::Secret,
    user::{User, UserId, UserStore, UserStoreError},
};

/// A blacklist of one id, which tells what it was asked; `None`: a database that does not answer.
struct Blacklist(Option<&'static str>, Mutex<Vec<String>>);

#[async_trait]
impl UserStore for Blacklist {
    async fn by_claim(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
        unreachable!()
    }

    async fn by_ticket_value(&self, _: &Value) -> Result<Option<User>, UserStoreError> {
        unreachable!()
    }

    async fn by_username(&self, _: &str) -> Result<Option<User>, UserStoreError> {
        unreachable!()
    }

    async fn is_blacklisted(&self, jti: &str) -> Result<bool, UserStoreError> {
        self.1.lock().unwrap().push(jti.to_owned());
        self.0.map(|listed| listed == jti).ok_or(UserStoreError::MultipleRows)
    }

    async fn ping(&self) -> Result<(), UserStoreError> {
        unreachable!()
    }
}

fn now() -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn options() -> AccessTokenOptions {
    let mut sliding = class("SlidingToken");
    sliding.checks_blacklist = true;
    AccessTokenOptions {
        signing_key: Secret::new("a secret"),
        token_classes: vec![class("AccessToken"), sliding],
        ..AccessTokenOptions::default()
    }
}

/// What the second class says of a token with these claims.
async fn sliding_says(options: AccessTokenOptions, claims: &str, users: &Blacklist) -> Result<(), Message> {
    let token = sign_payload(&options, claims).unwrap();
    let verifier = Verifier::new(options).unwrap();
    match verifier.verify(token.as_bytes(), now(), users).await {
        Ok(_) => Ok(()),
        Err(TokenError::Refused(Refusal::NotValid(messages))) => Err(messages[1].message),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn the_blacklist_is_asked_before_anything_else_that_the_class_checks() {
    let says = async |claims: &str| sliding_says(options(), claims, &Blacklist(Some("bad"), Mutex::default())).await;
    assert_eq!(says(r#"{"exp":4102444800,"jti":"good","token_type":"sliding"}"#).await, Ok(()));
    assert_eq!(says(r#"{"jti":"bad"}"#).await, Err(Message::Blacklisted));
    assert_eq!(says(r#"{"jti":"good"}"#).await, Err(Message::NoExp));
    // KeyError in Python, which ends in 500.
    assert_eq!(says("{}").await, Err(Message::NoId));
    assert_eq!(says(r#"{"jti":"\ud800"}"#).await, Err(Message::Invalid));
}

#[tokio::test]
async fn the_blacklist_is_not_asked_about_a_token_that_is_refused_before() {
    let users = Blacklist(Some("bad"), Mutex::default());
    assert_eq!(sliding_says(options(), r#"{"jti":"bad","exp":1}"#, &users).await, Err(Message::Expired));
    assert!(users.1.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_jti_claim_may_have_another_name_and_type() {
    let users = Blacklist(Some("7"), Mutex::default());
    let options = AccessTokenOptions { jti_claim: Some("tid".to_owned()), ..options() };
    assert_eq!(sliding_says(options, r#"{"tid":7,"jti":"x"}"#, &users).await, Err(Message::Blacklisted));
    assert_eq!(*users.1.lock().unwrap(), ["7"]);
}

#[tokio::test]
async fn a_blacklist_that_does_not_answer_is_no_refusal() {
    let options = options();
    let token = sign_payload(&options, r#"{"exp":4102444800,"jti":"x"}"#).unwrap();
    let verifier = Verifier::new(options).unwrap();
    let answer = verifier.verify(token.as_bytes(), now(), &Blacklist(None, Mutex::default())).await;
    assert!(matches!(answer, Err(TokenError::BlacklistUnavailable(_))));
}

#[tokio::test]
async fn a_token_that_we_sign_is_one_that_we_take() {
    let user = User {
        id: UserId::Int(12),
        username: None,
        is_active: true,
        password: Secret::new("pbkdf2_sha256$1000$fixedsalt12$x"),
        fields: Box::default(),
    };
    let options = AccessTokenOptions { check_revoke_token: true, ..options() };
    let token = access_token(&options, &user, now(), Duration::from_mins(5)).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
    let Ok(Value::Dict(claims)) = json::loads(&payload) else { panic!() };
    let names: Vec<&str> = claims.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["token_type", "exp", "iat", "jti", "user_id", "hash_password"]);
    assert!(token.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."), "PyJWT's header, to the byte");

    let users = Blacklist(None, Mutex::default());
    let verifier = Verifier::new(options).unwrap();
    let claims = verifier.verify(token.as_bytes(), now(), &users).await.unwrap();
    assert_eq!(verifier.user_id(&claims), Ok(&Value::Str("12".to_owned())));
    assert_eq!(claims.get("exp"), Some(&Value::Int(i64::try_from(NOW).unwrap() + 300)));
    assert_eq!(verifier.check_user(&claims, &user), Ok(()));
    let changed = User { password: Secret::new("another"), ..user };
    assert_eq!(verifier.check_user(&claims, &changed), Err(Refusal::PasswordChanged));
}

#[tokio::test]
async fn each_class_speaks_in_its_order() {
    let verifier = Verifier::new(options()).unwrap();
    let answer = verifier.verify(b"x", now(), &Blacklist(None, Mutex::default())).await;
    let Err(TokenError::Refused(Refusal::NotValid(messages))) = answer else { panic!() };
    let said = |token_class: &str, token_type: &str| ClassRefusal {
        token_class: token_class.to_owned(),
        token_type: token_type.to_owned(),
        message: Message::Invalid,
    };
    assert_eq!(messages, [said("AccessToken", "access"), said("SlidingToken", "sliding")]);
}

//! Sockets that end because of their user or token.

use std::time::SystemTime;

use super::*;
use crate::reason::Reason;

/// Of a server that looks users up again each half second.
fn checking(change: impl FnOnce(&mut Setup)) -> Setup {
    let mut setup = Setup::new();
    setup.websocket.user_check_interval = Some(Duration::from_millis(500));
    *setup.users.password.lock().unwrap() = "pbkdf2_sha256$1$salt$hash";
    change(&mut setup);
    setup
}

impl TestServer {
    /// An open socket of `user`, whose ticket has this beside it.
    async fn socket_of(&self, user: i64, companion: Option<&str>) -> Client {
        let ticket = Ticket::new().expose();
        self.setup.tickets.put(&ticket, Value::Int(user));
        let companion = companion.map(|text| (ticket.clone(), text.to_owned()));
        self.setup.tickets.companions.lock().unwrap().extend(companion);
        let mut client = self.connect().await;
        let answer = client.handshake(&format!("/ws/chat/?uuid={ticket}"), &[]).await;
        assert_eq!(answer.status, 101, "{}", answer.body);
        client
    }

    fn closed(&self, reason: Reason) -> u64 {
        self.open.metrics.ended.of(reason)
    }
}

/// Its socket is open, and answers.
async fn is_open(client: &mut Client) {
    client.send(&text("[1]")).await;
    assert_eq!(client.see().await, Seen::text("[1]"));
}

#[tokio::test]
async fn the_sockets_of_users_who_are_gone_or_inactive_are_closed_and_the_others_stay() {
    let server = checking(|_| {}).start().await;
    let (mut alice, mut carol, mut erin) =
        (server.socket_of(1, None).await, server.socket_of(3, None).await, server.socket_of(12, None).await);
    server.setup.users.rows.lock().unwrap().retain_mut(|row| {
        row.2 &= row.0 != 3;
        row.0 != 12
    });
    assert_eq!(carol.see().await, Seen::close(4403, "user_inactive"));
    assert_eq!(erin.see().await, Seen::close(4403, "user_not_found"));
    is_open(&mut alice).await;
    assert_eq!((server.closed(Reason::UserInactive), server.closed(Reason::UserNotFound)), (1, 1));
}

#[tokio::test]
async fn a_database_that_does_not_answer_closes_nobody() {
    let server = checking(|_| {}).start().await;
    let mut alice = server.socket_of(1, None).await;
    *server.setup.users.is_down.lock().unwrap() = true;
    server.setup.users.rows.lock().unwrap().clear();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    is_open(&mut alice).await;
    *server.setup.users.is_down.lock().unwrap() = false;
    assert_eq!(alice.see().await, Seen::close(4403, "user_not_found"));
}

#[tokio::test]
async fn inactive_users_stay_where_that_is_not_checked() {
    let server = checking(|setup| setup.websocket.check_user_is_active = false).start().await;
    let mut bob = server.socket_of(2, None).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    is_open(&mut bob).await;
}

#[tokio::test]
async fn a_changed_password_closes_the_sockets_of_before() {
    let server = checking(|setup| setup.needs = Needs { password: true, ..Needs::default() }).start().await;
    let mut plain = server.socket_of(1, None).await;
    let mut of_an_older_token = server.socket_of(3, Some(r#"{"password":"000102030405060708090A0B0C0D0E0F"}"#)).await;
    assert_eq!(of_an_older_token.see().await, Seen::close(4401, "password_changed"));
    is_open(&mut plain).await;
    *server.setup.users.password.lock().unwrap() = "pbkdf2_sha256$1$salt$other";
    let mut later = server.socket_of(1, None).await;
    assert_eq!(plain.see().await, Seen::close(4401, "password_changed"));
    is_open(&mut later).await;
}

#[tokio::test]
async fn a_blacklisted_token_closes_its_own_sockets() {
    let server = checking(|setup| setup.needs = Needs { jti: true, ..Needs::default() }).start().await;
    let (mut one, mut other) =
        (server.socket_of(1, Some(r#"{"jti":"one"}"#)).await, server.socket_of(1, Some(r#"{"jti":"other"}"#)).await);
    server.setup.users.blacklist.lock().unwrap().push("one");
    assert_eq!(one.see().await, Seen::close(4401, "token_revoked"));
    is_open(&mut other).await;
}

#[tokio::test]
async fn a_socket_expires_with_its_token_and_the_leeway() {
    let setup = checking(|setup| {
        setup.needs = Needs { exp: true, leeway: Duration::from_secs(1), ..Needs::default() };
        setup.websocket.expire_with_token = true;
        setup.websocket.user_check_interval = None;
    });
    let server = setup.start().await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let expiring = |exp: u64| format!("{{\"exp\":{exp}}}");
    let mut soon = server.socket_of(1, Some(&expiring(now + 1))).await;
    let mut late = server.socket_of(1, Some(&expiring(now + 100))).await;
    let mut never = server.socket_of(1, None).await;
    is_open(&mut soon).await;
    assert_eq!(soon.see().await, Seen::close(4401, "token_expired"));
    let after = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!((now + 2..=now + 4).contains(&after), "after {} s", after - now);
    is_open(&mut late).await;
    is_open(&mut never).await;
}

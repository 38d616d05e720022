//! What every store does, whatever it is made of.

use std::{sync::Arc, time::Duration};

use num_bigint::BigInt;
use uuid::Uuid;

use super::{Redeemed, TICKET_LIFETIME, Ticket, TicketStore};
use crate::python::Value;

/// The ids that a store can hold, besides those that its serializer has no form for.
pub(crate) fn user_ids() -> Vec<Value> {
    vec![
        Value::Int(1),
        Value::Int(-7),
        Value::BigInt(BigInt::from(u128::MAX)),
        Value::Str("ünï☃".to_owned()),
        Value::Str("x".repeat(300)),
        Value::Uuid(Uuid::from_u128(0x1234_5678_90ab_4def_8000_0000_0000_0001)),
    ]
}

/// Runs the whole suite.
pub(crate) async fn holds_for(store: Arc<dyn TicketStore>) {
    store.ping().await.unwrap();
    a_ticket_is_redeemed_once_and_gives_the_value_back(&*store).await;
    a_ticket_that_was_never_issued_is_absent(&*store).await;
    tickets_do_not_touch_each_other(&*store).await;
    a_companion_goes_with_its_ticket(&*store).await;
    an_expired_ticket_is_absent(&*store).await;
    of_200_that_redeem_the_same_ticket_one_gets_it(&store).await;
}

async fn a_ticket_is_redeemed_once_and_gives_the_value_back(store: &dyn TicketStore) {
    for value in user_ids() {
        let ticket = Ticket::new();
        store.issue(ticket, &value, TICKET_LIFETIME).await.unwrap();
        assert_eq!(store.redeem(ticket).await.unwrap(), Some(value));
        assert_eq!(store.redeem(ticket).await.unwrap(), None);
    }
}

async fn a_ticket_that_was_never_issued_is_absent(store: &dyn TicketStore) {
    assert_eq!(store.redeem(Ticket::new()).await.unwrap(), None);
}

async fn tickets_do_not_touch_each_other(store: &dyn TicketStore) {
    let (one, other) = (Ticket::new(), Ticket::new());
    store.issue(one, &Value::Int(1), TICKET_LIFETIME).await.unwrap();
    store.issue(other, &Value::Int(2), TICKET_LIFETIME).await.unwrap();
    assert_eq!(store.redeem(one).await.unwrap(), Some(Value::Int(1)));
    assert_eq!(store.redeem(other).await.unwrap(), Some(Value::Int(2)));
}

async fn a_companion_goes_with_its_ticket(store: &dyn TicketStore) {
    let text = r#"{"exp":1800000000}"#;
    let [with, without, plain] = [(); 3].map(|()| Ticket::new());
    store.issue_with(with, &Value::Int(1), text, TICKET_LIFETIME).await.unwrap();
    store.issue(without, &Value::Int(2), TICKET_LIFETIME).await.unwrap();
    store.issue_with(plain, &Value::Int(3), text, TICKET_LIFETIME).await.unwrap();
    let redeemed = |value, companion: Option<&str>| {
        Some(Redeemed { value: Value::Int(value), companion: companion.map(str::to_owned) })
    };
    assert!(store.redeem_with(with).await.unwrap() == redeemed(1, Some(text)));
    assert!(store.redeem_with(with).await.unwrap().is_none());
    assert!(store.redeem_with(without).await.unwrap() == redeemed(2, None));
    assert_eq!(store.redeem(plain).await.unwrap(), Some(Value::Int(3)), "to Python it is a ticket like any other");
}

async fn an_expired_ticket_is_absent(store: &dyn TicketStore) {
    let ticket = Ticket::new();
    store.issue(ticket, &Value::Int(1), Duration::from_secs(1)).await.unwrap();
    // The servers have clocks of their own, so time cannot be paused; DatabaseCache drops the fraction of a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(store.redeem(ticket).await.unwrap(), None);
}

async fn of_200_that_redeem_the_same_ticket_one_gets_it(store: &Arc<dyn TicketStore>) {
    for _ in 0..5 {
        let ticket = Ticket::new();
        store.issue(ticket, &Value::Int(1), TICKET_LIFETIME).await.unwrap();
        let tries = (0..200).map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.redeem(ticket).await.unwrap() })
        });
        let mut winners = 0;
        for redeemed in tries.collect::<Vec<_>>() {
            winners += usize::from(redeemed.await.unwrap() == Some(Value::Int(1)));
        }
        assert_eq!(winners, 1);
    }
}

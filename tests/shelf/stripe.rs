//! stripe-mock checks each request against Stripe's own description and keeps nothing: what it answers is an example that
//! is the same whatever was sent. So this shows that what is sent is what Stripe takes, and that what it answers can be
//! read; not that a card is found again.

use rollcall::targets::{Found, Target as _, Verb};
use rollcall_support::products::StripeMock;

use crate::stage::{Stage, person};

#[tokio::test]
async fn stripe_takes_what_is_sent_from_the_first_card_to_the_last() {
    let stripe = StripeMock::start().await.unwrap();
    let stage = Stage::set("stripe-issuing", &stripe.url(), &[("token", stripe.key())]);
    let ada = person("ada");
    stage.target.capabilities().await.unwrap();
    // Its example cardholder is somebody else: whoever a filter lets through is checked.
    assert_eq!(stage.target.find_account(&ada).await.unwrap(), Found::None);
    let made = stage.target.create_account(&ada, "operation-account").await.unwrap();
    assert!(made.id.starts_with("ich_"), "{}", made.id);
    assert!(stage.account(&made.id).await.is_some());
    stage.target.update_account(&made.id, &ada, true).await.unwrap();
    assert!(stage.target.accounts().await.unwrap().is_some());

    let card = stage.order(Verb::Grant, &made.id, "card-software", &ada, &[("limit", "50000")]);
    let card = card.await.unwrap();
    assert!(card.grant_id.starts_with("ic_"), "{}", card.grant_id);
    // The example card has none of our marks, so it is not taken for ours.
    assert_eq!(stage.held_or_none(&made.id, "card-software").await, None);

    let object = stage.object("card-software").await;
    for verb in [Verb::Update, Verb::Revoke] {
        let mut order = rollcall::targets::Order::new(verb, &made.id);
        order.person = ada.clone();
        order.grant_id.clone_from(&card.grant_id);
        order.operation_id = "operation-card".to_owned();
        order.parameters.insert("limit".to_owned(), "20000".to_owned());
        let receipts = stage.target.change_holders(&object, &[order], None).await.unwrap();
        assert!(receipts.values().all(Result::is_ok), "{verb:?}: {receipts:?}");
    }
    stage.target.deactivate_account(&made.id).await.unwrap();
}

//! What came of an order, from what the target said and what a look showed. Pure.

use crate::decide::effect::{Holding, Outcome};
use crate::targets::{Order, Receipt, TargetError, Verb};

/// What the target said of an order.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// Nothing was sent: it was so already.
    Nothing,
    /// That it is done.
    Done(Receipt),
    /// Why it is not, or may not be.
    Not(TargetError),
}

/// What came of an order whose account was seen to hold this. Only a look says that it was done.
pub(super) fn verdict(order: &Order, told: &Told, seen: Option<&Holding>) -> Outcome {
    match (order.verb, seen) {
        (Verb::Revoke, None) => Outcome::done(&order.account_id, None),
        (Verb::Revoke, Some(_)) => failed(
            told,
            "was told to take it from the account, and the account still has it",
        ),
        (Verb::Grant | Verb::Update, None) => failed(
            told,
            "was told to give it to the account, and the account does not have it",
        ),
        (Verb::Grant | Verb::Update, Some(holding)) => match differing(order, holding) {
            None => held(order, told, holding),
            Some(which) => failed(told, &which),
        },
    }
}

/// Whether an account that was just seen to hold this needs nothing more.
pub(super) fn is_so(order: &Order, seen: Option<&Holding>) -> bool {
    match (order.verb, seen) {
        (Verb::Revoke, seen) => seen.is_none(),
        (Verb::Grant | Verb::Update, seen) => seen.is_some_and(|holding| differing(order, holding).is_none()),
    }
}

/// A parameter that is not as ordered, of those that the target shows.
fn differing(order: &Order, holding: &Holding) -> Option<String> {
    let shown = |name: &String| holding.parameters.get(name);
    let differs = |(name, value): &(&String, &String)| shown(name).is_some_and(|shown| shown != *value);
    let (name, value) = order.parameters.iter().find(differs)?;
    let shown = shown(name)?;
    Some(format!("was told {name} {value}, and shows {shown}"))
}

fn held(order: &Order, told: &Told, holding: &Holding) -> Outcome {
    let mut holding = holding.clone();
    if let Told::Done(receipt) = told
        && holding.grant_id.is_empty()
    {
        holding.grant_id.clone_from(&receipt.grant_id);
    }
    Outcome::Done {
        account_id: order.account_id.clone(),
        attributes: None,
        invited: holding.invited,
        holding: (holding != Holding::default()).then_some(holding),
    }
}

fn failed(told: &Told, not_seen: &str) -> Outcome {
    match told {
        Told::Nothing | Told::Done(_) => Outcome::Retrying(not_seen.to_owned()),
        Told::Not(TargetError::Refused(why)) => Outcome::Refused(why.clone()),
        Told::Not(TargetError::NoSeat(why)) => Outcome::NoSeat(why.clone()),
        Told::Not(error) => Outcome::Retrying(error.to_string()),
    }
}

/// Whether a refusal may be that of another order that went with this one.
pub(super) fn may_be_anothers(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(_) | Outcome::NoSeat(_))
}

/// Whether this leaves it open whether it was done.
pub(super) fn is_open(error: &TargetError) -> bool {
    matches!(error, TargetError::Ambiguous(_) | TargetError::Malformed(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(verb: Verb, limit: &str) -> Order {
        Order {
            parameters: [("limit".to_owned(), limit.to_owned())].into(),
            ..Order::new(verb, "ada")
        }
    }

    fn card(limit: &str) -> Holding {
        Holding {
            grant_id: "card-7".to_owned(),
            parameters: [("limit".to_owned(), limit.to_owned())].into(),
            ..Holding::default()
        }
    }

    fn said() -> Told {
        Told::Done(Receipt {
            grant_id: "card-8".to_owned(),
        })
    }

    /// Semantics 9: a 404 on a revocation, a 409 on a grant and a 200 that did nothing are all settled by observing.
    #[test]
    fn what_was_seen_counts_and_not_what_was_said() {
        let refusals = [
            said(),
            Told::Nothing,
            Told::Not(TargetError::Conflict("409".to_owned())),
            Told::Not(TargetError::Gone("such member".to_owned())),
            Told::Not(TargetError::Ambiguous("time-out".to_owned())),
            Told::Not(TargetError::Refused("400".to_owned())),
        ];
        for told in refusals {
            let done = |verb, seen| matches!(verdict(&order(verb, "5"), &told, seen), Outcome::Done { .. });
            let card = card("5");
            assert!(done(Verb::Grant, Some(&card)) && !done(Verb::Grant, None), "{told:?}");
            assert!(done(Verb::Revoke, None) && !done(Verb::Revoke, Some(&card)), "{told:?}");
        }
    }

    #[test]
    fn a_grant_with_other_parameters_than_ordered_is_not_done() {
        let update = order(Verb::Update, "5");
        assert!(
            matches!(verdict(&update, &said(), Some(&card("9"))), Outcome::Retrying(why) if why.contains("shows 9"))
        );
        assert!(!is_so(&update, Some(&card("9"))) && is_so(&update, Some(&card("5"))));
        // What the target does not show is taken as it was sent.
        assert!(is_so(&update, Some(&Holding::default())));
    }

    #[test]
    fn what_is_held_is_told_as_it_was_seen() {
        let invited = Holding {
            invited: true,
            ..Holding::default()
        };
        let grant = order(Verb::Grant, "5");
        let seen = |holding: &Holding| match verdict(&grant, &said(), Some(holding)) {
            Outcome::Done { invited, holding, .. } => (invited, holding.map(|holding| holding.grant_id)),
            other => (false, Some(format!("{other:?}"))),
        };
        assert_eq!(seen(&invited), (true, Some("card-8".to_owned())));
        assert_eq!(seen(&card("5")), (false, Some("card-7".to_owned())));
        let plain = verdict(&grant, &Told::Nothing, Some(&Holding::default()));
        assert_eq!(plain, Outcome::done("ada", None));
    }

    #[test]
    fn no_seat_is_not_a_refusal() {
        let told = Told::Not(TargetError::NoSeat("all 5 are taken".to_owned()));
        assert_eq!(
            verdict(&order(Verb::Grant, "5"), &told, None),
            Outcome::NoSeat("all 5 are taken".to_owned())
        );
    }
}

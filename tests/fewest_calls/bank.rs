//! The least requests that lead a bank from one state to another, as its `target.yaml` describes it.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_support::bank::Bank;

use crate::least::Calls;

/// The products whose seats are looked at.
pub const PRODUCTS: [&str; 2] = ["office", "design"];

/// A bank: people by id with whether they are active, holders of open cards, and holders of seats by product.
#[derive(Clone, Debug, Default)]
pub struct Books {
    people: BTreeMap<String, bool>,
    cards: BTreeSet<String>,
    seats: BTreeMap<&'static str, BTreeSet<String>>,
    page: usize,
}

impl Books {
    /// As they are now, at a bank with so many records a page.
    pub fn of(bank: &Bank, page: usize) -> Self {
        let people = bank.people().into_iter();
        let cards = bank.cards().into_iter().filter(|(_, card)| card.open);
        Self {
            people: people.map(|(id, holder)| (id, holder.active)).collect(),
            cards: cards.map(|(holder, _)| holder).collect(),
            seats: PRODUCTS
                .map(|product| (product, bank.seats(product).into_keys().collect()))
                .into(),
            page,
        }
    }
}

/// The least requests that lead from one state to the other, for one who has seen the first and believes only what is read
/// back; everything that differs stands on the desk at once:
///
/// - A new person: both searches that the description has, since one may be there, and the creation.
/// - One who is closed: the change, and a read.
/// - A card: its issue or its end, and a look at what the person has. That a new person has none yet needs no look.
/// - A seat: a change each, and one list of the product's for all, page by page.
pub fn least(before: &Books, after: &Books) -> Calls {
    let mut calls = Calls::new();
    let mut add = |what: &'static str, number: usize| {
        if number > 0 {
            *calls.entry(what).or_default() += number;
        }
    };
    let new = after
        .people
        .keys()
        .filter(|id| !before.people.contains_key(*id))
        .count();
    add("bank GET people", 2 * new);
    add("bank POST people", new);
    let closed = after
        .people
        .iter()
        .filter(|(id, active)| before.people.get(*id).is_some_and(|was| was != *active));
    let closed = closed.count();
    add("bank PATCH people/*", closed);
    add("bank GET people/*", closed);
    let (issued, ended) = (
        after.cards.difference(&before.cards).count(),
        before.cards.difference(&after.cards).count(),
    );
    add("bank POST cards", issued);
    add("bank POST cards/*/cancel", ended);
    add("bank GET cards", issued + ended);
    for product in PRODUCTS {
        let (was, is) = (&before.seats[product], &after.seats[product]);
        let (given, taken) = (is.difference(was).count(), was.difference(is).count());
        add("bank PUT products/*/seats/*", given);
        add("bank DELETE products/*/seats/*", taken);
        if given + taken > 0 {
            add("bank GET products/*/seats", is.len().div_ceil(after.page).max(1));
        }
    }
    calls
}

#[test]
fn the_least_at_a_bank() {
    let ids = |number: usize| (0..number).map(|id| format!("p{id}")).collect::<BTreeSet<_>>();
    let books = |people: usize, cards: usize, seats: usize| Books {
        people: ids(people).into_iter().map(|id| (id, true)).collect(),
        cards: ids(cards),
        seats: [("office", ids(people)), ("design", ids(seats))].into(),
        page: 50,
    };
    assert_eq!(least(&books(3, 3, 3), &books(3, 3, 3)), Calls::new());
    let wanted = [
        ("bank GET people", 120),
        ("bank POST people", 60),
        ("bank POST cards", 60),
        ("bank GET cards", 60),
        ("bank PUT products/*/seats/*", 120),
        ("bank GET products/*/seats", 4),
    ];
    assert_eq!(least(&books(0, 0, 0), &books(60, 60, 60)), wanted.into());
    let wanted = [
        ("bank POST cards/*/cancel", 2),
        ("bank GET cards", 2),
        ("bank DELETE products/*/seats/*", 2),
        ("bank GET products/*/seats", 1),
    ];
    assert_eq!(least(&books(3, 3, 3), &books(3, 1, 1)), wanted.into());
}

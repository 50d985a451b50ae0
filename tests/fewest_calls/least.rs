//! The least requests that lead a directory from one state to another.

use std::collections::{BTreeMap, BTreeSet};

/// How many members one PATCH of a group adds and removes at the most.
const MEMBERS_A_PATCH: usize = 100;
/// How many accounts a page of a list holds.
const ACCOUNTS_A_PAGE: usize = 100;

/// An account, as far as it is ours to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whether it can be used.
    pub active: bool,
    /// The person's name.
    pub name: String,
}

/// A directory: accounts by address, and the members of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Accounts by address.
    pub accounts: BTreeMap<String, Account>,
    /// Members by group.
    pub groups: BTreeMap<String, BTreeSet<String>>,
}

/// How often each request is sent.
pub type Calls = BTreeMap<&'static str, usize>;

/// How many requests a list of so many accounts takes: a server may give fewer than it was asked for, so that only an
/// empty page proves the end.
fn pages(accounts: usize) -> usize {
    accounts.div_ceil(ACCOUNTS_A_PAGE) + 1
}

/// The least requests that lead from one state to the other, for one who has seen the first and believes only what is read
/// back; everything that differs stands on the desk at once, and nobody could foresee it:
///
/// - New accounts: a search each, since one may be there that nobody told of, or one list that does for all, whichever
///   takes fewer; and the creation each, whose answer is the read-back.
/// - Other attributes: a read, since addresses that others put there are written back, and the change.
/// - One that ends or begins to be usable: the change, and a read, since a 200 may have changed nothing. Each is read by
///   itself, though a list would do for many: whether a leaver is out is not put off until others are.
/// - A group: as few changes as its members fit into, and one read for all of them.
///
/// With `bulk`, creations travel together, and so do changes of groups: those that lose somebody, and apart from them those
/// that only gain, since what is taken waits for nothing. A request has one change of a group, since the order within it
/// is the server's. Changes of accounts go each by itself, as each is read before or after.
pub fn least(before: &Directory, after: &Directory, bulk: bool) -> Calls {
    let mut calls = Calls::new();
    let mut add = |what: &'static str, number: usize| {
        if number > 0 {
            *calls.entry(what).or_default() += number;
        }
    };
    let mut new = 0;
    for (address, account) in &after.accounts {
        match before.accounts.get(address) {
            None => new += 1,
            Some(was) if was != account => {
                add("scim PATCH Users/*", 1);
                add("scim GET Users/*", 1);
            }
            Some(_) => {}
        }
    }
    add("scim GET Users", new.min(pages(before.accounts.len())));
    if bulk && new > 1 {
        add("scim POST Bulk", 1);
    } else {
        add("scim POST Users", new);
    }
    let none = BTreeSet::new();
    // How many requests each group needs: those that lose somebody, and those that only gain.
    let mut changed = [Vec::new(), Vec::new()];
    for (group, members) in &after.groups {
        let known = before.groups.get(group).unwrap_or(&none);
        let changes = members.symmetric_difference(known).count();
        if changes > 0 {
            add("scim GET Groups/*", 1);
            changed[usize::from(known.is_subset(members))].push(changes.div_ceil(MEMBERS_A_PATCH));
        }
    }
    for changes in changed {
        for number in 0..changes.iter().copied().max().unwrap_or_default() {
            match changes.iter().filter(|changes| **changes > number).count() {
                several @ 2.. if !bulk => add("scim PATCH Groups/*", several),
                1 => add("scim PATCH Groups/*", 1),
                _ => add("scim POST Bulk", 1),
            }
        }
    }
    calls
}

#[test]
fn the_least_is_what_no_order_of_requests_can_undercut() {
    let account = |active: bool, name: &str| Account {
        active,
        name: name.to_owned(),
    };
    let members = |number: usize| (0..number).map(|number| number.to_string()).collect::<BTreeSet<_>>();
    let mut before = Directory::default();
    before.groups.insert("all".to_owned(), members(0));
    assert_eq!(least(&before, &before, false), Calls::new());
    let mut after = before.clone();
    after.groups.insert("all".to_owned(), members(201));
    assert_eq!(
        least(&before, &after, false),
        [("scim PATCH Groups/*", 3), ("scim GET Groups/*", 1)].into()
    );
    before.accounts.insert("ada".to_owned(), account(true, "Ada"));
    let mut after = before.clone();
    after.accounts.insert("ada".to_owned(), account(false, "Ada"));
    after.accounts.insert("bob".to_owned(), account(true, "Bob"));
    let wanted = [
        ("scim PATCH Users/*", 1),
        ("scim GET Users/*", 1),
        ("scim GET Users", 1),
        ("scim POST Users", 1),
    ];
    assert_eq!(least(&before, &after, false), wanted.into());
}

/// A search each, as long as that is fewer than the pages of a list and the empty one behind them.
#[test]
fn many_new_accounts_take_one_list_and_few_take_a_search_each() {
    let directory = |number: usize| {
        let account = Account {
            active: true,
            name: String::new(),
        };
        Directory {
            accounts: (0..number)
                .map(|number| (format!("{number:04}"), account.clone()))
                .collect(),
            groups: BTreeMap::new(),
        }
    };
    for (there, new, looks) in [
        (0, 1, 1),
        (0, 50, 1),
        (1, 2, 2),
        (1, 50, 2),
        (100, 50, 2),
        (101, 50, 3),
        (1_000, 11, 11),
        (1_000, 12, 11),
    ] {
        let calls = least(&directory(there), &directory(there + new), false);
        let wanted = [("scim GET Users", looks), ("scim POST Users", new)];
        assert_eq!(calls, wanted.into(), "{new} come to {there}");
    }
}

/// What travels together counts once, and what is taken does not wait for what is given.
#[test]
fn bulk_takes_fewer() {
    let members = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let directory = |groups: &[(&str, &[&str])]| Directory {
        accounts: BTreeMap::new(),
        groups: groups
            .iter()
            .map(|(group, names)| ((*group).to_owned(), members(names)))
            .collect(),
    };
    let before = directory(&[("all", &[]), ("one", &[]), ("two", &["ada"])]);
    let gains = directory(&[("all", &["ada"]), ("one", &["ada"]), ("two", &["ada"])]);
    let wanted = [("scim POST Bulk", 1), ("scim GET Groups/*", 2)];
    assert_eq!(least(&before, &gains, true), wanted.into());
    let moves = directory(&[("all", &[]), ("one", &["ada"]), ("two", &[])]);
    let wanted = [("scim PATCH Groups/*", 2), ("scim GET Groups/*", 2)];
    assert_eq!(least(&before, &moves, true), wanted.into());
    assert_eq!(least(&before, &moves, false), wanted.into());
}

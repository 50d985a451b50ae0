//! People's accounts.

use super::compile::Compiler;
use super::parts::{Listing, Request, Search};
use super::scopes::{with_account, with_operation};
use crate::api::http::{Call, HttpAccount};
use crate::api::target::{AccountAction, TargetSystemSpec};
use crate::decide::expression::{Expect, Reading, Scope, TextTemplate};

/// The shortest delay that can be written: an account that cannot be made unusable is deleted after it.
const AT_ONCE: std::time::Duration = std::time::Duration::from_secs(1);

/// People's accounts, compiled. See [`HttpAccount`].
#[derive(Clone, Debug)]
pub struct Account {
    /// The id of whoever has a name; nothing else counts then.
    pub named: Option<TextTemplate>,
    /// Searches, the strongest first.
    pub find: Vec<Search>,
    /// All accounts.
    pub list: Option<Listing>,
    /// Reads one.
    pub read: Option<Request>,
    /// Its record, over `response`.
    pub record: Option<Reading>,
    /// Its id, over `item`.
    pub id: Option<Reading>,
    /// Whether it is usable, over `item`.
    pub active: Option<Reading>,
    /// Whether it is an invitation, over `item`.
    pub invited: Option<Reading>,
    /// Our correlation key, over `item`.
    pub correlation_key: Option<Reading>,
    /// The version of the record, over `response` of `read`.
    pub version: Option<Reading>,
    /// What else it goes by, over `item`.
    pub names: Option<Reading>,
    /// Whether it is this person's, over `item`, `employee` and `correlationKey`.
    pub matches: Option<Reading>,
    /// Creates one.
    pub create: Option<Request>,
    /// The new one's id, over `response`.
    pub created_id: Option<Reading>,
    /// Gives it today's attributes.
    pub update: Option<Update>,
    /// Its id after that, over `response`.
    pub updated_id: Option<Reading>,
    /// Makes it usable again.
    pub activate: Option<Update>,
    /// Makes it unusable.
    pub deactivate: Option<Update>,
    /// Deletes it.
    pub delete: Option<Update>,
    /// What is sent, as it was written: a changed template is a changed account.
    pub(super) sources: Vec<String>,
}

/// A change of an account.
#[derive(Clone, Debug)]
pub struct Update {
    /// The request.
    pub request: Request,
    /// Whether it speaks of the record as it is.
    pub needs_item: bool,
}

pub(super) fn build(compiler: &mut Compiler, account: &HttpAccount) -> Account {
    let at = |field: &str| format!("spec.http.account.{field}");
    let person = compiler.scopes.person();
    let answer = compiler.scopes.response();
    let item = compiler.scopes.item();
    let of_account = with_account(Scope::new());
    let of_person = with_account(person.clone());
    let matching = person.clone().json("item");

    let effects = [
        ("create", &account.create),
        ("update", &account.update),
        ("activate", &account.activate),
        ("deactivate", &account.deactivate),
        ("delete", &account.delete),
    ];
    for (field, call) in effects {
        if let Some(call) = call {
            compiler.must_change(&at(field), call);
        }
    }
    if let Some(read) = &account.read {
        compiler.must_read(&at("read"), read);
    }
    check(compiler, account);

    let request = |compiler: &mut Compiler, field: &str, call: &Option<Call>, scope: &Scope| {
        call.as_ref().map(|call| compiler.request(&at(field), call, scope))
    };
    let update = |compiler: &mut Compiler, field: &str, call: &Option<Call>, scope: &Scope| {
        let call = call.as_ref()?;
        let needs_item = speaks_of_item(call);
        compiler.need(
            !needs_item || account.read.is_some() || account.list.is_some(),
            &at("read"),
            &format!("{field} speaks of item, the record as it is: say how it is read"),
        );
        Some(Update {
            request: compiler.request(&at(field), call, &scope.clone().json("item")),
            needs_item,
        })
    };
    let facts = compiler.scopes.facts();
    let named = account
        .named
        .as_ref()
        .and_then(|named| compiler.text(&at("named"), named, &facts));
    let find = account.find.iter().enumerate().map(|(number, search)| {
        let parts = (&search.request, search.items.as_ref(), search.pages.as_ref());
        compiler.search(&at(&format!("find[{number}]")), parts, &person)
    });
    Account {
        named,
        find: find.collect(),
        list: account
            .list
            .as_ref()
            .map(|list| compiler.listing(&at("list"), list, &Scope::new())),
        read: request(compiler, "read", &account.read, &of_account),
        record: compiler.optional(&at("record"), account.record.as_ref(), &answer, Expect::Any),
        id: compiler.optional(&at("id"), some(&account.id), &item, Expect::Text),
        active: compiler.optional(&at("active"), account.active.as_ref(), &item, Expect::Truth),
        invited: compiler.optional(&at("invited"), account.invited.as_ref(), &item, Expect::Truth),
        correlation_key: compiler.optional(
            &at("correlationKey"),
            account.correlation_key.as_ref(),
            &item,
            Expect::Text,
        ),
        version: compiler.optional(&at("version"), account.version.as_ref(), &answer, Expect::Text),
        names: compiler.optional(&at("names"), account.names.as_ref(), &item, Expect::List),
        matches: compiler.optional(&at("matches"), some(&account.matches), &matching, Expect::Truth),
        create: request(compiler, "create", &account.create, &with_operation(person.clone())),
        created_id: compiler.optional(&at("createdId"), account.created_id.as_ref(), &answer, Expect::Text),
        update: update(compiler, "update", &account.update, &of_person),
        updated_id: compiler.optional(&at("updatedId"), account.updated_id.as_ref(), &answer, Expect::Text),
        activate: update(compiler, "activate", &account.activate, &of_person),
        // Whoever left may have no Employee any more: these need the record of what we did alone.
        deactivate: update(compiler, "deactivate", &account.deactivate, &of_account),
        delete: update(compiler, "delete", &account.delete, &of_account),
        sources: [&account.create, &account.update]
            .into_iter()
            .flatten()
            .filter_map(|call| serde_json::to_string(call).ok())
            .collect(),
    }
}

fn some(source: &String) -> Option<&String> {
    (!source.is_empty()).then_some(source)
}

/// What must be there for another to have a meaning.
fn check(compiler: &mut Compiler, account: &HttpAccount) {
    let at = |field: &str| format!("spec.http.account.{field}");
    if account.named.is_some() {
        let bare = HttpAccount {
            named: account.named.clone(),
            ..HttpAccount::default()
        };
        compiler.need(
            *account == bare,
            &at("named"),
            "whoever has this name has an account, so nothing is looked up, made or ended: leave out everything else of \
             account, or leave out named",
        );
        return;
    }
    compiler.need(
        !account.id.is_empty(),
        &at("id"),
        "is missing: say where in a record its id stands, such as item.id",
    );
    compiler.need(
        !account.matches.is_empty(),
        &at("matches"),
        "is missing: say how a record is known to be this person's, such as item.email == employee.workEmail",
    );
    compiler.need(
        !account.find.is_empty() || account.list.is_some(),
        &at("find"),
        "is missing: say how a person's account is found, or how all are listed under list",
    );
    compiler.need(
        account.read.is_some() || account.list.is_some(),
        &at("read"),
        "is missing: say how one account is read, so that it is seen what became of it, or how all are listed under list",
    );
    for (set, field, needs, there) in [
        (account.record.is_some(), "record", "read", account.read.is_some()),
        (account.version.is_some(), "version", "read", account.read.is_some()),
        (
            account.created_id.is_some(),
            "createdId",
            "create",
            account.create.is_some(),
        ),
        (
            account.updated_id.is_some(),
            "updatedId",
            "update",
            account.update.is_some(),
        ),
        (
            account.activate.is_some(),
            "activate",
            "deactivate",
            account.deactivate.is_some(),
        ),
        (
            account.deactivate.is_some(),
            "deactivate",
            "active, which shows whether it was done",
            account.active.is_some(),
        ),
    ] {
        compiler.need(
            !set || there,
            &at(field),
            &format!("means nothing without {needs}: add that, or leave this out"),
        );
    }
    compiler.need(
        account.deactivate.is_none() || account.activate.is_some() || account.create.is_some(),
        &at("activate"),
        "is missing: whoever comes back needs the account that was deactivated; say how, or let create do it",
    );
}

/// What `spec.account` asks of the API that it was not described to do.
pub(super) fn check_ends(compiler: &mut Compiler, spec: &TargetSystemSpec, account: &HttpAccount) {
    if account.named.is_some() {
        return;
    }
    let wanted = spec.account.clone().unwrap_or_default();
    compiler.need(
        account.create.is_some()
            || spec.account.as_ref().is_none_or(|given| !given.create)
            || account.activate.is_some(),
        "spec.account.create",
        "the API was not described to create accounts: add spec.http.account.create, or say false",
    );
    for (end, field) in [(&wanted.on_unused, "onUnused"), (&wanted.on_terminated, "onTerminated")] {
        let path = format!("spec.account.{field}");
        match end.action {
            AccountAction::Keep => {}
            AccountAction::Deactivate => compiler.need(
                account.deactivate.is_some(),
                &path,
                "is Deactivate, also where it is left out for onTerminated, and the API was not described to do that: add \
                 spec.http.account.deactivate, or say Keep, or Delete",
            ),
            AccountAction::Delete => {
                compiler.need(
                    account.delete.is_some(),
                    &path,
                    "is Delete, and the API was not described to do that: add spec.http.account.delete, or say Keep, or Deactivate",
                );
                let after = end.after.as_ref().and_then(crate::api::Duration::get);
                let at_once = after.is_some_and(|after| after <= AT_ONCE);
                compiler.need(
                    account.deactivate.is_some() || at_once,
                    &path,
                    "the account would stay usable until it is deleted: add spec.http.account.deactivate, or say after: 1s",
                );
            }
        }
    }
}

/// Whether a call speaks of `item`; as text, since to read a record in vain does no harm.
fn speaks_of_item(call: &Call) -> bool {
    let names = |text: &str| text.contains("item");
    names(&call.path)
        || call.query.values().any(|text| names(text))
        || call.headers.values().any(|text| names(text))
        || call.form.iter().flatten().any(|(_, text)| names(text))
        || call.json.as_ref().is_some_and(|tree| names(&tree.0.to_string()))
}

//! What can be granted.

use std::collections::{BTreeMap, BTreeSet};

use super::compile::Compiler;
use super::identity::Identity;
use super::parts::{Listing, Request, Search};
use super::scopes::{holds, with_account, with_fields, with_operation};
use crate::api::http::{self, Field, HttpKind, Method, SetOf};
use crate::decide::expression::{Expect, Holds, Reading, Scope};

/// A kind of thing that can be granted, compiled. See [`HttpKind`].
#[derive(Clone, Debug)]
pub struct Kind {
    /// What an Entitlement says of the object.
    pub inputs: Vec<Field>,
    /// What a policy says of a grant.
    pub parameters: Vec<Field>,
    /// The inputs that are the object's id, where they are.
    pub identity: Option<Identity>,
    /// Looks the object up, where they are not.
    pub find: Option<ObjectSearch>,
    /// How it is seen who holds it.
    pub observe: Observe,
    /// Gives it to one account.
    pub grant: Option<Request>,
    /// The id of what was made, over `response` of `grant`.
    pub grant_id: Option<Reading>,
    /// Changes the parameters of a grant.
    pub update: Option<Request>,
    /// Takes it from one account.
    pub revoke: Option<Request>,
    /// Writes the whole set.
    pub replace: Option<Replace>,
    /// Whether the grants of this kind have ids of their own.
    pub has_grant_ids: bool,
    /// Whether a grant cannot be taken back without its own id.
    pub revoke_needs_grant_id: bool,
}

/// Looks an object up.
#[derive(Clone, Debug)]
pub struct ObjectSearch {
    /// The search; speaks of `inputs`.
    pub search: Search,
    /// The object's id, over `item`.
    pub id: Reading,
    /// Whether it is the one, over `item` and `inputs`.
    pub matches: Reading,
}

/// How it is seen who holds an object.
#[derive(Clone, Debug)]
pub struct Observe {
    /// What one look shows.
    pub by: By,
    /// The account that holds it, over `item`.
    pub account: Option<Reading>,
    /// The object's identity, over `item`, in the order of the identity's inputs; or its id alone.
    pub object: Vec<Reading>,
    /// The parts of an item, each a holding, over `item`.
    pub each: Option<Reading>,
    /// Whether the item is a holding at all, over `item`.
    pub held: Option<Reading>,
    /// The grant's own id, over `item`.
    pub grant_id: Option<Reading>,
    /// Our operation id, over `item`.
    pub operation_id: Option<Reading>,
    /// Whether it is an invitation, over `item`.
    pub invited: Option<Reading>,
    /// Parameters as they are, over `item`.
    pub parameters: Vec<(String, Reading)>,
    /// The version of the set, over `response`.
    pub version: Option<Reading>,
}

/// What one look shows.
#[derive(Clone, Debug)]
pub enum By {
    /// Who holds one object.
    Holders(Listing),
    /// Who holds what of the kind.
    All(Listing),
    /// What one account holds of the kind.
    OfAccount(Listing),
    /// What one account holds of one object.
    One {
        /// The read.
        read: Request,
        /// Whether it needs the grant's own id, so that it shows no grant of which that is not known.
        needs_grant_id: bool,
    },
}

/// Writes a whole set.
#[derive(Clone, Debug)]
pub struct Replace {
    /// Whose set it is.
    pub of: SetOf,
    /// The request.
    pub request: Request,
    /// In its place where the set would become empty.
    pub empty: Option<Request>,
}

pub(super) fn build(compiler: &mut Compiler, path: &str, kind: &HttpKind) -> Kind {
    let at = |field: &str| format!("{path}.{field}");
    let inputs = with_fields(Scope::new(), "inputs", &kind.inputs);
    let answer = compiler.scopes.response();
    let object = with_object(Scope::new(), kind);
    // An object or an account that was revoked from may have no Entitlement and no Employee any more: the record of what
    // we did must do.
    let of_grant = with_account(object.clone()).record("grant", [("id", Holds::Text)]);
    let person = with_object(with_account(with_operation(compiler.scopes.person())), kind);
    let giving = with_fields(person, "inputs", &kind.inputs);
    let giving = with_fields(giving, "parameters", &kind.parameters);

    check_fields(compiler, path, kind);
    check_calls(compiler, path, kind);

    let mentions_grant = |call: &Option<http::Call>| call.as_ref().is_some_and(speaks_of_grant);
    Kind {
        inputs: kind.inputs.clone(),
        parameters: kind.parameters.clone(),
        identity: kind.identity.as_ref().map(|names| Identity::of(names, &kind.inputs)),
        find: kind.find.as_ref().map(|find| ObjectSearch {
            search: compiler.search(
                &at("find"),
                (&find.request, find.items.as_ref(), find.pages.as_ref()),
                &inputs,
            ),
            id: {
                let item = compiler.scopes.item();
                compiler.reading(&at("find.id"), &find.id, &item, Expect::Text)
            },
            matches: compiler.reading(
                &at("find.matches"),
                &find.matches,
                &inputs.clone().json("item"),
                Expect::Truth,
            ),
        }),
        observe: observe(compiler, &at("observe"), kind, &object, &of_grant),
        grant: kind
            .grant
            .as_ref()
            .map(|call| compiler.request(&at("grant"), call, &giving)),
        grant_id: compiler.optional(&at("grantId"), kind.grant_id.as_ref(), &answer, Expect::Text),
        update: kind.update.as_ref().map(|call| {
            compiler.request(
                &at("update"),
                call,
                &giving.clone().record("grant", [("id", Holds::Text)]),
            )
        }),
        revoke: kind
            .revoke
            .as_ref()
            .map(|call| compiler.request(&at("revoke"), call, &with_operation(of_grant.clone()))),
        replace: kind.replace.as_ref().map(|replace| {
            let scope = match replace.of {
                SetOf::Account => with_account(Scope::new()),
                SetOf::Object => object.clone(),
            };
            let scope = scope.json("set").json("response");
            let scope = match kind.observe.each {
                Some(_) if replace.of == SetOf::Account => scope.json("item"),
                _ => scope,
            };
            Replace {
                of: replace.of,
                request: compiler.request(&at("replace.request"), &replace.request, &scope),
                empty: replace
                    .empty
                    .as_ref()
                    .map(|call| compiler.request(&at("replace.empty"), call, &scope)),
            }
        }),
        has_grant_ids: kind.grant_id.is_some() || kind.observe.grant_id.is_some(),
        revoke_needs_grant_id: mentions_grant(&kind.revoke),
    }
}

/// `object.id`, and beside it the inputs that are the identity.
fn with_object(scope: Scope, kind: &HttpKind) -> Scope {
    let names = kind.identity.iter().flatten();
    let fields = names.filter_map(|name| {
        let field = kind.inputs.iter().find(|field| field.name == *name)?;
        Some((field.name.as_str(), holds(field.type_)))
    });
    let fields: BTreeMap<&str, Holds> = fields.chain([("id", Holds::Text)]).collect();
    scope.record("object", fields)
}

fn speaks_of_grant(call: &http::Call) -> bool {
    let names = |text: &str| text.contains("grant.");
    names(&call.path)
        || call.query.values().any(|text| names(text))
        || call.headers.values().any(|text| names(text))
        || call.form.iter().flatten().any(|(_, text)| names(text))
        || call.json.as_ref().is_some_and(|tree| names(&tree.0.to_string()))
}

fn observe(compiler: &mut Compiler, path: &str, kind: &HttpKind, object: &Scope, of_grant: &Scope) -> Observe {
    let at = |field: &str| format!("{path}.{field}");
    let seen = &kind.observe;
    check_observe(compiler, path, kind);
    let whole = compiler.scopes.item();
    let item = match &seen.each {
        Some(_) => whole.clone().json("part"),
        None => whole.clone(),
    };
    let answer = compiler.scopes.response();
    let by = if let Some(list) = &seen.holders {
        By::Holders(compiler.listing(&at("holders"), list, object))
    } else if let Some(list) = &seen.all {
        By::All(compiler.listing(&at("all"), list, &Scope::new()))
    } else if let Some(list) = &seen.of_account {
        By::OfAccount(compiler.listing(&at("ofAccount"), list, &with_account(Scope::new())))
    } else {
        let call = seen.one.clone().unwrap_or_default();
        compiler.must_read(&at("one"), &call);
        By::One {
            needs_grant_id: speaks_of_grant(&call),
            read: compiler.request(&at("one"), &call, of_grant),
        }
    };
    let names: Vec<&String> = match &kind.identity {
        Some(names) => names.iter().collect(),
        None => seen.object.keys().collect(),
    };
    let object = names.into_iter().filter_map(|name| {
        let source = seen.object.get(name)?;
        Some(compiler.reading(&at(&format!("object[{name}]")), source, &item, Expect::Text))
    });
    let object = object.collect();
    let parameters = seen.parameters.iter().map(|(name, source)| {
        let path = at(&format!("parameters[{name}]"));
        (name.clone(), compiler.reading(&path, source, &item, Expect::Text))
    });
    let parameters = parameters.collect();
    Observe {
        by,
        account: compiler.optional(&at("account"), seen.account.as_ref(), &whole, Expect::Text),
        each: compiler.optional(&at("each"), seen.each.as_ref(), &whole, Expect::List),
        object,
        held: compiler.optional(&at("held"), seen.held.as_ref(), &item, Expect::Truth),
        grant_id: compiler.optional(&at("grantId"), seen.grant_id.as_ref(), &item, Expect::Text),
        operation_id: compiler.optional(&at("operationId"), seen.operation_id.as_ref(), &item, Expect::Text),
        invited: compiler.optional(&at("invited"), seen.invited.as_ref(), &item, Expect::Truth),
        parameters,
        version: compiler.optional(&at("version"), seen.version.as_ref(), &answer, Expect::Text),
    }
}

fn check_fields(compiler: &mut Compiler, path: &str, kind: &HttpKind) {
    for (fields, place) in [(&kind.inputs, "inputs"), (&kind.parameters, "parameters")] {
        let mut seen = BTreeSet::new();
        for (number, field) in fields.iter().enumerate() {
            compiler.need(
                seen.insert(&field.name),
                &format!("{path}.{place}[{number}].name"),
                "another one has this name: name them differently",
            );
        }
    }
    for (number, name) in kind.identity.iter().flatten().enumerate() {
        let at = format!("{path}.identity[{number}]");
        match kind.inputs.iter().find(|field| field.name == *name) {
            None => compiler.problem(&at, format!("there is no input {name}: declare it under inputs")),
            Some(field) => {
                compiler.need(
                    !field.optional,
                    &at,
                    &format!(
                        "the input {name} may be left out, and then the object would have no id: make it required"
                    ),
                );
                // `object.id` is the whole id.
                compiler.need(
                    name != "id" || kind.identity.as_ref().is_some_and(|names| names.len() == 1),
                    &at,
                    "object.id is the whole id: name this input otherwise",
                );
            }
        }
    }
    compiler.need(
        kind.identity.is_some() != kind.find.is_some(),
        &format!("{path}.identity"),
        "set exactly one of identity, the inputs that name the object, and find, which looks it up",
    );
}

fn check_calls(compiler: &mut Compiler, path: &str, kind: &HttpKind) {
    let at = |field: &str| format!("{path}.{field}");
    for (field, call) in [
        ("grant", &kind.grant),
        ("update", &kind.update),
        ("revoke", &kind.revoke),
    ] {
        if let Some(call) = call {
            compiler.must_change(&at(field), call);
        }
    }
    match (&kind.grant, &kind.replace) {
        (Some(grant), None) => {
            compiler.need(
                kind.revoke.is_some(),
                &at("revoke"),
                "is missing: what is given must be taken back one day; say how",
            );
            compiler.need(
                kind.update.is_some() || kind.parameters.is_empty() || grant.method == Method::Put,
                &at("update"),
                "is missing: parameters change, and grant can be repeated for it only where it is a PUT; say how, or leave \
                 out parameters",
            );
        }
        (None, Some(replace)) => {
            compiler.must_change(&at("replace.request"), &replace.request);
            if let Some(empty) = &replace.empty {
                compiler.must_change(&at("replace.empty"), empty);
            }
            for (field, set) in [
                ("grantId", kind.grant_id.is_some()),
                ("update", kind.update.is_some()),
                ("revoke", kind.revoke.is_some()),
                ("parameters", !kind.parameters.is_empty()),
                ("observe.grantId", kind.observe.grant_id.is_some()),
            ] {
                compiler.need(
                    !set,
                    &at(field),
                    "has no place where the whole set is written: leave it out",
                );
            }
            let (fits, wanted) = match replace.of {
                SetOf::Account => (
                    kind.observe.of_account.is_some() || kind.observe.all.is_some(),
                    "ofAccount, what the account holds, or all",
                ),
                SetOf::Object => (kind.observe.holders.is_some(), "holders, who holds the object"),
            };
            compiler.need(
                fits,
                &at("observe"),
                &format!("a set is read before it is written: set {wanted}"),
            );
            compiler.need(
                replace.of == SetOf::Object || kind.identity.as_ref().is_none_or(|names| names.len() == 1),
                &at("identity"),
                "a set of objects holds one id for each: name one input",
            );
        }
        _ => compiler.problem(
            path,
            "set grant (with revoke), or replace where the API takes a whole set",
        ),
    }
    let shown = kind.grant_id.is_some() || kind.observe.grant_id.is_some();
    let speaks = |call: &Option<http::Call>| call.as_ref().is_some_and(speaks_of_grant);
    for (field, speaks) in [
        ("revoke", speaks(&kind.revoke)),
        ("update", speaks(&kind.update)),
        ("observe.one", speaks(&kind.observe.one)),
    ] {
        compiler.need(
            shown || !speaks,
            &at(field),
            "speaks of grant.id, and nothing says where that stands: add grantId, over the answer to grant, or observe.grantId",
        );
    }
}

fn check_observe(compiler: &mut Compiler, path: &str, kind: &HttpKind) {
    let at = |field: &str| format!("{path}.{field}");
    let seen = &kind.observe;
    let ways = [
        seen.holders.is_some(),
        seen.all.is_some(),
        seen.of_account.is_some(),
        seen.one.is_some(),
    ];
    compiler.need(
        ways.iter().filter(|set| **set).count() == 1,
        path,
        "set exactly one of holders, all, ofAccount and one",
    );
    let many_accounts = seen.holders.is_some() || seen.all.is_some();
    compiler.need(
        many_accounts == seen.account.is_some(),
        &at("account"),
        if many_accounts {
            "is missing: say where in an item the holder's account id stands, such as item.user.id"
        } else {
            "the account is known here: leave it out"
        },
    );
    let many_objects = seen.all.is_some() || seen.of_account.is_some();
    let wanted: BTreeSet<String> = match &kind.identity {
        Some(names) => names.iter().cloned().collect(),
        None => BTreeSet::from(["id".to_owned()]),
    };
    let given: BTreeSet<String> = seen.object.keys().cloned().collect();
    let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
    if many_objects {
        compiler.need(
            given == wanted,
            &at("object"),
            &format!(
                "must say which object an item is about, by exactly these: {}",
                names.join(", ")
            ),
        );
    } else {
        compiler.need(
            given.is_empty(),
            &at("object"),
            "the object is known here: leave it out",
        );
    }
    compiler.need(
        seen.each.is_none() || seen.one.is_none(),
        &at("each"),
        "one shows one holding, which has no parts: leave it out",
    );
    for name in seen.parameters.keys() {
        compiler.need(
            kind.parameters.iter().any(|field| field.name == *name),
            &at(&format!("parameters[{name}]")),
            "there is no such parameter: declare it under parameters",
        );
    }
    compiler.need(
        seen.version.is_none() || kind.replace.is_some(),
        &at("version"),
        "is sent with replace alone: leave it out",
    );
}

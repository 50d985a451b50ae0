//! Roles and entitlements of accounts: read, given, taken, and read back.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Resource, text, with_query};
use super::errors::{Failure, Refusal, is_whole};
use super::patch::patch_of;
use super::told::Form;
use super::users::{WHAT, one_with_id};
use super::values::{Attribute, RemoteValue, Shown, Work, are_plain, objects, shown};
use super::{AT_ONCE, ScimTarget, USERS};
use crate::api::entitlement::RemoteObject;
use crate::targets::{Holders, Holding, Order, Receipts, TargetError, Verb};

/// What came of one account's changes: one failure for all of them, or those that were refused.
type Done = Result<BTreeMap<RemoteValue, TargetError>, Failure>;

fn kind_of(kind: &str) -> Result<Attribute, Failure> {
    Attribute::of_kind(kind).ok_or_else(|| {
        TargetError::Refused(format!("a {kind} where an account has roles and entitlements only")).into()
    })
}

fn gone() -> Failure {
    TargetError::Gone("such account".to_owned()).into()
}

impl ScimTarget {
    /// The values of one account; none where it is gone.
    ///
    /// What a record without the attribute means is open, as with a group's members: until this service has once shown values of a
    /// user who was read whole, they are asked for by name as well.
    pub(super) async fn account_values(
        &self,
        kind: &str,
        id: &str,
    ) -> Result<BTreeMap<RemoteObject, Holding>, Failure> {
        let of = kind_of(kind)?;
        let Some(user) = self.user(id).await? else {
            return Ok(BTreeMap::new());
        };
        let mut values = shown(&user.record, of)?;
        if values.is_none() && !self.learned.values_shown() {
            let url = with_query(self.client.resource(USERS, id)?, &[("attributes", of.name())]);
            let by_name = one_with_id(self.client.get(url, WHAT).await, id, WHAT)?;
            values = by_name.map(|user| shown(&user.record, of)).transpose()?.flatten();
        } else if values.as_ref().is_some_and(|values| !values.is_empty()) {
            self.learned.learn_values_shown();
        }
        let values = values.unwrap_or_default();
        self.saw_values(of, id, &values);
        let objects = objects(of, &values).into_iter();
        Ok(objects.map(|object| (object, Holding::default())).collect())
    }

    /// Everybody's values, from one listing of all users. The holders have no version: it is each account that has one.
    pub(super) async fn all_value_holders(&self, kind: &str) -> Result<BTreeMap<RemoteObject, Holders>, Failure> {
        let of = kind_of(kind)?;
        let mut holders: BTreeMap<RemoteObject, Holders> = BTreeMap::new();
        let mut any = false;
        self.each_user(|record| {
            let Some(id) = text(record, "id") else { return Ok(()) };
            let values = shown(record, of)?;
            any |= values.is_some();
            let values = values.unwrap_or_default();
            self.saw_values(of, &id, &values);
            for object in objects(of, &values) {
                let held = &mut holders.entry(object).or_default().ids;
                held.insert(id.clone(), Holding::default());
            }
            Ok(())
        })
        .await?;
        if !any && !self.learned.values_shown() {
            // A list may leave out what each account shows, and nothing is proved by what nobody shows.
            return Err(TargetError::Malformed(format!("a list of accounts of which none shows {}", of.name())).into());
        }
        Ok(holders)
    }

    fn saw_values(&self, of: Attribute, id: &str, values: &[Shown]) {
        if are_plain(values) == Some(true) {
            self.learned.learn_plain_values();
        }
        let held: Vec<String> = objects(of, values).into_iter().map(|object| object.id).collect();
        let held: BTreeSet<&str> = held.iter().map(String::as_str).collect();
        self.learned.told().saw(of.kind(), id, &held);
    }

    /// In which form to tell this work: the furthest that one of its changes has come to.
    pub(super) fn value_form(&self, id: &str, work: &Work) -> Form {
        let told = self.learned.told();
        let forms = work.changes().filter_map(|(value, gives)| {
            let object = value.object().ok()?;
            Some(told.form(&object.kind, id, &object.id, gives))
        });
        forms.max().unwrap_or_default()
    }

    /// That work was answered with 2xx.
    pub(super) fn values_told(&self, id: &str, work: &Work, form: Form) {
        let mut told = self.learned.told();
        for (value, gives) in work.changes() {
            if let Ok(object) = value.object() {
                told.tell(&object.kind, id, &object.id, gives, form);
            }
        }
    }

    /// The `PatchOp` for this work.
    pub(super) fn values_body(&self, work: &Work, form: Form) -> Value {
        work.body(form, self.learned.plain_values())
    }

    /// Gives and takes values, all of an account in one request; an answer for each object, in order.
    pub(super) async fn change_values(&self, changes: &[(&RemoteObject, &[Order])]) -> Vec<Result<Receipts, Failure>> {
        let work = work_of(changes);
        let done: Vec<(String, Done)> = stream::iter(work)
            .map(|(id, work)| async move {
                let done = self.change_account_values(&id, work).await;
                (id, done)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        value_receipts(changes, &done.into_iter().collect())
    }

    /// One account's changes, together; where that is refused, each by itself, so that one value that is not to be had keeps
    /// nobody from the others.
    pub(super) async fn change_account_values(&self, id: &str, mut work: Work) -> Done {
        let refusal = match self.send_values(id, &work).await {
            Ok(()) => return Ok(BTreeMap::new()),
            Err(Failure::Answered(refusal)) if refusal.concerns_part() => refusal,
            Err(failure) => return Err(failure),
        };
        let user = self.user(id).await?.ok_or_else(gone)?;
        let less = work.drop_done(&user.record)?;
        let mut refused = BTreeMap::new();
        let pieces = work.singly();
        if !less && let [piece] = pieces.as_slice() {
            self.insist_on_values(id, piece, refusal, &mut refused).await?;
            return Ok(refused);
        }
        for piece in &pieces {
            match self.send_values(id, piece).await {
                Ok(()) => {}
                Err(Failure::Answered(refusal)) if refusal.concerns_part() => {
                    self.insist_on_values(id, piece, refusal, &mut refused).await?;
                }
                Err(failure) if !is_whole(&failure.error()) => {
                    refused.extend(piece.changes().map(|(value, _)| (value.clone(), failure.error())));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(refused)
    }

    /// A loss that is refused in one form is told in every other; a grant is refused.
    async fn insist_on_values(
        &self,
        id: &str,
        work: &Work,
        refusal: Refusal,
        refused: &mut BTreeMap<RemoteValue, TargetError>,
    ) -> Result<(), Failure> {
        let mut form = self.value_form(id, work);
        while work.add.is_empty() && form != Form::Put {
            form = form.next();
            match self.send_values_as(id, work, form).await {
                Ok(()) => return Ok(()),
                Err(Failure::Answered(refusal)) if refusal.concerns_part() || refusal.unsupported() => {}
                Err(failure) => return Err(failure),
            }
        }
        let error = TargetError::Refused(refusal.words());
        refused.extend(work.changes().map(|(value, _)| (value.clone(), error.clone())));
        Ok(())
    }

    async fn send_values(&self, id: &str, work: &Work) -> Result<(), Failure> {
        if !self.capabilities_known().await?.patch {
            return self.send_values_as(id, work, Form::Put).await;
        }
        match self.send_values_as(id, work, self.value_form(id, work)).await {
            Err(failure) if failure.refusal().is_some_and(Refusal::unsupported) => {
                self.learned.learn_no_patch();
                self.send_values_as(id, work, Form::Put).await
            }
            done => done,
        }
    }

    async fn send_values_as(&self, id: &str, work: &Work, form: Form) -> Result<(), Failure> {
        match form {
            Form::Value | Form::List => {
                let url = self.client.resource(USERS, id)?;
                let body = self.values_body(work, form);
                self.client.change(Method::PATCH, url, Some(&body), None, WHAT).await?;
            }
            Form::Replace | Form::Put => {
                let user = self.user(id).await?.ok_or_else(gone)?;
                let version = user.version.clone();
                match self.write_values(id, work, form, user).await {
                    Err(failure) if version.is_some() && failure.refusal().is_some_and(Refusal::stale) => {
                        let user = self.user(id).await?.ok_or_else(gone)?;
                        self.doubt_versions(version.as_deref(), user.version.as_deref());
                        self.write_values(id, work, form, user).await?;
                    }
                    done => done?,
                }
            }
        }
        self.values_told(id, work, form);
        Ok(())
    }

    /// All values go back with the changes made in them, under the account's version where the server has versions.
    async fn write_values(&self, id: &str, work: &Work, form: Form, mut user: Resource) -> Result<(), Failure> {
        let changed = work.apply(&mut user.record, self.learned.plain_values())?;
        if changed.is_empty() {
            return Ok(());
        }
        if form == Form::Put {
            return self.put_user(id, user).await;
        }
        let url = self.client.resource(USERS, id)?;
        let operations: Vec<Value> = changed
            .into_iter()
            .map(|(of, values)| json!({"op": "replace", "path": of.name(), "value": values}))
            .collect();
        let versions = self.versions().await?;
        let version = user.version.filter(|_| versions);
        let body = patch_of(&operations);
        self.client
            .change(Method::PATCH, url, Some(&body), version.as_deref(), WHAT)
            .await
    }
}

/// The work of each account, over all objects. An account that is to get and to lose the same value keeps it.
pub(super) fn work_of(changes: &[(&RemoteObject, &[Order])]) -> BTreeMap<String, Work> {
    let mut all: BTreeMap<String, Work> = BTreeMap::new();
    for (object, orders) in changes {
        let Some(value) = RemoteValue::read(object) else {
            continue;
        };
        for order in *orders {
            let work = all.entry(order.account_id.clone()).or_default();
            match order.verb {
                Verb::Grant | Verb::Update => work.add.insert(value.clone()),
                Verb::Revoke => work.remove.insert(value.clone()),
            };
        }
    }
    for work in all.values_mut() {
        work.remove.retain(|value| !work.add.contains(value));
    }
    all
}

/// What came of each account's work, by object. What concerns the whole target is each object's error.
pub(super) fn value_receipts(
    changes: &[(&RemoteObject, &[Order])],
    done: &BTreeMap<String, Done>,
) -> Vec<Result<Receipts, Failure>> {
    let receipts = |(object, orders): &(&RemoteObject, &[Order])| {
        let value = RemoteValue::read(object);
        let mut receipts = Receipts::new();
        for order in *orders {
            let receipt = match done.get(&order.account_id) {
                None => continue,
                Some(Err(failure)) if is_whole(&failure.error()) || orders.len() == 1 => return Err(failure.clone()),
                Some(Err(failure)) => Err(failure.error()),
                Some(Ok(refused)) => match value.as_ref().and_then(|value| refused.get(value)) {
                    Some(error) => Err(error.clone()),
                    // The look that follows tells.
                    None => continue,
                },
            };
            receipts.insert(order.account_id.clone(), receipt);
        }
        Ok(receipts)
    };
    changes.iter().map(receipts).collect()
}

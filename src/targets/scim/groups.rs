//! Members of SCIM Groups: read, given, taken, and read back (RFC 7643 section 4.2).

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Resource, with_query};
use super::errors::{Failure, is_whole};
use super::members::{Batch, Members, Sending, batches, form_of, members_of, nested};
use super::patch::patch_of;
use super::told::Form;
use super::users::one_with_id;
use super::{GROUPS, ScimTarget};
use crate::api::entitlement::RemoteObject;
use crate::targets::{Holders, Holding, Receipts, TargetError};

/// The kind of a remote object that is a group.
pub(super) const GROUP_KIND: &str = "Group";
pub(super) const WHAT: &str = "group";

pub(super) fn group_id(object: &RemoteObject) -> Result<&str, Failure> {
    if object.kind == GROUP_KIND {
        Ok(&object.id)
    } else {
        let why = format!(
            "a {} where a SCIM target has groups, roles and entitlements only",
            object.kind
        );
        Err(TargetError::Refused(why).into())
    }
}

pub(super) fn remote(id: String) -> RemoteObject {
    RemoteObject {
        kind: GROUP_KIND.to_owned(),
        id,
    }
}

fn gone() -> Failure {
    TargetError::Gone("such group".to_owned()).into()
}

impl ScimTarget {
    /// The members of a group and its version; `None` where the group is gone.
    ///
    /// Members are asked for by name, since some servers leave them out of a group otherwise. What an answer without
    /// `members` means is then still open: an empty group (RFC 7643 section 2.5 lets a server leave out what is
    /// unassigned), or a server that misreads `attributes`. So until this server has once shown members when asked by
    /// name, the group is looked at whole as well; where neither look has them, there are none.
    async fn members(&self, id: &str) -> Result<Option<(Members, Option<String>)>, Failure> {
        let Some((members, version)) = self.members_by_name(id).await? else {
            return Ok(None);
        };
        if let Some(members) = members {
            return Ok(Some((members, version)));
        }
        if self.learned.members_shown() {
            return Ok(Some((Members::new(), version)));
        }
        let url = self.client.resource(GROUPS, id)?;
        let Some(whole) = one_with_id(self.client.get(url, WHAT).await, id, WHAT)? else {
            return Ok(None);
        };
        let members = members_of(&whole.record)?.unwrap_or_default();
        Ok(Some((members, whole.version)))
    }

    /// The members as the group shows them when asked for by name; `None` where the group is gone.
    async fn members_by_name(&self, id: &str) -> Result<Option<(Option<Members>, Option<String>)>, Failure> {
        let url = with_query(self.client.resource(GROUPS, id)?, &[("attributes", "members")]);
        let Some(group) = one_with_id(self.client.get(url, WHAT).await, id, WHAT)? else {
            return Ok(None);
        };
        let members = members_of(&group.record)?;
        if members.as_ref().is_some_and(|members| !members.is_empty()) {
            self.learned.learn_members_shown();
        }
        Ok(Some((members, group.version)))
    }

    pub(super) async fn group_holders(&self, object: &RemoteObject) -> Result<Option<Holders>, Failure> {
        let id = group_id(object)?;
        let versions = self.versions().await?;
        let Some((members, version)) = self.members(id).await? else {
            return Ok(None);
        };
        let seen = members.keys().map(String::as_str).collect();
        self.learned.told().saw(GROUP_KIND, id, &seen);
        let accounts = members.into_iter().filter(|(_, member)| !nested(member));
        Ok(Some(Holders {
            ids: accounts.map(|(id, _)| (id, Holding::default())).collect(),
            version: version.filter(|_| versions),
        }))
    }

    /// In which form to tell a change of a group's member.
    pub(super) fn member_form(&self, group: &str, account: &str, gives: bool) -> Form {
        form_of(self.learned.told().form(GROUP_KIND, group, account, gives), gives)
    }

    /// That a change was answered with 2xx.
    pub(super) fn member_told(&self, group: &str, account: &str, gives: bool, form: Form) {
        self.learned.told().tell(GROUP_KIND, group, account, gives, form);
    }

    /// Adds and removes members. Receipts are of those whose change was refused, or stayed open after others' were done.
    pub(super) async fn change_group(
        &self,
        object: &RemoteObject,
        add: &BTreeSet<String>,
        remove: &BTreeSet<String>,
    ) -> Result<Receipts, Failure> {
        let id = group_id(object)?;
        let patch = self.capabilities_known().await?.patch;
        let mut sending = Sending::new(batches(add, remove, |account, gives| {
            if patch {
                self.member_form(id, account, gives)
            } else {
                Form::Put
            }
        }));
        let mut receipts = Receipts::new();
        let (mut looked, mut anything) = (false, false);
        while let Some(batch) = sending.waiting.pop_front() {
            let refusal = match self.send_members(id, &batch).await {
                Ok(()) => {
                    anything = true;
                    for (account, gives) in batch.changes() {
                        self.member_told(id, account, gives, batch.form);
                    }
                    continue;
                }
                Err(Failure::Answered(refusal)) if refusal.unsupported() && batch.form != Form::Put => {
                    self.learned.learn_no_patch();
                    sending.waiting.push_front(batch);
                    for batch in &mut sending.waiting {
                        batch.form = Form::Put;
                    }
                    continue;
                }
                Err(Failure::Answered(refusal)) if refusal.concerns_part() => refusal,
                // What is known of the others is not lost for one that stays open.
                Err(failure) if anything && !is_whole(&failure.error()) => {
                    let accounts = batch.changes().map(|(account, _)| account.clone());
                    receipts.extend(accounts.map(|account| (account, Err(failure.error()))));
                    break;
                }
                Err(failure) => return Err(failure),
            };
            // A request is done whole or not at all (RFC 7644 section 3.5.2), so one removal that is done already, or one
            // account that is gone, refuses everybody's changes. First, what is still to be done?
            if looked {
                sending.halve(batch, refusal);
                continue;
            }
            looked = true;
            let (now, _) = self.members(id).await?.ok_or_else(gone)?;
            let now: BTreeSet<String> = now.into_keys().collect();
            sending.waiting.push_front(batch);
            // Where that was not it, whose change is it?
            if !sending.drop_done(&now)
                && let Some(batch) = sending.waiting.pop_front()
            {
                sending.halve(batch, refusal);
            }
        }
        self.insist(id, sending, &mut receipts).await?;
        Ok(receipts)
    }

    /// Removals that were refused by themselves are told in every other form; grants are not: the account may be one that cannot
    /// be a member.
    async fn insist(&self, id: &str, sending: Sending, receipts: &mut Receipts) -> Result<(), Failure> {
        let mut losses = Batch::default();
        for (batch, refusal) in sending.refused {
            for (account, _) in batch.changes() {
                receipts.insert(account.clone(), Err(TargetError::Refused(refusal.words())));
            }
            losses.form = losses.form.max(batch.form);
            losses.remove.extend(batch.remove);
        }
        while !losses.remove.is_empty() && losses.form != Form::Put {
            losses.form = losses.form.next();
            match self.send_members(id, &losses).await {
                Ok(()) => {
                    for account in losses.remove.drain(..) {
                        self.member_told(id, &account, false, losses.form);
                        receipts.remove(&account);
                    }
                }
                Err(Failure::Answered(refusal)) if refusal.concerns_part() || refusal.unsupported() => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    async fn send_members(&self, id: &str, batch: &Batch) -> Result<(), Failure> {
        match batch.form {
            Form::Value | Form::List => {
                let url = self.client.resource(GROUPS, id)?;
                // No If-Match: additions and removals by value do not undo anybody's, whatever the version.
                self.client.change_set(url, &batch.body(), WHAT).await
            }
            Form::Replace | Form::Put => match self.write_members(id, batch).await {
                Ok(Written::Stale(version)) => match self.write_members(id, batch).await? {
                    Written::Stale(again) if version == again => {
                        self.learned.learn_no_versions();
                        self.write_members(id, batch).await.map(|_| ())
                    }
                    Written::Stale(_) => Err(TargetError::Conflict("others keep changing the group".to_owned()).into()),
                    Written::Done => Ok(()),
                },
                done => done.map(|_| ()),
            },
        }
    }

    /// All members go back with the changes made in them, by PATCH or with the whole group (RFC 7644 sections 3.5.1 and 3.5.2.3),
    /// under the group's version where the server has versions. Without versions another writer's change in between is lost: the
    /// protocol has nothing against it, and the read-back shows what came of ours.
    async fn write_members(&self, id: &str, batch: &Batch) -> Result<Written, Failure> {
        let versions = self.versions().await?;
        let url = self.client.resource(GROUPS, id)?;
        let Some(Resource { mut record, version }) = one_with_id(self.client.get(url.clone(), WHAT).await, id, WHAT)?
        else {
            return Err(gone());
        };
        let mut members = if let Some(members) = members_of(&record)? {
            members
        } else {
            // Left out of the whole group may not be empty, and then a PUT of that would empty it.
            let (members, _) = self.members_by_name(id).await?.ok_or_else(gone)?;
            members.unwrap_or_default()
        };
        if !batch.apply(&mut members) {
            return Ok(Written::Done);
        }
        let members: Value = members.into_values().collect();
        let (method, body) = if batch.form == Form::Replace {
            let operation = json!({"op": "replace", "path": "members", "value": members});
            (Method::PATCH, patch_of(&[operation]))
        } else {
            record.retain(|key, _| !key.eq_ignore_ascii_case("meta") && !key.eq_ignore_ascii_case("members"));
            record.insert("members".to_owned(), members);
            (Method::PUT, Value::Object(record))
        };
        let version = version.filter(|_| versions);
        let done = self
            .client
            .change(method, url, Some(&body), version.as_deref(), WHAT)
            .await;
        match done {
            Err(Failure::Answered(refusal)) if version.is_some() && refusal.stale() => Ok(Written::Stale(version)),
            done => done.map(|()| Written::Done),
        }
    }
}

/// What came of writing all members.
enum Written {
    Done,
    /// Somebody else wrote since this version, or the server cannot compare it.
    Stale(Option<String>),
}

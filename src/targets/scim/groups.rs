//! What can be granted: SCIM Groups and their members (RFC 7643 section 4.2).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Record, Resource, attribute, literal, text, with_query};
use super::errors::{Failure, Refusal};
use super::list::Search;
use super::patch::patch_of;
use super::users::one_with_id;
use super::{GROUPS, ScimTarget};
use crate::api::entitlement::{EntitlementSpec, RemoteObject};
use crate::targets::{Found, Holders, Holding, TargetError};

/// The kind of a remote object that is a group.
const GROUP_KIND: &str = "Group";
const WHAT: &str = "group";

/// The most members that one request adds and removes.
pub(super) const MOST_CHANGES: usize = 100;

/// How many more requests a refused one may cost, in the search for the member that is at fault.
const MOST_SPLITS: usize = 40;

/// Members to add and to remove in one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Batch {
    remove: Vec<String>,
    add: Vec<String>,
}

impl Batch {
    fn len(&self) -> usize {
        self.remove.len() + self.add.len()
    }

    /// In two: removals never wait for a grant that is refused, so they go by themselves first.
    fn split(mut self) -> [Self; 2] {
        let rest = if self.remove.is_empty() {
            let half = self.add.len() / 2;
            Self {
                add: self.add.split_off(half),
                remove: Vec::new(),
            }
        } else if self.add.is_empty() {
            let half = self.remove.len() / 2;
            Self {
                remove: self.remove.split_off(half),
                add: Vec::new(),
            }
        } else {
            Self {
                add: std::mem::take(&mut self.add),
                remove: Vec::new(),
            }
        };
        [self, rest]
    }

    /// Leaves out what is so already. Whether that was anything.
    fn drop_done(&mut self, members: &BTreeSet<String>) -> bool {
        let before = self.len();
        self.remove.retain(|id| members.contains(id));
        self.add.retain(|id| !members.contains(id));
        self.len() < before
    }

    /// The `PatchOp`. Each removal is an operation of its own with a value filter: of the forms that RFC 7644 section
    /// 3.5.2.2 allows it is the one that no server answers with 200 and then ignores.
    fn body(&self) -> Value {
        let mut operations: Vec<Value> = self
            .remove
            .iter()
            .map(|id| json!({"op": "remove", "path": format!("members[value eq {}]", literal(id))}))
            .collect();
        if !self.add.is_empty() {
            let members: Vec<Value> = self.add.iter().map(|id| json!({"value": id})).collect();
            operations.push(json!({"op": "add", "path": "members", "value": members}));
        }
        patch_of(&operations)
    }
}

fn batches(add: &BTreeSet<String>, remove: &BTreeSet<String>) -> VecDeque<Batch> {
    // Losses first: they are what must not wait.
    let all: Vec<(bool, &String)> = remove
        .iter()
        .map(|id| (false, id))
        .chain(add.iter().map(|id| (true, id)))
        .collect();
    all.chunks(MOST_CHANGES)
        .map(|chunk| {
            let mut batch = Batch::default();
            for (add, id) in chunk {
                let list = if *add { &mut batch.add } else { &mut batch.remove };
                list.push((*id).clone());
            }
            batch
        })
        .collect()
}

/// The members of a group by id, as the server wrote them.
type Members = BTreeMap<String, Value>;

/// The members in a record; `None` where it has no such attribute.
fn members_of(record: &Record) -> Result<Option<Members>, TargetError> {
    let unreadable = || TargetError::Malformed("a group with members that have no value".to_owned());
    let Some(list) = attribute(record, "members") else {
        return Ok(None);
    };
    let mut members = Members::new();
    for member in list.as_array().ok_or_else(unreadable)? {
        let id = match member {
            Value::String(id) => Some(id.clone()),
            Value::Object(fields) => text(fields, "value").or_else(|| {
                let reference = text(fields, "$ref")?;
                let (_, id) = reference.rsplit_once('/')?;
                Some(id.to_owned()).filter(|id| !id.is_empty())
            }),
            _ => None,
        };
        // A member that cannot be read may be anybody, so nothing could be proved by such a list.
        members.insert(id.ok_or_else(unreadable)?, member.clone());
    }
    Ok(Some(members))
}

/// Whether a member is a group within the group, which is no account.
fn nested(member: &Value) -> bool {
    let kind = member.as_object().and_then(|member| text(member, "type"));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(GROUP_KIND))
}

fn group_id(object: &RemoteObject) -> Result<&str, Failure> {
    if object.kind == GROUP_KIND {
        Ok(&object.id)
    } else {
        Err(TargetError::Refused(format!("a {} where a SCIM target has groups only", object.kind)).into())
    }
}

fn gone() -> Failure {
    TargetError::Gone("such group".to_owned()).into()
}

impl ScimTarget {
    pub(super) async fn find_group(&self, entitlement: &EntitlementSpec) -> Result<Found<RemoteObject>, Failure> {
        let Some(group) = &entitlement.scim_group else {
            return Err(TargetError::Refused("a SCIM target grants groups: set scimGroup".to_owned()).into());
        };
        match (&group.id, &group.display_name) {
            (Some(id), _) => {
                let url = with_query(self.client.resource(GROUPS, id)?, &[("excludedAttributes", "members")]);
                let found = one_with_id(self.client.get(url, WHAT).await, id, WHAT)?;
                // By the id as the server writes it, since records are compared by it.
                let id = found.and_then(|group| text(&group.record, "id"));
                Ok(id.map_or(Found::None, |id| Found::One(remote(id))))
            }
            (None, Some(name)) => self.find_group_by_name(name).await,
            (None, None) => Err(TargetError::Refused("scimGroup has neither displayName nor id".to_owned()).into()),
        }
    }

    async fn find_group_by_name(&self, name: &str) -> Result<Found<RemoteObject>, Failure> {
        let filter = format!("displayName eq {}", literal(name));
        let mut search = Search {
            endpoint: GROUPS,
            what: WHAT,
            filter: self.capabilities_known().await?.filter.then_some(filter.as_str()),
            without: Some("members"),
        };
        let lower = name.to_lowercase();
        let keep = |record: &Record| text(record, "displayName").is_some_and(|got| got.to_lowercase() == lower);
        let records = match self.client.search(search, keep).await {
            Err(failure) if search.filter.is_some() && failure.refusal().is_some_and(Refusal::concerns_filter) => {
                search.filter = None;
                self.client.search(search, keep).await?
            }
            done => done?,
        };
        // displayName has no case (RFC 7643 section 8.7.1), but some services tell names apart by it.
        let (exact, similar): (Vec<Record>, Vec<Record>) = records
            .into_iter()
            .partition(|record| text(record, "displayName").as_deref() == Some(name));
        let ids = |records: Vec<Record>| {
            records
                .iter()
                .filter_map(|record| text(record, "id"))
                .collect::<Vec<_>>()
        };
        let mut ids = ids(if exact.is_empty() { similar } else { exact });
        match (ids.len(), ids.pop()) {
            (1, Some(id)) => Ok(Found::One(remote(id))),
            (_, None) => Ok(Found::None),
            (number, Some(last)) => {
                ids.push(last);
                ids.truncate(5);
                Ok(Found::Several(format!(
                    "{number} groups have this displayName: {}; set scimGroup.id to the one that is meant",
                    ids.join(", ")
                )))
            }
        }
    }

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
        let etag = self.capabilities_known().await?.etag;
        let Some((members, version)) = self.members(id).await? else {
            return Ok(None);
        };
        let accounts = members.into_iter().filter(|(_, member)| !nested(member));
        Ok(Some(Holders {
            ids: accounts.map(|(id, _)| (id, Holding::default())).collect(),
            version: version.filter(|_| etag),
        }))
    }

    pub(super) async fn change_group(
        &self,
        object: &RemoteObject,
        add: &BTreeSet<String>,
        remove: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let id = group_id(object)?;
        if !self.capabilities_known().await?.patch {
            return self.put_members(id, add, remove).await;
        }
        let mut waiting = batches(add, remove);
        let mut looked = false;
        let mut splits = 0;
        let mut refused: Option<(Refusal, usize)> = None;
        while let Some(batch) = waiting.pop_front() {
            let refusal = match self.patch_members(id, &batch).await {
                Ok(()) => continue,
                Err(Failure::Answered(refusal)) if refusal.unsupported() => {
                    self.learned.learn_no_patch();
                    return self.put_members(id, add, remove).await;
                }
                Err(Failure::Answered(refusal)) if refusal.concerns_part() => refusal,
                Err(failure) => return Err(failure),
            };
            // A request is done whole or not at all (RFC 7644 section 3.5.2), so one removal that is done already, or one
            // account that is gone, refuses everybody's changes. First, what is still to be done?
            if looked {
                split(batch, refusal, &mut waiting, &mut splits, &mut refused);
                continue;
            }
            looked = true;
            let (now, _) = self.members(id).await?.ok_or_else(gone)?;
            let now: BTreeSet<String> = now.into_keys().collect();
            waiting.push_front(batch);
            let mut less = false;
            for batch in &mut waiting {
                less |= batch.drop_done(&now);
            }
            waiting.retain(|batch| batch.len() > 0);
            // Where that was not it, whose change is it?
            if !less && let Some(batch) = waiting.pop_front() {
                split(batch, refusal, &mut waiting, &mut splits, &mut refused);
            }
        }
        let Some((refusal, number)) = refused else {
            return Ok(());
        };
        let all = add.len() + remove.len();
        Err(TargetError::Refused(format!("{}, for {number} of {all} members", refusal.words())).into())
    }

    async fn patch_members(&self, id: &str, batch: &Batch) -> Result<(), Failure> {
        let url = self.client.resource(GROUPS, id)?;
        // No If-Match: additions and removals by value do not undo anybody's, whatever the version.
        self.client
            .change(Method::PATCH, url, Some(&batch.body()), None, WHAT)
            .await
    }

    /// Without PATCH, the whole group goes back with its members changed (RFC 7644 section 3.5.1), under its version
    /// where the server has versions. Without versions another writer's change in between is lost: the protocol has
    /// nothing against it, and the read-back shows what came of ours.
    async fn put_members(&self, id: &str, add: &BTreeSet<String>, remove: &BTreeSet<String>) -> Result<(), Failure> {
        let etag = self.capabilities_known().await?.etag;
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
        let before: BTreeSet<String> = members.keys().cloned().collect();
        members.retain(|id, _| !remove.contains(id));
        for id in add {
            members.entry(id.clone()).or_insert_with(|| json!({"value": id}));
        }
        if members.keys().eq(before.iter()) {
            return Ok(());
        }
        record.retain(|key, _| !key.eq_ignore_ascii_case("meta") && !key.eq_ignore_ascii_case("members"));
        record.insert("members".to_owned(), members.into_values().collect());
        let version = version.as_deref().filter(|_| etag);
        self.client
            .change(Method::PUT, url, Some(&Value::Object(record)), version, WHAT)
            .await
    }
}

/// Halves a refused batch, until the change that is at fault stands alone.
fn split(
    batch: Batch,
    refusal: Refusal,
    waiting: &mut VecDeque<Batch>,
    splits: &mut usize,
    refused: &mut Option<(Refusal, usize)>,
) {
    if batch.len() > 1 && *splits < MOST_SPLITS {
        *splits += 1;
        let [first, second] = batch.split();
        waiting.push_front(second);
        waiting.push_front(first);
    } else {
        let before = refused.take().map_or(0, |(_, number)| number);
        *refused = Some((refusal, before + batch.len()));
    }
}

fn remote(id: String) -> RemoteObject {
    RemoteObject {
        kind: GROUP_KIND.to_owned(),
        id,
    }
}

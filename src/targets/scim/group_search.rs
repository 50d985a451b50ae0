//! What an entitlement stands for: a group that is found, or made where that is asked for (RFC 7643 section 4.2).

use serde_json::json;

use super::client::{Record, literal, text, with_query};
use super::errors::{Failure, Refusal};
use super::groups::{WHAT, remote};
use super::list::Search;
use super::users::one_with_id;
use super::values::RemoteValue;
use super::{GROUPS, ScimTarget};
use crate::api::entitlement::{EntitlementSpec, RemoteObject, ScimGroup};
use crate::targets::{Found, TargetError};

const GROUP_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

fn asked_for(entitlement: &EntitlementSpec) -> Result<&ScimGroup, Failure> {
    entitlement.scim_group.as_ref().ok_or_else(|| {
        let why = "a SCIM target grants groups, roles and entitlements: set scimGroup, scimRole or scimEntitlement";
        TargetError::Refused(why.to_owned()).into()
    })
}

impl ScimTarget {
    pub(super) async fn find_group(&self, entitlement: &EntitlementSpec) -> Result<Found<RemoteObject>, Failure> {
        if let Some(value) = RemoteValue::of(entitlement) {
            // A value is there for whoever is given it.
            return Ok(Found::One(value.object()?));
        }
        let group = asked_for(entitlement)?;
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
            cursor: self.service().await?.cursor,
            whole: false,
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

    /// Makes the group that an entitlement asks for, without members. Looked for first, and again where it stays open whether it
    /// was made: another creator's group is as good, and a second one of the same name would be nobody's.
    pub(super) async fn create_group(&self, entitlement: &EntitlementSpec) -> Result<RemoteObject, Failure> {
        let group = asked_for(entitlement)?;
        let (true, Some(name)) = (group.create, &group.display_name) else {
            return Err(
                TargetError::Refused("scimGroup does not say create: true with a displayName".to_owned()).into(),
            );
        };
        if let Some(object) = the_one(self.find_group_by_name(name).await?)? {
            return Ok(object);
        }
        let body = json!({"schemas": [GROUP_SCHEMA], "displayName": name});
        let done = self.client.post(self.client.endpoint(GROUPS), &body, WHAT).await;
        let failure = match done {
            Ok(answer) => match answer.and_then(|record| text(&record, "id")) {
                Some(id) => return Ok(remote(id)),
                None => TargetError::Ambiguous("POST of group was answered without the group's id".to_owned()).into(),
            },
            Err(failure) => failure,
        };
        let open = matches!(failure.error(), TargetError::Ambiguous(_) | TargetError::Conflict(_));
        if open && let Some(object) = the_one(self.find_group_by_name(name).await?)? {
            return Ok(object);
        }
        Err(failure)
    }
}

/// The group that was found; several are an error, since none of them is the one.
fn the_one(found: Found<RemoteObject>) -> Result<Option<RemoteObject>, Failure> {
    match found {
        Found::None => Ok(None),
        Found::One(object) | Found::Foreign(object, _) => Ok(Some(object)),
        Found::Several(why) => Err(TargetError::Refused(why).into()),
    }
}

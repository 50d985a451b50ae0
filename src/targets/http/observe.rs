//! Who holds what, as a definition describes how to see it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::accounts::checked;
use super::answers::{Answer, Purpose, Verdict};
use super::request::With;
use super::speech::Speech;
use super::{Asked, HttpTarget, Read, remote};
use crate::api::entitlement::RemoteObject;
use crate::api::http::Field;
use crate::decide::definition::{By, Kind, Listing, join_id, typed};
use crate::decide::expression::{Reading, Values};
use crate::targets::{Found, Holders, Holding, TargetError};

/// What one account holds of a kind, by object id.
pub(super) struct OfAccount {
    pub held: BTreeMap<String, Holding>,
    /// The answer with the first page.
    pub answer: Option<Box<Answer>>,
    /// The account's record, where that is where its holdings stand.
    pub record: Option<Json>,
}

/// Who holds an object.
pub(super) struct OfObject {
    pub held: BTreeMap<String, Holding>,
    /// The answer with the first page.
    pub answer: Box<Answer>,
}

impl HttpTarget {
    /// The object that inputs name.
    pub(super) async fn object(
        &self,
        name: &str,
        inputs: &BTreeMap<String, String>,
    ) -> Result<Found<RemoteObject>, TargetError> {
        let kind = self.kind(name)?;
        if let Some(identity) = &kind.identity {
            let id = identity.id(inputs).map_err(TargetError::Refused)?;
            let id = checked(Some(id)).ok_or_else(|| TargetError::Refused("the object's id is too long".to_owned()))?;
            return Ok(Found::One(remote(name, id)));
        }
        let Some(find) = &kind.find else {
            return Err(TargetError::Refused(format!(
                "the kind {name} has neither identity nor find"
            )));
        };
        let speech = Speech::default().record("inputs", typed_all(&kind.inputs, inputs)?);
        let asked = Asked {
            request: &find.search.request,
            items: find.search.items.as_ref(),
            pages: find.search.pages.as_ref(),
        };
        let mut ids = std::collections::BTreeSet::new();
        let mut unclear = None;
        self.client
            .read_all(asked, &speech, &format!("the search for the {name}"), |item| {
                let values = speech.values().json("item", item);
                match find.matches.truth(&values) {
                    Ok(false) => {}
                    Ok(true) => {
                        ids.insert(id_of(&find.id, item, "find.id")?);
                    }
                    Err(why) => unclear = Some(why),
                }
                Ok(())
            })
            .await?;
        let mut ids = ids.into_iter();
        match (ids.next(), ids.next(), unclear) {
            (Some(id), None, _) => Ok(Found::One(remote(name, id))),
            (Some(_), Some(_), _) => Ok(Found::Several(format!(
                "Several objects of the kind {name} match: leave one, or make find.matches stricter."
            ))),
            (None, _, None) => Ok(Found::None),
            (None, _, Some(why)) => Err(TargetError::Malformed(format!(
                "find.matches cannot be told of an item that the search found: {why}"
            ))),
        }
    }

    pub(super) async fn look_at_object(&self, object: &RemoteObject) -> Result<Option<Holders>, TargetError> {
        let kind = self.kind(&object.kind)?;
        match &kind.observe.by {
            By::Holders(list) => {
                let Some(seen) = self.holders_of(object, kind, list).await? else {
                    return Ok(None);
                };
                Ok(Some(Holders {
                    version: version(kind, &seen.answer)?,
                    ids: seen.held,
                }))
            }
            By::All(_) => Ok(Some(
                self.look_at_kind(&object.kind)
                    .await?
                    .remove(object)
                    .unwrap_or_default(),
            )),
            By::OfAccount(_) | By::One { .. } => Err(TargetError::Refused(format!(
                "who holds a {} can only be seen account by account",
                object.kind
            ))),
        }
    }

    /// Who holds an object; `None` where the object is gone.
    pub(super) async fn holders_of(
        &self,
        object: &RemoteObject,
        kind: &Kind,
        list: &Listing,
    ) -> Result<Option<OfObject>, TargetError> {
        let speech = of_object(Speech::default(), object, kind)?;
        let mut held = BTreeMap::new();
        let words = format!("the holders of the {}", object.kind);
        let read = self
            .client
            .read_all(asked(list), &speech, &words, |item| {
                for piece in pieces(kind, item)? {
                    if let Some(holding) = piece.holding(kind)? {
                        put(&mut held, account_of(kind, item)?, holding);
                    }
                }
                Ok(())
            })
            .await?;
        Ok(match read {
            Read::Whole(answer) => Some(OfObject { held, answer }),
            Read::Gone => None,
        })
    }

    pub(super) async fn look_at_kind(&self, name: &str) -> Result<BTreeMap<RemoteObject, Holders>, TargetError> {
        let kind = self.kind(name)?;
        let By::All(list) = &kind.observe.by else {
            return Err(TargetError::Refused(format!("the kind {name} cannot be listed whole")));
        };
        let mut all: BTreeMap<RemoteObject, Holders> = BTreeMap::new();
        let words = format!("the list of every {name}");
        let read = self
            .client
            .read_all(asked(list), &Speech::default(), &words, |item| {
                for piece in pieces(kind, item)? {
                    if let Some(holding) = piece.holding(kind)? {
                        let object = remote(name, piece.object(kind)?);
                        let holders = &mut all.entry(object).or_default().ids;
                        put(holders, account_of(kind, item)?, holding);
                    }
                }
                Ok(())
            })
            .await?;
        match read {
            Read::Whole(_) => Ok(all),
            Read::Gone => Err(not_there(&words)),
        }
    }

    /// What one account holds of a kind. An account that is gone holds nothing.
    pub(super) async fn look_at_account(&self, name: &str, account_id: &str) -> Result<OfAccount, TargetError> {
        let kind = self.kind(name)?;
        let (By::OfAccount(list) | By::All(list)) = &kind.observe.by else {
            return Err(TargetError::Refused(format!(
                "the kind {name} cannot be listed by account"
            )));
        };
        let (mut held, mut record) = (BTreeMap::new(), None);
        let words = format!("what the account holds of the kind {name}");
        let speech = Speech::default().account(account_id);
        let read = self
            .client
            .read_all(asked(list), &speech, &words, |item| {
                // A list of everybody's shows this one's too.
                if kind.observe.account.is_some() && account_of(kind, item)? != account_id {
                    return Ok(());
                }
                if kind.observe.each.is_some() {
                    record = Some(item.clone());
                }
                for piece in pieces(kind, item)? {
                    if let Some(holding) = piece.holding(kind)? {
                        put(&mut held, piece.object(kind)?, holding);
                    }
                }
                Ok(())
            })
            .await?;
        Ok(OfAccount {
            held,
            answer: match read {
                Read::Whole(answer) => Some(answer),
                Read::Gone if matches!(kind.observe.by, By::All(_)) => return Err(not_there(&words)),
                Read::Gone => None,
            },
            record,
        })
    }

    pub(super) async fn look_at_one(
        &self,
        object: &RemoteObject,
        account_id: &str,
        grant_id: &str,
    ) -> Result<Option<Holding>, TargetError> {
        let kind = self.kind(&object.kind)?;
        let (read, needs_grant_id) = match &kind.observe.by {
            By::One { read, needs_grant_id } => (read, *needs_grant_id),
            By::OfAccount(_) => {
                let mut seen = self.look_at_account(&object.kind, account_id).await?;
                return Ok(seen.held.remove(&object.id));
            }
            By::Holders(_) | By::All(_) => {
                let seen = self.look_at_object(object).await?;
                return Ok(seen.and_then(|mut holders| holders.ids.remove(account_id)));
            }
        };
        // Of a grant that was never seen nothing can be seen.
        if needs_grant_id && grant_id.is_empty() {
            return Ok(None);
        }
        let speech = of_object(Speech::default(), object, kind)?
            .account(account_id)
            .grant(grant_id);
        let words = format!("whether the account holds the {}", object.kind);
        let answer = self
            .client
            .call(read, &speech, Purpose::Read, With::default(), &words)
            .await?;
        match answer.verdict {
            Verdict::Good | Verdict::Already => {
                let item = &answer.response["body"];
                let piece = Piece { item, part: None };
                piece.holding(kind)
            }
            Verdict::Gone => Ok(None),
            Verdict::Conflict => Err(TargetError::Conflict(words)),
        }
    }
}

/// The version of the set that an answer shows.
pub(super) fn version(kind: &Kind, answer: &Answer) -> Result<Option<String>, TargetError> {
    let Some(version) = &kind.observe.version else {
        return Ok(None);
    };
    let read = version.text(&Values::new().json("response", &answer.response));
    read.map_err(|why| TargetError::Malformed(format!("observe.version: {why}")))
}

/// Adds `object`, as templates speak of it.
pub(super) fn of_object(speech: Speech, object: &RemoteObject, kind: &Kind) -> Result<Speech, TargetError> {
    let mut fields = BTreeMap::from([("id".to_owned(), Json::from(object.id.as_str()))]);
    if let Some(identity) = &kind.identity {
        let inputs = identity.inputs(&object.id).ok_or_else(|| {
            TargetError::Refused(format!(
                "nothing was sent: the object's id was made of other inputs than identity of the kind {} names now; name \
                 the same ones again",
                object.kind
            ))
        })?;
        fields.extend(inputs);
    }
    Ok(speech.record("object", fields))
}

fn asked(list: &Listing) -> Asked<'_> {
    Asked {
        request: &list.request,
        items: Some(&list.items),
        pages: list.pages.as_ref(),
    }
}

fn not_there(words: &str) -> TargetError {
    TargetError::Malformed(format!("{words} is not there: is its path right?"))
}

/// Keeps one holding for each. Where there are several of one person and object, as two cards, the first by its own id is
/// the one, time and again.
fn put(held: &mut BTreeMap<String, Holding>, key: String, holding: Holding) {
    match held.get_mut(&key) {
        None => {
            held.insert(key, holding);
        }
        Some(known) => {
            if known.grant_id != holding.grant_id {
                tracing::warn!("one account holds one object by several grants: take the superfluous ones back there");
            }
            if holding.grant_id < known.grant_id {
                *known = holding;
            }
        }
    }
}

/// What stands for one holding: an item, or a part of one.
struct Piece<'a> {
    item: &'a Json,
    part: Option<Cow<'a, Json>>,
}

/// The holdings that an item stands for.
fn pieces<'a>(kind: &Kind, item: &'a Json) -> Result<Vec<Piece<'a>>, TargetError> {
    let Some(each) = &kind.observe.each else {
        return Ok(vec![Piece { item, part: None }]);
    };
    let parts = each.items(&Values::new().json("item", item));
    let parts = parts.map_err(|why| TargetError::Malformed(format!("observe.each of an item: {why}")))?;
    let piece = |part| Piece { item, part: Some(part) };
    Ok(parts.into_iter().map(piece).collect())
}

impl Piece<'_> {
    fn values(&self) -> Values<'_> {
        let values = Values::new().json("item", self.item);
        match &self.part {
            Some(part) => values.json("part", part),
            None => values,
        }
    }

    /// How it holds; `None` where it is no holding.
    fn holding(&self, kind: &Kind) -> Result<Option<Holding>, TargetError> {
        let observe = &kind.observe;
        let values = self.values();
        let broken = |what: &str, why: &str| TargetError::Malformed(format!("observe.{what} of an item: {why}"));
        let truth = |what: &str, reading: &Option<Reading>, default: bool| match reading {
            None => Ok(default),
            Some(reading) => reading.truth(&values).map_err(|why| broken(what, &why)),
        };
        if !truth("held", &observe.held, true)? {
            return Ok(None);
        }
        let text = |what: &str, reading: &Option<Reading>| match reading {
            None => Ok(String::new()),
            Some(reading) => match reading.evaluate(&values) {
                Ok(None | Some(Json::Null)) => Ok(String::new()),
                Ok(Some(Json::String(text))) => Ok(text),
                Ok(Some(value @ (Json::Number(_) | Json::Bool(_)))) => Ok(value.to_string()),
                Ok(Some(_)) => Err(broken(what, "it is no text")),
                Err(why) => Err(broken(what, &why)),
            },
        };
        let mut parameters = BTreeMap::new();
        for (name, reading) in &observe.parameters {
            let value = reading.text(&values).map_err(|why| broken("parameters", &why))?;
            parameters.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(Some(Holding {
            grant_id: text("grantId", &observe.grant_id)?,
            operation_id: text("operationId", &observe.operation_id)?,
            parameters,
            invited: truth("invited", &observe.invited, false)?,
        }))
    }

    /// The object that it is about.
    fn object(&self, kind: &Kind) -> Result<String, TargetError> {
        let mut parts = Vec::new();
        for reading in &kind.observe.object {
            parts.push(id_read(reading, &self.values(), "observe.object")?);
        }
        Ok(match &kind.identity {
            Some(_) => join_id(&parts),
            None => parts.into_iter().next().unwrap_or_default(),
        })
    }
}

fn account_of(kind: &Kind, item: &Json) -> Result<String, TargetError> {
    match &kind.observe.account {
        Some(reading) => id_of(reading, item, "observe.account"),
        None => Err(TargetError::Malformed("observe.account is not described".to_owned())),
    }
}

fn id_of(reading: &Reading, item: &Json, what: &str) -> Result<String, TargetError> {
    id_read(reading, &Values::new().json("item", item), what)
}

fn id_read(reading: &Reading, values: &Values<'_>, what: &str) -> Result<String, TargetError> {
    let broken = |why: &str| TargetError::Malformed(format!("{what} of an item: {why}"));
    let id = reading.text(values).map_err(|why| broken(&why))?;
    checked(id).ok_or_else(|| broken("it is empty or too long"))
}

/// Values of fields, as their types say.
pub(super) fn typed_all(
    fields: &[Field],
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Json>, TargetError> {
    let mut values = BTreeMap::new();
    for field in fields {
        if let Some(text) = given.get(&field.name) {
            let value =
                typed(text, field.type_).map_err(|why| TargetError::Refused(format!("{} {why}", field.name)))?;
            values.insert(field.name.clone(), value);
        }
    }
    Ok(values)
}

//! Creations and changes that travel together where the service takes that (RFC 7644 section 3.7), and one by one else.

use std::collections::BTreeMap;
use std::ops::Range;

use futures::{FutureExt as _, StreamExt as _, stream};
use reqwest::Method;
use reqwest::StatusCode;
use url::Url;

use super::bulk::{Answer, Operation, ambiguous, body, pieces, read};
use super::errors::{Failure, Refusal};
use super::groups::{GROUP_KIND, WHAT as GROUP};
use super::members::{Batch, batches};
use super::told::Form;
use super::users::WHAT as ACCOUNT;
use super::value_calls::{value_receipts, work_of};
use super::values::Attribute;
use super::{AT_ONCE, GROUPS, ScimTarget, USERS};
use crate::api::entitlement::RemoteObject;
use crate::targets::patience::Again;
use crate::targets::{Account, AccountFacts, Order, Receipts, TargetError, sides};

const BULK: &str = "Bulk";

impl ScimTarget {
    /// Creates accounts; an answer for each, in order.
    pub(super) async fn create_users(&self, people: &[&AccountFacts]) -> Vec<Result<Account, Failure>> {
        let bodies: Vec<_> = people.iter().map(|person| self.creation(person)).collect();
        let operations: Vec<Operation> = bodies
            .iter()
            .flatten()
            .map(|body| Operation {
                method: Method::POST,
                path: format!("/{USERS}"),
                data: body.clone(),
                what: ACCOUNT,
            })
            .collect();
        let mut sent = self.bulk(&operations).await.into_iter();
        let mut accounts = Vec::with_capacity(people.len());
        for (person, body) in people.iter().copied().zip(bodies) {
            let answer = body.map(|_| sent.next().flatten());
            let account = async move {
                match answer? {
                    Some(answer) => self.created(person, answer).await,
                    None => self.create_user(person).await,
                }
            };
            accounts.push(account.boxed());
        }
        stream::iter(accounts).buffered(AT_ONCE).collect().await
    }

    /// Changes the holders of several objects; an answer for each, in order.
    pub(super) async fn change_together(
        &self,
        changes: &[(RemoteObject, Vec<Order>)],
    ) -> Vec<Result<Receipts, Failure>> {
        let values: Vec<(&RemoteObject, &[Order])> = changes
            .iter()
            .filter(|(object, _)| Attribute::of_kind(&object.kind).is_some())
            .map(|(object, orders)| (object, orders.as_slice()))
            .collect();
        let groups: Vec<_> = changes
            .iter()
            .filter(|(object, _)| Attribute::of_kind(&object.kind).is_none())
            .map(|(object, orders)| (object, sides(orders)))
            .collect();
        let work = work_of(&values);
        let may_patch = self.capabilities_known().await.is_ok_and(|can| can.patch);
        // What fits into plain operations, one of each group in a request; all else is done by itself.
        let mut requests: Vec<Vec<Operation>> = vec![Vec::new()];
        let mut by_group = BTreeMap::new();
        for (object, (add, remove)) in groups.iter().filter(|_| may_patch) {
            let form = |id: &str, gives: bool| self.member_form(&object.id, id, gives);
            let parts: Vec<Batch> = batches(add, remove, form).into();
            let Some(path) = self.path(GROUPS, &object.id) else {
                continue;
            };
            if object.kind != GROUP_KIND || parts.iter().any(|part| part.form != Form::Value) {
                continue;
            }
            if requests.len() < parts.len() {
                requests.resize(parts.len(), Vec::new());
            }
            let mut places = Vec::new();
            for (request, part) in requests.iter_mut().zip(parts) {
                let body = part.body();
                places.push((request.len(), part));
                request.push(patch(path.clone(), body, GROUP));
            }
            by_group.insert((*object).clone(), places);
        }
        let mut by_account = BTreeMap::new();
        for (id, work) in work.iter().filter(|_| may_patch) {
            if self.value_form(id, work) == Form::Value
                && let Some(path) = self.path(USERS, id)
            {
                by_account.insert(id.clone(), requests[0].len());
                requests[0].push(patch(path, self.values_body(work, Form::Value), ACCOUNT));
            }
        }
        let mut sent = Vec::with_capacity(requests.len());
        for operations in &requests {
            sent.push(self.bulk(operations).await);
        }
        let answer = |request: usize, number: usize| sent.get(request)?.get(number)?.clone();

        let mut of_groups = BTreeMap::new();
        for (object, (add, remove)) in &groups {
            let (mut failed, mut rest) = (None, Batch::default());
            if let Some(parts) = by_group.get(*object) {
                for (request, (number, part)) in parts.iter().enumerate() {
                    match answer(request, *number) {
                        Some(Ok(_)) => {
                            for (account, gives) in part.changes() {
                                self.member_told(&object.id, account, gives, Form::Value);
                            }
                        }
                        Some(Err(failure)) if !is_for_others(&failure) => failed = Some(failure),
                        _ => {
                            rest.add.extend(part.add.iter().cloned());
                            rest.remove.extend(part.remove.iter().cloned());
                        }
                    }
                }
            } else {
                (rest.add, rest.remove) = (add.iter().cloned().collect(), remove.iter().cloned().collect());
            }
            let done = match failed {
                Some(failure) => Err(failure),
                None if rest.len() == 0 => Ok(Receipts::new()),
                // Whose change it is that was refused, the plain way finds out; and what is one by itself goes that way.
                None => {
                    let (add, remove) = (rest.add.into_iter().collect(), rest.remove.into_iter().collect());
                    self.change_group(object, &add, &remove).await
                }
            };
            of_groups.insert(*object, done);
        }
        let mut of_accounts = BTreeMap::new();
        for (id, work) in work {
            let done = match by_account.get(&id).and_then(|number| answer(0, *number)) {
                Some(Ok(_)) => {
                    self.values_told(&id, &work, Form::Value);
                    Ok(BTreeMap::new())
                }
                Some(Err(failure)) if !is_for_others(&failure) => Err(failure),
                _ => self.change_account_values(&id, work).await,
            };
            of_accounts.insert(id, done);
        }
        let mut of_values = value_receipts(&values, &of_accounts).into_iter();
        let unsaid = || Ok(Receipts::new());
        changes
            .iter()
            .map(|(object, _)| match Attribute::of_kind(&object.kind) {
                Some(_) => of_values.next().unwrap_or_else(unsaid),
                None => of_groups.get(object).cloned().unwrap_or_else(unsaid),
            })
            .collect()
    }

    /// What follows the base URL, of a resource whose id can be part of one.
    fn path(&self, endpoint: &str, id: &str) -> Option<String> {
        let url: Url = self.client.resource(endpoint, id).ok()?;
        let (_, segment) = url.path().rsplit_once('/')?;
        Some(format!("/{endpoint}/{segment}"))
    }

    /// Sends what can travel together, in as few requests as the service takes. `None` of what is to be sent by itself.
    async fn bulk(&self, operations: &[Operation]) -> Vec<Option<Answer>> {
        let mut answers: Vec<Option<Answer>> = vec![None; operations.len()];
        let Ok(mut service) = self.service().await else {
            return answers;
        };
        let mut from = 0;
        while service.capabilities.bulk && from < operations.len() {
            let rest = operations.get(from..).unwrap_or_default();
            let Some(piece) = pieces(rest, service.most_operations, service.most_bytes)
                .into_iter()
                .next()
            else {
                break;
            };
            let piece = from + piece.start..from + piece.end;
            match self.bulk_piece(operations.get(piece.clone()).unwrap_or_default()).await {
                Sent::Answered(said) => put(&mut answers, piece.clone(), said.into_iter().map(Some)),
                Sent::Apart => {}
                Sent::TooLarge => {
                    // The next ones are smaller, and these are among them.
                    match self.service().await {
                        Ok(smaller) if smaller != service => service = smaller,
                        _ => break,
                    }
                    continue;
                }
                Sent::Not(failure) => {
                    let rest = from..operations.len();
                    let failures = rest.clone().map(|_| Some(Err(failure.clone())));
                    put(&mut answers, rest, failures);
                    break;
                }
            }
            from = piece.end;
            match self.service().await {
                Ok(known) => service = known,
                Err(_) => break,
            }
        }
        answers
    }

    async fn bulk_piece(&self, operations: &[Operation]) -> Sent {
        // One by itself is a plain request: what comes of that is told in more detail.
        if operations.len() < 2 {
            return Sent::Apart;
        }
        let body = body(operations);
        // What is changed by value can be told twice; what is made cannot.
        let creates = operations.iter().any(|operation| operation.method == Method::POST);
        let mut patience = self.client.patience();
        let done = loop {
            let done = self
                .client
                .post(self.client.endpoint(BULK), &body, "several operations")
                .await;
            let open = !creates
                && done
                    .as_ref()
                    .is_err_and(|failure| failure.refusal().is_some_and(Refusal::is_open));
            if !(open && patience.allows(Again::Soon).await) {
                break done;
            }
        };
        match done {
            Ok(answer) => {
                let Some(said) = read(operations, answer.as_ref()) else {
                    self.learned.learn_no_bulk();
                    let open = |operation| Err(ambiguous(operation, "the bulk answer cannot be read"));
                    return Sent::Answered(operations.iter().map(open).collect());
                };
                self.learned.learn_bulk_worked();
                Sent::Answered(said)
            }
            Err(Failure::Answered(refusal)) if refusal.status == StatusCode::PAYLOAD_TOO_LARGE => {
                self.learned
                    .learn_smaller_bulk(operations.len(), body.to_string().len());
                Sent::TooLarge
            }
            Err(Failure::Answered(refusal)) if refusal.gone() || refusal.unsupported() => {
                self.learned.learn_no_bulk();
                Sent::Apart
            }
            // The request was not understood or not allowed, and nothing of it was done.
            Err(Failure::Answered(Refusal { status, .. })) if matches!(status.as_u16(), 400 | 403 | 415 | 422) => {
                if !self.learned.bulk_worked() {
                    self.learned.learn_no_bulk();
                }
                Sent::Apart
            }
            Err(failure) => match failure.error() {
                TargetError::Ambiguous(why) => {
                    let open = |operation| Err(ambiguous(operation, &why));
                    Sent::Answered(operations.iter().map(open).collect())
                }
                _ => Sent::Not(failure),
            },
        }
    }
}

/// What came of a bulk request.
enum Sent {
    /// A result for each operation.
    Answered(Vec<Answer>),
    /// These are to be sent one by one.
    Apart,
    /// Half as many are to be tried.
    TooLarge,
    /// Nothing of it, and nothing that would follow.
    Not(Failure),
}

fn put(answers: &mut [Option<Answer>], places: Range<usize>, said: impl Iterator<Item = Option<Answer>>) {
    for (place, said) in places.zip(said) {
        if let Some(slot) = answers.get_mut(place) {
            *slot = said;
        }
    }
}

fn patch(path: String, data: serde_json::Value, what: &'static str) -> Operation {
    Operation {
        method: Method::PATCH,
        path,
        data,
        what,
    }
}

/// Whether a part of an operation may be at fault, or the service does not do it this way.
fn is_for_others(failure: &Failure) -> bool {
    failure
        .refusal()
        .is_some_and(|refusal| refusal.concerns_part() || refusal.unsupported())
}

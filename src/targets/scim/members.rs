//! Changes of a group's members, in requests of a size that services take. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::client::{Record, attribute, literal, text};
use super::errors::Refusal;
use super::groups::GROUP_KIND;
use super::patch::patch_of;
use super::told::Form;
use crate::targets::TargetError;

/// The most members that one request adds and removes.
pub(super) const MOST_CHANGES: usize = 100;

/// How many more requests a refused one may cost, in the search for the member that is at fault.
const MOST_SPLITS: usize = 40;

/// The form in which a change is told: a grant has no form between the plainest, which is a list, and that of all members.
pub(super) fn form_of(form: Form, gives: bool) -> Form {
    if gives && form == Form::List {
        Form::Replace
    } else {
        form
    }
}

/// Members to add and to remove in one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub form: Form,
    pub remove: Vec<String>,
    pub add: Vec<String>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.remove.len() + self.add.len()
    }

    /// The changes, each with whether it gives.
    pub fn changes(&self) -> impl Iterator<Item = (&String, bool)> {
        let remove = self.remove.iter().map(|id| (id, false));
        remove.chain(self.add.iter().map(|id| (id, true)))
    }

    /// In two: removals never wait for a grant that is refused, so they go by themselves first.
    fn split(mut self) -> [Self; 2] {
        let mut rest = Self {
            form: self.form,
            ..Self::default()
        };
        if self.remove.is_empty() {
            rest.add = self.add.split_off(self.add.len() / 2);
        } else if self.add.is_empty() {
            rest.remove = self.remove.split_off(self.remove.len() / 2);
        } else {
            rest.add = std::mem::take(&mut self.add);
        }
        [self, rest]
    }

    /// Leaves out what is so already. Whether that was anything.
    pub fn drop_done(&mut self, members: &BTreeSet<String>) -> bool {
        let before = self.len();
        self.remove.retain(|id| members.contains(id));
        self.add.retain(|id| !members.contains(id));
        self.len() < before
    }

    /// The `PatchOp`. Each removal is an operation of its own with a value filter: of the forms that RFC 7644 section
    /// 3.5.2.2 allows it is the one that is known to be ignored by the fewest. The other names all in one list.
    pub fn body(&self) -> Value {
        let mut operations = Vec::new();
        let listed = |ids: &[String]| -> Vec<Value> { ids.iter().map(|id| json!({"value": id})).collect() };
        if self.form == Form::List && !self.remove.is_empty() {
            operations.push(json!({"op": "remove", "path": "members", "value": listed(&self.remove)}));
        } else {
            let each = self.remove.iter();
            operations
                .extend(each.map(|id| json!({"op": "remove", "path": format!("members[value eq {}]", literal(id))})));
        }
        if !self.add.is_empty() {
            operations.push(json!({"op": "add", "path": "members", "value": listed(&self.add)}));
        }
        patch_of(&operations)
    }

    /// Makes the changes in all members. Whether that was anything.
    pub fn apply(&self, members: &mut Members) -> bool {
        let before = members.len();
        members.retain(|id, _| !self.remove.contains(id));
        let mut changed = members.len() < before;
        for id in &self.add {
            changed |= !members.contains_key(id);
            members.entry(id.clone()).or_insert_with(|| json!({"value": id}));
        }
        changed
    }
}

/// The requests for these changes, by the form in which each is to be told. Losses first: they are what must not wait.
pub(super) fn batches(
    add: &BTreeSet<String>,
    remove: &BTreeSet<String>,
    form: impl Fn(&str, bool) -> Form,
) -> VecDeque<Batch> {
    let mut by_form: BTreeMap<Form, Vec<(bool, &String)>> = BTreeMap::new();
    let remove = remove.iter().map(|id| (false, id));
    for (gives, id) in remove.chain(add.iter().map(|id| (true, id))) {
        by_form.entry(form(id, gives)).or_default().push((gives, id));
    }
    let mut all = VecDeque::new();
    for (form, changes) in by_form {
        let most = match form {
            Form::Value | Form::List => MOST_CHANGES,
            Form::Replace | Form::Put => usize::MAX,
        };
        for chunk in changes.chunks(most) {
            let of = |gives: bool| {
                let those = chunk.iter().filter(move |(given, _)| *given == gives);
                those.map(|(_, id)| (*id).clone()).collect()
            };
            all.push_back(Batch {
                form,
                remove: of(false),
                add: of(true),
            });
        }
    }
    all
}

/// What was refused, and what is still to be sent.
#[derive(Debug, Default)]
pub(super) struct Sending {
    pub waiting: VecDeque<Batch>,
    pub refused: Vec<(Batch, Refusal)>,
    splits: usize,
}

impl Sending {
    pub fn new(waiting: VecDeque<Batch>) -> Self {
        Self {
            waiting,
            ..Self::default()
        }
    }

    /// Leaves out what is so already. Whether that was anything.
    pub fn drop_done(&mut self, members: &BTreeSet<String>) -> bool {
        let mut less = false;
        for batch in &mut self.waiting {
            less |= batch.drop_done(members);
        }
        self.waiting.retain(|batch| batch.len() > 0);
        less
    }

    /// Halves a refused batch, until the change that is at fault stands alone.
    pub fn halve(&mut self, batch: Batch, refusal: Refusal) {
        if batch.len() > 1 && self.splits < MOST_SPLITS {
            self.splits += 1;
            let [first, second] = batch.split();
            self.waiting.push_front(second);
            self.waiting.push_front(first);
        } else {
            self.refused.push((batch, refusal));
        }
    }
}

/// The members of a group by id, as the server wrote them.
pub(super) type Members = BTreeMap<String, Value>;

/// The members in a record; `None` where it has no such attribute.
pub(super) fn members_of(record: &Record) -> Result<Option<Members>, TargetError> {
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
pub(super) fn nested(member: &Value) -> bool {
    let kind = member.as_object().and_then(|member| text(member, "type"));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(GROUP_KIND))
}

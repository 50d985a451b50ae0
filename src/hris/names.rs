//! Which row is which `Employee`, and what a new one is called.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use super::book::Book;
use super::models::{EmployeeRow, Row};
use super::text::clean;
use crate::decide::index::Person;

/// How many characters of the hash a name has at first.
const HASH_LENGTH: usize = 12;
/// The bounds of `source.mergeId` and `source.remoteId`, in characters.
const MERGE_ID_MAX: usize = 64;
const REMOTE_ID_MAX: usize = 256;

/// The name of a new `Employee`: `e-` and 12 characters of base32 (RFC 4648, lower case) of the SHA-256 of the
/// connection's name, a zero byte, and the HR system's id of the person, so that the same person gets the same name in
/// every cluster. A person without such an id goes by `merge:` and Merge's.
pub fn employee_name(connection: &str, remote_id: &str) -> String {
    name_of_length(connection, remote_id, HASH_LENGTH)
}

fn name_of_length(connection: &str, remote_id: &str, length: usize) -> String {
    let hash = hash(&[connection.as_bytes(), &[0], remote_id.as_bytes()]);
    format!("e-{}", hash.get(..length).unwrap_or(&hash))
}

fn hash(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    BASE32_NOPAD.encode(&digest.finalize()).to_lowercase()
}

/// An id as it is kept in `source`: what is too long is kept as its hash, so that it still tells people apart.
fn kept(id: Option<&str>, max: usize) -> Option<String> {
    let id = clean(id?)?;
    if id.chars().nth(max).is_none() {
        return Some(id);
    }
    Some(format!("sha256-{}", hash(&[id.as_bytes()])))
}

/// Merge's id of a row as `source.mergeId` keeps it.
pub fn merge_id(row: &EmployeeRow) -> Option<String> {
    kept(row.id(), MERGE_ID_MAX)
}

/// The HR system's id of a row as `source.remoteId` keeps it.
pub fn remote_id(row: &EmployeeRow) -> Option<String> {
    kept(row.remote_id.as_deref(), REMOTE_ID_MAX)
}

/// Which row is which `Employee`.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// Names of `Employee`s, there already or to be made, by Merge's id of a row. Two rows may be one person.
    pub names: BTreeMap<String, String>,
    /// The one row of each name that speaks for the person.
    pub rows: BTreeMap<String, Arc<EmployeeRow>>,
}

/// Matches rows with the Employees of this connection: by Merge's id, then by the HR system's id, never by name. Only
/// what matches none gets a new name. A deleted row that matches none is left out: nothing is known of that person.
///
/// Where several rows are one person, one that is not deleted speaks before one that is (a person who was entered
/// anew is there, whatever was said last of the old row), then the one that changed last.
pub fn match_rows(connection: &str, book: &Book, existing: &[&Person]) -> Matches {
    let mut by_merge_id: HashMap<&str, &str> = HashMap::new();
    let mut by_remote_id: HashMap<&str, &str> = HashMap::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut sorted = existing.to_vec();
    sorted.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for person in sorted {
        taken.insert(person.name.clone());
        let Some(source) = &person.spec.source else { continue };
        if let Some(id) = &source.merge_id {
            by_merge_id.entry(id).or_insert(&person.name);
        }
        if let Some(id) = &source.remote_id {
            by_remote_id.entry(id).or_insert(&person.name);
        }
    }

    let mut matches = Matches::default();
    // The HR system's id that the row found by Merge's id has now, by name: where that is another one than is recorded, the
    // recorded id has passed to somebody else.
    let mut current: HashMap<&str, Option<String>> = HashMap::new();
    for (id, row) in book.employees.iter() {
        if let Some(&name) = merge_id(row).and_then(|id| by_merge_id.get(id.as_str())) {
            matches.add(id, row, name);
            current.insert(name, remote_id(row));
        }
    }

    let mut unmatched: BTreeMap<(bool, String), Vec<(&String, &Arc<EmployeeRow>)>> = BTreeMap::new();
    for (id, row) in book.employees.iter() {
        if matches.names.contains_key(id) {
            continue;
        }
        let Some(remote) = remote_id(row) else {
            unmatched
                .entry((true, format!("merge:{id}")))
                .or_default()
                .push((id, row));
            continue;
        };
        let known = by_remote_id.get(remote.as_str()).filter(|&&name| {
            current
                .get(name)
                .is_none_or(|now| now.as_ref().is_none_or(|now| *now == remote))
        });
        match known {
            Some(name) => matches.add(id, row, name),
            None => unmatched.entry((false, remote)).or_default().push((id, row)),
        }
    }

    for ((_, key), rows) in unmatched {
        if rows.iter().all(|(_, row)| row.remote_was_deleted) {
            continue;
        }
        let name = (HASH_LENGTH..=52)
            .step_by(4)
            .map(|length| name_of_length(connection, &key, length))
            .find(|name| !taken.contains(name));
        let Some(name) = name else { continue };
        taken.insert(name.clone());
        for (id, row) in rows {
            matches.add(id, row, &name);
        }
    }
    matches
}

impl Matches {
    fn add(&mut self, id: &str, row: &Arc<EmployeeRow>, name: &str) {
        self.names.insert(id.to_owned(), name.to_owned());
        let weight = |row: &EmployeeRow| (!row.remote_was_deleted, row.changed_at(), row.id().map(str::to_owned));
        if self.rows.get(name).is_none_or(|other| weight(other) < weight(row)) {
            self.rows.insert(name.to_owned(), Arc::clone(row));
        }
    }
}

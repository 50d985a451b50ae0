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

type Entry<'a> = (&'a String, &'a Arc<EmployeeRow>);

/// Which row is which `Employee`.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// Names of `Employee`s, there already or to be made, by Merge's id: that of a row, or of somebody who is mirrored and
    /// not listed now. Two rows may be one person.
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
    let mut sorted = existing.to_vec();
    sorted.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut taken: BTreeSet<String> = sorted.iter().map(|person| person.name.clone()).collect();
    let mut by_merge_id: HashMap<&str, &str> = HashMap::new();
    let mut by_remote_id: HashMap<String, &str> = HashMap::new();
    let rows: HashMap<String, &Arc<EmployeeRow>> = book
        .employees
        .iter()
        .filter_map(|(_, row)| Some((merge_id(row)?, row)))
        .collect();
    for person in sorted {
        let Some(source) = &person.spec.source else { continue };
        let mut remote = source.remote_id.clone();
        if let Some(id) = &source.merge_id
            && *by_merge_id.entry(id).or_insert(&person.name) == person.name
            && let Some(row) = rows.get(id)
        {
            // The row says what the HR system's id is now: the recorded one may have passed to somebody else. Only a
            // deleted row that lost its id says nothing.
            remote = remote_id(row).or(remote.filter(|_| row.remote_was_deleted));
        }
        if let Some(id) = remote {
            by_remote_id.entry(id).or_insert(&person.name);
        }
    }

    let mut matches = Matches::default();
    for (id, row) in book.employees.iter() {
        if let Some(name) = merge_id(row).and_then(|id| by_merge_id.get(id.as_str()).copied()) {
            matches.add(id, row, name);
        }
    }

    // By whether the key is Merge's id, and the key.
    let mut unmatched: BTreeMap<(bool, String), Vec<Entry<'_>>> = BTreeMap::new();
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
        match by_remote_id.get(&remote) {
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
    // A row by whose ids the person is not found again is forgotten with this sync.
    let Matches { names, rows } = &mut matches;
    names.retain(|id, name| {
        let (Some(speaking), Some(row)) = (rows.get(name), book.employees.get(id)) else {
            return false;
        };
        speaking.id() == row.id() || remote_id(row).is_some_and(|id| remote_id(speaking) == Some(id))
    });
    // Who is absent is still who they were: their reports keep their manager. Not so the former id of somebody whose row
    // was made anew, which is forgotten with this sync.
    for (id, name) in by_merge_id {
        if !matches.rows.contains_key(name) {
            matches.names.entry(id.to_owned()).or_insert_with(|| name.to_owned());
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hris::testing::{book, mirrored};

    fn names(book: &Book, existing: &[&Person]) -> Vec<(String, String)> {
        let matches = match_rows("hr", book, existing);
        let spoken = |(name, row): (String, Arc<EmployeeRow>)| (name, row.id.clone().unwrap());
        matches.rows.into_iter().map(spoken).collect()
    }

    fn pair(name: &str, id: &str) -> (String, String) {
        (name.to_owned(), id.to_owned())
    }

    #[test]
    fn a_name_is_twelve_characters_of_the_hash() {
        // printf 'hr\0r1' | sha256sum | cut -d' ' -f1 | xxd -r -p | base32 | head -c 12
        assert_eq!(employee_name("hr", "r1"), "e-3jwsatlci6ox");
        assert_ne!(employee_name("hr", "r1"), employee_name("h", "rr1"));
    }

    #[test]
    fn merges_id_counts_before_the_hr_systems_id_and_names_never() {
        let ada = mirrored("ada", "m1", Some("r1"));
        // Merge's id is known: the HR system's may change.
        let rows = book(json!({"employees": [{"id": "m1", "remote_id": "r9"}]}));
        assert_eq!(names(&rows, &[&ada]), [pair("ada", "m1")]);
        // Merge made its row anew.
        let rows = book(json!({"employees": [{"id": "m2", "remote_id": "r1"}]}));
        assert_eq!(names(&rows, &[&ada]), [pair("ada", "m2")]);
        // Neither is known, and the name that it would get is somebody else's.
        let taken = mirrored(&employee_name("hr", "r2"), "m1", Some("r1"));
        let rows = book(json!({"employees": [{"id": "m2", "remote_id": "r2"}]}));
        let [(name, _)] = &names(&rows, &[&taken])[..] else {
            unreachable!()
        };
        assert_eq!(name.len(), 2 + 16);
        assert!(name.starts_with(&employee_name("hr", "r2")));
    }

    #[test]
    fn an_id_that_passed_to_somebody_else_is_theirs() {
        let ada = mirrored("ada", "m1", Some("r1"));
        let rows = book(json!({"employees": [{"id": "m1", "remote_id": "r2"}, {"id": "m2", "remote_id": "r1"}]}));
        assert_eq!(
            names(&rows, &[&ada]),
            [pair("ada", "m1"), pair(&employee_name("hr", "r1"), "m2")]
        );
    }

    #[test]
    fn of_two_rows_of_one_person_the_one_that_lives_then_the_later_one_speaks() {
        let early = "2026-01-01T00:00:00Z";
        let late = "2026-01-02T00:00:00Z";
        for (first, second, speaks) in [
            (json!({"modified_at": early}), json!({"modified_at": late}), "m2"),
            (json!({"modified_at": late}), json!({"modified_at": early}), "m1"),
            (
                json!({"modified_at": early}),
                json!({"modified_at": late, "remote_was_deleted": true}),
                "m1",
            ),
            (json!({}), json!({}), "m2"),
        ] {
            let (mut first, mut second) = (first, second);
            (first["id"], second["id"]) = (json!("m1"), json!("m2"));
            (first["remote_id"], second["remote_id"]) = (json!("r1"), json!("r1"));
            let rows = book(json!({"employees": [first, second]}));
            assert_eq!(names(&rows, &[]), [pair(&employee_name("hr", "r1"), speaks)]);
            let ada = mirrored("ada", "m1", Some("r1"));
            assert_eq!(names(&rows, &[&ada]), [pair("ada", speaks)]);
            assert_eq!(match_rows("hr", &rows, &[&ada]).names.len(), 2);
        }
    }

    #[test]
    fn shells_and_unknown_deleted_rows_are_nobody_and_a_row_without_remote_id_is_somebody() {
        let rows = book(json!({"employees": [
            {"id": null, "remote_id": "r1"},
            {"id": "m2", "remote_id": "r2", "remote_was_deleted": true},
            {"id": "m3", "remote_id": " "},
            {"id": "m4"},
        ]}));
        let mut expected = [
            pair(&employee_name("hr", "merge:m3"), "m3"),
            pair(&employee_name("hr", "merge:m4"), "m4"),
        ];
        expected.sort();
        assert_eq!(names(&rows, &[]), expected);
    }

    #[test]
    fn ids_that_are_too_long_still_tell_people_apart() {
        let long = |end: &str| "x".repeat(300) + end;
        let rows =
            book(json!({"employees": [{"id": "m1", "remote_id": long("1")}, {"id": "m2", "remote_id": long("2")}]}));
        assert_eq!(names(&rows, &[]).len(), 2);
        let kept = remote_id(rows.employees.get("m1").unwrap()).unwrap();
        assert!(kept.len() <= 64);
        let ada = mirrored("ada", "m0", Some(&kept));
        assert!(names(&rows, &[&ada]).contains(&pair("ada", "m1")));
    }

    #[test]
    fn who_is_not_listed_keeps_the_name() {
        let ada = mirrored("ada", "m1", Some("r1"));
        let matches = match_rows("hr", &Book::default(), &[&ada]);
        assert_eq!(matches.names["m1"], "ada");
        assert!(matches.rows.is_empty());
    }
}

//! What a service was told, answered with 2xx, and has not been seen to do.
//!
//! A 2xx is no proof: services are known that take one form of a change and do nothing. Who asks again for what was told already
//! has seen that it was not done, so it is told in another form; and the form that was seen to work is the first from then on.

use std::collections::{BTreeMap, BTreeSet};

/// The most changes that are remembered. Beyond, all are forgotten: that costs a repetition in the first form.
const MOST: usize = 20_000;

/// A change: of what, of whose hold of it, and whether it gives or takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    /// The kind and the id of the object.
    object: (String, String),
    account: String,
    gives: bool,
}

/// How to say a change: the first form is the plainest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// PATCH of just that value, as a path with a filter where it is taken.
    #[default]
    Value,
    /// PATCH that names the values in a list.
    List,
    /// PATCH that replaces all values.
    Replace,
    /// PUT of the whole resource.
    Put,
}

impl Form {
    /// The next one to try; after the last the first, since a service may be mended.
    pub fn next(self) -> Self {
        match self {
            Self::Value => Self::List,
            Self::List => Self::Replace,
            Self::Replace => Self::Put,
            Self::Put => Self::Value,
        }
    }
}

/// What was told and not seen.
#[derive(Debug, Default)]
pub(super) struct Told {
    open: BTreeMap<Change, Form>,
    /// By kind and direction, the form that was seen to work where another was not.
    works: BTreeMap<(String, bool), Form>,
}

impl Told {
    /// The form in which to tell this.
    pub fn form(&self, kind: &str, id: &str, account: &str, gives: bool) -> Form {
        match self.open.get(&change(kind, id, account, gives)) {
            Some(form) => form.next(),
            None => self.works.get(&(kind.to_owned(), gives)).copied().unwrap_or_default(),
        }
    }

    /// It was told in this form and answered with 2xx.
    pub fn tell(&mut self, kind: &str, id: &str, account: &str, gives: bool, form: Form) {
        if self.open.len() >= MOST {
            self.open.clear();
        }
        self.open.insert(change(kind, id, account, gives), form);
        self.open.remove(&change(kind, id, account, !gives));
    }

    /// These accounts hold the object, and no others.
    pub fn saw(&mut self, kind: &str, id: &str, holders: &BTreeSet<&str>) {
        let open = &mut self.open;
        let works = &mut self.works;
        let of_this = change(kind, id, "", false);
        let mut done = Vec::new();
        for (change, form) in open.range(of_this.clone()..) {
            if change.object != of_this.object {
                break;
            }
            if holders.contains(change.account.as_str()) == change.gives {
                done.push(change.clone());
                if *form != Form::default() {
                    works.insert((kind.to_owned(), change.gives), *form);
                }
            }
        }
        for change in done {
            open.remove(&change);
        }
    }
}

fn change(kind: &str, id: &str, account: &str, gives: bool) -> Change {
    Change {
        object: (kind.to_owned(), id.to_owned()),
        account: account.to_owned(),
        gives,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_again_is_told_in_another_form_and_what_worked_comes_first() {
        let mut told = Told::default();
        assert_eq!(told.form("Group", "g", "a", false), Form::Value);
        told.tell("Group", "g", "a", false, Form::Value);
        // Seen there still.
        told.saw("Group", "g", &BTreeSet::from(["a"]));
        assert_eq!(told.form("Group", "g", "a", false), Form::List);
        // It says nothing of others, nor of grants.
        assert_eq!(told.form("Group", "g", "b", false), Form::Value);
        assert_eq!(told.form("Group", "h", "a", false), Form::Value);
        assert_eq!(told.form("Group", "g", "a", true), Form::Value);
        told.tell("Group", "g", "a", false, Form::List);
        told.saw("Group", "g", &BTreeSet::from(["b"]));
        assert_eq!(told.form("Group", "other", "z", false), Form::List);
        assert_eq!(told.form("Role", "g", "a", false), Form::Value);
    }

    #[test]
    fn what_was_seen_done_begins_anew() {
        let mut told = Told::default();
        told.tell("Group", "g", "a", false, Form::Value);
        told.saw("Group", "g", &BTreeSet::new());
        assert_eq!(told.form("Group", "g", "a", false), Form::Value);
        // Given in between, the other way round.
        told.tell("Group", "g", "a", false, Form::Value);
        told.tell("Group", "g", "a", true, Form::Value);
        assert_eq!(told.form("Group", "g", "a", false), Form::Value);
        let forms = [Form::Value, Form::List, Form::Replace, Form::Put];
        assert!(
            forms
                .into_iter()
                .zip(forms.into_iter().cycle().skip(1))
                .all(|(a, b)| a.next() == b)
        );
    }
}

//! How objects of each kind come in and go out.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::{Change, Entry, Kind, Namespace, Person, is_newer};
use crate::api::conditions::READY;
use crate::api::employee::Employee;
use crate::api::{AccessException, ChangeSet, Entitlement, HRISConnection, ProvisioningPolicy, TargetSystem};

/// A kind that the index holds.
pub trait Indexed: kube::Resource<DynamicType = ()> + Clone {
    /// Which kind it is.
    const KIND: Kind;
    /// Puts the object in, unless what is there is newer.
    fn put(self, namespace: &mut Namespace) -> Change;
    /// Puts in that the object of this metadata cannot be read.
    fn put_broken(namespace: &mut Namespace, metadata: &ObjectMeta, error: String) -> Change;
    /// Takes the object of this name out.
    fn remove(namespace: &mut Namespace, name: &str) -> Change;
    /// Names of all that is in.
    fn names(namespace: &Namespace) -> Vec<String>;
    /// Names of the people whom the object of this name concerns, as it is in; `None` where that may be anybody.
    fn concerns(_namespace: &Namespace, _name: &str) -> Option<Vec<String>> {
        None
    }
}

impl Indexed for Employee {
    const KIND: Kind = Kind::Employee;

    fn put(self, namespace: &mut Namespace) -> Change {
        namespace.put_person(Person::from(self))
    }

    fn put_broken(namespace: &mut Namespace, metadata: &ObjectMeta, error: String) -> Change {
        let name = metadata.name.clone().unwrap_or_default();
        namespace.remove_person(&name);
        namespace.broken_employees.insert(name, error);
        Change::Facts
    }

    fn remove(namespace: &mut Namespace, name: &str) -> Change {
        namespace.remove_person(name)
    }

    fn names(namespace: &Namespace) -> Vec<String> {
        namespace
            .employees
            .keys()
            .chain(namespace.broken_employees.keys())
            .cloned()
            .collect()
    }

    fn concerns(namespace: &Namespace, name: &str) -> Option<Vec<String>> {
        Some(namespace.who_shares_an_exception(name))
    }
}

macro_rules! indexed {
    ($kind:ident, $field:ident, $basis:expr $(, $remember:ident, $forget:ident, $concerns:ident)? $(; $changed:ident)?) => {
        impl Indexed for $kind {
            const KIND: Kind = Kind::$kind;

            fn put(mut self, namespace: &mut Namespace) -> Change {
                self.metadata.managed_fields = None;
                let mut change = Change::Facts;
                if let Some(Entry::Readable(old)) = namespace.$field.get(&self.name_any()) {
                    let version = self.resource_version().unwrap_or_default();
                    if old.uid() == self.uid() && !is_newer(&version, &old.resource_version().unwrap_or_default()) {
                        return Change::None;
                    }
                    if same_basis(&old.metadata, &self.metadata) && $basis(old) == $basis(&self) {
                        change = Change::Own;
                    }
                }
                let object = Arc::new(self);
                $(namespace.$remember(&object);)?
                namespace
                    .$field
                    .insert(object.name_any(), Entry::Readable(object));
                $(namespace.$changed();)?
                change
            }

            fn put_broken(namespace: &mut Namespace, metadata: &ObjectMeta, error: String) -> Change {
                let entry = Entry::Broken {
                    error,
                    generation: metadata.generation,
                };
                let name = metadata.name.clone().unwrap_or_default();
                $(namespace.$forget(&name);)?
                namespace.$field.insert(name, entry);
                $(namespace.$changed();)?
                Change::Facts
            }

            fn remove(namespace: &mut Namespace, name: &str) -> Change {
                $(namespace.$forget(name);)?
                let removed = namespace.$field.remove(name);
                $(namespace.$changed();)?
                match removed {
                    Some(_) => Change::Facts,
                    None => Change::None,
                }
            }

            fn names(namespace: &Namespace) -> Vec<String> {
                namespace.$field.keys().cloned().collect()
            }
            $(
            fn concerns(namespace: &Namespace, name: &str) -> Option<Vec<String>> {
                namespace.$concerns(name)
            }
            )?
        }
    };
}

// Of a status, only an entitlement's decides anything: the remote object that it stands for.
indexed!(ProvisioningPolicy, policies, |_: &ProvisioningPolicy| ());
indexed!(Entitlement, entitlements, |entitlement: &Entitlement| {
    let status = entitlement.status.as_ref()?;
    let ready = status
        .conditions
        .iter()
        .find(|c| c.type_ == READY)
        .map(|c| c.status.clone());
    Some((status.remote.clone(), ready, status.observed_generation))
});
indexed!(TargetSystem, targets, |_: &TargetSystem| (); targets_changed);
indexed!(HRISConnection, connections, |_: &HRISConnection| (); connections_changed);
indexed!(
    AccessException,
    exceptions,
    |_: &AccessException| (),
    remember_exception,
    forget_exception,
    whom_exception_concerns
);
indexed!(ChangeSet, change_sets, |_: &ChangeSet| ());

/// Whether two versions of an object ask for the same, as far as their metadata say.
fn same_basis(old: &ObjectMeta, new: &ObjectMeta) -> bool {
    old.uid == new.uid
        && old.generation == new.generation
        && old.annotations == new.annotations
        && old.deletion_timestamp == new.deletion_timestamp
}

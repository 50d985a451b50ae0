//! The mirrored attributes, as data: what is said of all of them is said once.

use crate::api::common::NameRef;
use crate::api::employee::{EmployeeSpec, GroupPath, Location};
use crate::api::hris_connection::Field;

/// One mirrored attribute.
pub struct Attribute {
    /// Its name in `Employee.spec`, as `source.unconfirmed` lists it.
    pub name: &'static str,
    /// What allows it.
    pub field: Field,
    /// Whether it has no value.
    pub is_empty: fn(&EmployeeSpec) -> bool,
    /// Whether the first had a value, or a part of one, where the second has none.
    pub is_lost: fn(&EmployeeSpec, &EmployeeSpec) -> bool,
    /// Whether what the second lost earlier, the first being what is mirrored, may still be lost.
    pub stays_lost: fn(&EmployeeSpec, &EmployeeSpec) -> bool,
    /// Copies it, value or not, from the first into the second.
    pub copy: fn(&EmployeeSpec, &mut EmployeeSpec),
}

/// How values of a type are lost.
trait Losable {
    fn has_none(&self) -> bool;

    fn is_lost(&self, new: &Self) -> bool {
        !self.has_none() && new.has_none()
    }

    fn stays_lost(&self, new: &Self) -> bool {
        new.has_none()
    }
}

impl Losable for Option<String> {
    fn has_none(&self) -> bool {
        self.is_none()
    }
}

impl Losable for Option<NameRef> {
    fn has_none(&self) -> bool {
        self.is_none()
    }
}

/// A list that is shorter than it was has changed, and is not lost.
impl Losable for Vec<GroupPath> {
    fn has_none(&self) -> bool {
        self.is_empty()
    }
}

/// A place may lose a part, such as its country, and stay the same place.
impl Losable for Option<Location> {
    fn has_none(&self) -> bool {
        self.is_none()
    }

    fn is_lost(&self, new: &Self) -> bool {
        let (Some(old), Some(new)) = (self, new) else {
            return self.is_some() && new.is_none();
        };
        let same_place = new.name.is_none() || new.name == old.name;
        let parts = [
            (&old.name, &new.name),
            (&old.country, &new.country),
            (&old.state, &new.state),
            (&old.city, &new.city),
        ];
        same_place && parts.iter().any(|(old, new)| old.is_some() && new.is_none())
    }

    fn stays_lost(&self, new: &Self) -> bool {
        new.is_none() || self == new
    }
}

macro_rules! attributes {
    ($($name:literal $field:ident $member:ident;)*) => {
        /// All of them, in the order in which they are listed.
        pub const ATTRIBUTES: &[Attribute] = &[$(Attribute {
            name: $name,
            field: Field::$field,
            is_empty: |spec| spec.$member.has_none(),
            is_lost: |old, new| old.$member.is_lost(&new.$member),
            stays_lost: |old, new| old.$member.stays_lost(&new.$member),
            copy: |from, to| to.$member.clone_from(&from.$member),
        }),*];
    };
}

attributes! {
    "employeeNumber" EmployeeNumber employee_number;
    "displayName" DisplayName display_name;
    "givenName" GivenName given_name;
    "familyName" FamilyName family_name;
    "workEmail" WorkEmail work_email;
    "username" Username username;
    "jobTitle" JobTitle job_title;
    "employmentType" EmploymentType employment_type;
    "employmentStatus" EmploymentStatus employment_status;
    "startDate" StartDate start_date;
    "terminationDate" TerminationDate termination_date;
    "managerRef" Manager manager_ref;
    "departments" Departments departments;
    "businessUnits" BusinessUnits business_units;
    "groups" Groups groups;
    "workLocation" WorkLocation work_location;
    "homeLocation" HomeLocation home_location;
    "company" Company company;
}

/// Takes out what is not allowed.
pub fn keep_only(fields: &[Field], spec: &mut EmployeeSpec) {
    let nothing = EmployeeSpec::default();
    for attribute in ATTRIBUTES {
        if !fields.contains(&attribute.field) {
            (attribute.copy)(&nothing, spec);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_field_is_an_attribute_once() {
        let fields: BTreeSet<_> = ATTRIBUTES.iter().map(|attribute| attribute.field).collect();
        assert_eq!(fields, Field::all().into_iter().collect());
        assert_eq!(ATTRIBUTES.len(), fields.len());
    }

    #[test]
    fn a_place_that_lost_a_part_is_another_matter_than_another_place() {
        let place = |name: &str, state: Option<&str>| {
            Some(Location {
                name: Some(name.to_owned()),
                state: state.map(str::to_owned),
                ..Location::default()
            })
        };
        let here = place("Here", Some("CA"));
        assert!(here.is_lost(&place("Here", None)) && here.is_lost(&None));
        assert!(here.is_lost(&Some(Location::default())));
        assert!(!here.is_lost(&place("There", None)) && !here.is_lost(&place("Here", Some("NY"))));
        assert!(!place("Here", None).is_lost(&here));
        let less = place("Here", None);
        assert!(less.stays_lost(&less) && !less.stays_lost(&here));
    }
}

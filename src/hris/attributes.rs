//! The mirrored attributes, as data: what is said of all of them is said once.

use crate::api::employee::EmployeeSpec;
use crate::api::hris_connection::Field;

/// One mirrored attribute.
pub struct Attribute {
    /// Its name in `Employee.spec`, as `source.unconfirmed` lists it.
    pub name: &'static str,
    /// What allows it.
    pub field: Field,
    /// Whether it has no value.
    pub is_empty: fn(&EmployeeSpec) -> bool,
    /// Copies it, value or not, from the first into the second.
    pub copy: fn(&EmployeeSpec, &mut EmployeeSpec),
}

macro_rules! attributes {
    ($($name:literal $field:ident $member:ident $is_empty:path;)*) => {
        /// All of them, in the order in which they are listed.
        pub const ATTRIBUTES: &[Attribute] = &[$(Attribute {
            name: $name,
            field: Field::$field,
            is_empty: |spec| $is_empty(&spec.$member),
            copy: |from, to| to.$member.clone_from(&from.$member),
        }),*];
    };
}

attributes! {
    "employeeNumber" EmployeeNumber employee_number Option::is_none;
    "displayName" DisplayName display_name Option::is_none;
    "givenName" GivenName given_name Option::is_none;
    "familyName" FamilyName family_name Option::is_none;
    "workEmail" WorkEmail work_email Option::is_none;
    "username" Username username Option::is_none;
    "jobTitle" JobTitle job_title Option::is_none;
    "employmentType" EmploymentType employment_type Option::is_none;
    "employmentStatus" EmploymentStatus employment_status Option::is_none;
    "startDate" StartDate start_date Option::is_none;
    "terminationDate" TerminationDate termination_date Option::is_none;
    "managerRef" Manager manager_ref Option::is_none;
    "departments" Departments departments Vec::is_empty;
    "businessUnits" BusinessUnits business_units Vec::is_empty;
    "groups" Groups groups Vec::is_empty;
    "workLocation" WorkLocation work_location Option::is_none;
    "homeLocation" HomeLocation home_location Option::is_none;
    "company" Company company Option::is_none;
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
}

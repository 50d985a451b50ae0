//! The kinds of group `rollcall.dev`: their types, defaults and CRD rules. No behaviour beyond small accessors.
//!
//! All kinds are namespaced, and a namespace is a tenant: references are objects (`targetRef: {name}`) and never
//! leave it.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printer column is an attribute with a name and a path of its own"
)]
#![expect(
    clippy::struct_excessive_bools,
    reason = "what a target can do is one of yes and no each; the derived schema has a copy of the struct"
)]

pub mod access_exception;
pub mod change_set;
pub mod common;
pub mod conditions;
pub mod crds;
pub mod employee;
pub mod entitlement;
pub mod hris_connection;
pub mod http;
pub mod policy;
mod rules;
pub mod target;

pub use access_exception::{AccessException, AccessExceptionSpec};
pub use change_set::{ChangeSet, ChangeSetSpec};
pub use common::{Duration, NameRef, SecretKeyRef};
pub use employee::{Employee, EmployeeSpec, EmployeeStatus};
pub use entitlement::{Entitlement, EntitlementSpec};
pub use hris_connection::{HRISConnection, HRISConnectionSpec};
pub use policy::{ProvisioningPolicy, ProvisioningPolicySpec};
pub use target::{TargetSystem, TargetSystemSpec};

/// The API group of every kind.
pub const GROUP: &str = "rollcall.dev";

/// The field manager and the reporting controller's name of all that Rollcall writes.
pub const MANAGER: &str = "rollcall";

/// Annotation, any value: no effect is sent for this object while it is there. What is recorded stays as it is.
pub const PAUSED_ANNOTATION: &str = "rollcall.dev/paused";

/// The finalizer of an `Employee`, so that its record outlives the request to delete it.
pub const EMPLOYEE_FINALIZER: &str = "rollcall.dev/access-record";

//! What a service says of itself (RFC 7643 section 5), and what it has shown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::client::{Record, attribute};
use super::told::Told;
use crate::api::target::Capabilities;

/// The most operations and bytes of one bulk request, whatever a service takes: it is to be answered in one request's time.
const MOST_OPERATIONS: usize = 1_000;
const MOST_BYTES: usize = 4 << 20;

/// What is believed where a service announces bulk requests and no numbers, which it must (RFC 7643 section 5).
const SOME_OPERATIONS: usize = 100;
const SOME_BYTES: usize = 1 << 20;

/// What a service can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// What is said of it to people.
    pub capabilities: Capabilities,
    /// The most operations in a bulk request.
    pub most_operations: usize,
    /// The most bytes of a bulk request's body.
    pub most_bytes: usize,
    /// Whether lists are paged by cursor (RFC 9865).
    pub cursor: bool,
}

impl Service {
    /// One that says nothing. Nearly all of those can do both; one that cannot says so when asked.
    pub fn silent() -> Self {
        Self {
            capabilities: Capabilities {
                patch: true,
                filter: true,
                bulk: false,
                etag: false,
            },
            most_operations: 0,
            most_bytes: 0,
            cursor: false,
        }
    }

    /// Reads a service provider configuration. What is not announced is not supported.
    pub fn announced(config: &Record) -> Self {
        let feature = |name: &str| attribute(config, name).and_then(Value::as_object);
        let supported = |name: &str| feature(name).is_some_and(|feature| truth(feature, "supported"));
        let number = |name: &str, default: usize| {
            let said = feature("bulk").and_then(|bulk| attribute(bulk, name));
            let said = said.and_then(|said| match said {
                Value::Number(number) => number.as_u64(),
                Value::String(digits) => digits.parse().ok(),
                _ => None,
            });
            said.map_or(default, |number| usize::try_from(number).unwrap_or(usize::MAX))
        };
        let most_operations = number("maxOperations", SOME_OPERATIONS).min(MOST_OPERATIONS);
        let most_bytes = number("maxPayloadSize", SOME_BYTES).min(MOST_BYTES);
        let pagination = feature("pagination");
        Self {
            capabilities: Capabilities {
                patch: supported("patch"),
                filter: supported("filter"),
                bulk: supported("bulk") && most_operations > 1 && most_bytes > 0,
                etag: supported("etag"),
            },
            most_operations,
            most_bytes,
            cursor: pagination.is_some_and(|pagination| truth(pagination, "cursor")),
        }
    }
}

fn truth(record: &Record, name: &str) -> bool {
    match attribute(record, name) {
        Some(Value::Bool(truth)) => *truth,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// What a service has said and shown of itself.
#[derive(Debug, Default)]
pub(super) struct Learned {
    service: Mutex<Option<Service>>,
    told: Mutex<Told>,
    single_filters: AtomicBool,
    members_shown: AtomicBool,
    values_shown: AtomicBool,
    plain_values: AtomicBool,
    no_versions: AtomicBool,
    bulk_worked: AtomicBool,
}

impl Learned {
    pub fn service(&self) -> Option<Service> {
        *lock(&self.service)
    }

    pub fn set_service(&self, service: Service) {
        *lock(&self.service) = Some(service);
    }

    /// What was told and answered with 2xx, and not seen yet.
    pub fn told(&self) -> MutexGuard<'_, Told> {
        lock(&self.told)
    }

    /// It announced PATCH, or nothing, and has answered one with 501 or 405.
    pub fn learn_no_patch(&self) {
        if let Some(service) = lock(&self.service).as_mut() {
            service.capabilities.patch = false;
        }
    }

    /// It announced bulk requests, and does not do them, or answers them with what cannot be read.
    pub fn learn_no_bulk(&self) {
        if let Some(service) = lock(&self.service).as_mut() {
            service.capabilities.bulk = false;
        }
    }

    /// A bulk request of so many operations and bytes is too large for it. The next ones are half as large.
    pub fn learn_smaller_bulk(&self, operations: usize, bytes: usize) {
        if let Some(service) = lock(&self.service).as_mut() {
            service.most_operations = service.most_operations.min((operations / 2).max(1));
            service.most_bytes = service.most_bytes.min((bytes / 2).max(1));
        }
    }
}

/// Makes a pair that learns one thing for good, and tells whether it was learned.
macro_rules! learns {
    ($($(#[$doc:meta])* $flag:ident by $learn:ident;)*) => {
        impl Learned {
            $(
                $(#[$doc])*
                pub fn $learn(&self) {
                    self.$flag.store(true, Ordering::Relaxed);
                }

                pub fn $flag(&self) -> bool {
                    self.$flag.load(Ordering::Relaxed)
                }
            )*
        }
    };
}

learns! {
    /// It refuses filters with `or`, or heeds a part of them.
    single_filters by learn_single_filters;
    /// It shows members when they are asked for by name.
    members_shown by learn_members_shown;
    /// It shows roles and entitlements of a user who is read whole.
    values_shown by learn_values_shown;
    /// Its roles and entitlements are plain texts.
    plain_values by learn_plain_values;
    /// It refuses the version that it gave a moment ago.
    no_versions by learn_no_versions;
    /// It has answered a bulk request with a result for each operation.
    bulk_worked by learn_bulk_worked;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bulk_is_used_within_what_is_announced_and_not_where_nothing_fits() {
        for (bulk, expected) in [
            (
                json!({"supported": true, "maxOperations": 7, "maxPayloadSize": 900}),
                Some((7, 900)),
            ),
            (
                json!({"Supported": "True", "maxoperations": "7"}),
                Some((7, SOME_BYTES)),
            ),
            (
                json!({"supported": true, "maxOperations": 1_000_000_000, "maxPayloadSize": u64::MAX}),
                Some((MOST_OPERATIONS, MOST_BYTES)),
            ),
            (
                json!({"supported": true, "maxOperations": 0, "maxPayloadSize": 0}),
                None,
            ),
            (json!({"supported": true, "maxOperations": 1}), None),
            (json!({"supported": false, "maxOperations": 7}), None),
            (json!(null), None),
        ] {
            let config = json!({"bulk": bulk}).as_object().unwrap().clone();
            let service = Service::announced(&config);
            let numbers = (service.most_operations, service.most_bytes);
            assert_eq!(service.capabilities.bulk.then_some(numbers), expected, "{bulk}");
        }
    }
}

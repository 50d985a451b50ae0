//! What the API server's refusals mean, in one place.
//!
//! Of a `Status`, its code and reason are used, and its message only to tell two kinds of Forbidden apart: it repeats
//! names of people.

use std::time::Duration;

use kube::core::Status;

use crate::targets::TargetError;

/// What was asked of the API server, and as whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// The `ServiceAccount`, `namespace/name`.
    pub account: &'a str,
    /// The verb of RBAC.
    pub verb: &'static str,
    /// The thing, for people: `RoleBinding ns/name`.
    pub what: &'a str,
    /// The role that a binding gives, where one is written: `ClusterRole view`.
    pub role: Option<&'a str>,
}

impl About<'_> {
    fn effect(&self) -> bool {
        self.verb != "get"
    }

    /// What an error of kube means to the writer.
    pub fn error(&self, error: &kube::Error) -> TargetError {
        match error {
            kube::Error::Api(status) => self.refused(status),
            kube::Error::SerdeError(_) => {
                if self.effect() {
                    TargetError::Ambiguous(format!("{} of {}: an answer that cannot be read", self.verb, self.what))
                } else {
                    TargetError::Malformed(format!("{} of {}", self.verb, self.what))
                }
            }
            other => match unsent(other) {
                Some(why) => TargetError::Unreachable(why),
                None if self.effect() => {
                    TargetError::Ambiguous(format!("{} of {}: the connection broke", self.verb, self.what))
                }
                None => TargetError::Unreachable(format!("{} of {}: the connection broke", self.verb, self.what)),
            },
        }
    }

    fn refused(&self, status: &Status) -> TargetError {
        let Self {
            account,
            verb,
            what,
            role,
        } = *self;
        let words = || format!("{verb} of {what} was answered {} {}", status.code, reason(status));
        match status.code {
            401 => TargetError::Unauthorized(format!("the token of ServiceAccount {account} is not taken")),
            403 if has_cause(status, "NamespaceTerminating") => {
                TargetError::Refused(format!("the namespace of {what} is being deleted"))
            }
            // The words of the escalation check in Kubernetes' RBAC registry, the same since 1.6.
            403 if status.message.contains("attempting to grant") => TargetError::Refused(match role {
                Some(role) => format!(
                    "ServiceAccount {account} may not bind {role}: give it the verb bind on that role, or all that the role gives"
                ),
                None => format!("ServiceAccount {account} may not give what {what} gives"),
            }),
            403 => TargetError::Refused(format!(
                "ServiceAccount {account} may not {verb} {what}: give it the verb {verb} there"
            )),
            404 => TargetError::Gone(what.to_owned()),
            409 => TargetError::Conflict(words()),
            429 => TargetError::Throttled(pause(status)),
            503 if pause(status).is_some() => TargetError::Throttled(pause(status)),
            400..=499 => TargetError::Refused(words()),
            _ if self.effect() => TargetError::Ambiguous(words()),
            _ => TargetError::Unreachable(words()),
        }
    }
}

/// The reasons that the API server gives are words of its own; anything longer is not one.
fn reason(status: &Status) -> &str {
    let word = status.reason.len() <= 32 && status.reason.chars().all(|c| c.is_ascii_alphabetic());
    if word { &status.reason } else { "" }
}

fn has_cause(status: &Status, reason: &str) -> bool {
    let details = status.details.iter();
    details
        .flat_map(|details| &details.causes)
        .any(|cause| cause.reason == reason)
}

fn pause(status: &Status) -> Option<Duration> {
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

/// Why nothing can have been sent; `None` where something may have been.
fn unsent(error: &kube::Error) -> Option<String> {
    use std::io::ErrorKind;
    if !matches!(error, kube::Error::Service(_) | kube::Error::HyperError(_)) {
        return Some("no request can be made of the cluster's address and CA".to_owned());
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            let unsent = matches!(
                io.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::NetworkDown
                    | ErrorKind::AddrNotAvailable
                    | ErrorKind::InvalidInput
            );
            if unsent {
                return Some(format!("no connection ({})", io.kind()));
            }
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ABOUT: About<'static> = About {
        account: "hr/rollcall-rbac",
        verb: "patch",
        what: "RoleBinding dev/rollcall-view",
        role: Some("ClusterRole view"),
    };

    fn said(about: About<'_>, status: &serde_json::Value) -> TargetError {
        let status: Status = serde_json::from_value(status.clone()).unwrap();
        about.error(&kube::Error::Api(status.boxed()))
    }

    #[test]
    fn every_refusal_of_the_api_server_has_one_meaning() {
        use serde_json::json;
        let escalation = json!({"code": 403, "reason": "Forbidden", "message":
            "rolebindings.rbac.authorization.k8s.io \"x\" is forbidden: user \"u\" (groups=[]) is attempting to grant RBAC permissions not currently held: ..."});
        assert_eq!(
            said(ABOUT, &escalation).to_string(),
            "refuses the request: ServiceAccount hr/rollcall-rbac may not bind ClusterRole view: give it the verb bind on that role, or all that the role gives"
        );
        let forbidden = json!({"code": 403, "reason": "Forbidden", "message": "ada@x.io"});
        assert_eq!(
            said(ABOUT, &forbidden).to_string(),
            "refuses the request: ServiceAccount hr/rollcall-rbac may not patch RoleBinding dev/rollcall-view: give it the verb patch there"
        );
        let ending =
            json!({"code": 403, "reason": "Forbidden", "details": {"causes": [{"reason": "NamespaceTerminating"}]}});
        assert!(matches!(said(ABOUT, &ending), TargetError::Refused(words) if words.contains("being deleted")));
        let read = About { verb: "get", ..ABOUT };
        for (status, change, reading) in [
            (401, "refuses the credentials", "refuses the credentials"),
            (404, "has no", "has no"),
            (409, "says that it conflicts", "says that it conflicts"),
            (422, "refuses the request", "refuses the request"),
            (429, "asks to slow down", "asks to slow down"),
            (500, "may or may not", "cannot be reached"),
            (504, "may or may not", "cannot be reached"),
        ] {
            let status = json!({"code": status, "reason": "ada@x.io s3cr3t", "message": "s3cr3t"});
            for (about, start) in [(ABOUT, change), (read, reading)] {
                let words = said(about, &status).to_string();
                assert!(words.starts_with(start), "{status}: {words}");
                assert!(!words.contains("s3cr3t"), "{words}");
            }
        }
        let busy = json!({"code": 429, "details": {"retryAfterSeconds": 7}});
        assert_eq!(said(ABOUT, &busy), TargetError::Throttled(Some(Duration::from_secs(7))));
    }
}

//! One append-only line of JSON for every effect: who, what, cause, grantor, the target's answer.

use std::fmt;
use std::io::Write;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

/// Where audit lines go.
pub struct Audit(Mutex<Box<dyn Write + Send>>);

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}

/// One effect that was sent to a target. People are named by their `Employee` objects only.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditLine<'a> {
    /// When the target answered.
    pub time: Timestamp,
    /// Namespace of the Employee.
    pub namespace: &'a str,
    /// Name of the Employee.
    pub employee: &'a str,
    /// Name of the TargetSystem.
    pub target: &'a str,
    /// `createAccount`, `updateAccount`, `activateAccount`, `deactivateAccount`, `deleteAccount`, `grant`, `update` or
    /// `revoke`.
    pub effect: &'a str,
    /// The remote object, as `kind/id`; empty for accounts.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub object: &'a str,
    /// Name of the Entitlement; empty for accounts.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub entitlement: &'a str,
    /// The account's id at the target; empty where it is not known yet.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub account: &'a str,
    /// Why access is lost; absent for grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<crate::api::employee::Cause>,
    /// The policies that give it, or gave it.
    pub grantors: &'a [String],
    /// Identifies the effect.
    pub operation: &'a str,
    /// What came of it, in our words.
    pub answer: &'a str,
}

impl Audit {
    /// Writes lines to `sink`.
    pub fn to(sink: impl Write + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(sink)))
    }

    /// Writes a line whole, or logs that it could not.
    pub fn write(&self, line: &AuditLine<'_>) {
        let written = serde_json::to_vec(line)
            .map_err(std::io::Error::from)
            .and_then(|mut bytes| {
                bytes.push(b'\n');
                let mut sink = self.0.lock();
                sink.write_all(&bytes)?;
                sink.flush()
            });
        if let Err(error) = written {
            tracing::error!(%error, effect = line.effect, employee = line.employee, "an audit line could not be written");
        }
    }
}

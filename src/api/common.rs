//! Pieces that several kinds share.

use std::time::Duration as StdDuration;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// The name of an object of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct NameRef {
    /// Name of the object, in this namespace.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::name())]
    pub name: String,
}

impl NameRef {
    /// A reference to the object called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// One key of a Secret of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret, in this namespace.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::name())]
    pub name: String,
    /// Key in the Secret's data.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::secret_key())]
    pub key: String,
}

/// A length of time: a whole number and one unit, `s`, `m`, `h` or `d` (`90s`, `12h`, `30d`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("x-kubernetes-validations" = rules::duration()))]
pub struct Duration(#[schemars(length(max = 10))] String);

impl Duration {
    /// A duration as written, such as `90s`; checked when it is read.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length of time, or `None` where an object that an older CRD let through holds something else.
    pub fn get(&self) -> Option<StdDuration> {
        let unit = match self.0.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let number: u64 = self.0[..self.0.len() - 1].parse().ok()?;
        number.checked_mul(unit).map(StdDuration::from_secs)
    }

    /// The length of time, or `default` where what is written cannot be read.
    pub fn get_or(&self, default: StdDuration) -> StdDuration {
        self.get().unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(Duration::new("90s").get(), Some(StdDuration::from_secs(90)));
        assert_eq!(Duration::new("30d").get(), Some(StdDuration::from_hours(720)));
        for bad in ["", "5", "h", "1.5h", "5 m", "-1h", "5é"] {
            assert_eq!(Duration::new(bad).get(), None, "{bad}");
        }
    }
}

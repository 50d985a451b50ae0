//! Kleene's three values, and an answer with its reason.

/// Yes, no, or not to be told. In this order, "and" is the least and "or" the greatest (Kleene's logic).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tri {
    /// No.
    False,
    /// Not to be told.
    Unknown,
    /// Yes.
    True,
}

impl Tri {
    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// One of the two at least.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }
}

impl std::ops::Not for Tri {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }
}

impl From<bool> for Tri {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// Whether a selector matches a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The answer.
    pub tri: Tri,
    /// Why it cannot be told, where it cannot.
    pub why: Option<String>,
}

impl Match {
    pub(in crate::decide) fn of(tri: Tri) -> Self {
        Self { tri, why: None }
    }

    pub(in crate::decide) fn unknown(why: String) -> Self {
        Self {
            tri: Tri::Unknown,
            why: Some(why),
        }
    }

    pub(in crate::decide) fn and(self, other: Self) -> Self {
        if other.tri < self.tri { other } else { self }
    }

    pub(super) fn or(self, other: Self) -> Self {
        if other.tri > self.tri { other } else { self }
    }

    pub(super) fn not(self) -> Self {
        Self {
            tri: !self.tri,
            why: self.why,
        }
    }

    /// Whether all of them hold; stops at the first that does not.
    pub(super) fn all(matches: impl Iterator<Item = Self>) -> Self {
        let mut result = Self::of(Tri::True);
        for one in matches {
            result = result.and(one);
            if result.tri == Tri::False {
                break;
            }
        }
        result
    }

    /// Whether one of them holds; stops at the first that does.
    pub(super) fn any(matches: impl Iterator<Item = Self>) -> Self {
        let mut result = Self::of(Tri::False);
        for one in matches {
            result = result.or(one);
            if result.tri == Tri::True {
                break;
            }
        }
        result
    }
}

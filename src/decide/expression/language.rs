//! The two languages: what a selector may say, and the more that a template and a reading may.

/// The most steps that a selector's evaluation may take, each of them a node of the tree, or some 100 bytes of text:
/// enough for a macro within another over all the groups that an employee can have.
pub const BUDGET: u64 = 50_000;

/// The most steps that the evaluation of a reading may take, and of all the expressions of one template together: enough
/// for a macro over a list within another over an answer's list. The slowest that a test knows takes 0.45 s on one core
/// without optimisation.
pub const TEMPLATE_BUDGET: u64 = 4_000_000;

/// What an expression is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// A condition on an employee.
    Selector,
    /// A value to be placed or read.
    Template,
}

impl Language {
    pub(super) fn budget(self) -> u64 {
        match self {
            Self::Selector => BUDGET,
            Self::Template => TEMPLATE_BUDGET,
        }
    }

    /// What to do with an expression that is too large.
    pub(super) fn split(self) -> &'static str {
        match self {
            Self::Selector => "split it over several policies",
            Self::Template => "write it shorter",
        }
    }

    /// What to do with an expression that says nothing.
    pub(super) fn empty(self) -> &'static str {
        match self {
            Self::Selector => "it is empty: say what must be true, or leave it out",
            Self::Template => "it is empty: name a value, such as employee.workEmail",
        }
    }
}

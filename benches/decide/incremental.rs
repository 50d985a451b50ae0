//! A survey of everybody against one that looks only at whom a change concerns.

use super::company::Spread;

pub fn survey(_people: usize, _policies: usize, _spread: Spread) {}

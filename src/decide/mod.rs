//! Decisions, and nothing else: no client, no clock, no waiting. `now` is always an argument.
//!
//! ```text
//! index ──▶ phase, selector ──▶ resolve (what a person should have) ──▶ plan (the next record, and the intents in it)
//!   ├──────────────────────────▶ survey (everybody at once) ──▶ guard (which losses go, which wait)
//!   │                            ledger (the survey, kept at the cost of what changed)
//!   └──────────────────────────▶ compare (two tenants: who would gain and lose what)
//! ```

pub mod account;
pub mod attributes;
pub mod compare;
pub mod custom_field;
pub mod definition;
pub mod deletions;
pub mod drift;
pub mod effect;
pub mod enforced;
pub mod explain;
pub mod expression;
pub mod facts;
pub mod gains;
pub mod guard;
pub mod index;
pub mod ledger;
pub mod losses;
pub mod phase;
pub mod plan;
pub mod protected;
pub mod record;
pub mod resolve;
pub mod selector;
pub mod survey;

pub use explain::explain;
pub use index::{Index, Namespace, Person};
pub use resolve::{Resolution, resolve, would};

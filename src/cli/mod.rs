//! What the command line shows of decisions: it reads a tenant from manifests or from the cluster, asks `decide`, and
//! renders the answer. All that it ever writes to a cluster is the decision on a `ChangeSet`, as the user; and nothing but
//! `main` uses it.
//!
//! ```text
//! source (file, directory, stdin, git) ──▶ load (manifests) ──▶ complete (what only a controller would have filled in)
//! cluster (list of every kind) ───────────────────────────────▶ decide::Namespace ──▶ an answer ──▶ rendered
//! ```

pub mod changeset;
pub mod cluster;
pub mod complete;
pub mod explain;
pub mod load;
pub mod page;
pub mod plan;
mod progress;
mod render;
mod schema;
pub mod source;
pub mod target;
pub mod tenant;
mod tenants;
pub mod who;

//! Real products as targets: what Rollcall's own `http` target is pointed at by configuration alone.
//!
//! Each comes from a package registry, installed once per machine into the [cache](crate::process::cache_dir) by the first
//! test that asks for it, and listens on ports of 127.0.0.1 that are its own, so that any number run side by side. All
//! are in versions that are pinned, by hash wherever the package manager has hashes. Nothing is installed into the
//! system, nothing asks for root, and Node.js comes along. What cannot be had fails the test that needs it, in words.
//!
//! | Product | What it is good for |
//! |---|---|
//! | [`RabbitMq`] | users, tags and permissions by PUT; basic authentication; deactivation by an empty password hash |
//! | [`JupyterHub`] | users and groups; membership by POST and by DELETE with a body; pages |
//! | [`Kinto`] | If-Match and If-None-Match with 412; members that are replaced whole; a dangling member after a delete |
//! | [`PocketBase`] | a login call that yields a token; roles that are replaced whole, without `ETag` |
//! | [`Etcd`] | a login call whose tokens die; everything is POST; 400 with a code for "already so" and for "gone" |
//! | [`Mailman`] | form bodies; ids in `Location`; subscriptions that wait for the person; absent keys for empty lists |
//! | [`StripeMock`] | the vendor's description of Issuing: form bodies. It keeps nothing |
//! | [`GitHubMock`] | the vendor's description of team memberships. It keeps nothing |
//! | [`OAuth2Mock`] | client credentials: scopes, audiences, lifetimes, wrong secrets |

mod etcd;
mod github;
mod install;
mod jupyterhub;
mod kinto;
mod mailman;
mod oauth2;
mod pocketbase;
mod rabbitmq;
mod server;
mod stripe;

pub use etcd::Etcd;
pub use github::GitHubMock;
pub use jupyterhub::JupyterHub;
pub use kinto::Kinto;
pub use mailman::Mailman;
pub use oauth2::{OAuth2Mock, OAuth2Options, TokenRequest};
pub use pocketbase::PocketBase;
pub use rabbitmq::{Permission, RabbitMq};
pub use server::Answer;
pub use stripe::StripeMock;

pub(crate) use install::python_environment;

/// A password or a token that nobody guesses and that needs no escaping anywhere.
fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}

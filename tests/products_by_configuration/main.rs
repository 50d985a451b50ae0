//! Is a product that nobody thought of served by configuration alone? Each scenario is a person's way through a product, from
//! the hire to the leave, by the operator itself, and judged by what stands at the product and in status.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod intranet;
mod kinto;
mod limits;
mod mailman;
mod pocketbase;
mod rabbitmq;
mod scim;
mod stripe;
mod tenant;

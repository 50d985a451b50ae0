//! Rollcall gives people the access their job calls for and takes it away when the job no longer does.
//!
//! The way of the data:
//!
//! ```text
//! Merge HRIS ──poll──▶ hris ──trusted diff──▶ Employee.spec                          facts
//!                                                  │ watch
//! ProvisioningPolicy, Entitlement, TargetSystem ─▶ index ─▶ decide   plan = desired − recorded (pure)
//!                                                  │
//!                                               releaser             releases or holds losses, by cause
//!                                                  │ recorded intent
//! target APIs ◀── observe, grant, revoke, verify ── target writers   effects
//!                                                  │
//!                                  Employee.status and the others    granted and revoked state
//! ```
//!
//! One direction only: facts never flow backwards, decisions never touch the network, effects never decide. The rooms
//! depend on each other one way: [`api`] ← [`decide`] ← [`hris`], [`targets`] ← [`controllers`] ← [`runtime`] ← `main`.
//! Beside them [`cli`] shows decisions, and tries targets out: `api` ← `decide` ← `targets` ← `cli` ← `main`. Below [`hris`] and [`targets`], and with no other
//! room below it, is [`egress`], through which they reach the network.

pub mod api;
pub mod cli;
pub mod controllers;
pub mod decide;
pub mod egress;
pub mod hris;
pub mod runtime;
pub mod targets;

//! A share of answers that are bad, the same for the same seed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use http::StatusCode;
use rollcall_support::proxy::{Proxy, RequestInfo};
use rollcall_support::story::shape;

/// So many of a thousand answers are bad.
const BAD: u64 = 50;

/// A bad answer.
#[derive(Clone, Copy, Debug)]
pub enum Bad {
    /// 429 with `Retry-After: 1`; nothing was done.
    TooMany,
    /// This status; nothing was done.
    Before(u16),
    /// This status; all was done.
    After(u16),
}

/// Which requests are answered badly: by the seed, what the request is, and how many of the kind came before it.
pub struct Dice {
    seed: u64,
    sides: &'static [Bad],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: BTreeMap<String, u64>,
    /// What the request under way gets.
    roll: Option<usize>,
    bad: BTreeMap<String, usize>,
}

impl Dice {
    /// Has a proxy answer as these dice fall.
    pub fn at(proxy: &Proxy, seed: u64, sides: &'static [Bad]) -> Arc<Self> {
        let dice = Arc::new(Self {
            seed,
            sides,
            state: Mutex::default(),
        });
        for (side, bad) in sides.iter().enumerate() {
            let thrown = dice.clone();
            // A proxy asks its faults one after the other, and no other request in between.
            let falls = move |request: &RequestInfo| thrown.fall(request) == Some(side);
            let also = dice.clone();
            let later = move |_: &RequestInfo| also.state().roll == Some(side);
            match (side, *bad) {
                (0, Bad::TooMany) => proxy.respond_with(falls, 429, &[("Retry-After", "1")], Bytes::new(), usize::MAX),
                (_, Bad::TooMany) => proxy.respond_with(later, 429, &[("Retry-After", "1")], Bytes::new(), usize::MAX),
                (0, Bad::Before(status)) => proxy.respond_with(falls, status, &[], Bytes::new(), usize::MAX),
                (_, Bad::Before(status)) => proxy.respond_with(later, status, &[], Bytes::new(), usize::MAX),
                (0, Bad::After(status)) => proxy.alter_answer(falls, lost(status), usize::MAX),
                (_, Bad::After(status)) => proxy.alter_answer(later, lost(status), usize::MAX),
            }
        }
        dice
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fall(&self, request: &RequestInfo) -> Option<usize> {
        let what = shape(request);
        let mut state = self.state();
        let number = state.seen.entry(what.clone()).or_default();
        *number += 1;
        let mut hash = DefaultHasher::new();
        (self.seed, &what, *number).hash(&mut hash);
        let hash = hash.finish();
        let sides = u64::try_from(self.sides.len()).unwrap_or(1);
        let side = usize::try_from(hash / 1_000 % sides).unwrap_or_default();
        state.roll = (hash % 1_000 < BAD).then_some(side);
        if state.roll.is_some() {
            *state.bad.entry(what).or_default() += 1;
        }
        state.roll
    }

    /// How many answers were bad since this was last asked, by what was requested.
    pub fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.state().bad)
    }
}

fn lost(status: u16) -> impl Fn(StatusCode, Bytes) -> (StatusCode, Bytes) + Send + Sync + 'static {
    move |_, _| (StatusCode::from_u16(status).unwrap_or_default(), Bytes::new())
}

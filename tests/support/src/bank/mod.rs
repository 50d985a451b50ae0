//! A bank: people, cards of their own, seats that begin as invitations; over real HTTP, and with a memory.
//!
//! It is here because no real one can be had: stripe-mock speaks a bank's language and forgets everything, and whether a
//! card was issued twice only a bank that remembers can tell. So nothing is ever erased: [`Bank::ledger`] has every
//! card, every person and every change that was done, in order. `target.yaml` describes it as a `TargetSystem`.

mod serve;
pub mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::process::lock;

/// What every refusal says besides why, and may never get further than the operator's memory.
pub const CANARY: &str = "canary-in-a-body-5e1f";

/// How `target.yaml` authenticates calls.
pub const BEARER: &str = "{bearer: {tokenSecretRef: {name: bank, key: token}}}";
/// With a user name and a password.
pub const BASIC: &str = "{basic: {username: rollcall, passwordSecretRef: {name: bank, key: token}}}";
/// With OAuth 2 client credentials.
pub const OAUTH2: &str =
    "{oauth2: {tokenURL: BASE/oauth2/token, clientId: rollcall, clientSecretRef: {name: bank, key: token}}}";
/// With a call that yields a token.
pub const LOGIN: &str = "{login: {request: {method: POST, path: /login, json: {password: '${secret.password}'}}, secrets: \
                         {password: {name: bank, key: token}}, token: response.body.session}}";

/// How a bank is. By default it is as forgetful as a bank may be: it takes no keys, keeps no metadata, and has no
/// objection to a second person of the same address.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own")]
pub struct Habits {
    /// Whether the same `Idempotency-Key` is answered as the first time, and done once; with something else it is refused.
    pub keys: bool,
    /// Whether it keeps the `metadata` of a card and shows it.
    pub metadata: bool,
    /// Whether a person's address is their id, so that a new address is a new id.
    pub logins: bool,
    /// Whether a seat begins as an invitation.
    pub invites: bool,
    /// How many people may have a seat of one product.
    pub seats: usize,
    /// How many records a page has.
    pub page: usize,
    /// The token that it takes: as a bearer token, as the password of `rollcall`, as the secret of the OAuth 2 client
    /// `rollcall` (`/oauth2/token`), as the password of a login (`/login`).
    pub token: String,
    /// How many requests are still to be refused, whatever they say: by 401, 500 and 400 in turn, the last by 400.
    pub refusals: usize,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            keys: false,
            metadata: false,
            logins: false,
            invites: false,
            seats: usize::MAX,
            page: 50,
            token: "t0ken-of-the-bank".to_owned(),
            refusals: 0,
        }
    }
}

/// A person at the bank.
#[derive(Debug, Clone, Default)]
pub struct Holder {
    number: usize,
    /// Their address.
    pub email: String,
    /// Their title.
    pub title: String,
    /// The correlation key that they were made with.
    pub key: String,
    /// Whether they can use what they have.
    pub active: bool,
}

/// A card. It is never erased.
#[derive(Debug, Clone)]
pub struct Card {
    /// Its id.
    pub id: String,
    /// The number of the person that it is for.
    holder: usize,
    /// What it is for.
    pub program: String,
    /// Whether it can be used.
    pub open: bool,
    /// What can be spent with it.
    pub limit: i64,
    metadata: Value,
}

#[derive(Debug, Default)]
struct State {
    habits: Habits,
    people: Vec<Holder>,
    cards: Vec<Card>,
    /// Of each product, who has a seat, and whether they accepted.
    seats: BTreeMap<String, BTreeMap<usize, bool>>,
    /// What came with a key, and the answer to it.
    answered: BTreeMap<String, (String, (u16, Value))>,
    /// Keys that came again with something else.
    misused: Vec<String>,
    /// What was done, in order.
    done: Vec<String>,
}

/// A running bank. Clones are the same bank; it ends with the runtime that it was started on.
#[derive(Debug, Clone)]
pub struct Bank {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Bank {
    /// Opens a bank on a free port of 127.0.0.1.
    pub async fn open(habits: Habits) -> Self {
        let state = State {
            habits,
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = serve::router(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url: format!("http://{address}"),
            state,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The token that it takes.
    pub fn token(&self) -> String {
        self.state().habits.token.clone()
    }

    /// Its `TargetSystem` and the Secret that this needs, to be reached at `url`: its own or a proxy's.
    pub fn manifest(&self, url: &str) -> String {
        self.manifest_as("bank", BEARER, url)
    }

    /// The same under another name, and with another `auth`; the Secret has the target's name and the key `token`.
    pub fn manifest_as(&self, name: &str, auth: &str, url: &str) -> String {
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{token: {}}}\n---\n",
            self.token()
        );
        let target = include_str!("target.yaml");
        let target = target
            .replace(BEARER, auth)
            .replace("name: bank", &format!("name: {name}"))
            .replace("BASE", url);
        secret + &target
    }

    /// Changes its habits.
    pub fn habits(&self, change: impl FnOnce(&mut Habits)) {
        change(&mut self.state().habits);
    }

    /// Everybody at the bank, with the id that they go by.
    pub fn people(&self) -> Vec<(String, Holder)> {
        let state = self.state();
        let people = state.people.iter();
        people.map(|holder| (state.id(holder), holder.clone())).collect()
    }

    /// Every card that was ever issued, with the id of the person that it is for.
    pub fn cards(&self) -> Vec<(String, Card)> {
        let state = self.state();
        let cards = state.cards.iter();
        cards
            .map(|card| (state.id(&state.people[card.holder]), card.clone()))
            .collect()
    }

    /// Who has a seat of a product, and whether they accepted.
    pub fn seats(&self, product: &str) -> BTreeMap<String, bool> {
        let state = self.state();
        let seats = state.seats.get(product).into_iter().flatten();
        seats
            .map(|(holder, accepted)| (state.id(&state.people[*holder]), *accepted))
            .collect()
    }

    /// The person of this address accepts the invitation to a seat.
    ///
    /// # Panics
    /// If they were not invited.
    pub fn accept(&self, product: &str, email: &str) {
        let mut state = self.state();
        let number = state.people.iter().position(|holder| holder.email == email);
        let seats = state.seats.get_mut(product).expect("a product with seats");
        *number.and_then(|number| seats.get_mut(&number)).expect("an invitation") = true;
    }

    /// I4: what was made twice, ever: a person by correlation key, an address, a card by person and program.
    pub fn twice(&self) -> Vec<String> {
        let state = self.state();
        let mut seen = BTreeSet::new();
        let people = state.people.iter();
        let made = people
            .flat_map(|holder| [format!("key {}", holder.key), format!("address {}", holder.email)])
            .chain(state.cards.iter().map(|card| {
                let holder = &state.people[card.holder];
                format!("card {} of {}", card.program, holder.key)
            }));
        made.filter(|what| !what.ends_with(' ') && !seen.insert(what.clone()))
            .map(|what| format!("I4: made twice: {what}"))
            .collect()
    }

    /// Keys that came again with something else than the first time.
    pub fn misused_keys(&self) -> Vec<String> {
        self.state().misused.clone()
    }

    /// What was done, in order.
    pub fn ledger(&self) -> Vec<String> {
        self.state().done.clone()
    }
}

impl State {
    fn id(&self, holder: &Holder) -> String {
        if self.habits.logins {
            holder.email.clone()
        } else {
            format!("p{}", holder.number)
        }
    }

    fn number(&self, id: &str) -> Option<usize> {
        self.people.iter().position(|holder| self.id(holder) == id)
    }

    fn person(&self, number: usize) -> Value {
        let holder = &self.people[number];
        json!({
            "id": self.id(holder),
            "email": holder.email,
            "title": holder.title,
            "key": holder.key,
            "state": if holder.active { "active" } else { "closed" },
        })
    }

    fn card(&self, card: &Card) -> Value {
        json!({
            "id": card.id,
            "holder": self.id(&self.people[card.holder]),
            "program": card.program,
            "state": if card.open { "open" } else { "cancelled" },
            "limit": card.limit,
            "metadata": card.metadata,
        })
    }
}

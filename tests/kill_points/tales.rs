//! The tenants that are killed in, and what happens to their people.

use std::collections::BTreeSet;
use std::time::Duration;

use rollcall_support::bank::Habits;
use rollcall_support::bank::story::{BankSight, BankStory, Event};
use rollcall_support::proxy::{Entry, Proxy, Script};
use rollcall_support::story::{Chapter, Person, Sight, Story, shape, text};
use rollcall_support::world::World;

use crate::ledger::{Ledger, single};

/// What happens to a person, and whether the operator is killed meanwhile.
pub type Act = (&'static str, bool);

/// A tenant of which everything is known.
pub trait Tale: Sized {
    /// Everything there is at one moment.
    type Sight;

    /// What its people live through, in order.
    fn acts(&self) -> &'static [Act];
    fn world(&self) -> &World;
    fn forget(&self);
    fn newcomer(&mut self) -> Person;
    async fn tell(&mut self, act: &str, person: &mut Person);
    async fn settle(&self, patience: Duration) -> Result<(), Vec<String>>;
    async fn look(&self) -> Self::Sight;
    /// I3, at one moment.
    fn unexplained(sight: &Self::Sight) -> Vec<String>;
    /// I1, I3, request by request.
    fn unrecorded(before: &Self::Sight, log: &[Entry], after: &Self::Sight) -> Vec<String>;
    /// I4.
    fn twice(&mut self, act: &str, log: &[Entry]) -> Vec<String>;
}

/// A directory that speaks SCIM, and a cluster.
pub struct Directory {
    story: Story,
    acts: &'static [Act],
    created: BTreeSet<String>,
}

impl Directory {
    pub const LIFE: &'static [Act] = &[("hire", true), ("transfer", true), ("leave", true)];
    pub const RENAMED: &'static [Act] = &[("hire", false), ("rename", true), ("leave", false)];
    pub const FOUND: &'static [Act] = &[("adopt", true), ("leave", false)];

    pub async fn new(script: &Script, args: &[&str], acts: &'static [Act]) -> Self {
        Self {
            story: Story::new(env!("CARGO_BIN_EXE_rollcall"), Some(script.clone()), args).await,
            acts,
            created: BTreeSet::new(),
        }
    }
}

impl Tale for Directory {
    type Sight = Sight;

    fn acts(&self) -> &'static [Act] {
        self.acts
    }

    fn world(&self) -> &World {
        &self.story.world
    }

    fn forget(&self) {
        self.story.forget();
    }

    fn newcomer(&mut self) -> Person {
        self.story.newcomer()
    }

    async fn tell(&mut self, act: &str, person: &mut Person) {
        match act {
            "rename" => return self.story.rename(person),
            "adopt" => self.story.find(person).await,
            _ => {}
        }
        let chapter = match act {
            "transfer" => Chapter::Transfer,
            "leave" => Chapter::Leave,
            _ => Chapter::Hire,
        };
        self.story.tell(chapter, person);
    }

    async fn settle(&self, patience: Duration) -> Result<(), Vec<String>> {
        self.story.settle(patience).await
    }

    async fn look(&self) -> Sight {
        self.story.look().await
    }

    fn unexplained(sight: &Sight) -> Vec<String> {
        sight.unexplained()
    }

    fn unrecorded(before: &Sight, log: &[Entry], after: &Sight) -> Vec<String> {
        Ledger::unrecorded(before, log, after)
    }

    /// Creations after one that was done, whether the directory did them again or had to refuse them.
    fn twice(&mut self, act: &str, log: &[Entry]) -> Vec<String> {
        let creations = log.iter().filter(|entry| entry.status.is_some()).flat_map(|entry| {
            let requests = single(&entry.request).into_iter();
            let creations = requests.filter(|request| shape(request) == "scim POST Users");
            creations.map(move |request| (entry, request))
        });
        let mut found = Vec::new();
        for (entry, request) in creations {
            let body = request.json().unwrap_or_default();
            let person = text(&body["externalId"]).to_owned();
            if act == "adopt" {
                found.push(format!("I4: sent although the account is there: {entry}"));
            } else if self.created.contains(&person) {
                found.push(format!("I4: sent again after it was done: {entry}"));
            }
            if entry.status.is_some_and(|status| status.is_success()) {
                self.created.insert(person);
            }
        }
        found
    }
}

/// A bank that is described as data.
pub struct AtTheBank {
    story: BankStory,
    acts: &'static [Act],
}

impl AtTheBank {
    /// It takes idempotency keys, and a seat is an invitation, which a transfer or a leave cancels.
    pub const KEYED: &'static [Act] = &[
        ("hire with a keyed card", true),
        ("transfer, invitation open", true),
        ("leave", true),
    ];
    /// It keeps what a card says of the operation that made it.
    pub const MARKED: &'static [Act] = &[("hire with a marked card", true), ("leave", false)];
    /// It does neither, and shows a card only to whoever knows its id.
    pub const BLIND: &'static [Act] = &[("hire with a blind card", true)];
    /// A person's address is the id of their account.
    pub const LOGINS: &'static [Act] = &[("hire", false), ("rename of a login", true), ("leave", false)];

    pub async fn new(script: &Script, args: &[&str], acts: &'static [Act]) -> Self {
        let mut habits = Habits {
            invites: true,
            ..Habits::default()
        };
        let kind = match acts[0].0 {
            "hire with a marked card" => {
                habits.metadata = true;
                "marked-card"
            }
            "hire with a blind card" => "blind-card",
            "hire with a keyed card" => {
                habits.keys = true;
                "keyed-card"
            }
            _ => {
                (habits.keys, habits.logins) = (true, true);
                "keyed-card"
            }
        };
        Self {
            story: BankStory::new(env!("CARGO_BIN_EXE_rollcall"), script, args, kind, habits).await,
            acts,
        }
    }
}

impl Tale for AtTheBank {
    type Sight = BankSight;

    fn acts(&self) -> &'static [Act] {
        self.acts
    }

    fn world(&self) -> &World {
        &self.story.world
    }

    fn forget(&self) {
        self.story.world.kube_proxy.iter().for_each(Proxy::forget);
        self.story.forget();
    }

    fn newcomer(&mut self) -> Person {
        self.story.newcomer()
    }

    async fn tell(&mut self, act: &str, person: &mut Person) {
        let event = match act.split([' ', ',']).next() {
            Some("transfer") => Event::Transfer,
            Some("rename") => Event::Rename,
            Some("leave") => Event::Leave,
            _ => Event::Hire,
        };
        self.story.tell(event, person);
    }

    async fn settle(&self, patience: Duration) -> Result<(), Vec<String>> {
        self.story.settle(patience).await
    }

    async fn look(&self) -> BankSight {
        self.story.look().await
    }

    fn unexplained(sight: &BankSight) -> Vec<String> {
        sight.unexplained()
    }

    fn unrecorded(before: &BankSight, log: &[Entry], after: &BankSight) -> Vec<String> {
        Ledger::unrecorded_at_the_bank(before, log, after)
    }

    fn twice(&mut self, _: &str, _: &[Entry]) -> Vec<String> {
        self.story.bank.twice()
    }
}

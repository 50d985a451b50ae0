//! The steps of a trial, what was made by them, and how it is taken back.

use std::time::{Duration, Instant};

use kube::ResourceExt as _;
use parking_lot::Mutex;

use super::parameters::{difference, others, usual};
use super::report::Report;
use super::setup::Setup;
use crate::api::Entitlement;
use crate::api::entitlement::RemoteObject;
use crate::decide::effect::short_digest;
use crate::targets::{Found, Holding, Looks, Order, Receipt, TargetError, Verb};

/// For so long something that was done may take to be seen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const POLL: Duration = Duration::from_millis(500);

/// A step failed, and was printed.
#[derive(Debug)]
pub(super) struct Failed;

/// What a step gives, and what is printed of it.
pub(super) type Step<T> = Result<(T, String), String>;

/// What is there by our doing, or may be.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub account: Option<MadeAccount>,
    grants: Vec<(RemoteObject, Order)>,
}

#[derive(Clone, Debug)]
pub(super) enum MadeAccount {
    /// Its creation was sent.
    Sent,
    /// It is there.
    There(String),
    /// It is there, and all was done to end it that can be done.
    Ended(String),
}

/// A definition on the live API.
pub(super) struct Trial<'a> {
    pub(super) setup: &'a Setup,
    report: &'a Report,
    pub(super) made: Mutex<Made>,
}

impl<'a> Trial<'a> {
    pub fn new(setup: &'a Setup, report: &'a Report) -> Self {
        Self {
            setup,
            report,
            made: Mutex::default(),
        }
    }

    /// All steps, until one fails.
    pub async fn play(&self) -> Result<(), Failed> {
        self.step("probe", self.probe()).await?;
        self.step("list accounts", self.list()).await?;
        let found = self.step("find account", self.find()).await?;
        if self.setup.read_only {
            for entitlement in &self.setup.entitlements {
                let name = entitlement.name_any();
                let step = format!("{name}: find object");
                if self.step(&step, self.object_or_none(entitlement)).await?.is_some() {
                    self.step(&format!("{name}: look"), self.survey(entitlement)).await?;
                }
            }
            return Ok(());
        }
        let account = if let Some(account) = found {
            account.id
        } else {
            let made = self.step("create account", self.create()).await?;
            self.step("read account", self.read_back(&made)).await?;
            self.step("find it again", self.find_again(&made)).await?;
            made
        };
        for entitlement in &self.setup.entitlements {
            self.give_and_take(entitlement, &account).await?;
        }
        let is_ours = matches!(self.made.lock().account, Some(MadeAccount::There(_)));
        if is_ours && !self.setup.keep {
            self.end(&account).await?;
        }
        Ok(())
    }

    /// Takes back what is left. Whether nothing is left that should not be.
    pub async fn clean(&self) -> bool {
        if self.setup.keep {
            return true;
        }
        let mut clean = true;
        let grants = std::mem::take(&mut self.made.lock().grants);
        for (object, order) in grants.into_iter().rev() {
            let name = format!("take back {} {}", object.kind, object.id);
            let done = self.step(&name, self.take(&object, &order)).await;
            if done.is_err() {
                clean = false;
                self.made.lock().grants.push((object, order));
            }
        }
        let account = self.made.lock().account.clone();
        let Some(account) = account else { return clean };
        let id = match account {
            MadeAccount::There(id) => Some(id),
            MadeAccount::Ended(_) => return clean,
            MadeAccount::Sent => match self.step("look for the account", self.search()).await {
                Ok(found) => found.map(|account| account.id),
                Err(Failed) => return false,
            },
        };
        match id {
            None => self.made.lock().account = None,
            Some(id) => clean &= self.end(&id).await.is_ok(),
        }
        clean
    }

    /// What is left, in words.
    pub fn left(&self) -> String {
        let made = self.made.lock();
        let account = match &made.account {
            None => None,
            Some(MadeAccount::Sent) => Some("perhaps an account".to_owned()),
            Some(MadeAccount::There(id)) => Some(format!("the account {id}")),
            Some(MadeAccount::Ended(id)) if self.setup.powers.deactivate => Some(format!(
                "the account {id}, which is unusable and cannot be deleted here"
            )),
            Some(MadeAccount::Ended(id)) => Some(format!("the account {id}, which cannot be ended here")),
        };
        let grants = made
            .grants
            .iter()
            .map(|(object, _)| format!("{} {}", object.kind, object.id));
        let left: Vec<String> = account.into_iter().chain(grants).collect();
        if left.is_empty() {
            "nothing is left behind".to_owned()
        } else {
            format!("left behind: {}", left.join(", "))
        }
    }

    pub(super) async fn step<T>(&self, name: &str, what: impl Future<Output = Step<T>>) -> Result<T, Failed> {
        let began = Instant::now();
        let done = what.await;
        let words = done.as_ref().map(|(_, words)| words.as_str()).map_err(String::as_str);
        self.report.step(name, began.elapsed(), words);
        done.map(|(value, _)| value).map_err(|_| Failed)
    }

    async fn probe(&self) -> Step<()> {
        let done = self.setup.target.capabilities().await;
        done.map(|_| ((), "it answers, and takes the credentials".to_owned()))
            .map_err(|error| said(&error))
    }

    async fn list(&self) -> Step<()> {
        let all = self.setup.target.accounts().await.map_err(|error| said(&error))?;
        let words = match all {
            Some(all) => format!("{} accounts", all.len()),
            None => "it lists no accounts".to_owned(),
        };
        Ok(((), words))
    }

    async fn object(&self, entitlement: &Entitlement) -> Step<RemoteObject> {
        match self
            .setup
            .target
            .find_object(&entitlement.spec)
            .await
            .map_err(|error| said(&error))?
        {
            Found::One(object) => {
                let words = format!("{} {}", object.kind, object.id);
                Ok((object, words))
            }
            Found::None => Err("there is no such object: make it, or correct the inputs".to_owned()),
            Found::Foreign(_, why) | Found::Several(why) => Err(why),
        }
    }

    /// What an Entitlement stands for; `None` where it is not there, and the operator makes it when it first needs it. A trial
    /// could not take it back.
    async fn object_or_none(&self, entitlement: &Entitlement) -> Step<Option<RemoteObject>> {
        let makes = entitlement.spec.scim_group.as_ref().is_some_and(|group| group.create);
        let found = self.setup.target.find_object(&entitlement.spec).await;
        if makes && matches!(found, Ok(Found::None)) {
            let words = "not there; the operator makes it, and a trial does not, since it could not take it back";
            return Ok((None, words.to_owned()));
        }
        self.object(entitlement)
            .await
            .map(|(object, words)| (Some(object), words))
    }

    /// Who holds it, where one look shows that.
    async fn survey(&self, entitlement: &Entitlement) -> Step<()> {
        let (object, _) = self.object(entitlement).await?;
        let target = &self.setup.target;
        let count = match target.looks(&object.kind) {
            Looks::Object => {
                let seen = target.holders(&object).await.map_err(|error| said(&error))?;
                seen.ok_or("the object is not there")?.ids.len()
            }
            Looks::Kind => {
                let all = target.all_holders(&object.kind).await.map_err(|error| said(&error))?;
                all.get(&object).map_or(0, |holders| holders.ids.len())
            }
            Looks::Account | Looks::One => return Ok(((), "is seen account by account".to_owned())),
        };
        Ok(((), format!("{count} hold it")))
    }

    async fn give_and_take(&self, entitlement: &Entitlement, account: &str) -> Result<(), Failed> {
        let name = entitlement.name_any();
        let at = |step: &str| format!("{name}: {step}");
        let found = self.step(&at("find object"), self.object_or_none(entitlement)).await?;
        let Some(object) = found else { return Ok(()) };
        let held = self.step(&at("look"), self.look(&object, account)).await?;
        if held.is_some() {
            self.report
                .say(&format!("       {name} was held before, so it is left alone"));
            return Ok(());
        }
        let mut order = self.order(entitlement, account);
        self.made.lock().grants.push((object.clone(), order.clone()));
        let receipt = self.step(&at("grant"), self.send(&object, &order)).await?;
        order.grant_id = receipt.grant_id;
        let seen = self.step(&at("look"), self.seen(&object, &order)).await?;
        if !seen.grant_id.is_empty() {
            order.grant_id = seen.grant_id;
        }
        self.remember(&object, &order);
        if let Some(parameters) = others(entitlement, &order.parameters) {
            order.verb = Verb::Update;
            order.parameters = parameters;
            self.step(&at("update"), self.send(&object, &order)).await?;
            self.step(&at("look"), self.seen(&object, &order)).await?;
        }
        if self.setup.keep {
            return Ok(());
        }
        self.step(&at("revoke"), self.take(&object, &order)).await?;
        self.made.lock().grants.retain(|(known, _)| *known != object);
        Ok(())
    }

    fn remember(&self, object: &RemoteObject, order: &Order) {
        let mut made = self.made.lock();
        if let Some((_, known)) = made.grants.iter_mut().find(|(known, _)| known == object) {
            known.clone_from(order);
        }
    }

    fn order(&self, entitlement: &Entitlement, account: &str) -> Order {
        let mut order = Order::new(Verb::Grant, account);
        order.person = self.setup.person.clone();
        order.inputs = entitlement.spec.http.clone().unwrap_or_default().inputs;
        order.operation_id = short_digest(["grant", &self.setup.mark, &entitlement.name_any()]);
        for parameter in &entitlement.spec.parameters {
            order.parameters.insert(parameter.name.clone(), usual(parameter));
        }
        order
    }

    async fn send(&self, object: &RemoteObject, order: &Order) -> Step<Receipt> {
        let orders = std::slice::from_ref(order);
        let receipts = self.setup.target.change_holders(object, orders, None).await;
        let receipt = receipts
            .map_err(|error| said(&error))?
            .remove(&order.account_id)
            .transpose()
            .map_err(|error| said(&error))?;
        let receipt = receipt.unwrap_or_default();
        let words = match receipt.grant_id.as_str() {
            "" => "taken".to_owned(),
            id => format!("taken, as {id}"),
        };
        Ok((receipt, words))
    }

    async fn look(&self, object: &RemoteObject, account: &str) -> Step<Option<Holding>> {
        let held = self.holding(object, account).await?;
        let words = if held.is_some() { "held" } else { "not held" };
        Ok((held, words.to_owned()))
    }

    /// Waits until it is seen to be held as was ordered.
    async fn seen(&self, object: &RemoteObject, order: &Order) -> Step<Holding> {
        let account = &order.account_id;
        let as_ordered = |held: &Option<Holding>| held.as_ref().is_some_and(|held| difference(held, order).is_none());
        let held = self.until(|| self.holding(object, account), as_ordered).await?;
        let held = held.ok_or("it was given, and no look shows it")?;
        if let Some(why) = difference(&held, order) {
            return Err(why);
        }
        let state = if held.invited { ", by invitation" } else { "" };
        Ok((held, format!("held{state}")))
    }

    /// Takes it, and sees it gone.
    async fn take(&self, object: &RemoteObject, order: &Order) -> Step<()> {
        let mut revoke = Order::new(Verb::Revoke, &order.account_id);
        revoke.grant_id.clone_from(&order.grant_id);
        revoke.operation_id.clone_from(&order.operation_id);
        self.send(object, &revoke).await?;
        let account = &order.account_id;
        match self.until(|| self.holding(object, account), Option::is_none).await? {
            None => Ok(((), "seen gone".to_owned())),
            Some(_) => Err("it was taken back, and is still held".to_owned()),
        }
    }

    async fn holding(&self, object: &RemoteObject, account: &str) -> Result<Option<Holding>, String> {
        let target = &self.setup.target;
        let found = match target.looks(&object.kind) {
            Looks::Object => target
                .holders(object)
                .await
                .map(|holders| holders.and_then(|mut holders| holders.ids.remove(account))),
            Looks::Kind => target
                .all_holders(&object.kind)
                .await
                .map(|mut all| all.remove(object).and_then(|mut holders| holders.ids.remove(account))),
            Looks::Account => target
                .holdings(&object.kind, account)
                .await
                .map(|mut held| held.remove(object)),
            Looks::One => target.holding(object, account, &self.known_grant(object)).await,
        };
        found.map_err(|error| said(&error))
    }

    fn known_grant(&self, object: &RemoteObject) -> String {
        let made = self.made.lock();
        let order = made.grants.iter().find(|(known, _)| known == object);
        order.map(|(_, order)| order.grant_id.clone()).unwrap_or_default()
    }

    /// Looks until what is seen is wanted, or patience ends; what was seen last.
    pub(super) async fn until<T, L>(&self, look: impl Fn() -> L, wanted: impl Fn(&T) -> bool) -> Result<T, String>
    where
        L: Future<Output = Result<T, String>>,
    {
        let began = Instant::now();
        loop {
            let seen = look().await?;
            if wanted(&seen) || began.elapsed() > PATIENCE {
                return Ok(seen);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

pub(super) fn said(error: &TargetError) -> String {
    error.to_string()
}

//! What every controller shares.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::Api;
use kube::core::NamespaceResourceScope;
use kube::runtime::events::{Recorder as EventRecorder, Reporter};
use parking_lot::{Mutex, RwLock};

use super::audit::Audit;
use super::clock::Clock;
use super::connection::Mirrors;
use super::desk::Desks;
use super::gate::Gate;
use super::releaser::Releaser;
use super::wake::Wake;
use crate::api::target::Budget;
use crate::api::{
    AccessException, ChangeSet, Employee, Entitlement, HRISConnection, MANAGER, ProvisioningPolicy, TargetSystem,
};
use crate::decide::{Index, Namespace};
use crate::egress::Egress;

/// Which namespaces are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every namespace.
    All,
    /// One namespace.
    Namespace(String),
}

impl Scope {
    /// The objects of a kind that are ours.
    pub fn api<K>(&self, client: Client) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match self {
            Self::All => Api::all(client),
            Self::Namespace(name) => Api::namespaced(client, name),
        }
    }
}

/// What the command line says to the controllers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which namespaces are ours.
    pub scope: Scope,
    /// How long losses that no exit explains wait for further changes before they are judged together.
    pub settle: Duration,
    /// How often our clock is compared with the API server's.
    pub compare_clocks: Duration,
    /// How long policies, entitlements and exceptions must go without an edit before the losses of edits are judged.
    pub policy_settle: Duration,
    /// How many people may lose something in a namespace within 24 hours, for each cause, before a person must decide.
    pub limits: Budget,
    /// What of the network connections and targets may be found in.
    pub egress: Egress,
}

/// What every controller shares.
pub struct Context {
    /// The API server, as the operator.
    pub client: Client,
    /// How to reach it, for clients that speak as somebody else.
    pub cluster: kube::Config,
    /// What the command line says.
    pub settings: Settings,
    /// Facts and records.
    pub index: RwLock<Index>,
    /// Work for the targets, and what came of it.
    pub desks: Desks,
    /// The sole authority over losses.
    pub releaser: Releaser,
    /// What was last read from each HRIS.
    pub mirrors: Mirrors,
    /// The instant of decisions.
    pub clock: Clock,
    /// Whether this process may still act.
    pub gate: Arc<Gate>,
    /// One line for every effect.
    pub audit: Audit,
    /// Events for people.
    pub events: EventRecorder,
    /// Since when people wait for look-ups, by namespace and name.
    pub waiting_since: Mutex<HashMap<(String, String), Instant>>,
    /// Wakes employees.
    pub employees: Wake<Employee>,
    /// Wakes policies.
    pub policies: Wake<ProvisioningPolicy>,
    /// Wakes entitlements.
    pub entitlements: Wake<Entitlement>,
    /// Wakes targets.
    pub targets: Wake<TargetSystem>,
    /// Wakes exceptions.
    pub exceptions: Wake<AccessException>,
    /// Wakes change sets.
    pub change_sets: Wake<ChangeSet>,
    /// Wakes connections.
    pub connections: Wake<HRISConnection>,
}

impl Context {
    /// A context for one life of the leader.
    pub fn new(
        client: Client,
        cluster: kube::Config,
        settings: Settings,
        gate: Arc<Gate>,
        audit: Audit,
        identity: String,
    ) -> Self {
        let reporter = Reporter {
            controller: MANAGER.to_owned(),
            instance: Some(identity),
        };
        Self {
            events: EventRecorder::new(client.clone(), reporter),
            client,
            cluster,
            settings,
            gate,
            audit,
            clock: Clock::default(),
            index: RwLock::default(),
            desks: Desks::default(),
            releaser: Releaser::default(),
            mirrors: Mirrors::default(),
            waiting_since: Mutex::default(),
            employees: Wake::default(),
            policies: Wake::default(),
            entitlements: Wake::default(),
            targets: Wake::default(),
            exceptions: Wake::default(),
            change_sets: Wake::default(),
            connections: Wake::default(),
        }
    }

    /// Wakes every employee and target, as when time moved otherwise than clocks do.
    pub fn wake_all(&self) {
        let namespaces: Vec<(String, Vec<String>)> = {
            let index = self.index.read();
            let targets = |content: &Namespace| content.targets.keys().cloned().collect();
            let all = index.namespaces();
            all.map(|(name, content)| (name.clone(), targets(content))).collect()
        };
        for (namespace, targets) in namespaces {
            self.wake_everybody(&namespace);
            for target in targets {
                self.targets.wake(&namespace, &target);
            }
            self.releaser.mark(&namespace);
        }
    }

    /// Wakes every employee of a namespace, as when a policy changed.
    pub fn wake_everybody(&self, namespace: &str) {
        let index = self.index.read();
        for name in index
            .namespace(namespace)
            .into_iter()
            .flat_map(|content| content.employees.keys().chain(content.broken_employees.keys()))
        {
            self.employees.wake(namespace, name);
        }
    }
}

//! This cluster's RBAC: what is granted is a place among a binding's subjects, and an account is a user name.
//!
//! Every call is made as the `ServiceAccount` that the `TargetSystem` names, never as the operator: what it may bind is what
//! any policy can give.

mod errors;
mod identity;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, Config, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::errors::About;
use self::identity::{Binding, Identity, role_words, user, user_subject};
use self::session::Session;
use super::pace::Pace;
use super::{Account, AccountFacts, Found, Holders, Holding, Order, Receipts, Repeats, Target, TargetError, sides};
use crate::api::MANAGER;
use crate::api::entitlement::{EntitlementSpec, RemoteObject};
use crate::api::target::Capabilities;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Whose RBAC, and by which `ServiceAccount`.
pub struct KubernetesOptions {
    /// The cluster's address and CA. Its credentials are not used.
    pub client_config: Config,
    /// The operator's own client, for `TokenRequests` only.
    pub operator: Client,
    /// The namespace of the `TargetSystem` and of the `ServiceAccount`.
    pub namespace: String,
    /// The `ServiceAccount` that writes the bindings.
    pub service_account: String,
    /// How fast it may be called; a call is a few requests.
    pub pace: Arc<Pace>,
}

/// This cluster's RBAC, as one `ServiceAccount` may write it.
pub struct KubernetesTarget {
    session: Session,
    namespace: String,
    roles: Mutex<BTreeMap<RemoteObject, RoleRef>>,
}

/// The parts of a binding that matter, of either kind.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    role: RoleRef,
    subjects: Vec<Subject>,
    version: Option<String>,
}

impl KubernetesTarget {
    /// A target for the cluster. Nothing is sent yet.
    pub fn new(options: KubernetesOptions) -> Self {
        let KubernetesOptions {
            client_config,
            operator,
            namespace,
            service_account,
            pace,
        } = options;
        Self {
            session: Session::new(&client_config, operator, namespace.clone(), service_account, pace),
            namespace,
            roles: Mutex::new(BTreeMap::new()),
        }
    }

    fn known_role(&self, object: &RemoteObject) -> Option<RoleRef> {
        let roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        roles.get(object).cloned()
    }

    fn learn_role(&self, object: RemoteObject, role: RoleRef) {
        self.roles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(object, role);
    }

    /// What an error means; a token that is not taken is not used again.
    async fn failed(&self, verb: &'static str, what: &str, role: Option<&RoleRef>, error: &kube::Error) -> TargetError {
        let role = role.map(role_words);
        let about = About {
            account: self.session.account(),
            verb,
            what,
            role: role.as_deref(),
        };
        let error = about.error(error);
        if matches!(error, TargetError::Unauthorized(_)) {
            self.session.forget().await;
        }
        error
    }

    /// Reads by name; `None` where there is no such object.
    async fn get<K>(&self, api: &Api<K>, name: &str, what: &str) -> Result<Option<K>, TargetError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        match api.get_opt(name).await {
            Ok(found) => Ok(found),
            Err(error) => Err(self.failed("get", what, None, &error).await),
        }
    }

    /// Whether an object is there, as far as the `ServiceAccount` may see: one that it may not read is taken to be.
    async fn is_there<K>(&self, api: &Api<K>, name: &str, what: &str) -> Result<bool, TargetError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        match self.get(api, name, what).await {
            Ok(found) => Ok(found.is_some()),
            Err(TargetError::Refused(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn has_namespace(&self, client: &Client, binding: &Binding) -> Result<bool, TargetError> {
        match binding.namespace() {
            Some(namespace) => {
                let namespaces: Api<Namespace> = Api::all(client.clone());
                self.is_there(&namespaces, namespace, &format!("Namespace {namespace}"))
                    .await
            }
            None => Ok(true),
        }
    }

    async fn has_role(&self, client: &Client, identity: &Identity) -> Result<bool, TargetError> {
        let what = role_words(&identity.role);
        let name = identity.role.name.as_str();
        match identity.binding.namespace() {
            Some(namespace) if identity.role.kind == "Role" => {
                let roles: Api<Role> = Api::namespaced(client.clone(), namespace);
                self.is_there(&roles, name, &what).await
            }
            _ => {
                let roles: Api<ClusterRole> = Api::all(client.clone());
                self.is_there(&roles, name, &what).await
            }
        }
    }

    async fn seen(&self, client: &Client, binding: &Binding) -> Result<Option<Seen>, TargetError> {
        let what = binding.words();
        match binding {
            Binding::InNamespace { namespace, name } => {
                let api: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
                Ok(self.get(&api, name, &what).await?.map(|found| Seen {
                    role: found.role_ref,
                    subjects: found.subjects.unwrap_or_default(),
                    version: found.metadata.resource_version,
                }))
            }
            Binding::OfCluster { name } => {
                let api: Api<ClusterRoleBinding> = Api::all(client.clone());
                Ok(self.get(&api, name, &what).await?.map(|found| Seen {
                    role: found.role_ref,
                    subjects: found.subjects.unwrap_or_default(),
                    version: found.metadata.resource_version,
                }))
            }
        }
    }

    /// Writes the whole binding: created where `seen` is none, else applied under the version that was seen.
    ///
    /// Subjects are one atomic value to server-side apply, so what others put there must be given again, and the version
    /// makes sure that it is all there was. A new binding is created and not applied: an apply without a version would
    /// replace what somebody else creates in between.
    async fn write(
        &self,
        client: &Client,
        binding: &Binding,
        role: RoleRef,
        subjects: Vec<Subject>,
        seen: Option<&Seen>,
    ) -> Result<(), TargetError> {
        let metadata = ObjectMeta {
            name: Some(binding.name().to_owned()),
            namespace: binding.namespace().map(str::to_owned),
            labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), MANAGER.to_owned())])),
            resource_version: seen.and_then(|seen| seen.version.clone()),
            ..ObjectMeta::default()
        };
        let verb = if seen.is_some() { "patch" } else { "create" };
        let written = if let Some(namespace) = binding.namespace() {
            let object = RoleBinding {
                metadata,
                role_ref: role.clone(),
                subjects: Some(subjects),
            };
            send(&Api::namespaced(client.clone(), namespace), &object, seen.is_some()).await
        } else {
            let object = ClusterRoleBinding {
                metadata,
                role_ref: role.clone(),
                subjects: Some(subjects),
            };
            send(&Api::all(client.clone()), &object, seen.is_some()).await
        };
        match written {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(verb, &binding.words(), Some(&role), &error).await),
        }
    }
}

async fn send<K>(api: &Api<K>, object: &K, exists: bool) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    if exists {
        let name = object.meta().name.clone().unwrap_or_default();
        let parameters = PatchParams::apply(MANAGER).force();
        api.patch(&name, &parameters, &Patch::Apply(object)).await.map(|_| ())
    } else {
        let parameters = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        api.create(&parameters, object).await.map(|_| ())
    }
}

/// The subjects after a change, or `None` where it changes nothing. Groups, `ServiceAccounts` and users that are not
/// named stay. In one order, so that the same holders are the same text.
fn changed(seen: &[Subject], add: &BTreeSet<String>, remove: &BTreeSet<String>) -> Option<Vec<Subject>> {
    let held: BTreeSet<&str> = seen.iter().filter_map(user).collect();
    let missing = add.iter().filter(|name| !held.contains(name.as_str()));
    let mut after: Vec<Subject> = missing.map(|name| user_subject(name)).collect();
    let removes = |subject: &Subject| user(subject).is_some_and(|name| remove.contains(name));
    if after.is_empty() && !seen.iter().any(removes) {
        return None;
    }
    after.extend(seen.iter().filter(|subject| !removes(subject)).cloned());
    after.sort_by(|a, b| (&a.kind, &a.namespace, &a.name).cmp(&(&b.kind, &b.namespace, &b.name)));
    Some(after)
}

fn other_role(binding: &Binding, is: &RoleRef, should: &RoleRef) -> String {
    format!(
        "{} is bound to {} and not to {}, and a roleRef cannot change: delete that binding, or name another by bindingName",
        binding.words(),
        role_words(is),
        role_words(should)
    )
}

fn no_accounts<T>() -> Result<T, TargetError> {
    Err(TargetError::Refused(
        "a cluster has no accounts of its own: people are user names".to_owned(),
    ))
}

#[async_trait]
impl Target for KubernetesTarget {
    async fn capabilities(&self) -> Result<Capabilities, TargetError> {
        let client = self.session.client().await?;
        // Anybody may ask for the version, but a token that is sent along must be good.
        match client.apiserver_version().await {
            Ok(_) => {}
            Err(error) => match self.failed("get", "the version", None, &error).await {
                // Some clusters do not tell; then they have read the token.
                TargetError::Refused(_) => {}
                error => return Err(error),
            },
        }
        Ok(Capabilities {
            patch: true,
            filter: false,
            bulk: false,
            etag: true,
        })
    }

    async fn find_object(&self, entitlement: &EntitlementSpec) -> Result<Found<RemoteObject>, TargetError> {
        let identity = Identity::of(entitlement, &self.namespace)?;
        let client = self.session.client().await?;
        if !self.has_namespace(&client, &identity.binding).await? || !self.has_role(&client, &identity).await? {
            return Ok(Found::None);
        }
        if let Some(seen) = self.seen(&client, &identity.binding).await?
            && seen.role != identity.role
        {
            return Ok(Found::Several(other_role(
                &identity.binding,
                &seen.role,
                &identity.role,
            )));
        }
        let object = identity.binding.object();
        self.learn_role(object.clone(), identity.role);
        Ok(Found::One(object))
    }

    async fn find_account(&self, _person: &AccountFacts) -> Result<Found<Account>, TargetError> {
        no_accounts()
    }

    async fn create_account(&self, _person: &AccountFacts, _operation_id: &str) -> Result<Account, TargetError> {
        no_accounts()
    }

    /// A binding is written whole, under its version.
    fn repeats(&self, _object: Option<&RemoteObject>) -> Repeats {
        Repeats::Safely
    }

    async fn read_account(&self, _id: &str) -> Result<Option<Account>, TargetError> {
        no_accounts()
    }

    async fn update_account(&self, _id: &str, _person: &AccountFacts, _activate: bool) -> Result<String, TargetError> {
        no_accounts()
    }

    async fn deactivate_account(&self, _id: &str) -> Result<(), TargetError> {
        no_accounts()
    }

    async fn delete_account(&self, _id: &str) -> Result<(), TargetError> {
        no_accounts()
    }

    /// A binding that is not there is one without holders, since it is ours to create; only with its namespace is the
    /// object gone.
    async fn holders(&self, object: &RemoteObject) -> Result<Option<Holders>, TargetError> {
        let binding = Binding::of(object)?;
        let client = self.session.client().await?;
        match self.seen(&client, &binding).await? {
            Some(seen) => Ok(Some(Holders {
                ids: seen
                    .subjects
                    .iter()
                    .filter_map(user)
                    .map(|name| (name.to_owned(), Holding::default()))
                    .collect(),
                version: seen.version,
            })),
            None => Ok(self.has_namespace(&client, &binding).await?.then(Holders::default)),
        }
    }

    /// `seen` is not used: it names users only, and what else is among the subjects must be written again too.
    async fn change_holders(
        &self,
        object: &RemoteObject,
        orders: &[Order],
        _seen: Option<&Holders>,
    ) -> Result<Receipts, TargetError> {
        let (add, remove) = sides(orders);
        let binding = Binding::of(object)?;
        let client = self.session.client().await?;
        let seen = self.seen(&client, &binding).await?;
        let known = self.known_role(object);
        let role = match (&seen, known) {
            (Some(seen), Some(role)) if seen.role != role => {
                return Err(TargetError::Refused(other_role(&binding, &seen.role, &role)));
            }
            (Some(seen), _) => seen.role.clone(),
            (None, Some(role)) => role,
            (None, None) if add.is_empty() => return Ok(Receipts::new()),
            // Which role it should give, only its Entitlement says.
            (None, None) => return Err(TargetError::Gone(binding.words())),
        };
        let subjects = seen.as_ref().map(|seen| seen.subjects.as_slice()).unwrap_or_default();
        if let Some(after) = changed(subjects, &add, &remove) {
            self.write(&client, &binding, role, after, seen.as_ref()).await?;
        }
        Ok(Receipts::new())
    }
}

//! From files, flags and Secrets to a target that can be called, and a person that nobody knows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use secrecy::SecretString;

use super::report::Report;
use super::{TestOptions, Which};
use crate::api::employee::EmployeeSpec;
use crate::api::{Employee, Entitlement, HRISConnection, SecretKeyRef, TargetSystem};
use crate::cli::cluster::{self, Cluster};
use crate::cli::load::{Manifests, Object, load};
use crate::decide::attributes::AttributeMap;
use crate::decide::definition::Definition;
use crate::decide::effect::short_digest;
use crate::decide::expression::Schema;
use crate::egress::{Egress, Rules};
use crate::targets::http::{HttpTarget, HttpTargetOptions, credentials};
use crate::targets::pace::Pace;
use crate::targets::scim::{ScimOptions, ScimTarget};
use crate::targets::{AccountFacts, Target};

/// Where a key of a Secret is to be had.
#[derive(Clone, Debug)]
pub(super) struct SecretSource {
    reference: SecretKeyRef,
    place: SecretPlace,
}

#[derive(Clone, Debug)]
enum SecretPlace {
    Variable(String),
    File(PathBuf),
}

impl SecretSource {
    pub fn parse(text: &str) -> Result<Self, String> {
        let usage = || "write NAME/KEY=env:VARIABLE or NAME/KEY=file:PATH".to_owned();
        let (reference, place) = text.split_once('=').ok_or_else(usage)?;
        let (name, key) = reference.split_once('/').ok_or_else(usage)?;
        let place = match place.split_once(':').ok_or_else(usage)? {
            ("env", variable) => SecretPlace::Variable(variable.to_owned()),
            ("file", path) => SecretPlace::File(path.into()),
            _ => return Err(usage()),
        };
        let reference = SecretKeyRef {
            name: name.to_owned(),
            key: key.to_owned(),
        };
        Ok(Self { reference, place })
    }

    fn read(&self) -> Result<SecretString, String> {
        let text = match &self.place {
            SecretPlace::Variable(name) => {
                std::env::var(name).map_err(|_| format!("--secret: the variable {name} is not set: export it"))?
            }
            SecretPlace::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("--secret: {} cannot be read: {error}", path.display()))?,
        };
        Ok(text.trim().to_owned().into())
    }
}

/// What the files say.
#[derive(Debug)]
pub(super) struct Files {
    system: TargetSystem,
    pub entitlements: Vec<Entitlement>,
    connections: Vec<HRISConnection>,
}

/// Reads the files. The error is a sentence.
pub(super) fn read(which: &Which) -> Result<Files, String> {
    let manifests = manifests(&which.files)?;
    let (mut systems, mut entitlements, mut connections) = (Vec::new(), Vec::new(), Vec::new());
    for manifest in manifests.objects {
        match manifest.object {
            Object::TargetSystem(system) => systems.push(*system),
            Object::Entitlement(entitlement) => entitlements.push(*entitlement),
            Object::HRISConnection(connection) => connections.push(*connection),
            _ => {}
        }
    }
    if let Some(name) = &which.target {
        systems.retain(|system| system.name_any() == *name);
    }
    let names: Vec<String> = systems.iter().map(ResourceExt::name_any).collect();
    let mut systems = systems.into_iter();
    let (Some(system), None) = (systems.next(), systems.next()) else {
        return Err(match (names.is_empty(), &which.target) {
            (true, Some(name)) => format!("the files have no TargetSystem {name}: name the right one with --target"),
            (true, None) => "the files have no TargetSystem: name one that has with -f".to_owned(),
            (false, _) => format!("say with --target which one is meant: {}", names.join(", ")),
        });
    };
    let name = system.name_any();
    entitlements.retain(|entitlement| entitlement.spec.target_ref.name == name);
    Ok(Files {
        system,
        entitlements,
        connections,
    })
}

fn manifests(sources: &[crate::cli::source::Source]) -> Result<Manifests, String> {
    let manifests = load(sources).map_err(|error| error.to_string())?;
    let problems: Vec<String> = manifests
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.place, problem.message))
        .collect();
    if problems.is_empty() {
        return Ok(manifests);
    }
    Err(problems.join("\n  "))
}

impl Files {
    pub fn name(&self) -> String {
        self.system.name_any()
    }

    /// What is described, checked.
    pub fn described(&self) -> Result<Described, Vec<String>> {
        let schema = Schema::of(self.connections.iter().map(Some));
        if let Some(scim) = &self.system.spec.scim {
            let compiled = AttributeMap::compile(&scim.attributes, &schema);
            let at = |problem: String| format!("spec.scim.attributes: {problem}");
            return compiled
                .map(Described::Scim)
                .map_err(|problems| problems.into_iter().map(at).collect());
        }
        match Definition::compile(&self.system.spec, &schema) {
            None => Ok(Described::Other),
            Some(Ok(definition)) => Ok(Described::Http(Box::new(definition))),
            Some(Err(problems)) => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    /// What is wrong with the Entitlements.
    pub fn problems(&self, described: &Described) -> Vec<String> {
        let of = |entitlement: &Entitlement| {
            let problems = match described {
                Described::Http(definition) => definition
                    .check(&entitlement.spec)
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                Described::Scim(_) | Described::Other if entitlement.spec.http.is_some() => vec![format!(
                    "spec.http: {} is no http target: say what that one grants, in the place of http",
                    self.name()
                )],
                Described::Scim(_) | Described::Other => Vec::new(),
            };
            let at = |problem: String| format!("Entitlement {}: {problem}", entitlement.name_any());
            problems.into_iter().map(at).collect::<Vec<String>>()
        };
        self.entitlements.iter().flat_map(of).collect()
    }
}

/// What a TargetSystem spells out, compiled.
pub(super) enum Described {
    /// An API.
    Http(Box<Definition>),
    /// The attributes of a SCIM service's accounts.
    Scim(AttributeMap),
    /// Nothing: all of it is left to the protocol.
    Other,
}

/// What an API was described to do to accounts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Powers {
    pub create: bool,
    pub deactivate: bool,
    pub delete: bool,
}

/// Everything that a trial needs.
pub(super) struct Setup {
    pub target: Box<dyn Target>,
    pub powers: Powers,
    pub person: AccountFacts,
    /// Whether somebody was named, who may be known there already.
    pub is_given: bool,
    pub entitlements: Vec<Entitlement>,
    pub read_only: bool,
    pub keep: bool,
    /// Tells this trial from all others.
    pub mark: String,
}

impl Setup {
    pub async fn new(
        files: &Files,
        described: Described,
        options: &TestOptions,
        report: &Report,
    ) -> Result<Self, String> {
        let problems = files.problems(&described);
        if !problems.is_empty() {
            return Err(problems.join("\n  "));
        }
        let mut entitlements = files.entitlements.clone();
        for name in &options.entitlements {
            if !entitlements.iter().any(|entitlement| entitlement.name_any() == *name) {
                return Err(format!(
                    "the files have no Entitlement {name} of {}: see --entitlement",
                    files.name()
                ));
            }
        }
        if !options.entitlements.is_empty() {
            entitlements.retain(|entitlement| options.entitlements.contains(&entitlement.name_any()));
        }
        let now = Timestamp::now().as_nanosecond().to_string();
        let mark = short_digest(["trial", &now, &std::process::id().to_string()]);
        let person = person(options, &mark)?;
        let (target, powers) = target(files, described, options, report).await?;
        Ok(Self {
            target,
            powers,
            person,
            is_given: options.employee.is_some(),
            entitlements,
            read_only: options.read_only,
            keep: options.keep,
            mark,
        })
    }

    /// The person's address, for people.
    pub fn address(&self) -> &str {
        self.person
            .work_email
            .as_deref()
            .unwrap_or("somebody without an address")
    }
}

/// Somebody whom nobody knows, with the facts of the Employee that was named, if one was.
fn person(options: &TestOptions, mark: &str) -> Result<AccountFacts, String> {
    let (_, domain) = options
        .email
        .rsplit_once('@')
        .filter(|(_, domain)| !domain.is_empty())
        .ok_or("--email is no address: write one of a domain of yours, such as someone@example.com")?;
    let facts = match &options.employee {
        None => EmployeeSpec::default(),
        Some(source) => {
            let mut employees = manifests(std::slice::from_ref(source))?.objects.into_iter();
            match (employees.next().map(|manifest| manifest.object), employees.next()) {
                (Some(Object::Employee(employee)), None) => Employee::clone(&employee).spec,
                _ => return Err("--employee must hold one Employee and nothing else".to_owned()),
            }
        }
    };
    let name = format!("rollcall-test-{}", &mark[..8]);
    let or = |fact: &Option<String>, made_up: &str| Some(fact.clone().unwrap_or_else(|| made_up.to_owned()));
    let employee = EmployeeSpec {
        work_email: or(&facts.work_email, &format!("{name}@{}", domain.to_lowercase())),
        username: or(&facts.username, &name),
        display_name: or(&facts.display_name, "Rollcall Test"),
        given_name: or(&facts.given_name, "Rollcall"),
        family_name: or(&facts.family_name, "Test"),
        job_title: or(&facts.job_title, "Test"),
        employee_number: or(&facts.employee_number, &name),
        ..facts
    };
    Ok(AccountFacts {
        external_id: format!("rollcall-test/{mark}"),
        work_email: employee.work_email.clone(),
        username: employee.username.clone(),
        display_name: employee.display_name.clone(),
        given_name: employee.given_name.clone(),
        family_name: employee.family_name.clone(),
        job_title: employee.job_title.clone(),
        employee: Arc::new(employee),
        manager_account: None,
    })
}

async fn target(
    files: &Files,
    described: Described,
    options: &TestOptions,
    report: &Report,
) -> Result<(Box<dyn Target>, Powers), String> {
    let spec = &files.system.spec;
    let pace = Arc::new(Pace::per_minute(spec.rate_limit.requests_per_minute));
    let egress = Egress::new(Rules {
        allow: options.egress_allow.clone(),
        ..Rules::default()
    });
    let mut keys = Keys::new(options);
    if let (Some(scim), Described::Scim(attributes)) = (&spec.scim, &described) {
        if options.show_bodies {
            return Err("--show-bodies shows those of http targets: leave it out".to_owned());
        }
        let token = keys.read(&scim.bearer_token_secret_ref).await?;
        let mut settings = ScimOptions::new(&scim.base_url, token, egress);
        settings.pace = pace;
        settings.enterprise = scim.enterprise;
        settings.attributes = attributes.clone();
        let target = ScimTarget::new(&settings).map_err(|error| error.to_string())?;
        let powers = Powers {
            create: true,
            deactivate: true,
            delete: true,
        };
        return Ok((Box::new(target), powers));
    }
    let (Some(http), Described::Http(definition)) = (&spec.http, described) else {
        return Err("only http and scim targets can be tried: a cluster's own RBAC needs no trial".to_owned());
    };
    let mut secrets = BTreeMap::new();
    for (name, reference) in credentials(http) {
        secrets.insert(name, keys.read(reference).await?);
    }
    let bodies = options.show_bodies.then(|| secrets.values().cloned().collect());
    let powers = Powers {
        create: definition.account.create.is_some(),
        deactivate: definition.account.deactivate.is_some(),
        delete: definition.account.delete.is_some(),
    };
    let target = HttpTarget::new(&HttpTargetOptions {
        api: http.clone(),
        definition: Arc::from(definition),
        secrets,
        pace,
        egress,
    });
    let target = target.map_err(|error| error.to_string())?;
    Ok((Box::new(target.watched(report.watch(bodies))), powers))
}

/// Reads keys of Secrets: from where the flags say, or else from the cluster.
struct Keys<'a> {
    options: &'a TestOptions,
    cluster: Option<Cluster>,
}

impl<'a> Keys<'a> {
    fn new(options: &'a TestOptions) -> Self {
        Self { options, cluster: None }
    }

    async fn read(&mut self, reference: &SecretKeyRef) -> Result<SecretString, String> {
        let said = self
            .options
            .secrets
            .iter()
            .find(|source| source.reference == *reference);
        if let Some(source) = said {
            return source.read();
        }
        let SecretKeyRef { name, key } = reference;
        let hint = format!("or say --secret {name}/{key}=env:VARIABLE");
        let cluster = match self.cluster.take() {
            Some(cluster) => cluster,
            None => cluster::connect(&self.options.cluster)
                .await
                .map_err(|error| format!("{error}; {hint}"))?,
        };
        let namespace = cluster.namespace.clone();
        let api: Api<Secret> = Api::namespaced(cluster.client.clone(), &namespace);
        self.cluster = Some(cluster);
        let secret = api
            .get(name)
            .await
            .map_err(|error| format!("Secret {name} of namespace {namespace} cannot be read ({error}); {hint}"))?;
        let value = secret.data.unwrap_or_default().remove(key);
        let text = value.and_then(|value| String::from_utf8(value.0).ok());
        text.map(|text| text.trim().to_owned().into())
            .ok_or_else(|| format!("Secret {name} of namespace {namespace} has no text under {key}: add it, {hint}"))
    }
}

//! From texts to objects of our kinds. What the API server would refuse is refused here, with the place it stands at.

use std::collections::BTreeMap;
use std::fmt;

use kube::core::{ObjectMeta, TypeMeta};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::source::{self, Source, SourceError, Text};
use crate::api::{
    AccessException, ChangeSet, Employee, Entitlement, GROUP, HRISConnection, ProvisioningPolicy, TargetSystem,
};
use crate::decide::Namespace;
use crate::decide::index::{Indexed, Kind};

/// An object of one of our kinds.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the kind of that name")]
pub enum Object {
    AccessException(Box<AccessException>),
    ChangeSet(Box<ChangeSet>),
    Employee(Box<Employee>),
    Entitlement(Box<Entitlement>),
    HRISConnection(Box<HRISConnection>),
    ProvisioningPolicy(Box<ProvisioningPolicy>),
    TargetSystem(Box<TargetSystem>),
}

/// Does the same with an object of whichever kind.
macro_rules! each {
    ($self:expr, $object:ident => $what:expr) => {
        match $self {
            Object::AccessException($object) => $what,
            Object::ChangeSet($object) => $what,
            Object::Employee($object) => $what,
            Object::Entitlement($object) => $what,
            Object::HRISConnection($object) => $what,
            Object::ProvisioningPolicy($object) => $what,
            Object::TargetSystem($object) => $what,
        }
    };
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        fn of<K: Indexed>(_: &K) -> Kind {
            K::KIND
        }
        each!(self, object => of(object.as_ref()))
    }

    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        each!(self, object => &object.metadata)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// Puts it in, in place of what has its kind and name.
    pub fn put(self, namespace: &mut Namespace) {
        fn put<K: Indexed>(object: K, namespace: &mut Namespace) {
            // What a file says counts, also where it was made from a dump and has the same version.
            let name = object.meta().name.clone().unwrap_or_default();
            K::remove(namespace, &name);
            object.put(namespace);
        }
        each!(self, object => put(*object, namespace));
    }
}

/// An object, and where it was read.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// What was read.
    pub object: Object,
    /// Where it stands.
    pub place: Place,
}

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as [`Text::name`].
    pub file: String,
    /// Which of the file's documents, from 1.
    pub document: usize,
    /// Which item of a list, from 1; 0 where it is no list.
    pub item: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, document {}", self.file, self.document)?;
        match self.item {
            0 => Ok(()),
            item => write!(f, ", item {item}"),
        }
    }
}

/// What is wrong with what was given, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a file and its document, or an object in the cluster.
    pub place: String,
    /// What, and how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// All that the sources hold of our kinds, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Manifests {
    /// In order of source and place.
    pub objects: Vec<Manifest>,
    /// What cannot be used. Nothing should be decided while there is any.
    pub problems: Vec<Problem>,
    /// How many objects of other groups were passed over.
    pub others: usize,
}

/// Reads the sources, the cluster excepted.
pub fn load(sources: &[Source]) -> Result<Manifests, SourceError> {
    let mut manifests = Manifests::default();
    for source in sources.iter().filter(|source| **source != Source::Cluster) {
        for text in source::read(source)? {
            manifests.take_in(&text);
        }
    }
    manifests.refuse_doubles();
    Ok(manifests)
}

impl Manifests {
    /// Reads one text: YAML or JSON, with any number of documents, each an object or a `List` of objects.
    pub fn take_in(&mut self, text: &Text) {
        let place = |document| Place {
            file: text.name.clone(),
            document,
            item: 0,
        };
        let mut number = 0;
        let mut broken = |place: Place, why: String| {
            self.problems.push(Problem {
                place: place.to_string(),
                message: why,
            });
        };
        let mut documents = Vec::new();
        if text.content.trim_start().starts_with('{') {
            for document in serde_json::Deserializer::from_str(&text.content).into_iter::<Value>() {
                number += 1;
                match document {
                    Ok(document) => documents.push((number, document)),
                    Err(error) => broken(place(number), format!("is no JSON: {error}")),
                }
            }
        } else {
            for document in serde_yaml::Deserializer::from_str(&text.content) {
                number += 1;
                match Value::deserialize(document) {
                    Ok(document) => documents.push((number, document)),
                    Err(error) => {
                        broken(place(number), format!("is no YAML: {error}"));
                        // What comes after a broken document cannot be told apart.
                        break;
                    }
                }
            }
        }
        for (number, document) in documents {
            self.take_document(document, &place(number));
        }
    }

    fn take_document(&mut self, document: Value, place: &Place) {
        match document {
            // An empty document, as a file that ends in `---` has.
            Value::Null => {}
            Value::Object(mut list) if is_list(&list) => {
                let Some(Value::Array(items)) = list.remove("items") else {
                    return;
                };
                for (at, item) in items.into_iter().enumerate() {
                    let place = Place {
                        item: at + 1,
                        ..place.clone()
                    };
                    self.take_document(item, &place);
                }
            }
            document => match decode(document) {
                Ok(Some(object)) => self.objects.push(Manifest {
                    object,
                    place: place.clone(),
                }),
                Ok(None) => self.others += 1,
                Err(message) => self.problems.push(Problem {
                    place: place.to_string(),
                    message,
                }),
            },
        }
    }

    /// The API server would keep the last of two objects of one name; which that is, nobody should have to guess.
    fn refuse_doubles(&mut self) {
        let mut seen: BTreeMap<(Kind, Option<&str>, &str), &Place> = BTreeMap::new();
        for manifest in &self.objects {
            let object = &manifest.object;
            let key = (object.kind(), object.metadata().namespace.as_deref(), object.name());
            if let Some(first) = seen.insert(key, &manifest.place) {
                self.problems.push(Problem {
                    place: manifest.place.to_string(),
                    message: format!(
                        "{:?} {} is also in {first}: take one of the two out",
                        object.kind(),
                        object.name()
                    ),
                });
            }
        }
    }

    /// The namespaces that the objects name, each once.
    pub fn namespaces(&self) -> std::collections::BTreeSet<&str> {
        let named = self.objects.iter().map(|manifest| manifest.object.metadata());
        named.filter_map(|metadata| metadata.namespace.as_deref()).collect()
    }

    /// Leaves what is in another namespace than `namespace` out, and returns how many objects that were. An object that
    /// names none is in this one.
    pub fn keep_to(&mut self, namespace: &str) -> usize {
        let all = self.objects.len();
        self.objects.retain(|manifest| {
            let own = manifest.object.metadata().namespace.as_deref();
            own.is_none_or(|own| own == namespace)
        });
        all - self.objects.len()
    }
}

fn is_list(document: &serde_json::Map<String, Value>) -> bool {
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
    text("kind").ends_with("List") && document.get("items").is_some_and(Value::is_array)
}

/// The object of a document; `None` where it is of another group.
fn decode(document: Value) -> Result<Option<Object>, String> {
    let about = TypeMeta::deserialize(&document)
        .map_err(|_| "is no Kubernetes object: it needs apiVersion and kind".to_owned())?;
    let Some((group, version)) = about.api_version.split_once('/') else {
        return Ok(None);
    };
    if group != GROUP {
        return Ok(None);
    }
    if version != "v1alpha1" {
        return Err(format!(
            "apiVersion {group}/{version} is not known here: it is {GROUP}/v1alpha1"
        ));
    }
    Ok(Some(match about.kind.as_str() {
        "AccessException" => Object::AccessException(typed(document)?),
        "ChangeSet" => Object::ChangeSet(typed(document)?),
        "Employee" => Object::Employee(typed(document)?),
        "Entitlement" => Object::Entitlement(typed(document)?),
        "HRISConnection" => Object::HRISConnection(typed(document)?),
        "ProvisioningPolicy" => Object::ProvisioningPolicy(typed(document)?),
        "TargetSystem" => Object::TargetSystem(typed(document)?),
        kind => {
            return Err(format!(
                "kind {kind} is not known in {GROUP}: it is one of {:?}",
                Kind::ALL
            ));
        }
    }))
}

fn typed<K: DeserializeOwned + Indexed>(document: Value) -> Result<Box<K>, String> {
    let plural = K::plural(&());
    let object: K = serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        let explained = path.split('[').next().unwrap_or_default();
        format!(
            "{path}: {}; `kubectl explain {plural}.{explained}` says what can stand there",
            error.inner()
        )
    })?;
    match object.meta().name.as_deref() {
        None | Some("") => Err("metadata.name is missing: give it a name".to_owned()),
        Some(_) => Ok(Box::new(object)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn read(content: &str) -> Manifests {
        let mut manifests = Manifests::default();
        manifests.take_in(&Text {
            name: "f".to_owned(),
            content: content.to_owned(),
        });
        manifests.refuse_doubles();
        manifests
    }

    fn policy(name: &str) -> String {
        format!(
            "apiVersion: rollcall.dev/v1alpha1\nkind: ProvisioningPolicy\nmetadata: {{name: {name}}}\nspec:\n  mode: Enforce\n  \
             selector: {{everyone: true}}\n  entitlements: [{{name: chat}}]\n"
        )
    }

    #[test]
    fn documents_lists_and_other_kinds_are_told_apart() {
        let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: x}\n";
        let yaml = format!("---\n{}---\n{account}---\n{}---\n", policy("a"), policy("b"));
        let manifests = read(&yaml);
        let names: Vec<&str> = manifests
            .objects
            .iter()
            .map(|manifest| manifest.object.name())
            .collect();
        assert_eq!((names, manifests.others), (vec!["a", "b"], 1));
        assert_eq!(manifests.problems, []);
        assert_eq!(manifests.objects[1].place.document, 3);

        let item: Value = serde_yaml::from_str(&policy("c")).unwrap();
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [item]});
        let lines = format!("{list}\n{item}\n");
        let manifests = read(&lines);
        assert_eq!(manifests.objects.len(), 2);
        assert_eq!(manifests.objects[0].place.to_string(), "f, document 1, item 1");
        let problem = manifests.problems[0].to_string();
        assert_eq!(
            problem,
            "f, document 2: ProvisioningPolicy c is also in f, document 1, item 1: take one of the two out"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let table = [
            (
                policy("a").replace("everyone: true", "jobTitle: 5"),
                "f, document 1: spec.selector",
            ),
            (policy("a").replace("{name: a}", "{}"), "metadata.name is missing"),
            (policy("a").replace("v1alpha1", "v2"), "it is rollcall.dev/v1alpha1"),
            (
                policy("a").replace("ProvisioningPolicy", "Policy"),
                "kind Policy is not known",
            ),
            ("{\"a\": ".to_owned(), "is no JSON"),
            ("a: [".to_owned(), "is no YAML"),
            ("hello".to_owned(), "is no Kubernetes object"),
        ];
        for (content, said) in table {
            let manifests = read(&content);
            assert_eq!(manifests.objects.len(), 0, "{content}");
            let problem = manifests.problems[0].to_string();
            assert!(problem.contains(said), "{problem}");
        }
    }
}

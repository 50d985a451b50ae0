//! The attributes that SCIM targets spell out, compiled once for each change of a target or of the custom fields that they may name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Entry;
use crate::api::TargetSystem;
use crate::decide::attributes::AttributeMap;
use crate::decide::expression::Schema;

/// The attributes of a target, or what is wrong with them, in sentences.
pub type CompiledAttributes = Arc<Result<AttributeMap, Vec<String>>>;

/// By target name, each with what it was compiled from.
#[derive(Clone, Debug, Default)]
pub(super) struct AttributeMaps {
    compiled: HashMap<String, (BTreeMap<String, String>, CompiledAttributes)>,
    schema: Schema,
}

impl AttributeMaps {
    pub fn get(&self, target: &str) -> Option<&CompiledAttributes> {
        self.compiled.get(target).map(|(_, compiled)| compiled)
    }

    /// Takes on the targets as they are; only what changed in them is compiled.
    pub fn follow(&mut self, targets: &BTreeMap<String, Entry<TargetSystem>>) {
        let spelt = |name: &String| -> Option<&BTreeMap<String, String>> {
            let scim = targets.get(name)?.readable()?.spec.scim.as_ref()?;
            Some(&scim.attributes).filter(|attributes| !attributes.is_empty())
        };
        self.compiled.retain(|name, (source, _)| spelt(name) == Some(source));
        for name in targets.keys() {
            if let Some(attributes) = spelt(name)
                && !self.compiled.contains_key(name)
            {
                let compiled = AttributeMap::compile(attributes, &self.schema);
                self.compiled
                    .insert(name.clone(), (attributes.clone(), Arc::new(compiled)));
            }
        }
    }

    /// Compiles anew where others may be named than before.
    pub fn set_schema(&mut self, schema: &Schema, targets: &BTreeMap<String, Entry<TargetSystem>>) {
        if *schema == self.schema {
            return;
        }
        self.schema = schema.clone();
        self.compiled.clear();
        self.follow(targets);
    }
}

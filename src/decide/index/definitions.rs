//! What `http` targets describe, compiled once for each change of a target or of the custom fields that it may name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Entry;
use crate::api::TargetSystem;
use crate::decide::definition::{Definition, Problem};
use crate::decide::expression::Schema;

/// What a target describes, or what is wrong with that.
pub type CompiledDefinition = Arc<Result<Definition, Vec<Problem>>>;

/// By target name, each with the very target that it was compiled from.
#[derive(Clone, Debug, Default)]
pub(super) struct Definitions {
    compiled: HashMap<String, (Arc<TargetSystem>, CompiledDefinition)>,
    schema: Schema,
}

impl Definitions {
    pub fn get(&self, target: &str) -> Option<&CompiledDefinition> {
        self.compiled.get(target).map(|(_, compiled)| compiled)
    }

    /// Takes on the targets as they are; only what changed in them is compiled.
    pub fn follow(&mut self, targets: &BTreeMap<String, Entry<TargetSystem>>) {
        self.compiled
            .retain(|name, _| targets.get(name).and_then(Entry::readable).is_some());
        for (name, entry) in targets {
            let Some(target) = entry.readable() else { continue };
            if let Some((known, _)) = self.compiled.get_mut(name) {
                if Arc::ptr_eq(known, target) {
                    continue;
                }
                // Most updates are of the status alone.
                if known.spec.http == target.spec.http && known.spec.account == target.spec.account {
                    *known = target.clone();
                    continue;
                }
            }
            match Definition::compile(&target.spec, &self.schema) {
                Some(compiled) => {
                    self.compiled.insert(name.clone(), (target.clone(), Arc::new(compiled)));
                }
                None => {
                    self.compiled.remove(name);
                }
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

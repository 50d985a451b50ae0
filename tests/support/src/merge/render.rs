//! From a row to the object that travels.

use serde_json::{Map, Value, json};

use super::company::Company;
use super::query::{self, Filter, Query};
use super::quirks::{FieldMappingShape, Quirks};
use super::rows::{CompanyRow, EmployeeRow, EmploymentRow, GroupRow, LocationRow, PayGroupRow, Row, Table};
use super::server::Problem;

/// What the query asks of every object.
#[derive(Default)]
pub(super) struct Options {
    expand: Vec<String>,
    origins: Vec<String>,
    sensitive: bool,
    remote_data: bool,
}

impl Options {
    pub fn of(query: &Query) -> Result<Self, Problem> {
        let origins = query.list("show_enum_origins").or_else(|| query.list("remote_fields"));
        Ok(Self {
            expand: query.list("expand").unwrap_or_default(),
            origins: origins.unwrap_or_default(),
            sensitive: query.flag("include_sensitive_fields")?,
            remote_data: query.flag("include_remote_data")?,
        })
    }
}

/// A model that can be asked for.
pub(super) trait Answer: Row {
    fn table(company: &Company) -> &Table<Self>;

    /// The model's own filters.
    fn filters(_query: &Query, _inclusive: bool, _filters: &mut Vec<Filter<Self>>) -> Result<(), Problem> {
        Ok(())
    }

    /// Adds what the row does not hold itself and replaces relations that are to be expanded.
    fn complete(&self, _context: &Context<'_>, _object: &mut Map<String, Value>) {}
}

pub(super) struct Context<'a> {
    pub company: &'a Company,
    pub quirks: &'a Quirks,
    pub options: &'a Options,
}

impl Context<'_> {
    pub fn render<R: Answer>(&self, row: &R) -> Value {
        let Ok(Value::Object(mut object)) = serde_json::to_value(row) else {
            panic!("a {} does not become an object", R::MODEL);
        };
        object.insert("field_mappings".into(), self.mappings(&Map::new(), &Map::new()));
        object.insert("remote_data".into(), Value::Null);
        row.complete(self, &mut object);
        self.quirks.apply(&mut object);
        object.into()
    }

    fn mappings(&self, organisation: &Map<String, Value>, account: &Map<String, Value>) -> Value {
        let shape = |fields: &Map<String, Value>| -> Map<String, Value> {
            let wrapped = self.quirks.field_mappings == FieldMappingShape::Wrapped;
            let value = |value: &Value| {
                if wrapped {
                    json!({ "value": value })
                } else {
                    value.clone()
                }
            };
            fields
                .iter()
                .map(|(name, content)| (name.clone(), value(content)))
                .collect()
        };
        json!({
            "organization_defined_targets": shape(organisation),
            "linked_account_defined_targets": shape(account),
        })
    }

    /// Puts objects in place of identifiers, if asked; expanded objects expand nothing themselves.
    fn expand<R: Answer>(&self, object: &mut Map<String, Value>, relation: &str) {
        if !self.options.expand.iter().any(|name| name == relation) {
            return;
        }
        let plain = Context {
            options: &Options::default(),
            ..*self
        };
        let swap = |value: &mut Value| {
            let row = value.as_str().and_then(|id| R::table(self.company).get(id));
            if let Some(row) = row.filter(|row| !row.meta().forgotten) {
                *value = plain.render(row);
            }
        };
        match object.get_mut(relation) {
            Some(Value::Array(items)) => items.iter_mut().for_each(swap),
            Some(value) => swap(value),
            None => {}
        }
    }
}

impl Answer for EmployeeRow {
    fn table(company: &Company) -> &Table<Self> {
        &company.employees
    }

    fn filters(query: &Query, inclusive: bool, filters: &mut Vec<Filter<Self>>) -> Result<(), Problem> {
        query::employees(query, inclusive, filters)
    }

    fn complete(&self, context: &Context<'_>, object: &mut Map<String, Value>) {
        if !context.options.sensitive && !context.quirks.always_sensitive {
            object.insert("ssn".into(), Value::Null);
        }
        let organisation = self.organization_fields.clone().into_iter().collect();
        let account = self.account_fields.clone().into_iter().collect();
        object.insert("field_mappings".into(), context.mappings(&organisation, &account));
        if context.options.remote_data && !context.quirks.no_remote_data {
            object.insert("remote_data".into(), Company::remote_data(self));
        }
        for name in &context.options.origins {
            if let (Some(raw), Some(value)) = (self.origins.get(name), object.get_mut(name)) {
                *value = json!(raw);
            }
        }
        context.expand::<CompanyRow>(object, "company");
        context.expand::<EmploymentRow>(object, "employments");
        context.expand::<GroupRow>(object, "groups");
        context.expand::<LocationRow>(object, "home_location");
        context.expand::<EmployeeRow>(object, "manager");
        context.expand::<PayGroupRow>(object, "pay_group");
        context.expand::<LocationRow>(object, "work_location");
    }
}

impl Answer for EmploymentRow {
    fn table(company: &Company) -> &Table<Self> {
        &company.employments
    }

    fn filters(query: &Query, _: bool, filters: &mut Vec<Filter<Self>>) -> Result<(), Problem> {
        query::employments(query, filters);
        Ok(())
    }

    fn complete(&self, context: &Context<'_>, object: &mut Map<String, Value>) {
        context.expand::<EmployeeRow>(object, "employee");
        context.expand::<PayGroupRow>(object, "pay_group");
    }
}

impl Answer for GroupRow {
    fn table(company: &Company) -> &Table<Self> {
        &company.groups
    }

    fn filters(query: &Query, _: bool, filters: &mut Vec<Filter<Self>>) -> Result<(), Problem> {
        query::groups(query, filters)
    }

    fn complete(&self, context: &Context<'_>, object: &mut Map<String, Value>) {
        context.expand::<GroupRow>(object, "parent_group");
    }
}

impl Answer for LocationRow {
    fn table(company: &Company) -> &Table<Self> {
        &company.locations
    }

    fn filters(query: &Query, _: bool, filters: &mut Vec<Filter<Self>>) -> Result<(), Problem> {
        query::locations(query, filters);
        Ok(())
    }
}

impl Answer for CompanyRow {
    fn table(company: &Company) -> &Table<Self> {
        &company.companies
    }
}

impl Answer for PayGroupRow {
    fn table(company: &Company) -> &Table<Self> {
        &company.pay_groups
    }
}

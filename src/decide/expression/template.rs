//! Trees of data with `${…}` in their texts. Values are placed into the tree as values: no text that holds one is ever
//! read again, so that no value can change the shape of the tree.

mod compiler;

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use self::compiler::Compiler;
use super::reading::into_text;
use super::schema::MAX_WHOLE;
use super::{Expect, Reading, Refusal, Scope, Values};

/// A tree of JSON with `${…}` in its texts, checked and ready to be rendered.
///
/// A text that is one `${…}` and nothing else becomes the value, with its kind; where there is text around, each becomes
/// a part of the text. `$${` stands for `${`. Where a value may be absent (`${employee.?jobTitle}`) and is, the member of
/// the object or the element of the list is left out. The names of members are plain text.
#[derive(Clone, Debug)]
pub struct Template {
    tree: Tree,
}

#[derive(Clone, Debug)]
enum Tree {
    /// What has no expression in it.
    Plain(Json),
    Value(Reading),
    Text(Vec<Part>),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// A part of a text.
#[derive(Clone, Debug)]
enum Part {
    Plain(String),
    Value(Reading),
}

impl Template {
    /// Checks every expression of `tree` over what `scope` names. The refusals are all there are, each with the place of
    /// its text in the tree, such as `emails[0].value`, and a position within that text.
    ///
    /// What is not refused renders in at most [`TEMPLATE_BUDGET`](super::TEMPLATE_BUDGET) steps, whatever the values.
    pub fn compile(tree: &Json, scope: &Scope) -> Result<Self, Vec<(String, Refusal)>> {
        let mut compiler = Compiler::new(scope);
        let tree = compiler.tree(tree, "", 0);
        compiler.finish(tree).map(|tree| Self { tree })
    }

    /// The tree with the values in it; `None` where all of it is one value that may be absent and is. The error is a
    /// sentence with the place, which holds no value: what an expression needs is missing, of another kind, too large
    /// (64 KB for the whole tree), or gone from the employee without that being confirmed.
    pub fn render(&self, values: &Values<'_>) -> Result<Option<Json>, String> {
        let mut room = MAX_WHOLE;
        self.tree.render(values, "", &mut room)
    }

    /// The attributes of the employee that it mentions, by their names in an Employee's spec.
    pub fn attributes(&self) -> BTreeSet<&str> {
        self.tree.attributes()
    }

    /// Whether an expression in it mentions the name `name` of the scope.
    pub fn mentions(&self, name: &str) -> bool {
        self.tree.mentions(name)
    }
}

/// One text with `${…}` in it, checked and ready to be rendered: a part of a path, a header, a member of a form.
#[derive(Clone, Debug)]
pub struct TextTemplate {
    tree: Tree,
}

impl TextTemplate {
    /// Checks every expression of `source` over what `scope` names; the first refusal is returned, with its position.
    pub fn compile(source: &str, scope: &Scope) -> Result<Self, Refusal> {
        let mut compiler = Compiler::new(scope);
        let tree = compiler.text(source, "", Expect::Text);
        let compiled = compiler.finish(tree).map_err(|refusals| refusals.into_iter().next());
        match compiled {
            Ok(tree) => Ok(Self { tree }),
            Err(refusal) => Err(refusal.map_or_else(|| Refusal::whole("it cannot be read"), |(_, refusal)| refusal)),
        }
    }

    /// The text; `None` where all of it is one value that may be absent and is. Numbers become their digits. The errors
    /// are those of [`Template::render`].
    pub fn render(&self, values: &Values<'_>) -> Result<Option<String>, String> {
        let mut room = MAX_WHOLE;
        self.tree.render(values, "", &mut room)?.map(into_text).transpose()
    }

    /// The same, where one `${…}` and nothing else may come to a list of texts too.
    pub fn compile_several(source: &str, scope: &Scope) -> Result<Self, Refusal> {
        Self::compile(source, scope).or_else(|refusal| {
            let mut compiler = Compiler::new(scope);
            let tree = compiler.text(source, "", Expect::List);
            compiler.finish(tree).map(|tree| Self { tree }).map_err(|_| refusal)
        })
    }

    /// Its texts: those of the list where it comes to one, and none where all of it is one value that may be absent and is.
    pub fn render_several(&self, values: &Values<'_>) -> Result<Vec<String>, String> {
        let mut room = MAX_WHOLE;
        match self.tree.render(values, "", &mut room)? {
            Some(Json::Array(elements)) => elements.into_iter().map(into_text).collect(),
            value => value.into_iter().map(into_text).collect(),
        }
    }

    /// The attributes of the employee that it mentions, by their names in an Employee's spec.
    pub fn attributes(&self) -> BTreeSet<&str> {
        self.tree.attributes()
    }

    /// Whether an expression in it mentions the name `name` of the scope.
    pub fn mentions(&self, name: &str) -> bool {
        self.tree.mentions(name)
    }
}

impl Tree {
    fn attributes(&self) -> BTreeSet<&str> {
        let mut all = BTreeSet::new();
        self.each(&mut |reading| all.extend(reading.attributes()));
        all
    }

    fn mentions(&self, name: &str) -> bool {
        let mut found = false;
        self.each(&mut |reading| found |= reading.mentions(name));
        found
    }

    fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Reading)) {
        match self {
            Self::Plain(_) => {}
            Self::Value(reading) => visit(reading),
            Self::Text(parts) => {
                for part in parts {
                    if let Part::Value(reading) = part {
                        visit(reading);
                    }
                }
            }
            Self::List(elements) => elements.iter().for_each(|element| element.each(visit)),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.each(visit)),
        }
    }

    fn render(&self, values: &Values<'_>, place: &str, room: &mut usize) -> Result<Option<Json>, String> {
        let at = |why: String| {
            if place.is_empty() {
                why
            } else {
                format!("{place}: {why}")
            }
        };
        Ok(Some(match self {
            Self::Plain(value) => {
                take(room, bytes(value)).map_err(at)?;
                value.clone()
            }
            Self::Value(reading) => match reading.evaluate(values).map_err(at)? {
                Some(value) => {
                    take(room, bytes(&value)).map_err(at)?;
                    value
                }
                None => return Ok(None),
            },
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    let part = match part {
                        Part::Plain(plain) => plain.clone(),
                        Part::Value(reading) => reading.text(values).map_err(at)?.unwrap_or_default(),
                    };
                    take(room, part.len()).map_err(at)?;
                    text.push_str(&part);
                }
                Json::String(text)
            }
            Self::List(elements) => {
                take(room, 2).map_err(at)?;
                let mut rendered = Vec::new();
                for (number, element) in elements.iter().enumerate() {
                    rendered.extend(element.render(values, &format!("{place}[{number}]"), room)?);
                }
                Json::Array(rendered)
            }
            Self::Object(members) => {
                take(room, 2).map_err(at)?;
                let mut rendered = Map::new();
                for (name, member) in members {
                    take(room, name.len() + 2).map_err(at)?;
                    if let Some(value) = member.render(values, &below(place, name), room)? {
                        rendered.insert(name.clone(), value);
                    }
                }
                Json::Object(rendered)
            }
        }))
    }
}

fn take(room: &mut usize, bytes: usize) -> Result<(), String> {
    *room = room
        .checked_sub(bytes)
        .ok_or_else(|| format!("what is rendered grows beyond {MAX_WHOLE} bytes"))?;
    Ok(())
}

/// What a tree that is known to be flat enough takes, about.
fn bytes(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len() + 2,
        Json::Array(elements) => 2 + elements.iter().map(bytes).sum::<usize>(),
        Json::Object(members) => {
            let members = members.iter().map(|(name, member)| name.len() + 2 + bytes(member));
            2 + members.sum::<usize>()
        }
        _ => 2,
    }
}

fn below(place: &str, name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    if place.is_empty() {
        name
    } else {
        format!("{place}.{name}")
    }
}

#[cfg(test)]
mod tests;

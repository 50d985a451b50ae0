//! Trees of data with `${…}` in their texts. Values are placed into the tree as values: no text that holds one is ever
//! read again, so that no value can change the shape of the tree.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::language::TEMPLATE_BUDGET;
use super::reading::into_text;
use super::schema::MAX_WHOLE;
use super::{Expect, Reading, Refusal, Scope, Values, scan};

/// Expressions in one template.
const MAX_EXPRESSIONS: usize = 256;
/// Patterns of `matches` in one template: each takes memory for as long as the template is there.
const MAX_PATTERNS: usize = 16;
/// Lists and objects within each other.
const MAX_NESTING: usize = 24;

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
    /// What is not refused renders in at most [`TEMPLATE_BUDGET`] steps, whatever the values.
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
        let mut all = BTreeSet::new();
        self.tree.each(&mut |reading| all.extend(reading.attributes()));
        all
    }

    /// Whether an expression in it mentions the name `name` of the scope.
    pub fn mentions(&self, name: &str) -> bool {
        let mut found = false;
        self.tree.each(&mut |reading| found |= reading.mentions(name));
        found
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

    /// The attributes of the employee that it mentions, by their names in an Employee's spec.
    pub fn attributes(&self) -> BTreeSet<&str> {
        let mut all = BTreeSet::new();
        self.tree.each(&mut |reading| all.extend(reading.attributes()));
        all
    }

    /// Whether an expression in it mentions the name `name` of the scope.
    pub fn mentions(&self, name: &str) -> bool {
        let mut found = false;
        self.tree.each(&mut |reading| found |= reading.mentions(name));
        found
    }
}

impl Tree {
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

/// Goes through a tree once, and finds all that is wrong with it.
struct Compiler<'a> {
    scope: &'a Scope,
    refusals: Vec<(String, Refusal)>,
    expressions: usize,
    patterns: usize,
    steps: u64,
    room: usize,
}

impl<'a> Compiler<'a> {
    fn new(scope: &'a Scope) -> Self {
        Self {
            scope,
            refusals: Vec::new(),
            expressions: 0,
            patterns: 0,
            steps: 0,
            room: MAX_WHOLE,
        }
    }

    fn finish(mut self, tree: Tree) -> Result<Tree, Vec<(String, Refusal)>> {
        if self.refusals.is_empty() && self.steps > TEMPLATE_BUDGET {
            let sentence = format!(
                "its expressions may take {} steps together, and at most {TEMPLATE_BUDGET} are allowed: put fewer \
                 macros into it",
                self.steps
            );
            self.refuse("", Refusal::whole(sentence));
        }
        if self.refusals.is_empty() {
            Ok(tree)
        } else {
            Err(self.refusals)
        }
    }

    fn refuse(&mut self, place: &str, refusal: Refusal) -> Tree {
        // Whoever sees twenty knows where to begin.
        if self.refusals.len() < 20 {
            self.refusals.push((place.to_owned(), refusal));
        }
        Tree::Plain(Json::Null)
    }

    fn tree(&mut self, tree: &Json, place: &str, depth: usize) -> Tree {
        if depth > MAX_NESTING {
            return self.refuse(place, Refusal::whole("it is nested too deep: make the tree flatter"));
        }
        if self.room == 0 {
            return Tree::Plain(Json::Null);
        }
        match tree {
            Json::String(text) => self.text(text, place, Expect::Any),
            Json::Array(elements) => {
                self.weigh(place, 2);
                let mut compiled = Vec::new();
                for (number, element) in elements.iter().enumerate() {
                    compiled.push(self.tree(element, &format!("{place}[{number}]"), depth + 1));
                    if self.room == 0 {
                        break;
                    }
                }
                Tree::List(compiled)
            }
            Json::Object(members) => {
                self.weigh(place, 2);
                let mut compiled = Vec::new();
                for (name, member) in members {
                    let place = below(place, name);
                    self.weigh(&place, name.len() + 2);
                    if name.contains("${") {
                        let sentence = "the name of a member is plain text, without ${…}: move it into the value";
                        self.refuse(&place, Refusal::whole(sentence));
                    }
                    let member = self.tree(member, &place, depth + 1);
                    compiled.push((name.clone(), member));
                    if self.room == 0 {
                        break;
                    }
                }
                Tree::Object(compiled)
            }
            scalar => {
                self.weigh(place, 2);
                Tree::Plain(scalar.clone())
            }
        }
    }

    /// Counts the bytes of the template itself.
    fn weigh(&mut self, place: &str, bytes: usize) {
        match self.room.checked_sub(bytes) {
            Some(left) => self.room = left,
            None if self.room > 0 => {
                self.room = 0;
                let sentence = format!("the template is larger than {MAX_WHOLE} bytes: make it smaller");
                self.refuse(place, Refusal::whole(sentence));
            }
            None => {}
        }
    }

    fn text(&mut self, source: &str, place: &str, expect: Expect) -> Tree {
        self.weigh(place, source.len() + 2);
        if self.room == 0 {
            return Tree::Plain(Json::Null);
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut plain = String::new();
        let mut rest = 0;
        while let Some(at) = source[rest..].find("${").map(|at| at + rest) {
            if source[rest..at].ends_with('$') {
                plain.push_str(&source[rest..at - 1]);
                plain.push_str("${");
                rest = at + 2;
                continue;
            }
            plain.push_str(&source[rest..at]);
            let start = at + 2;
            let end = match scan::closing(source, start) {
                Ok(Some(end)) => end,
                Ok(None) => {
                    let sentence = "${ is never closed: close it with }, or write $${ where ${ itself is meant";
                    return self.refuse(place, Refusal::at(source, at, sentence));
                }
                Err(refusal) => return self.refuse(place, refusal),
            };
            let is_all = at == 0 && end + 1 == source.len();
            let reading = match self.expression(&source[start..end], if is_all { expect } else { Expect::Text }, is_all)
            {
                Ok(reading) => reading,
                Err(refusal) => return self.refuse(place, refusal.within(source, start)),
            };
            if is_all {
                return Tree::Value(reading);
            }
            if !plain.is_empty() {
                parts.push(Part::Plain(std::mem::take(&mut plain)));
            }
            parts.push(Part::Value(reading));
            rest = end + 1;
        }
        plain.push_str(&source[rest..]);
        if parts.is_empty() {
            return Tree::Plain(Json::String(plain));
        }
        if !plain.is_empty() {
            parts.push(Part::Plain(plain));
        }
        Tree::Text(parts)
    }

    fn expression(&mut self, source: &str, expect: Expect, is_all: bool) -> Result<Reading, Refusal> {
        self.expressions += 1;
        if self.expressions > MAX_EXPRESSIONS {
            return Err(Refusal::whole(format!(
                "the template has more than {MAX_EXPRESSIONS} expressions: use fewer"
            )));
        }
        let reading = Reading::bare(source, self.scope, expect)?;
        if !is_all && reading.may_be_absent() {
            return Err(Refusal::whole(
                "a value that may be absent stands within a text: say .orValue(\"…\"), or let it stand alone",
            ));
        }
        self.steps = self.steps.saturating_add(reading.steps());
        self.patterns += reading.patterns();
        if self.patterns > MAX_PATTERNS {
            return Err(Refusal::whole(format!(
                "the template has more than {MAX_PATTERNS} patterns: join them with |"
            )));
        }
        Ok(reading)
    }
}

#[cfg(test)]
mod tests;

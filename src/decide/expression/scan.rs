//! A look at an expression before it is parsed.
//!
//! The parser goes down its own stack as deep as the source nests, and a chain such as `1+1+1` nests as deep as it is
//! long: 8 kB of it end the process. So size and depth are counted here, with a loop and a stack on the heap, and what
//! is beyond them never reaches the parser. Whatever the parser could cut into other tokens than this does is refused.

mod lexer;

use self::lexer::Lexer;
use super::{Language, Refusal};

/// Characters in an expression, as the CRD says.
pub(super) const MAX_LENGTH: usize = 2048;
/// Names, numbers, texts and signs in an expression.
pub(super) const MAX_TOKENS: usize = 600;
/// Links on the deepest way down through brackets, operators that chain, selections and calls.
pub(super) const MAX_DEPTH: usize = 32;
/// Characters in one text.
pub(super) const MAX_TEXT: usize = 256;

/// A token's kind, as far as it matters before parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Number,
    Text,
    Sign,
}

/// A part of the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    /// In bytes of the source.
    pub start: usize,
    pub end: usize,
}

/// An expression that is small and flat enough to be parsed.
#[derive(Debug)]
pub(super) struct Scanned<'a> {
    pub source: &'a str,
    pub tokens: Vec<Token>,
}

impl<'a> Scanned<'a> {
    pub(super) fn new(source: &'a str, language: Language) -> Result<Self, Refusal> {
        if source.chars().nth(MAX_LENGTH).is_some() {
            return Err(Refusal::whole(format!(
                "it has more than {MAX_LENGTH} characters: {}",
                language.split()
            )));
        }
        let tokens = Lexer::new(source, 0, language).tokens()?;
        let scanned = Self { source, tokens };
        if scanned.tokens.is_empty() {
            return Err(Refusal::whole(language.empty()));
        }
        scanned.check_depth()?;
        Ok(scanned)
    }

    pub(super) fn text(&self, token: Token) -> &'a str {
        &self.source[token.start..token.end]
    }

    /// The place of the token that begins at `offset`, counted in bytes as the parser does.
    fn token_at(&self, offset: usize) -> Option<usize> {
        self.tokens.binary_search_by_key(&offset, |token| token.start).ok()
    }

    /// The byte at which the name stands that a dot at `offset` selects.
    pub(super) fn selected(&self, offset: usize) -> usize {
        let after = self.token_at(offset).map_or(self.tokens.len(), |place| place + 1);
        let mut rest = self.tokens.iter().skip(after);
        let name = rest.find(|token| self.text(**token) != "?");
        name.map_or(offset, |token| token.start)
    }

    /// The byte at which the name stands that the bracket at `offset` calls.
    pub(super) fn called(&self, offset: usize) -> usize {
        let before = self
            .token_at(offset)
            .and_then(|place| self.tokens.get(place.checked_sub(1)?));
        before.map_or(offset, |token| token.start)
    }

    /// The byte at which the last token stands in the bracket that opens at `offset`.
    pub(super) fn last_in(&self, offset: usize) -> usize {
        let mut depth = 0_usize;
        let mut last = offset;
        for token in self.tokens.iter().skip_while(|token| token.start < offset) {
            match self.text(*token) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
            last = token.start;
        }
        last
    }

    /// Counts how deep the parser, and whoever walks its tree, would have to go.
    fn check_depth(&self) -> Result<(), Refusal> {
        let mut open = vec![Frame::default()];
        let mut before = None;
        for token in &self.tokens {
            let text = self.text(*token);
            let is_operand = before
                .is_some_and(|before: Token| before.kind != Kind::Sign || matches!(self.text(before), ")" | "]" | "}"));
            let frame = open.last_mut();
            if let (Kind::Sign, Some(frame)) = (token.kind, frame) {
                match text {
                    "(" | "[" | "{" => {
                        if is_operand {
                            frame.members += 1;
                        }
                        open.push(Frame {
                            bracket: Some(*token),
                            ..Frame::default()
                        });
                    }
                    ")" | "]" | "}" => {
                        let wanted = frame.bracket.map(|bracket| match self.text(bracket) {
                            "(" => ")",
                            "[" => "]",
                            _ => "}",
                        });
                        if wanted != Some(text) {
                            return Err(self.refuse(token.start, format!("{text} closes nothing: remove it")));
                        }
                        open.pop();
                    }
                    _ => frame.count(text, is_operand),
                }
            }
            let depth: usize = open.iter().map(Frame::depth).sum();
            if depth > MAX_DEPTH {
                return Err(self.refuse(
                    token.start,
                    "it is nested or chained too deep from here on: use fewer brackets, and a list with `in` for a \
                     long chain",
                ));
            }
            before = Some(*token);
        }
        match open.last().and_then(|frame| frame.bracket) {
            Some(bracket) => {
                let text = self.text(bracket);
                Err(self.refuse(bracket.start, format!("{text} is never closed: close it")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn refuse(&self, at: usize, sentence: impl Into<String>) -> Refusal {
        Refusal::at(self.source, at, sentence)
    }
}

/// The byte of the `}` that closes the expression of a template that begins at the byte `start` of `source`; `None`
/// where nothing closes it.
pub(super) fn closing(source: &str, start: usize) -> Result<Option<usize>, Refusal> {
    Lexer::new(source, start, Language::Template).closing()
}

/// What is open within one pair of brackets.
#[derive(Debug, Default)]
struct Frame {
    bracket: Option<Token>,
    conditionals: usize,
    relations: usize,
    sums: usize,
    members: usize,
}

impl Frame {
    fn depth(&self) -> usize {
        // A bracket takes the parser through all its rules once more.
        let bracket = if self.bracket.is_some() { 2 } else { 0 };
        bracket + 2 * self.conditionals + self.relations + self.sums + self.members
    }

    /// Takes in an operator. Those that chain add up until one that binds less tightly begins anew; `&&` and `||` are
    /// balanced by the parser, and never deep.
    fn count(&mut self, operator: &str, after_operand: bool) {
        match operator {
            "." => self.members += 1,
            "+" | "-" | "*" | "/" | "%" | "!" => {
                self.members = 0;
                self.sums += usize::from(after_operand || operator != "!");
            }
            "<" | "<=" | ">" | ">=" | "==" | "!=" | "in" => {
                self.relations += 1;
                (self.sums, self.members) = (0, 0);
            }
            "&&" | "||" | ":" => (self.relations, self.sums, self.members) = (0, 0, 0),
            "?" => {
                self.conditionals += 1;
                (self.relations, self.sums, self.members) = (0, 0, 0);
            }
            // A comma.
            _ => {
                *self = Self {
                    bracket: self.bracket,
                    ..Self::default()
                }
            }
        }
    }
}

//! Tokens, cut as the parser cuts them: what it could cut in another way is refused, or structure could hide in what is
//! a text here and none there.

use super::{Kind, MAX_TEXT, MAX_TOKENS, Token};
use crate::decide::expression::{Language, Refusal};

/// Cuts a source into tokens.
pub(super) struct Lexer<'a> {
    source: &'a str,
    language: Language,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// Begins at the byte `at`.
    pub(super) fn new(source: &'a str, at: usize, language: Language) -> Self {
        Self { source, language, at }
    }

    pub(super) fn tokens(mut self) -> Result<Vec<Token>, Refusal> {
        let mut tokens = Vec::new();
        while let Some(token) = self.next()? {
            if tokens.len() == MAX_TOKENS {
                return Err(self.refuse(
                    token.start,
                    format!(
                        "it has more than {MAX_TOKENS} words and signs: {}",
                        self.language.split()
                    ),
                ));
            }
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// The byte of the `}` that closes what begins at the lexer's place; `None` where nothing closes it.
    pub(super) fn closing(mut self) -> Result<Option<usize>, Refusal> {
        let mut open = 0_usize;
        for _ in 0..=MAX_TOKENS {
            let Some(token) = self.next()? else {
                return Ok(None);
            };
            match &self.source[token.start..token.end] {
                "{" => open += 1,
                "}" if open == 0 => return Ok(Some(token.start)),
                "}" => open -= 1,
                _ => {}
            }
        }
        Err(self.refuse(
            self.at,
            format!(
                "what is in ${{…}} has more than {MAX_TOKENS} words and signs: {}",
                self.language.split()
            ),
        ))
    }

    fn next(&mut self) -> Result<Option<Token>, Refusal> {
        while let Some(c) = self.peek() {
            let start = self.at;
            let kind = match c {
                ' ' | '\t' | '\r' | '\n' => {
                    self.at += 1;
                    continue;
                }
                '/' if self.rest().starts_with("//") => {
                    self.comment()?;
                    continue;
                }
                'a'..='z' | 'A'..='Z' | '_' => self.name()?,
                '0'..='9' => self.number()?,
                '"' | '\'' => self.text(start, false)?,
                _ => self.sign(c)?,
            };
            return Ok(Some(Token {
                kind,
                start,
                end: self.at,
            }));
        }
        Ok(None)
    }

    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_while(&mut self, is_part: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    }

    fn refuse(&self, at: usize, sentence: impl Into<String>) -> Refusal {
        Refusal::at(self.source, at, sentence)
    }

    fn comment(&mut self) -> Result<(), Refusal> {
        while let Some(c) = self.peek().filter(|c| *c != '\n') {
            self.check_visible(c)?;
            self.at += c.len_utf8();
        }
        Ok(())
    }

    fn name(&mut self) -> Result<Kind, Refusal> {
        let start = self.at;
        self.skip_while(is_word);
        let name = &self.source[start..self.at];
        if !matches!(self.peek(), Some('"' | '\'')) {
            return Ok(if name == "in" { Kind::Sign } else { Kind::Name });
        }
        if matches!(name, "r" | "R") {
            return self.text(self.at, true);
        }
        Err(self.refuse(
            start,
            "there is no text of this kind: a text is written \"…\", '…' or r\"…\"",
        ))
    }

    fn number(&mut self) -> Result<Kind, Refusal> {
        let start = self.at;
        if self.rest().starts_with("0x") {
            self.at += 2;
            self.skip_while(|c| c.is_ascii_hexdigit());
        } else {
            self.skip_while(|c| c.is_ascii_digit());
        }
        let fraction = self
            .rest()
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if fraction
            || self.peek().is_some_and(|c| is_word(c) || c == '"' || c == '\'')
            || self.source[start..self.at] == *"0x"
        {
            return Err(self.refuse(
                start,
                "numbers are whole here, such as 42: no attribute holds another kind",
            ));
        }
        Ok(Kind::Number)
    }

    fn sign(&mut self, c: char) -> Result<Kind, Refusal> {
        let start = self.at;
        let rest = self.rest();
        if ["==", "!=", "<=", ">=", "&&", "||"]
            .iter()
            .any(|sign| rest.starts_with(sign))
        {
            self.at += 2;
            return Ok(Kind::Sign);
        }
        let why = match c {
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                "numbers are whole here, such as 42: no attribute holds another kind".to_owned()
            }
            '(' | ')' | '[' | ']' | '.' | ',' | '-' | '!' | '?' | ':' | '+' | '*' | '/' | '%' | '<' | '>' => {
                self.at += 1;
                return Ok(Kind::Sign);
            }
            '{' | '}' if self.language == Language::Template => {
                self.at += 1;
                return Ok(Kind::Sign);
            }
            '=' => "= compares nothing: write ==".to_owned(),
            '&' => "& joins nothing: write &&".to_owned(),
            '|' => "| joins nothing: write ||".to_owned(),
            '{' | '}' => "expressions here have no maps and no messages: use a list with `in`".to_owned(),
            _ => {
                self.check_visible(c)?;
                format!("{c:?} is no part of an expression outside of a text: remove it, or put it between quotes")
            }
        };
        Err(self.refuse(start, why))
    }

    /// A text from its opening quote at `self.at` on.
    fn text(&mut self, start: usize, raw: bool) -> Result<Kind, Refusal> {
        let Some(quote) = self.peek() else {
            return Err(self.refuse(start, "a text begins here and has no quote"));
        };
        self.at += 1;
        let mut length = 0;
        loop {
            let Some(c) = self.peek().filter(|c| !matches!(c, '\n' | '\r')) else {
                return Err(self.refuse(
                    start,
                    format!("the text that begins here is not closed on its line: close it with {quote}"),
                ));
            };
            if c == '\\' && !raw {
                self.escape()?;
            } else {
                self.check_visible(c)?;
                self.at += c.len_utf8();
                if c == quote {
                    break;
                }
            }
            length += 1;
            if length > MAX_TEXT {
                return Err(self.refuse(
                    start,
                    format!("the text that begins here has more than {MAX_TEXT} characters"),
                ));
            }
        }
        if matches!(self.peek(), Some('"' | '\'')) {
            return Err(self.refuse(
                start,
                "a text ends where another begins: put an operator between them; three quotes have no meaning here",
            ));
        }
        Ok(Kind::Text)
    }

    /// An escape in a text. One that the parser does not know would end the text for it, and not for us.
    fn escape(&mut self) -> Result<(), Refusal> {
        let rest = &self.rest()[1..];
        let all =
            |count: usize, is: fn(char) -> bool| rest.chars().skip(1).take(count).filter(|c| is(*c)).count() == count;
        let hex = |c: char| c.is_ascii_hexdigit();
        let octal = |c: char| ('0'..='7').contains(&c);
        let length = match rest.chars().next() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`') => 1,
            Some('x' | 'X') if all(2, hex) => 3,
            Some('u') if all(4, hex) => 5,
            Some('U') if all(8, hex) => 9,
            Some('0'..='3') if all(2, octal) => 3,
            _ => {
                return Err(self.refuse(
                    self.at,
                    "there is no such escape in a text: write \\\\ for a backslash, or r\"…\" for a pattern",
                ));
            }
        };
        self.at += 1 + length;
        Ok(())
    }

    /// Refuses what a reader of the policy would not see, or would see elsewhere.
    fn check_visible(&self, c: char) -> Result<(), Refusal> {
        let hidden = matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        );
        if hidden || (c.is_control() && c != '\t') {
            return Err(self.refuse(
                self.at,
                format!(
                    "U+{:04X} stands here, which cannot be seen: remove it, or write it \\u{:04x} in a text",
                    u32::from(c),
                    u32::from(c)
                ),
            ));
        }
        Ok(())
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

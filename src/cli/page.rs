//! Plain text for people: lines that wrap at 100 columns, words in colour, tables, and times that say how far away they are.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde::Serialize;

/// Columns of a line, at most; a word that is longer stands alone.
const WIDTH: usize = 100;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Text for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// A text that grows line by line.
#[derive(Debug, Default)]
pub struct Page(String);

/// A piece of a line.
#[derive(Clone, Debug)]
pub struct Span(Style, String);

/// Text as it is.
pub fn plain<T: Into<String>>(text: T) -> Span {
    Span(Style::new(), text.into())
}

/// A heading.
pub fn bold<T: Into<String>>(text: T) -> Span {
    Span(Style::new().bold(), text.into())
}

/// Something that is well.
pub fn good<T: Into<String>>(text: T) -> Span {
    Span(AnsiColor::Green.on_default(), text.into())
}

/// Something that waits, or cannot be told.
pub fn open<T: Into<String>>(text: T) -> Span {
    Span(AnsiColor::Yellow.on_default(), text.into())
}

/// Something that is not well.
pub fn bad<T: Into<String>>(text: T) -> Span {
    Span(AnsiColor::Red.on_default(), text.into())
}

impl Page {
    /// A line, `indent` columns from the left. What does not fit goes on below, two columns further in.
    pub fn line(&mut self, indent: usize, spans: &[Span]) {
        let mut column = 0;
        for word in words(spans) {
            let length: usize = word.iter().map(|Span(_, text)| text.chars().count()).sum();
            if column == 0 {
                self.0.push_str(&" ".repeat(indent));
                column = indent;
            } else if column + 1 + length > WIDTH {
                self.0.push('\n');
                self.0.push_str(&" ".repeat(indent + 2));
                column = indent + 2;
            } else {
                self.0.push(' ');
                column += 1;
            }
            for Span(style, text) in &word {
                self.0.push_str(&style.render().to_string());
                self.0.push_str(text);
                self.0.push_str(&style.render_reset().to_string());
            }
            column += length;
        }
        self.0.push('\n');
    }

    /// A line of plain text.
    pub fn text(&mut self, indent: usize, text: impl Into<String>) {
        self.line(indent, &[plain(text)]);
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.0.push('\n');
    }

    /// Columns below their headings, wide enough for what is in them; they do not wrap.
    pub fn table<const N: usize>(&mut self, headings: [&str; N], rows: &[[String; N]]) {
        let headings = headings.map(str::to_owned);
        let widths: [usize; N] = std::array::from_fn(|at| {
            let cells = rows.iter().chain([&headings]).map(|row| row[at].chars().count());
            cells.max().unwrap_or_default()
        });
        for row in [&headings].into_iter().chain(rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width - cell.chars().count() + 3));
            }
            self.0.push_str(line.trim_end());
            self.0.push('\n');
        }
    }

    /// Prints it to standard output, in colour where that is a terminal.
    pub fn print(&self) -> Result<(), String> {
        write(&self.0)
    }
}

/// Prints `value` as JSON to standard output.
pub fn print_json(value: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| format!("cannot write JSON: {error}"))?;
    write(&format!("{text}\n"))
}

fn write(text: &str) -> Result<(), String> {
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        // The reader of the pipe has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| format!("cannot print: {error}")),
    }
}

/// The words of a line, each in one or more styles.
fn words(spans: &[Span]) -> Vec<Vec<Span>> {
    let mut words: Vec<Vec<Span>> = vec![Vec::new()];
    for Span(style, text) in spans {
        for (at, piece) in text.split_whitespace().enumerate() {
            let apart = at > 0 || text.starts_with(char::is_whitespace);
            if apart && words.last().is_some_and(|word| !word.is_empty()) {
                words.push(Vec::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(Span(*style, piece.to_owned()));
            }
        }
        if text.ends_with(char::is_whitespace) {
            words.push(Vec::new());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// An instant, and how far it is from `now`: `2026-12-31T23:00:00Z (in 38 days)`.
pub fn when(at: Timestamp, now: Timestamp) -> String {
    format!("{at} ({})", distance(at, now))
}

/// How far an instant is from `now`: `in 38 days`, `5 minutes ago`.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_until(at).as_secs();
    let (number, unit) = match seconds.unsigned_abs() {
        0 => return "now".to_owned(),
        n @ ..120 => (n, "second"),
        n @ ..7_200 => (n / 60, "minute"),
        n @ ..172_800 => (n / 3_600, "hour"),
        n => (n / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    if seconds > 0 {
        format!("in {number} {unit}{plural}")
    } else {
        format!("{number} {unit}{plural} ago")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn long_lines_wrap_and_words_keep_together() {
        let mut page = Page::default();
        let long = "word ".repeat(30);
        page.line(2, &[plain("key: "), plain("true"), plain(format!(", {long}"))]);
        let lines: Vec<&str> = page.0.lines().collect();
        assert!(lines[0].starts_with("  key: true, word word"), "{lines:?}");
        assert!(lines[1].starts_with("    word"), "{lines:?}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{lines:?}");
        assert_eq!(page.0.split_whitespace().count(), 32);
    }

    #[test]
    fn times_say_how_far_away_they_are() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        for (at, said) in [
            ("2026-06-15T12:00:00Z", "now"),
            ("2026-06-15T11:59:59Z", "1 second ago"),
            ("2026-06-15T11:55:00Z", "5 minutes ago"),
            ("2026-06-15T14:00:00Z", "in 2 hours"),
            ("2026-07-15T12:00:00Z", "in 30 days"),
        ] {
            assert_eq!(distance(at.parse().unwrap(), now), said, "{at}");
        }
    }
}

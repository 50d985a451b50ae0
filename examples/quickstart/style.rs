//! How the story looks: headings, commands, what they print, and sentences.

use std::io::IsTerminal as _;

const WIDTH: usize = 110;

/// Colours, on a terminal only.
#[derive(Clone, Copy)]
pub struct Style {
    colours: bool,
}

impl Style {
    /// As fits standard output.
    pub fn detect() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            colours: wanted && std::io::stdout().is_terminal(),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    pub fn heading(self, text: &str) {
        println!("\n{}\n", self.paint("1;36", text));
    }

    pub fn command(self, line: &str) {
        println!("{}", self.paint("1", &format!("$ {line}")));
    }

    pub fn output(self, line: &str) {
        println!("{}", self.paint("2", &format!("  {}", line.trim_end())));
    }

    /// Something that was checked where it counts.
    pub fn checked(self, text: &str) {
        println!("{} {text}", self.paint("32", "checked:"));
    }
}

/// A sentence for the reader, wrapped.
pub fn say(text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            println!("{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    println!("{line}");
}

/// Space between two halves of a step.
pub fn pause() {
    println!();
}

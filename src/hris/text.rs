//! Strings and dates from HR, made fit for an `Employee`.

use jiff::civil::Date;

/// Characters that are not seen and do not join letters: left in, they make two names that look alike differ, or turn
/// the direction of the line they are printed in.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text on one line, without control and invisible characters, white space at its ends, and runs of it within;
/// `None` where nothing is left.
pub fn clean(text: &str) -> Option<String> {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            if !cleaned.is_empty() && !cleaned.ends_with(' ') {
                cleaned.push(' ');
            }
        } else if !c.is_control() && !is_invisible(c) {
            cleaned.push(c);
        }
    }
    cleaned.truncate(cleaned.trim_end().len());
    (!cleaned.is_empty()).then_some(cleaned)
}

/// [`clean`] text of at most `max` characters, which is how the API server counts `maxLength`; what is longer is cut.
pub fn label(text: Option<&str>, max: usize) -> Option<String> {
    let mut text = clean(text?)?;
    if let Some((end, _)) = text.char_indices().nth(max) {
        text.truncate(end);
        text.truncate(text.trim_end().len());
    }
    Some(text)
}

/// [`clean`] text of at most `max` characters; what is longer is nothing, since half a key is another's key.
pub fn key(text: Option<&str>, max: usize) -> Option<String> {
    clean(text?).filter(|text| text.chars().nth(max).is_none())
}

/// The calendar date of a date or datetime, as written: HR systems write a day as its midnight, and converting that to
/// another zone makes it another day. Days before 1900 stand for "none" in several HR systems.
pub fn date(text: Option<&str>) -> Option<Date> {
    let date: Date = text?.trim().get(..10)?.parse().ok()?;
    (date.year() >= 1900).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_clean_line() {
        assert_eq!(clean(" \tAda\r\n  Lovelace\u{200b} ").as_deref(), Some("Ada Lovelace"));
        assert_eq!(clean("a\u{0}b\u{202e}c\u{7}").as_deref(), Some("abc"));
        assert_eq!(clean(" \u{200b} \u{0}\u{a0}"), None);
        // A zero-width joiner is part of what is seen.
        assert_eq!(clean("👩\u{200d}💻").as_deref(), Some("👩\u{200d}💻"));
    }

    #[test]
    fn labels_are_cut_between_characters_and_keys_are_not_cut() {
        assert_eq!(label(Some("ééé"), 2).as_deref(), Some("éé"));
        assert_eq!(label(Some("ab cd"), 3).as_deref(), Some("ab"));
        assert_eq!(label(Some("abc"), 3).as_deref(), Some("abc"));
        assert_eq!(key(Some("abc"), 3).as_deref(), Some("abc"));
        assert_eq!(key(Some("abcd"), 3), None);
        assert_eq!(label(None, 3), None);
    }

    #[test]
    fn a_date_is_never_converted() {
        for text in [
            "2026-03-01",
            "2026-03-01T00:00:00Z",
            "2026-03-01T23:30:00-08:00",
            " 2026-03-01T00:30:00+02:00",
        ] {
            assert_eq!(
                date(Some(text)).map(|d| d.to_string()).as_deref(),
                Some("2026-03-01"),
                "{text}"
            );
        }
        for text in [
            "",
            "2026-13-01",
            "03/01/2026",
            "20260301T000000Z",
            "0001-01-01T00:00:00Z",
            "éééééééé",
        ] {
            assert_eq!(date(Some(text)), None, "{text}");
        }
    }
}

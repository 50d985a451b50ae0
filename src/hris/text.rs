//! Strings and dates from HR, made fit for an `Employee`.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::fmt::temporal::Pieces;

use crate::decide::phase::Zone;

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

/// The calendar date of a date or datetime: the earliest and the latest that it may be, which differ where the zone is a
/// guess. HR systems write a day as its midnight, and converting that to another zone makes it another day; any other
/// time is an instant, and the day is that of `zone`. Days before 1900 stand for "none" in several HR systems.
pub fn dates(text: Option<&str>, zone: &Zone) -> Option<(Date, Date)> {
    let text = text?.trim();
    let date: Date = text.get(..10)?.parse().ok()?;
    if date.year() < 1900 {
        return None;
    }
    let time = Pieces::parse(text).ok().and_then(|pieces| pieces.time());
    let instant = time.filter(|time| *time != Time::midnight());
    let instant = instant.and_then(|_| text.parse::<Timestamp>().ok());
    Some(instant.map_or((date, date), |instant| zone.dates_at(instant)))
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

    fn read(text: &str, zone: &str) -> Option<String> {
        let (first, last) = dates(Some(text), &Zone::named(zone)?)?;
        assert_eq!(first, last, "{text}");
        Some(first.to_string())
    }

    /// Semantics 2: midnight is a calendar date, never converted.
    #[test]
    fn a_day_is_never_converted() {
        for zone in ["Pacific/Kiritimati", "Europe/Berlin", "UTC", "Pacific/Pago_Pago"] {
            for text in [
                "2026-03-01",
                "2026-03-01T00:00:00Z",
                "2026-03-01T00:00:00.000Z",
                "2026-03-01T00:00:00+02:00",
                " 2026-03-01T00:00:00-08:00",
                // Nobody knows of what zone this is.
                "2026-03-01T23:30:00",
            ] {
                assert_eq!(read(text, zone).as_deref(), Some("2026-03-01"), "{text} {zone}");
            }
        }
        for text in [
            "",
            "2026-13-01",
            "03/01/2026",
            "20260301T000000Z",
            "0001-01-01T00:00:00Z",
            "éééééééé",
        ] {
            assert_eq!(read(text, "UTC"), None, "{text}");
        }
    }

    /// Semantics 2: any other time is read in the zone, once.
    #[test]
    fn any_other_time_is_read_in_the_zone() {
        for (text, zone, day) in [
            // Midnight of the zone, which an HR system converted to UTC.
            ("2026-02-28T23:00:00Z", "Europe/Berlin", "2026-03-01"),
            ("2026-03-01T08:00:00Z", "America/Los_Angeles", "2026-03-01"),
            ("2026-03-01T07:59:59Z", "America/Los_Angeles", "2026-02-28"),
            ("2026-02-28T15:00:00Z", "Asia/Tokyo", "2026-03-01"),
            ("2026-03-01T23:30:00-08:00", "America/Los_Angeles", "2026-03-01"),
            ("2026-03-01T23:30:00-08:00", "Europe/Berlin", "2026-03-02"),
            ("2026-03-01T12:00:00Z", "UTC", "2026-03-01"),
        ] {
            assert_eq!(read(text, zone).as_deref(), Some(day), "{text} {zone}");
        }
        let days = |text: &str| dates(Some(text), &Zone::latest()).map(|(first, last)| format!("{first} {last}"));
        assert_eq!(days("2026-03-01T00:00:00Z").as_deref(), Some("2026-03-01 2026-03-01"));
        assert_eq!(days("2026-03-01T11:00:00Z").as_deref(), Some("2026-02-28 2026-03-02"));
    }
}

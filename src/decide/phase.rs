//! Where a person is between joining and leaving: from facts and `now` alone.

use jiff::civil::Date;
use jiff::tz::{self, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

use super::index::{Entry, Namespace};
use crate::api::employee::{EmployeeSpec, Phase, SourceState};
use crate::api::hris_connection::InactiveMeans;

/// Where calendar dates begin and end.
///
/// Zones come from the data compiled into this program, so that two hosts with different zone files decide alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Universal time.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone in which every date ends last (UTC-12): nobody loses anything too early by it.
    pub fn latest() -> Self {
        Self(TimeZone::fixed(tz::offset(-12)))
    }

    /// The zone in which every date begins first (UTC+14).
    pub fn earliest() -> Self {
        Self(TimeZone::fixed(tz::offset(14)))
    }

    /// Whether it is [`Zone::latest`]: not where anybody lives, but for want of knowing.
    pub fn is_a_guess(&self) -> bool {
        *self == Self::latest()
    }

    /// The IANA zone of this name, such as `Europe/Berlin`, or `None` where there is no such zone.
    pub fn named(name: &str) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(name.trim()).ok()?;
        // `Etc/Unknown` is a name that stands for "no zone": taking it for UTC would be a guess.
        (!zone.is_unknown()).then_some(Self(zone))
    }

    /// The first instant of `date`, or `None` where that lies beyond the year 9999. Where a clock change skips
    /// midnight, or the whole day, it is the first instant after the gap.
    pub fn start_of(&self, date: Date) -> Option<Timestamp> {
        date.to_zoned(self.0.clone()).ok().map(|instant| instant.timestamp())
    }

    /// The first instant after `date`, or `None` where that lies beyond the year 9999.
    pub fn end_of(&self, date: Date) -> Option<Timestamp> {
        self.start_of(date.checked_add(1.day()).ok()?)
    }

    /// The calendar date at `instant`.
    pub fn date_at(&self, instant: Timestamp) -> Date {
        self.0.to_datetime(instant).date()
    }
}

/// The calendar date that `text` is (`2026-03-01`), or `None` where it is none (`2026-02-31`).
pub fn calendar_date(text: &str) -> Option<Date> {
    let text = text.trim();
    // The parser alone would take times, week dates and basic format too, which an HR system that sends them may
    // mean otherwise.
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if shaped { text.parse().ok() } else { None }
}

/// How a person's facts are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseRules {
    /// Where days begin and end.
    pub zone: Zone,
    /// What the status `INACTIVE` means; `None` where the connection that would say so cannot be read.
    pub inactive_means: Option<InactiveMeans>,
}

impl PhaseRules {
    /// The rules of a person's connection. Without one: UTC, and `INACTIVE` means that the person left. Where it is
    /// missing, cannot be read or names no zone: days end last on earth, and `INACTIVE` says nothing.
    pub fn of(namespace: &Namespace, spec: &EmployeeSpec) -> Self {
        let Some(reference) = &spec.connection_ref else {
            return Self {
                zone: Zone::utc(),
                inactive_means: Some(InactiveMeans::Terminated),
            };
        };
        let connection = namespace.connections.get(&reference.name).and_then(Entry::readable);
        let zone = connection.and_then(|c| Zone::named(&c.spec.termination.default_time_zone));
        match (connection, zone) {
            (Some(connection), Some(zone)) => Self {
                zone,
                inactive_means: Some(connection.spec.inactive_means),
            },
            _ => Self {
                zone: Zone::latest(),
                inactive_means: None,
            },
        }
    }
}

/// A phase, and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseView {
    /// Where the person is between joining and leaving.
    pub phase: Phase,
    /// What of the status or the dates could not be read, where it matters.
    pub status_unknown: Option<String>,
    /// The next instant at which time alone changes the phase, and to what (`phase Terminated`).
    pub next: Option<(Timestamp, String)>,
}

/// What the employment status says.
enum Standing {
    Active,
    Pending,
    Inactive(InactiveMeans),
    Unknown(String),
}

impl Standing {
    fn of(spec: &EmployeeSpec, rules: &PhaseRules) -> Self {
        let text = spec.employment_status.as_deref().unwrap_or_default().trim();
        if text.is_empty() {
            // Who writes an Employee by hand and says nothing of the status means a person at work.
            return if spec.connection_ref.is_none() {
                Self::Active
            } else {
                Self::Unknown("the HRIS gives no employment status".to_owned())
            };
        }
        if text.eq_ignore_ascii_case("ACTIVE") {
            Self::Active
        } else if text.eq_ignore_ascii_case("PENDING") {
            Self::Pending
        } else if text.eq_ignore_ascii_case("INACTIVE") {
            match rules.inactive_means {
                Some(meaning) => Self::Inactive(meaning),
                None => Self::Unknown(
                    "the status is INACTIVE, and the connection that says what that means cannot be read".to_owned(),
                ),
            }
        } else {
            Self::Unknown(format!(
                "the employment status {text:?} is none of ACTIVE, PENDING and INACTIVE"
            ))
        }
    }
}

/// The phase of a person at `now`. `last` is the phase of the record, which stays where the facts do not tell.
pub fn phase(spec: &EmployeeSpec, last: Option<Phase>, rules: &PhaseRules, now: Timestamp) -> PhaseView {
    let mut doubts = Vec::new();
    let start = read_date("startDate", spec.start_date.as_deref(), &mut doubts);
    let end = read_date("terminationDate", spec.termination_date.as_deref(), &mut doubts);
    let listed = spec.source.as_ref().map_or(SourceState::Present, |source| source.state);
    let vanished = |name: &str, text: &Option<String>| {
        text.as_ref().is_none_or(|text| text.trim().is_empty()) && is_unconfirmed(spec, name)
    };
    // Without the start date it cannot be told whether a termination date is of this employment or of one before.
    let start_lost = vanished("startDate", &spec.start_date);
    let end_lost = vanished("terminationDate", &spec.termination_date);

    // Who has begun has begun: a zone that is guessed sends nobody back whose first day has come anywhere on earth.
    let was_at_work = matches!(last, Some(Phase::Active | Phase::OnLeave | Phase::Leaving));
    let earliest = Zone::earliest();
    let zone = if rules.zone.is_a_guess() && was_at_work {
        &earliest
    } else {
        &rules.zone
    };
    let begins = start.map(|date| zone.start_of(date));
    let to_begin = begins.is_some_and(|instant| instant.is_none_or(|instant| instant > now));
    let void = matches!((start, end), (Some(start), Some(end)) if end < start);
    // An end beyond the year 9999 (`9999-12-31` is how some systems write "open") is no end.
    let ends = end.filter(|_| !void).and_then(|date| rules.zone.end_of(date));
    let over = ends.is_some_and(|instant| instant <= now);
    let to_end = ends
        .filter(|instant| *instant > now)
        .map(|instant| (instant, "phase Terminated".to_owned()));
    let standing = Standing::of(spec, rules);
    let keep = |last: Option<Phase>| {
        let phase = last.unwrap_or(Phase::PreHire);
        (phase, to_end.clone().filter(|_| phase != Phase::Terminated))
    };

    let left = listed == SourceState::Deleted || (over && !start_lost);
    let (phase, next) = match standing {
        _ if left => (Phase::Terminated, None),
        Standing::Inactive(InactiveMeans::Terminated) => (Phase::Terminated, None),
        _ if listed == SourceState::Absent => match last {
            Some(Phase::Terminated) => (Phase::Terminated, None),
            _ => (Phase::Missing, to_end),
        },
        Standing::Unknown(why) => {
            doubts.push(why);
            keep(last)
        }
        _ if over => {
            doubts.push(
                "startDate had a value and has none now, so that terminationDate may be of an employment before"
                    .to_owned(),
            );
            keep(last)
        }
        Standing::Pending => (Phase::PreHire, to_end),
        _ if start_lost && last == Some(Phase::PreHire) => {
            doubts.push("startDate had a value and has none now, so that it may still be to come".to_owned());
            keep(last)
        }
        standing => {
            let at_work = match standing {
                Standing::Inactive(_) => Phase::OnLeave,
                _ if ends.is_some() => Phase::Leaving,
                // A rehire is not held up by this: a last phase of Terminated ends with a clear status.
                _ if end_lost && last == Some(Phase::Leaving) => {
                    doubts.push("terminationDate had a value and has none now, which is not confirmed yet".to_owned());
                    Phase::Leaving
                }
                _ => Phase::Active,
            };
            if to_begin {
                let next = begins.flatten().map(|instant| (instant, format!("phase {at_work:?}")));
                (Phase::PreHire, next)
            } else {
                (at_work, to_end)
            }
        }
    };
    PhaseView {
        phase,
        status_unknown: (!doubts.is_empty()).then(|| doubts.join("; ")),
        next,
    }
}

/// Whether the attribute of this name had a value and has none, or less, now, and no later full read confirmed that.
pub fn is_unconfirmed(spec: &EmployeeSpec, name: &str) -> bool {
    let source = spec.source.as_ref();
    source.is_some_and(|source| source.unconfirmed.iter().any(|attribute| attribute == name))
}

fn read_date(name: &str, text: Option<&str>, doubts: &mut Vec<String>) -> Option<Date> {
    let text = text.filter(|text| !text.trim().is_empty())?;
    let date = calendar_date(text);
    if date.is_none() {
        doubts.push(format!("{name} {text:?} is no calendar date, and counts as absent"));
    }
    date
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOON: &str = "2026-06-15T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn berlin() -> PhaseRules {
        in_zone("Europe/Berlin")
    }

    fn in_zone(name: &str) -> PhaseRules {
        PhaseRules {
            zone: Zone::named(name).unwrap_or_else(|| panic!("{name} is a zone")),
            inactive_means: Some(InactiveMeans::Terminated),
        }
    }

    /// A mirrored person with these facts besides.
    fn mirrored(facts: Value) -> EmployeeSpec {
        let mut spec = json!({"connectionRef": {"name": "hr"}, "source": {"state": "Present"}});
        merge(&mut spec, facts);
        serde_json::from_value(spec).unwrap()
    }

    fn merge(into: &mut Value, from: Value) {
        match (into, from) {
            (Value::Object(into), Value::Object(from)) => {
                for (key, value) in from {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
            (into, from) => *into = from,
        }
    }

    /// I2, and semantics 2: a termination takes effect when the last day ends in the person's zone, not a second before.
    #[test]
    fn the_last_day_ends_at_midnight_of_the_zone_also_when_clocks_change() {
        let table = [
            ("Europe/Berlin", "2026-06-30", "2026-06-30T22:00:00Z"),
            ("Europe/Berlin", "2026-12-31", "2026-12-31T23:00:00Z"),
            // The day of 23 hours, and the day of 25.
            ("Europe/Berlin", "2026-03-29", "2026-03-29T22:00:00Z"),
            ("Europe/Berlin", "2026-10-25", "2026-10-25T23:00:00Z"),
            ("America/New_York", "2026-06-30", "2026-07-01T04:00:00Z"),
            ("America/New_York", "2026-03-08", "2026-03-09T04:00:00Z"),
            ("America/New_York", "2026-11-01", "2026-11-02T05:00:00Z"),
            ("Pacific/Apia", "2026-06-30", "2026-06-30T11:00:00Z"),
            // Samoa skipped 30 December 2011.
            ("Pacific/Apia", "2011-12-29", "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
            // Clocks that go forward at midnight: the next day begins at one.
            ("America/Santiago", "2026-09-05", "2026-09-06T04:00:00Z"),
            // Clocks that go back to midnight: the next day begins at the first of the two.
            ("America/Havana", "2026-10-31", "2026-11-01T04:00:00Z"),
            ("UTC", "2024-02-29", "2024-03-01T00:00:00Z"),
        ];
        for (zone, last_day, end) in table {
            let spec = mirrored(json!({"employmentStatus": "ACTIVE", "terminationDate": last_day}));
            let rules = in_zone(zone);
            let end = at(end);
            let before = phase(&spec, None, &rules, end - 1.second());
            assert_eq!(before.phase, Phase::Leaving, "{zone} {last_day}, a second before");
            assert_eq!(
                before.next,
                Some((end, "phase Terminated".to_owned())),
                "{zone} {last_day}"
            );
            for instant in [end, end + 1.second()] {
                let after = phase(&spec, Some(Phase::Leaving), &rules, instant);
                assert_eq!(
                    (after.phase, after.next),
                    (Phase::Terminated, None),
                    "{zone} {last_day}"
                );
            }
        }
    }

    /// Semantics 1: nobody has access before the first day begins where they are.
    #[test]
    fn the_first_day_begins_at_midnight_of_the_zone() {
        let table = [
            ("Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z"),
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z"),
            ("America/New_York", "2026-11-02", "2026-11-02T05:00:00Z"),
            ("Pacific/Apia", "2026-07-01", "2026-06-30T11:00:00Z"),
            ("America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"),
        ];
        for (zone, first_day, begin) in table {
            let spec = mirrored(json!({"employmentStatus": "active", "startDate": first_day}));
            let rules = in_zone(zone);
            let begin = at(begin);
            let before = phase(&spec, None, &rules, begin - 1.second());
            assert_eq!(before.phase, Phase::PreHire, "{zone} {first_day}, a second before");
            assert_eq!(
                before.next,
                Some((begin, "phase Active".to_owned())),
                "{zone} {first_day}"
            );
            let after = phase(&spec, Some(Phase::PreHire), &rules, begin);
            assert_eq!((after.phase, after.next), (Phase::Active, None), "{zone} {first_day}");
        }
    }

    /// Semantics 1 and 6, row by row: facts, the last phase, the phase, what is said to be unknown, what comes next.
    #[test]
    fn phases_by_facts() {
        use Phase::{Active, Leaving, Missing, OnLeave, PreHire, Terminated};
        #[rustfmt::skip]
        let table: Vec<(Value, Option<Phase>, Phase, &str, &str)> = vec![
            // The status alone, in any case and with space around it.
            (json!({"employmentStatus": "ACTIVE"}), None, Active, "", ""),
            (json!({"employmentStatus": " active "}), None, Active, "", ""),
            (json!({"employmentStatus": "ACTIVE"}), Some(Terminated), Active, "", ""),
            (json!({"employmentStatus": "ACTIVE"}), Some(Missing), Active, "", ""),
            (json!({"employmentStatus": "PENDING"}), None, PreHire, "", ""),
            (json!({"employmentStatus": "INACTIVE"}), Some(Active), Terminated, "", ""),
            (json!({"employmentStatus": "Inactive"}), Some(Active), Terminated, "", ""),
            // A status that cannot be read keeps the last phase; whoever was never seen gets nothing.
            (json!({}), Some(Active), Active, "no employment status", ""),
            (json!({"employmentStatus": " "}), Some(OnLeave), OnLeave, "no employment status", ""),
            (json!({"employmentStatus": "Gardening"}), Some(Leaving), Leaving, "\"Gardening\"", ""),
            (json!({"employmentStatus": "Gardening"}), Some(Terminated), Terminated, "\"Gardening\"", ""),
            (json!({"employmentStatus": "Gardening"}), None, PreHire, "\"Gardening\"", ""),
            (json!({}), Some(Missing), Missing, "no employment status", ""),
            // Dates count all the same.
            (json!({"terminationDate": "2026-06-14"}), Some(Active), Terminated, "", ""),
            (json!({"terminationDate": "2026-06-30"}), Some(Active), Active, "no employment status", "2026-06-30T22:00:00Z phase Terminated"),
            (json!({"terminationDate": "2026-06-30"}), Some(Terminated), Terminated, "no employment status", ""),
            // Joining.
            (json!({"employmentStatus": "ACTIVE", "startDate": "2026-07-01"}), None, PreHire, "", "2026-06-30T22:00:00Z phase Active"),
            (json!({"employmentStatus": "ACTIVE", "startDate": "2026-07-01", "terminationDate": "2026-12-31"}), None, PreHire, "", "2026-06-30T22:00:00Z phase Leaving"),
            (json!({"employmentStatus": "PENDING", "startDate": "2026-07-01"}), None, PreHire, "", ""),
            (json!({"employmentStatus": "PENDING", "startDate": "2026-06-01"}), Some(Active), PreHire, "", ""),
            (json!({"employmentStatus": "PENDING", "terminationDate": "2026-06-30"}), None, PreHire, "", "2026-06-30T22:00:00Z phase Terminated"),
            // Leaving.
            (json!({"employmentStatus": "ACTIVE", "terminationDate": "2026-06-15"}), None, Leaving, "", "2026-06-15T22:00:00Z phase Terminated"),
            (json!({"employmentStatus": "ACTIVE", "terminationDate": "2026-06-14"}), None, Terminated, "", ""),
            (json!({"employmentStatus": "INACTIVE", "terminationDate": "2026-12-31"}), Some(Leaving), Terminated, "", ""),
            (json!({"employmentStatus": "ACTIVE", "startDate": "2026-06-14", "terminationDate": "2026-06-14"}), None, Terminated, "", ""),
            // A rehire in the same row: the old termination date is void.
            (json!({"employmentStatus": "ACTIVE", "startDate": "2026-05-01", "terminationDate": "2024-01-31"}), Some(Terminated), Active, "", ""),
            (json!({"employmentStatus": "ACTIVE", "startDate": "2026-07-01", "terminationDate": "2024-01-31"}), Some(Terminated), PreHire, "", "2026-06-30T22:00:00Z phase Active"),
            // Dates that no calendar has count as absent; an open end is no end.
            (json!({"employmentStatus": "ACTIVE", "terminationDate": "2026-02-31"}), None, Active, "terminationDate \"2026-02-31\"", ""),
            (json!({"employmentStatus": "ACTIVE", "terminationDate": "soon"}), None, Active, "terminationDate \"soon\"", ""),
            (json!({"employmentStatus": "ACTIVE", "terminationDate": "20260101"}), None, Active, "terminationDate", ""),
            (json!({"employmentStatus": "ACTIVE", "startDate": "2026-13-01"}), None, Active, "startDate \"2026-13-01\"", ""),
            (json!({"employmentStatus": "ACTIVE", "startDate": "", "terminationDate": " "}), None, Active, "", ""),
            (json!({"employmentStatus": "ACTIVE", "terminationDate": "9999-12-31"}), None, Active, "", ""),
            (json!({"employmentStatus": "ACTIVE", "startDate": "9999-12-31"}), None, PreHire, "", ""),
            (json!({"employmentStatus": "ACTIVE", "startDate": "0000-01-01"}), None, Active, "", ""),
            // Deleted is evidence; absent is none.
            (json!({"source": {"state": "Deleted"}, "employmentStatus": "ACTIVE"}), Some(Active), Terminated, "", ""),
            (json!({"source": {"state": "Deleted"}, "startDate": "2027-01-01"}), None, Terminated, "", ""),
            (json!({"source": {"state": "Absent"}, "employmentStatus": "ACTIVE"}), Some(Active), Missing, "", ""),
            (json!({"source": {"state": "Absent"}}), None, Missing, "", ""),
            (json!({"source": {"state": "Absent"}, "employmentStatus": "ACTIVE"}), Some(Terminated), Terminated, "", ""),
            (json!({"source": {"state": "Absent"}, "employmentStatus": "INACTIVE"}), Some(Active), Terminated, "", ""),
            (json!({"source": {"state": "Absent"}, "terminationDate": "2026-06-14"}), Some(Missing), Terminated, "", ""),
            (json!({"source": {"state": "Absent"}, "terminationDate": "2026-06-30"}), Some(Leaving), Missing, "", "2026-06-30T22:00:00Z phase Terminated"),
            // A start date that is gone, and not confirmed to be: neither a termination nor a first day follows.
            (json!({"source": {"unconfirmed": ["startDate"]}, "employmentStatus": "ACTIVE", "terminationDate": "2024-01-31"}), Some(Active), Active, "startDate had a value", ""),
            (json!({"source": {"unconfirmed": ["startDate"]}, "employmentStatus": "ACTIVE"}), Some(PreHire), PreHire, "startDate had a value", ""),
            (json!({"source": {"unconfirmed": ["startDate"]}, "employmentStatus": "ACTIVE"}), Some(Active), Active, "", ""),
            (json!({"source": {"unconfirmed": ["terminationDate"]}, "employmentStatus": "ACTIVE"}), Some(Leaving), Leaving, "terminationDate had a value", ""),
            (json!({"source": {"unconfirmed": ["terminationDate"]}, "employmentStatus": "ACTIVE"}), Some(Terminated), Active, "", ""),
        ];
        for (facts, last, expected, unknown, next) in table {
            let view = phase(&mirrored(facts.clone()), last, &berlin(), at(NOON));
            assert_eq!(view.phase, expected, "{facts}, last {last:?}");
            match &view.status_unknown {
                Some(why) => assert!(!unknown.is_empty() && why.contains(unknown), "{facts}: {why}"),
                None => assert_eq!(unknown, "", "{facts}"),
            }
            let said = view
                .next
                .map(|(instant, what)| format!("{instant} {what}"))
                .unwrap_or_default();
            assert_eq!(said, next, "{facts}, last {last:?}");
        }
    }

    /// The author of a hand-written employee who says nothing of the status means a person at work.
    #[test]
    fn who_is_written_by_hand_without_a_status_is_at_work() {
        use Phase::{Active, Leaving, PreHire, Terminated};
        let rules = PhaseRules::of(&Namespace::default(), &EmployeeSpec::default());
        assert_eq!(rules.zone, Zone::utc());
        for (facts, last, expected) in [
            (json!({}), None, Active),
            (json!({}), Some(Terminated), Active),
            (json!({"startDate": "2026-06-16"}), None, PreHire),
            (json!({"terminationDate": "2026-06-15"}), None, Leaving),
            (json!({"terminationDate": "2026-06-14"}), None, Terminated),
            (json!({"employmentStatus": "INACTIVE"}), None, Terminated),
            (json!({"employmentStatus": "Sabbatical"}), Some(Active), Active),
            (json!({"employmentStatus": "Sabbatical"}), None, PreHire),
        ] {
            let spec = serde_json::from_value(facts.clone()).unwrap();
            assert_eq!(phase(&spec, last, &rules, at(NOON)).phase, expected, "{facts}");
        }
    }

    /// `inactiveMeans: OnLeave` keeps people, but nobody is on leave before the first day.
    #[test]
    fn inactive_means_what_the_connection_says() {
        let rules = PhaseRules {
            inactive_means: Some(InactiveMeans::OnLeave),
            ..berlin()
        };
        let view = |facts: Value| phase(&mirrored(facts), Some(Phase::Active), &rules, at(NOON));
        assert_eq!(view(json!({"employmentStatus": "INACTIVE"})).phase, Phase::OnLeave);
        let leaving = view(json!({"employmentStatus": "INACTIVE", "terminationDate": "2026-06-30"}));
        assert_eq!(leaving.phase, Phase::OnLeave);
        assert!(leaving.next.is_some_and(|(_, what)| what == "phase Terminated"));
        let joining = view(json!({"employmentStatus": "INACTIVE", "startDate": "2026-07-01"}));
        assert_eq!(joining.phase, Phase::PreHire);
        assert!(joining.next.is_some_and(|(_, what)| what == "phase OnLeave"));
        let gone = view(json!({"employmentStatus": "INACTIVE", "source": {"state": "Absent"}}));
        assert_eq!(gone.phase, Phase::Missing);
    }

    /// Semantics 3 and 6: with the connection unreadable, INACTIVE is no evidence and days end last on earth.
    #[test]
    fn a_connection_that_cannot_be_read_ends_nothing_early() {
        let rules = PhaseRules::of(&Namespace::default(), &mirrored(json!({})));
        assert_eq!((rules.zone.clone(), rules.inactive_means), (Zone::latest(), None));
        let inactive = mirrored(json!({"employmentStatus": "INACTIVE"}));
        let view = phase(&inactive, Some(Phase::Active), &rules, at(NOON));
        assert_eq!(view.phase, Phase::Active);
        assert!(view.status_unknown.is_some_and(|why| why.contains("cannot be read")));
        let leaver = mirrored(json!({"employmentStatus": "ACTIVE", "terminationDate": "2026-06-14"}));
        for (instant, expected) in [
            ("2026-06-15T11:59:59Z", Phase::Leaving),
            ("2026-06-15T12:00:00Z", Phase::Terminated),
        ] {
            assert_eq!(phase(&leaver, None, &rules, at(instant)).phase, expected, "{instant}");
        }
    }

    /// Evidence: that the connection went is none. Who began this morning where they live has not yet begun in the
    /// zone that stands in for it, and stays at work all the same.
    #[test]
    fn a_connection_that_goes_sends_nobody_back_before_their_first_day() {
        let rules = PhaseRules::of(&Namespace::default(), &mirrored(json!({})));
        let facts = mirrored(json!({"employmentStatus": "ACTIVE", "startDate": "2026-06-15"}));
        let morning = at("2026-06-15T07:00:00Z");
        assert_eq!(phase(&facts, None, &berlin(), morning).phase, Phase::Active);
        for last in [Phase::Active, Phase::OnLeave, Phase::Leaving] {
            assert_eq!(
                phase(&facts, Some(last), &rules, morning).phase,
                Phase::Active,
                "{last:?}"
            );
        }
        for last in [None, Some(Phase::PreHire), Some(Phase::Terminated)] {
            assert_eq!(phase(&facts, last, &rules, morning).phase, Phase::PreHire, "{last:?}");
        }
        let next_week = mirrored(json!({"employmentStatus": "ACTIVE", "startDate": "2026-06-22"}));
        let view = phase(&next_week, Some(Phase::Active), &rules, morning);
        assert_eq!(view.phase, Phase::PreHire, "not begun anywhere on earth");
    }

    /// I10: names that are no zones are no zones, and no date stops the process.
    #[test]
    fn no_zone_and_no_date_is_too_strange() {
        for name in [
            "",
            " ",
            "Mars/Olympus",
            "Etc/Unknown",
            "Europe/Berlin/..",
            "EST5EDT,M3.2.0,M11.1.0",
        ] {
            assert_eq!(Zone::named(name), None, "{name}");
        }
        assert!(
            Zone::named("europe/berlin").is_some(),
            "names are compared without case"
        );
        for text in [
            "",
            "2026",
            "2026-00-00",
            "2026-1-1",
            "2026-01-01T00:00",
            "-999-01-01",
            "２０２６-01-01",
            "2026-W01-1",
            "é026-01-01",
        ] {
            assert_eq!(calendar_date(text), None, "{text}");
        }
        let zones = ["UTC", "Pacific/Apia", "Pacific/Kiritimati", "Asia/Kathmandu"].map(Zone::named);
        for zone in zones.into_iter().flatten().chain([Zone::latest()]) {
            let rules = PhaseRules {
                zone,
                inactive_means: None,
            };
            for date in ["0000-01-01", "0001-01-01", "9999-12-30", "9999-12-31"] {
                for now in [Timestamp::MIN, Timestamp::MAX, at(NOON)] {
                    let facts = json!({"employmentStatus": "ACTIVE", "startDate": date, "terminationDate": date});
                    phase(&mirrored(facts), None, &rules, now);
                }
            }
        }
    }
}

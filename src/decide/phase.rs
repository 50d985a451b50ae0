//! Where a person is between joining and leaving: from facts and `now` alone.

mod places;
mod zone;

use jiff::Timestamp;
use jiff::civil::{Date, Time};

pub use self::places::{Placed, place};
pub use self::zone::Zone;
use super::index::{Entry, Namespace};
use crate::api::employee::{EmployeeSpec, Phase, SourceState};
use crate::api::hris_connection::{InactiveMeans, Termination};

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

/// The time of day that `text` is (`17:30`), or `None` where it is none.
pub fn time_of_day(text: &str) -> Option<Time> {
    let text = text.trim();
    let shaped = text.len() == 5
        && text.bytes().enumerate().all(|(place, byte)| match place {
            2 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    if shaped { text.parse().ok() } else { None }
}

/// How a person's facts are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseRules {
    /// Where days begin and end.
    pub zone: Zone,
    /// Why the zone is a guess and how to mend that, where somebody can.
    pub zone_unknown: Option<String>,
    /// The time of the last day at which an employment ends; when that day is over, where there is none.
    pub time_of_day: Option<Time>,
    /// What the status `INACTIVE` means; `None` where the connection that would say so cannot be read.
    pub inactive_means: Option<InactiveMeans>,
}

impl PhaseRules {
    /// The rules of a person's connection. Without one `INACTIVE` means that the person left, and who has no work
    /// location is in UTC. Where it is missing, cannot be read or names no zone: days end last on earth, and `INACTIVE`
    /// says nothing.
    pub fn of(namespace: &Namespace, spec: &EmployeeSpec) -> Self {
        let Some(reference) = &spec.connection_ref else {
            let placed = zone_of(None, &Zone::utc(), spec);
            return Self {
                zone: placed.zone,
                zone_unknown: placed.doubt,
                time_of_day: None,
                inactive_means: Some(InactiveMeans::Terminated),
            };
        };
        let connection = namespace.connections.get(&reference.name).and_then(Entry::readable);
        let default = connection.and_then(|c| Zone::named(&c.spec.termination.default_time_zone));
        match (connection, default) {
            (Some(connection), Some(default)) => {
                let termination = &connection.spec.termination;
                let placed = zone_of(Some(termination), &default, spec);
                Self {
                    zone: placed.zone,
                    zone_unknown: placed.doubt,
                    // One that cannot be read is later than any that can.
                    time_of_day: termination.time_of_day.as_deref().and_then(time_of_day),
                    inactive_means: Some(connection.spec.inactive_means),
                }
            }
            _ => Self {
                zone: Zone::latest(),
                zone_unknown: Some(format!(
                    "the HRISConnection {} is not there, cannot be read or names no time zone, so that a last day ends when \
                     it has ended everywhere: apply it anew",
                    reference.name
                )),
                time_of_day: None,
                inactive_means: None,
            },
        }
    }

    /// When an employment ends whose last day is `date`.
    fn end_of(&self, date: Date) -> Option<Timestamp> {
        match self.time_of_day {
            Some(time) => self.zone.at(date, time),
            None => self.zone.end_of(date),
        }
    }

    /// The same where it comes first.
    fn first_end_of(&self, date: Date) -> Option<Timestamp> {
        match self.time_of_day {
            Some(time) => self.zone.first_at(date, time),
            None => self.zone.first_end_of(date),
        }
    }
}

/// Where the days of a person begin and end; `default`, where the facts do not say where they work.
fn zone_of(termination: Option<&Termination>, default: &Zone, spec: &EmployeeSpec) -> Placed {
    let unconfirmed = is_unconfirmed(spec, "workLocation");
    place(termination, default, spec.work_location.as_ref(), unconfirmed)
}

/// What of `termination` cannot be read, as when an older CRD let it through: a sentence for a person.
pub fn fault(termination: &Termination) -> Option<String> {
    let zone = &termination.default_time_zone;
    let mend = "write one such as Europe/Berlin";
    if Zone::named(zone).is_none() {
        return Some(format!(
            "termination.defaultTimeZone {zone} is no IANA time zone: {mend}. Until then a last day ends when it has ended \
             everywhere."
        ));
    }
    if let Some(entry) = termination
        .zones
        .iter()
        .find(|entry| Zone::named(&entry.time_zone).is_none())
    {
        let (country, zone) = (&entry.country, &entry.time_zone);
        return Some(format!(
            "termination.zones gives {country} the zone {zone}, which is no IANA time zone: {mend}. Until then a last day there \
             ends when it has ended everywhere."
        ));
    }
    let time = termination
        .time_of_day
        .as_deref()
        .filter(|time| time_of_day(time).is_none())?;
    Some(format!(
        "termination.timeOfDay {time} is no time of day: write one such as 17:30. Until then a last day ends when it is over."
    ))
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

    // Who has begun has begun, and who has left has left: a zone that is a guess takes back neither, where the day has
    // come anywhere that they may be.
    let was_at_work = matches!(last, Some(Phase::Active | Phase::OnLeave | Phase::Leaving));
    let had_left = last == Some(Phase::Terminated);
    let begins = start.map(|date| {
        if was_at_work {
            rules.zone.first_start_of(date)
        } else {
            rules.zone.start_of(date)
        }
    });
    let to_begin = begins.is_some_and(|instant| instant.is_none_or(|instant| instant > now));
    let void = matches!((start, end), (Some(start), Some(end)) if end < start);
    // An end beyond the year 9999 (`9999-12-31` is how some systems write "open") is no end.
    let ends = end.filter(|_| !void).and_then(|date| {
        if had_left {
            rules.first_end_of(date)
        } else {
            rules.end_of(date)
        }
    });
    let over = ends.is_some_and(|instant| instant <= now);
    let to_end = ends
        .filter(|instant| *instant > now)
        .map(|instant| (instant, "phase Terminated".to_owned()));
    // Whose new employment in the same row is to come, such as a contractor who becomes an employee, is at work until the
    // day before it that the termination date then names is over, whatever the time of day that ends an employment.
    let before = end
        .filter(|_| void && was_at_work)
        .and_then(|date| rules.zone.end_of(date));
    let before = before.filter(|instant| *instant > now);
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
            let begins = begins.flatten();
            match before {
                _ if !to_begin => (at_work, to_end),
                None => (
                    Phase::PreHire,
                    begins.map(|instant| (instant, format!("phase {at_work:?}"))),
                ),
                Some(instant) if begins.is_some_and(|begins| begins <= instant) => (at_work, None),
                Some(instant) => {
                    let until_then = if at_work == Phase::Active {
                        Phase::Leaving
                    } else {
                        at_work
                    };
                    (until_then, Some((instant, "phase PreHire".to_owned())))
                }
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
mod tests;

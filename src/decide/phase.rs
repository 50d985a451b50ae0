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
    let state = spec.source.as_ref().map_or(SourceState::Present, |source| source.state);
    // Without the start date it cannot be told whether a termination date is of this employment or of one before.
    let start_lost = spec.start_date.is_none()
        && spec
            .source
            .as_ref()
            .is_some_and(|source| source.unconfirmed.iter().any(|name| name == "startDate"));

    let begins = start.map(|date| rules.zone.start_of(date));
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

    let left = state == SourceState::Deleted || (over && !start_lost);
    let (phase, next) = match standing {
        _ if left => (Phase::Terminated, None),
        Standing::Inactive(InactiveMeans::Terminated) => (Phase::Terminated, None),
        _ if state == SourceState::Absent => match last {
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

fn read_date(name: &str, text: Option<&str>, doubts: &mut Vec<String>) -> Option<Date> {
    let text = text.filter(|text| !text.trim().is_empty())?;
    let date = calendar_date(text);
    if date.is_none() {
        doubts.push(format!("{name} {text:?} is no calendar date, and counts as absent"));
    }
    date
}

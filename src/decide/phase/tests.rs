#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use jiff::ToSpan;
use serde_json::{Value, json};

use super::*;
use crate::api::HRISConnection;
use crate::decide::index::Indexed;

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
        zone_unknown: None,
        time_of_day: None,
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
        ("America/Havana", "2025-11-01", "2025-11-02T04:00:00Z"),
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
            zone_unknown: None,
            time_of_day: None,
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

/// Semantics 2: with a time of day an employment ends at that time of the last day where the person is. Of a time that
/// a clock change repeats it is the later, and one that it skips comes after the gap: nobody loses anything too early.
#[test]
fn a_time_of_day_ends_the_last_day_also_when_clocks_change() {
    let table = [
        ("Europe/Berlin", "2026-06-30", "17:30", "2026-06-30T15:30:00Z"),
        ("Europe/Berlin", "2026-06-30", "00:00", "2026-06-29T22:00:00Z"),
        ("Europe/Berlin", "2026-06-30", "23:59", "2026-06-30T21:59:00Z"),
        ("Europe/Berlin", "2026-03-29", "02:30", "2026-03-29T01:30:00Z"),
        ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T01:30:00Z"),
        ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:30:00Z"),
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01T06:30:00Z"),
        ("America/Los_Angeles", "2026-06-30", "18:00", "2026-07-01T01:00:00Z"),
        ("Pacific/Apia", "2026-06-30", "09:00", "2026-06-29T20:00:00Z"),
        // Half an hour is skipped.
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:45:00Z"),
        // Midnight is skipped, and repeated.
        ("America/Santiago", "2026-09-06", "00:30", "2026-09-06T04:30:00Z"),
        ("America/Havana", "2025-11-02", "00:30", "2025-11-02T05:30:00Z"),
        // The whole day is skipped: the same time of the next.
        ("Pacific/Apia", "2011-12-30", "17:30", "2011-12-31T03:30:00Z"),
    ];
    for (zone, last_day, time, end) in table {
        let spec = mirrored(json!({"employmentStatus": "ACTIVE", "terminationDate": last_day}));
        let rules = PhaseRules {
            time_of_day: time_of_day(time),
            ..in_zone(zone)
        };
        let end = at(end);
        let before = phase(&spec, None, &rules, end - 1.second());
        let expected = (Phase::Leaving, Some((end, "phase Terminated".to_owned())));
        assert_eq!((before.phase, before.next), expected, "{zone} {last_day} {time}");
        assert_eq!(
            phase(&spec, None, &rules, end).phase,
            Phase::Terminated,
            "{zone} {last_day} {time}"
        );
    }
}

/// Semantics 2: a calendar date is one of the person's zone, whatever the date is in UTC meanwhile. Read in UTC first, or
/// converted twice, it would end on another day somewhere on earth.
#[test]
fn a_calendar_date_is_never_converted() {
    let zones = [
        "Pacific/Kiritimati",
        "Pacific/Apia",
        "Asia/Tokyo",
        "Asia/Kathmandu",
        "Europe/Berlin",
        "UTC",
        "America/St_Johns",
        "America/New_York",
        "America/Los_Angeles",
        "Pacific/Pago_Pago",
    ];
    for name in zones {
        let rules = in_zone(name);
        let clocks = jiff::tz::TimeZoneDatabase::bundled().get(name).unwrap();
        let mut day: Date = "2026-01-01".parse().unwrap();
        while day.year() == 2026 {
            let facts =
                json!({"employmentStatus": "ACTIVE", "startDate": day.to_string(), "terminationDate": day.to_string()});
            let spec = mirrored(facts);
            let noon = clocks.to_timestamp(day.at(12, 0, 0, 0)).unwrap();
            for (shift, last, expected) in [
                (-24, None, Phase::PreHire),
                (0, None, Phase::Leaving),
                (24, None, Phase::Terminated),
            ] {
                let instant = noon + shift.hours();
                assert_eq!(
                    phase(&spec, last, &rules, instant).phase,
                    expected,
                    "{name} {day} {shift} h from noon"
                );
            }
            // The transitions that are announced are those at which the date on the wall changes.
            let begins = phase(&spec, None, &rules, noon - 24.hours()).next.unwrap().0;
            let ends = phase(&spec, None, &rules, noon).next.unwrap().0;
            for (instant, expected) in [
                (begins - 1.second(), day.yesterday().unwrap()),
                (begins, day),
                (ends - 1.second(), day),
                (ends, day.tomorrow().unwrap()),
            ] {
                assert_eq!(clocks.to_datetime(instant).date(), expected, "{name} {day}");
            }
            day = day.tomorrow().unwrap();
        }
    }
}

/// A namespace with the connection `hr`, whose `termination` this is besides its default zone, Berlin.
fn connected(termination: Value) -> Namespace {
    let key = json!({"name": "s", "key": "k"});
    let mut connection = json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "HRISConnection",
        "metadata": {"name": "hr"},
        "spec": {"merge": {"region": "EU"}, "apiKeySecretRef": key, "accountTokenSecretRef": key,
            "termination": {"defaultTimeZone": "Europe/Berlin"}}});
    merge(&mut connection["spec"]["termination"], termination);
    let mut namespace = Namespace::default();
    let connection: HRISConnection = serde_json::from_value(connection).unwrap();
    connection.put(&mut namespace);
    namespace
}

/// Semantics 2: the zone of the work location, from the connection first, ends the last day, at the time that it says.
#[test]
fn the_work_location_says_in_which_zone_the_last_day_ends() {
    let namespace = connected(json!({
        "timeOfDay": "17:00",
        "zones": [{"country": "CH", "timeZone": "Pacific/Auckland"}],
    }));
    for (place, end) in [
        (json!({}), "2026-06-30T15:00:00Z"),
        (json!({"country": "GB"}), "2026-06-30T16:00:00Z"),
        (json!({"country": "US", "state": "CA"}), "2026-07-01T00:00:00Z"),
        (json!({"country": "ch"}), "2026-06-30T05:00:00Z"),
    ] {
        let facts = json!({"employmentStatus": "ACTIVE", "terminationDate": "2026-06-30", "workLocation": place});
        let spec = mirrored(facts);
        let rules = PhaseRules::of(&namespace, &spec);
        assert_eq!(rules.zone_unknown, None, "{place}");
        let next = phase(&spec, Some(Phase::Active), &rules, at(NOON)).next;
        assert_eq!(next, Some((at(end), "phase Terminated".to_owned())), "{place}");
    }
    // Who is written by hand has a place, too.
    let spec: EmployeeSpec = serde_json::from_value(json!({"workLocation": {"country": "JP"}})).unwrap();
    assert_eq!(Some(PhaseRules::of(&namespace, &spec).zone), Zone::named("Asia/Tokyo"));
}

/// Semantics 2 and 3: a country with several zones and no state takes the one in which days end last, and says so; and
/// what began, or ended, where it comes first is not taken back.
#[test]
fn a_country_with_several_zones_ends_nothing_early_and_takes_nothing_back() {
    let namespace = connected(json!({}));
    let spec = |facts: Value| {
        let mut all = json!({"employmentStatus": "ACTIVE", "workLocation": {"country": "US"}});
        merge(&mut all, facts);
        mirrored(all)
    };
    let leaver = spec(json!({"terminationDate": "2026-06-30"}));
    let rules = PhaseRules::of(&namespace, &leaver);
    let why = rules.zone_unknown.clone().unwrap();
    assert!(
        why.contains("US has several time zones") && why.contains("add {country: \"US\", timeZone: ...}"),
        "{why}"
    );
    let view = |spec: &EmployeeSpec, last, instant: &str| phase(spec, last, &rules, at(instant)).phase;
    // Honolulu keeps UTC-10, New York UTC-4 then.
    assert_eq!(
        view(&leaver, Some(Phase::Leaving), "2026-07-01T09:59:59Z"),
        Phase::Leaving
    );
    assert_eq!(
        view(&leaver, Some(Phase::Leaving), "2026-07-01T10:00:00Z"),
        Phase::Terminated
    );
    // Who has left by New York, before the state was gone, has left.
    assert_eq!(
        view(&leaver, Some(Phase::Terminated), "2026-07-01T04:00:00Z"),
        Phase::Terminated
    );
    assert_eq!(
        view(&leaver, Some(Phase::Terminated), "2026-07-01T03:59:59Z"),
        Phase::Leaving
    );
    let joiner = spec(json!({"startDate": "2026-07-01"}));
    assert_eq!(view(&joiner, None, "2026-07-01T09:59:59Z"), Phase::PreHire);
    assert_eq!(view(&joiner, None, "2026-07-01T10:00:00Z"), Phase::Active);
    assert_eq!(
        view(&joiner, Some(Phase::Active), "2026-07-01T04:00:00Z"),
        Phase::Active
    );
    let next = phase(&joiner, None, &rules, at(NOON)).next;
    assert_eq!(next, Some((at("2026-07-01T10:00:00Z"), "phase Active".to_owned())));
}

/// Evidence: that a connection cannot be read brings nobody back who has left.
#[test]
fn a_connection_that_goes_brings_nobody_back_who_has_left() {
    let rules = PhaseRules::of(&Namespace::default(), &mirrored(json!({})));
    assert!(
        rules
            .zone_unknown
            .clone()
            .is_some_and(|why| why.contains("HRISConnection hr"))
    );
    let leaver = mirrored(json!({"employmentStatus": "ACTIVE", "terminationDate": "2026-06-14"}));
    let night = at("2026-06-15T01:00:00Z");
    assert_eq!(
        phase(&leaver, Some(Phase::Leaving), &berlin(), night).phase,
        Phase::Terminated
    );
    assert_eq!(
        phase(&leaver, Some(Phase::Terminated), &rules, night).phase,
        Phase::Terminated
    );
    assert_eq!(
        phase(&leaver, Some(Phase::Leaving), &rules, night).phase,
        Phase::Leaving
    );
    let rehired =
        mirrored(json!({"employmentStatus": "ACTIVE", "startDate": "2026-06-01", "terminationDate": "2026-05-14"}));
    assert_eq!(
        phase(&rehired, Some(Phase::Terminated), &rules, night).phase,
        Phase::Active
    );
}

/// A whole working life, fact by fact, each from the phase before.
fn life(rules: &PhaseRules, steps: &[(&str, Value, Phase, &str)]) {
    let mut last = None;
    for (instant, facts, expected, next) in steps {
        let view = phase(&mirrored(facts.clone()), last, rules, at(instant));
        let said = view
            .next
            .map(|(instant, what)| format!("{instant} {what}"))
            .unwrap_or_default();
        assert_eq!((view.phase, said.as_str()), (*expected, *next), "{instant}: {facts}");
        last = Some(view.phase);
    }
}

/// Semantics 1: away and back, hired again in the same row, and left again.
#[test]
fn a_leave_and_a_rehire_in_the_same_row() {
    let rules = PhaseRules {
        inactive_means: Some(InactiveMeans::OnLeave),
        ..berlin()
    };
    let first = json!({"employmentStatus": "ACTIVE", "startDate": "2024-01-01"});
    let away = json!({"employmentStatus": "INACTIVE", "startDate": "2024-01-01"});
    let left = json!({"employmentStatus": "INACTIVE", "startDate": "2024-01-01", "terminationDate": "2026-01-31"});
    let again = json!({"employmentStatus": "ACTIVE", "startDate": "2026-06-01", "terminationDate": "2026-01-31"});
    let leaves = json!({"employmentStatus": "ACTIVE", "startDate": "2026-06-01", "terminationDate": "2026-06-30"});
    life(
        &rules,
        &[
            (
                "2023-12-31T12:00:00Z",
                first.clone(),
                Phase::PreHire,
                "2023-12-31T23:00:00Z phase Active",
            ),
            ("2023-12-31T23:00:00Z", first.clone(), Phase::Active, ""),
            ("2025-01-01T12:00:00Z", away, Phase::OnLeave, ""),
            ("2025-07-01T12:00:00Z", first, Phase::Active, ""),
            (
                "2026-01-31T12:00:00Z",
                left.clone(),
                Phase::OnLeave,
                "2026-01-31T23:00:00Z phase Terminated",
            ),
            ("2026-01-31T23:00:00Z", left, Phase::Terminated, ""),
            (
                "2026-05-31T12:00:00Z",
                again.clone(),
                Phase::PreHire,
                "2026-05-31T22:00:00Z phase Active",
            ),
            ("2026-05-31T22:00:00Z", again, Phase::Active, ""),
            (
                "2026-06-15T12:00:00Z",
                leaves.clone(),
                Phase::Leaving,
                "2026-06-30T22:00:00Z phase Terminated",
            ),
            ("2026-06-30T22:00:00Z", leaves, Phase::Terminated, ""),
        ],
    );
}

/// Semantics 1: a contractor who becomes an employee in the same row is at work until the contract ends, and, with no
/// day between, all along; also where an employment ends at a time of day.
#[test]
fn a_contractor_becomes_an_employee_in_the_same_row() {
    let rules = PhaseRules {
        time_of_day: time_of_day("17:00"),
        ..berlin()
    };
    let contractor = json!({"employmentStatus": "ACTIVE", "employmentType": "CONTRACTOR", "startDate": "2025-07-01"});
    let mut converted = contractor.clone();
    converted["employmentType"] = json!("FULL_TIME");
    let mut announced = contractor.clone();
    merge(
        &mut announced,
        json!({"startDate": "2026-07-01", "terminationDate": "2026-06-30"}),
    );
    life(
        &rules,
        &[
            ("2026-06-01T12:00:00Z", contractor.clone(), Phase::Active, ""),
            ("2026-06-15T12:00:00Z", converted, Phase::Active, ""),
            ("2026-06-15T13:00:00Z", announced.clone(), Phase::Active, ""),
            ("2026-06-30T20:00:00Z", announced.clone(), Phase::Active, ""),
            ("2026-06-30T22:00:00Z", announced, Phase::Active, ""),
        ],
    );
    let mut with_a_gap = contractor.clone();
    merge(
        &mut with_a_gap,
        json!({"startDate": "2026-08-01", "terminationDate": "2026-06-30"}),
    );
    life(
        &rules,
        &[
            ("2026-06-01T12:00:00Z", contractor, Phase::Active, ""),
            (
                "2026-06-15T12:00:00Z",
                with_a_gap.clone(),
                Phase::Leaving,
                "2026-06-30T22:00:00Z phase PreHire",
            ),
            (
                "2026-06-30T22:00:00Z",
                with_a_gap.clone(),
                Phase::PreHire,
                "2026-07-31T22:00:00Z phase Active",
            ),
            ("2026-07-31T22:00:00Z", with_a_gap, Phase::Active, ""),
        ],
    );
}

/// What an older CRD let through is said, and ends nothing early.
#[test]
fn what_cannot_be_read_of_a_connections_times_is_said() {
    let read = |termination: Value| -> Termination { serde_json::from_value(termination).unwrap() };
    for (termination, words) in [
        (json!({"defaultTimeZone": "CEST"}), "defaultTimeZone CEST"),
        (
            json!({"defaultTimeZone": "UTC", "zones": [{"country": "US", "timeZone": "US/Nowhere"}]}),
            "gives US the zone US/Nowhere",
        ),
        (json!({"defaultTimeZone": "UTC", "timeOfDay": "5pm"}), "timeOfDay 5pm"),
    ] {
        let said = fault(&read(termination)).unwrap();
        assert!(said.contains(words), "{said}");
    }
    let zones = json!([{"country": "US", "timeZone": "America/Chicago"}]);
    assert_eq!(
        fault(&read(
            json!({"defaultTimeZone": "UTC", "timeOfDay": "17:30", "zones": zones})
        )),
        None
    );
    for text in ["", "24:00", "17:60", "1730", "17:30:00", "7:30", "é7:3"] {
        assert_eq!(time_of_day(text), None, "{text}");
    }
    let namespace = connected(json!({"timeOfDay": "5pm"}));
    assert_eq!(
        PhaseRules::of(&namespace, &mirrored(json!({}))).time_of_day,
        None,
        "the end of the day"
    );
}

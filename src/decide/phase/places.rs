//! In which zone a person works: what the connection says of places, then what Rollcall knows of them itself.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::zone::Zone;
use crate::api::employee::Location;
use crate::api::hris_connection::{PlaceZone, Termination};

/// Countries and states, and their zones; the file says what its columns are.
const PLACES: &str = include_str!("places.txt");

static WORLD: LazyLock<World> = LazyLock::new(|| World::read(PLACES));

/// Where somebody's days begin and end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The zone, or those that it may be.
    pub zone: Zone,
    /// Why it is a guess and how to mend that, where somebody can. Part of a state with two zones is a guess that nobody
    /// need mend.
    pub doubt: Option<String>,
}

/// The zone of a work location.
///
/// Without a country it is `default`. Otherwise the connection's entry for country and state, its entry for the country,
/// or what tzdata says of them. A country with several zones and no state that is known is a guess among all of them,
/// and one that nobody knows may be anywhere. What had a value and has none now may still be what it was:
/// `unconfirmed` says that this is so of a part of the location.
pub fn place(
    termination: Option<&Termination>,
    default: &Zone,
    location: Option<&Location>,
    unconfirmed: bool,
) -> Placed {
    let part = |of: fn(&Location) -> &Option<String>| {
        let text = location.and_then(|location| of(location).as_deref()).map(str::trim);
        text.filter(|text| !text.is_empty())
    };
    let Some(country) = part(|location| &location.country) else {
        return if unconfirmed {
            Placed {
                zone: Zone::latest(),
                doubt: Some(
                    "workLocation had a value and has less now, which is not confirmed yet, so that the time zone is not \
                     known and a last day ends when it has ended everywhere: give the country in the HR system"
                        .to_owned(),
                ),
            }
        } else {
            known(default.clone())
        };
    };
    let search = Search {
        country,
        state: part(|location| &location.state),
        known: WORLD.country(country),
        entries: termination.map_or(&[], |termination| &termination.zones),
        has_connection: termination.is_some(),
    };
    if search.state.is_none() && unconfirmed {
        search.without_its_state()
    } else {
        search.zone()
    }
}

fn known(zone: Zone) -> Placed {
    Placed { zone, doubt: None }
}

/// A country and perhaps a state, before those who may know their zone.
struct Search<'a> {
    country: &'a str,
    state: Option<&'a str>,
    known: Option<&'static Country>,
    entries: &'a [PlaceZone],
    has_connection: bool,
}

impl Search<'_> {
    fn zone(&self) -> Placed {
        let state = self.state.map(|state| self.state_key(state));
        let of_state = |entry: &&PlaceZone| state.is_some() && self.state_of(entry) == state;
        let of_country = |entry: &&PlaceZone| self.state_of(entry).is_none();
        if let Some(entry) = self
            .entries()
            .find(of_state)
            .or_else(|| self.entries().find(of_country))
        {
            return self.by_entry(entry);
        }
        let Some(country) = self.known else {
            return self.guess(
                None,
                &format!("nobody knows where the workLocation's country {:?} is", self.country),
            );
        };
        if let Some(zone) = state.and_then(|state| country.states.get(&state)) {
            return known(zone.clone());
        }
        if !country.zone.is_a_guess() {
            return known(country.zone.clone());
        }
        let why = match self.state {
            Some(state) => format!(
                "{} has several time zones, and nobody knows which is that of the workLocation's state {state:?}",
                self.country
            ),
            None => format!(
                "{} has several time zones, and the workLocation has no state",
                self.country
            ),
        };
        self.guess(Some(country.zone.clone()), &why)
    }

    /// The state is gone, perhaps only for now: every zone that it may have had.
    fn without_its_state(&self) -> Placed {
        let here = self.zone();
        let of_states = self
            .entries()
            .map(|entry| Zone::named(&entry.time_zone).unwrap_or_else(Zone::latest));
        match Zone::one_of(of_states.chain([here.zone.clone()])) {
            Some(zone) if zone.is_a_guess() && here.doubt.is_none() => {
                let why = format!(
                    "workLocation had a value and has less now, which is not confirmed yet, and {} has several time zones",
                    self.country
                );
                self.guess(Some(zone), &why)
            }
            Some(zone) => Placed { zone, ..here },
            None => here,
        }
    }

    fn by_entry(&self, entry: &PlaceZone) -> Placed {
        match Zone::named(&entry.time_zone) {
            Some(zone) => known(zone),
            None => self.guess(
                None,
                &format!(
                    "termination.zones gives {} the zone {:?}, which is no IANA zone",
                    entry.country, entry.time_zone
                ),
            ),
        }
    }

    /// One of `zones`, or of all.
    fn guess(&self, zones: Option<Zone>, why: &str) -> Placed {
        let ends = if zones.is_some() {
            "in all of them"
        } else {
            "everywhere"
        };
        let state = self
            .state
            .map(|state| format!(", state: {state:?}"))
            .unwrap_or_default();
        let mend = if self.has_connection {
            format!(
                "add {{country: {:?}{state}, timeZone: ...}} to termination.zones of the HRISConnection",
                self.country
            )
        } else {
            "give workLocation.country by its ISO 3166-1 code and, where the country has several zones, workLocation.state by \
             its ISO 3166-2 code"
                .to_owned()
        };
        Placed {
            zone: zones.unwrap_or_else(Zone::latest),
            doubt: Some(format!(
                "{why}, so that a last day ends when it has ended {ends}: {mend}"
            )),
        }
    }

    /// The connection's entries for this country.
    fn entries(&self) -> impl Iterator<Item = &PlaceZone> {
        let is_here = |entry: &&PlaceZone| match (self.known, WORLD.country(&entry.country)) {
            (Some(country), Some(other)) => std::ptr::eq(country, other),
            (None, None) => fold(self.country) == fold(&entry.country),
            _ => false,
        };
        self.entries.iter().filter(is_here)
    }

    fn state_of(&self, entry: &PlaceZone) -> Option<String> {
        let state = entry
            .state
            .as_deref()
            .map(str::trim)
            .filter(|state| !state.is_empty())?;
        Some(self.state_key(state))
    }

    /// The same text for every way to write a state that is known.
    fn state_key(&self, state: &str) -> String {
        let key = fold(state);
        let code = self.known.and_then(|country| country.codes.get(&key));
        code.cloned().unwrap_or(key)
    }
}

/// How names of places are compared: without case and the space around them.
fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

/// What is known of a country.
#[derive(Debug)]
struct Country {
    zone: Zone,
    /// Codes of states by each of their names and codes.
    codes: HashMap<String, String>,
    /// Zones by codes of states.
    states: HashMap<String, Zone>,
}

/// Every country.
#[derive(Debug, Default)]
struct World {
    countries: Vec<Country>,
    names: HashMap<String, usize>,
}

impl World {
    fn read(text: &str) -> Self {
        let mut world = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut columns = line.split('\t');
            let (Some(code), Some(names), Some(zones)) = (columns.next(), columns.next(), columns.next()) else {
                continue;
            };
            let Some(zone) = Zone::one_of(zones.split(' ').filter_map(Zone::named)) else {
                continue;
            };
            match code.split_once('-') {
                None => {
                    let place = world.countries.len();
                    let names = names.split('|').chain([code]).map(|name| (fold(name), place));
                    world.names.extend(names);
                    world.countries.push(Country {
                        zone,
                        codes: HashMap::new(),
                        states: HashMap::new(),
                    });
                }
                Some((country, state)) => {
                    let place = world.names.get(&fold(country)).copied();
                    let Some(country) = place.and_then(|place| world.countries.get_mut(place)) else {
                        continue;
                    };
                    let key = fold(state);
                    let names = names.split('|').chain([state, code]);
                    country.codes.extend(names.map(|name| (fold(name), key.clone())));
                    country.states.insert(key, zone);
                }
            }
        }
        world
    }

    fn country(&self, name: &str) -> Option<&Country> {
        self.countries.get(*self.names.get(&fold(name))?)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::date;
    use jiff::{Timestamp, ToSpan};
    use serde_json::{Value, json};

    use super::*;

    fn placed(zones: Value, place: Value, unconfirmed: bool) -> Placed {
        let termination: Termination =
            serde_json::from_value(json!({"defaultTimeZone": "Europe/Berlin", "zones": zones})).unwrap();
        let location: Location = serde_json::from_value(place).unwrap();
        let default = Zone::named(&termination.default_time_zone).unwrap();
        super::place(Some(&termination), &default, Some(&location), unconfirmed)
    }

    fn named(names: &[&str]) -> Zone {
        Zone::one_of(names.iter().map(|name| Zone::named(name).unwrap())).unwrap()
    }

    /// Semantics 2: country and state, however they are written, tell the zone.
    #[test]
    fn places_that_are_known() {
        for (place, zones) in [
            (json!({}), &["Europe/Berlin"][..]),
            (json!({"name": "HQ", "state": "CA"}), &["Europe/Berlin"]),
            (json!({"country": " "}), &["Europe/Berlin"]),
            (json!({"country": "GB"}), &["Europe/London"]),
            (json!({"country": " gb "}), &["Europe/London"]),
            (
                json!({"country": "United Kingdom", "state": "Kent"}),
                &["Europe/London"],
            ),
            (json!({"country": "CN", "state": "Xinjiang"}), &["Asia/Shanghai"]),
            (json!({"country": "US", "state": "NY"}), &["America/New_York"]),
            (json!({"country": "US", "state": "us-ny"}), &["America/New_York"]),
            (
                json!({"country": "USA", "state": " california "}),
                &["America/Los_Angeles"],
            ),
            (json!({"country": "US", "state": "AZ"}), &["America/Phoenix"]),
            (json!({"country": "US", "state": "PR"}), &["America/Puerto_Rico"]),
            // A state with two zones is a guess, and as good as it gets.
            (
                json!({"country": "US", "state": "TX"}),
                &["America/Chicago", "America/Denver"],
            ),
            (json!({"country": "CA", "state": "Quebec"}), &["America/Toronto"]),
            (json!({"country": "CA", "state": "QC"}), &["America/Toronto"]),
            (json!({"country": "AU", "state": "WA"}), &["Australia/Perth"]),
            (json!({"country": "BR", "state": "São Paulo"}), &["America/Sao_Paulo"]),
            (json!({"country": "BR", "state": "Sao Paulo"}), &["America/Sao_Paulo"]),
            (json!({"country": "MX", "state": "Quintana Roo"}), &["America/Cancun"]),
        ] {
            let expected = Placed {
                zone: named(zones),
                doubt: None,
            };
            assert_eq!(placed(json!([]), place.clone(), false), expected, "{place}");
        }
    }

    /// Semantics 2: what nobody knows is a guess that names what to add, and ends no day before it has ended there.
    #[test]
    fn places_that_are_not_known() {
        for (place, ends, words) in [
            (
                json!({"country": "US"}),
                "2026-07-01T10:00:00Z",
                "add {country: \"US\", timeZone: ...}",
            ),
            (
                json!({"country": "US", "state": "Jefferson"}),
                "2026-07-01T10:00:00Z",
                "add {country: \"US\", state: \"Jefferson\", timeZone: ...}",
            ),
            (
                json!({"country": "ES"}),
                "2026-06-30T23:00:00Z",
                "ES has several time zones",
            ),
            (
                json!({"country": "Atlantis"}),
                "2026-07-01T12:00:00Z",
                "add {country: \"Atlantis\", timeZone: ...} to termination.zones",
            ),
        ] {
            let found = placed(json!([]), place.clone(), false);
            assert!(found.zone.is_a_guess(), "{place}");
            assert_eq!(
                found.zone.end_of(date(2026, 6, 30)).unwrap().to_string(),
                ends,
                "{place}"
            );
            let said = found.doubt.unwrap();
            assert!(said.contains(words), "{said}");
        }
        let by_hand = Location {
            country: Some("US".to_owned()),
            ..Location::default()
        };
        let said = super::place(None, &Zone::utc(), Some(&by_hand), false).doubt.unwrap();
        assert!(
            said.contains("give workLocation.country") && !said.contains("HRISConnection"),
            "{said}"
        );
    }

    /// What the connection says goes before what Rollcall knows: country and state, then the country.
    #[test]
    fn the_connection_has_the_first_word() {
        let zones = json!([
            {"country": "us", "timeZone": "America/Chicago"},
            {"country": "US", "state": " california", "timeZone": "America/Denver"},
            {"country": "Atlantis", "state": "North", "timeZone": "Atlantic/Azores"},
            {"country": "Lemuria", "timeZone": "Indian/Maldives"},
            {"country": "FR", "timeZone": "Nowhere/Paris"},
        ]);
        for (place, zone) in [
            (json!({"country": "US"}), "America/Chicago"),
            (json!({"country": "US", "state": "NY"}), "America/Chicago"),
            (json!({"country": "USA", "state": "CA"}), "America/Denver"),
            (json!({"country": "ATLANTIS", "state": "north "}), "Atlantic/Azores"),
            (json!({"country": "lemuria", "state": "any"}), "Indian/Maldives"),
            (json!({"country": "DE"}), "Europe/Berlin"),
        ] {
            let expected = Placed {
                zone: named(&[zone]),
                doubt: None,
            };
            assert_eq!(placed(zones.clone(), place.clone(), false), expected, "{place}");
        }
        let unreadable = placed(zones.clone(), json!({"country": "FR"}), false);
        assert_eq!(
            unreadable.zone,
            Zone::latest(),
            "an entry that cannot be read is not passed over"
        );
        assert!(unreadable.doubt.is_some_and(|why| why.contains("Nowhere/Paris")));
        assert!(placed(zones, json!({"country": "Atlantis"}), false).zone.is_a_guess());
    }

    /// Semantics 3: a place that lost a part, which is not confirmed, may still be where it was.
    #[test]
    fn a_place_that_lost_a_part_may_be_where_it_was() {
        let zones = json!([
            {"country": "DE", "timeZone": "Europe/Berlin"},
            {"country": "US", "timeZone": "America/Chicago"},
            {"country": "US", "state": "HI", "timeZone": "Pacific/Honolulu"},
        ]);
        let lost = |place: Value| placed(zones.clone(), place, true);
        assert_eq!(lost(json!({})).zone, Zone::latest());
        assert!(
            lost(json!({}))
                .doubt
                .is_some_and(|why| why.contains("not confirmed yet"))
        );
        let country_left = lost(json!({"country": "US"}));
        assert_eq!(country_left.zone, named(&["America/Chicago", "Pacific/Honolulu"]));
        assert!(country_left.doubt.is_some_and(|why| why.contains("not confirmed yet")));
        for (place, zone) in [
            (json!({"country": "US", "state": "HI"}), "Pacific/Honolulu"),
            (json!({"country": "DE"}), "Europe/Berlin"),
            (json!({"country": "FR"}), "Europe/Paris"),
        ] {
            assert_eq!(lost(place.clone()), known(named(&[zone])), "{place}");
        }
    }

    /// Every line of the table is read whole, and no country has two zones that keep the same time.
    #[test]
    fn the_table_can_be_read() {
        let lines = PLACES.lines().filter(|line| !line.starts_with('#'));
        let mut codes = BTreeSet::new();
        for line in lines {
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!(columns.len(), 3, "{line}");
            assert!(codes.insert(columns[0]), "{line}: twice");
            let zones: Vec<Zone> = columns[2].split(' ').map(|name| Zone::named(name).unwrap()).collect();
            let start: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
            let days = || {
                start
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .date()
                    .series(1.day())
                    .take(3_650)
            };
            for (place, zone) in zones.iter().enumerate() {
                for other in &zones[place + 1..] {
                    assert!(days().any(|day| zone.start_of(day) != other.start_of(day)), "{line}");
                }
            }
        }
        let states = WORLD
            .countries
            .iter()
            .map(|country| country.states.len())
            .sum::<usize>();
        assert_eq!((WORLD.countries.len(), states), (247, 136));
        assert_eq!(codes.len(), 247 + 136);
    }
}

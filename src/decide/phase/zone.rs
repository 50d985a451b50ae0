//! Where calendar dates begin and end.

use std::sync::Arc;

use jiff::civil::{Date, Time};
use jiff::tz::{self, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

/// Where calendar dates begin and end, as far as that is known: one time zone, or several of which nobody knows which.
///
/// With several, a date begins and ends when it has done so in all of them: nobody loses anything too early. The `first_`
/// functions say when it does so in any of them: what began or ended by then is not taken back for want of knowing.
///
/// Zones come from the data compiled into this program, so that two hosts with different zone files decide alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(Arc<[TimeZone]>);

impl Zone {
    /// Universal time.
    pub fn utc() -> Self {
        Self(Arc::new([TimeZone::UTC]))
    }

    /// Somewhere on earth: every date begins first at UTC+14, and ends last at UTC-12.
    pub fn latest() -> Self {
        let fixed = |hours| TimeZone::fixed(tz::offset(hours));
        Self(Arc::new([fixed(-12), fixed(14)]))
    }

    /// The IANA zone of this name, such as `Europe/Berlin`, or `None` where there is no such zone.
    pub fn named(name: &str) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(name.trim()).ok()?;
        // `Etc/Unknown` is a name that stands for "no zone": taking it for UTC would be a guess.
        (!zone.is_unknown()).then(|| Self(Arc::new([zone])))
    }

    /// One of these, and nobody knows which; or `None` where there are none.
    pub fn one_of(zones: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut all: Vec<TimeZone> = Vec::new();
        for zone in zones {
            for zone in zone.0.iter() {
                if !all.contains(zone) {
                    all.push(zone.clone());
                }
            }
        }
        (!all.is_empty()).then(|| Self(all.into()))
    }

    /// Whether there are several, of which nobody knows which.
    pub fn is_a_guess(&self) -> bool {
        self.0.len() > 1
    }

    /// The first instant of `date`, or `None` where that lies beyond the year 9999. Where a clock change skips
    /// midnight, or the whole day, it is the first instant after the gap.
    pub fn start_of(&self, date: Date) -> Option<Timestamp> {
        self.last(|zone| start_in(zone, date))
    }

    /// The same where it comes first.
    pub fn first_start_of(&self, date: Date) -> Option<Timestamp> {
        self.first(|zone| start_in(zone, date))
    }

    /// The first instant after `date`, or `None` where that lies beyond the year 9999.
    pub fn end_of(&self, date: Date) -> Option<Timestamp> {
        self.start_of(date.checked_add(1.day()).ok()?)
    }

    /// The same where it comes first.
    pub fn first_end_of(&self, date: Date) -> Option<Timestamp> {
        self.first_start_of(date.checked_add(1.day()).ok()?)
    }

    /// The instant at which clocks show `time` on `date`, or `None` where that lies beyond the year 9999. Of a time that a
    /// clock change repeats it is the later; one that it skips comes as much later as is skipped.
    pub fn at(&self, date: Date, time: Time) -> Option<Timestamp> {
        self.last(|zone| time_in(zone, date, time))
    }

    /// The same where it comes first.
    pub fn first_at(&self, date: Date, time: Time) -> Option<Timestamp> {
        self.first(|zone| time_in(zone, date, time))
    }

    /// The calendar date at `instant`: the earliest that it may be.
    pub fn date_at(&self, instant: Timestamp) -> Date {
        self.dates_at(instant).0
    }

    /// The earliest and the latest calendar date that it may be at `instant`.
    pub fn dates_at(&self, instant: Timestamp) -> (Date, Date) {
        let dates = self.0.iter().map(|zone| zone.to_datetime(instant).date());
        dates.fold((Date::MAX, Date::MIN), |(first, last), date| {
            (first.min(date), last.max(date))
        })
    }

    /// The next instant at which a calendar date begins in any of several zones; `None` where the zone is no guess.
    pub fn next_midnight(&self, now: Timestamp) -> Option<Timestamp> {
        let tomorrow = |zone: &TimeZone| {
            let date = zone.to_datetime(now).date().checked_add(1.day()).ok()?;
            start_in(zone, date)
        };
        self.is_a_guess().then(|| self.first(tomorrow)).flatten()
    }

    /// What comes last among the zones; never, where it comes never in one of them.
    fn last(&self, of: impl Fn(&TimeZone) -> Option<Timestamp>) -> Option<Timestamp> {
        let instants: Option<Vec<Timestamp>> = self.0.iter().map(of).collect();
        instants?.into_iter().max()
    }

    fn first(&self, of: impl Fn(&TimeZone) -> Option<Timestamp>) -> Option<Timestamp> {
        self.0.iter().filter_map(of).min()
    }
}

fn start_in(zone: &TimeZone, date: Date) -> Option<Timestamp> {
    date.to_zoned(zone.clone()).ok().map(|instant| instant.timestamp())
}

fn time_in(zone: &TimeZone, date: Date, time: Time) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(date.to_datetime(time)).later().ok()
}

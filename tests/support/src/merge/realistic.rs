//! Makes up a whole company from a size and a seed.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use serde_json::json;

use super::catalog::{self, BUSINESS_UNITS, DEPARTMENTS, LEVELS, PLACES, RAW_GROUP, raw_status};
use super::company::{Company, midnight};
use super::names;
use super::random::Random;
use super::rows::{Id, LocationRow};

/// How many people report to one manager.
const SPAN: usize = 7;
/// No start date of a present employee is later than this; future ones count from the day of the run.
const EPOCH: Date = date(2026, 6, 1);

/// Somebody's place in the organisation before the row exists.
struct Seat {
    department: usize,
    /// Position within the department's own tree: 0 is its head.
    rank: usize,
}

impl Company {
    /// A company of `people` employees (any number up to 100,000 takes well under two seconds in release), the same
    /// for the same size and seed, except that future start dates count from today (UTC).
    ///
    /// It has business units, departments up to three deep, teams, a management tree below one chief executive,
    /// eleven work locations, contractors and interns; one person in 25 has left, one in 40 has not started
    /// yet, and now and then a field is null.
    pub fn realistic(people: usize, seed: u64) -> Self {
        Self::realistic_on(people, seed, Timestamp::now().to_zoned(TimeZone::UTC).date())
    }

    /// As [`realistic`](Self::realistic), as it would look on the given day, so that nothing depends on the clock.
    pub fn realistic_on(people: usize, seed: u64, today: Date) -> Self {
        let synced = EPOCH.to_zoned(TimeZone::UTC).expect("a constant date").timestamp();
        let mut builder = Builder {
            company: Company::with_entity(seed, synced),
            random: Random::new(seed, 1),
            today,
            synced,
            departments: Vec::new(),
            teams: Vec::new(),
            places: Vec::new(),
            raw_group: String::new(),
        };
        builder.organisation();
        builder.people(people);
        builder.company
    }
}

struct Builder {
    company: Company,
    random: Random,
    today: Date,
    synced: Timestamp,
    departments: Vec<Id>,
    teams: Vec<Vec<Id>>,
    places: Vec<Id>,
    raw_group: Id,
}

impl Builder {
    /// Rows of an initial sync are stored one after the other.
    fn stamp(&mut self) -> Timestamp {
        self.synced += SignedDuration::from_micros(1_370);
        self.synced
    }

    fn organisation(&mut self) {
        for name in BUSINESS_UNITS {
            let at = self.stamp();
            self.company.add_group(name, Some("BUSINESS_UNIT"), None, at);
        }
        for department in DEPARTMENTS {
            let at = self.stamp();
            let parent = self.company.group_id(department.parent);
            let id = self
                .company
                .add_group(department.name, Some("DEPARTMENT"), Some(parent), at);
            let mut teams = Vec::new();
            for team in department.teams {
                teams.push(self.company.add_group(team, Some("TEAM"), Some(id.clone()), at));
            }
            self.departments.push(id);
            self.teams.push(teams);
        }
        let at = self.stamp();
        let corporate = self.company.group_id("Corporate");
        self.company
            .add_group(catalog::EXECUTIVE, Some("DEPARTMENT"), Some(corporate), at);
        self.raw_group = self.company.add_group(RAW_GROUP.0, Some(RAW_GROUP.1), None, at);
        for place in PLACES {
            let meta = self.company.meta(at);
            self.places.push(meta.id.clone());
            self.company.locations.push(LocationRow {
                meta,
                name: Some(place.name.into()),
                phone_number: None,
                street_1: place.city.map(|city| format!("100 {city} Business Park")),
                street_2: None,
                city: place.city.map(str::to_owned),
                state: place.state.map(str::to_owned),
                zip_code: None,
                country: Some(place.country.into()),
                location_type: Some("WORK".into()),
            });
        }
    }

    /// Who sits where: every department gets its head first, then people by weight.
    fn seats(&mut self, people: usize) -> (Vec<Seat>, Vec<usize>) {
        let total: usize = DEPARTMENTS.iter().map(|department| department.weight).sum();
        let mut sizes = vec![0; DEPARTMENTS.len()];
        let mut seats = Vec::with_capacity(people);
        for number in 0..people {
            let department = if number < DEPARTMENTS.len() {
                number
            } else {
                let mut ticket = self.random.below(total);
                let by_weight = DEPARTMENTS.iter().position(|department| {
                    let hit = ticket < department.weight;
                    ticket = ticket.saturating_sub(department.weight);
                    hit
                });
                by_weight.expect("the ticket is below the sum of weights")
            };
            seats.push(Seat {
                department,
                rank: sizes[department],
            });
            sizes[department] += 1;
        }
        (seats, sizes)
    }

    fn people(&mut self, people: usize) {
        if people == 0 {
            return;
        }
        let executive = self.company.group_id(catalog::EXECUTIVE);
        let chief = self.person(&executive, None, "Chief Executive Officer", None, Standing::Manager);
        let (seats, sizes) = self.seats(people - 1);
        let mut members: Vec<Vec<Id>> = vec![Vec::new(); DEPARTMENTS.len()];
        for seat in seats {
            let department = &DEPARTMENTS[seat.department];
            let leads = seat.rank == 0 || SPAN * seat.rank + 1 < sizes[seat.department];
            let manager = if seat.rank == 0 {
                let parent = DEPARTMENTS.iter().position(|other| other.name == department.parent);
                parent
                    .and_then(|parent| members[parent].first())
                    .unwrap_or(&chief)
                    .clone()
            } else {
                members[seat.department][(seat.rank - 1) / SPAN].clone()
            };
            let title = if seat.rank == 0 {
                department.head.to_owned()
            } else if leads {
                department.manager.to_owned()
            } else {
                self.title(seat.department)
            };
            let group = if leads || self.teams[seat.department].is_empty() || self.random.one_in(3) {
                self.departments[seat.department].clone()
            } else {
                self.random.pick(&self.teams[seat.department]).clone()
            };
            let standing = if leads {
                Standing::Manager
            } else {
                Standing::Contributor
            };
            let id = self.person(&group, Some(manager), &title, Some(seat.department), standing);
            members[seat.department].push(id);
        }
    }

    fn title(&mut self, department: usize) -> String {
        let department = &DEPARTMENTS[department];
        let title = *self.random.pick(department.titles);
        if !department.levels {
            return title.to_owned();
        }
        let total: usize = LEVELS.iter().map(|(_, weight)| weight).sum();
        let mut ticket = self.random.below(total);
        for (level, weight) in LEVELS {
            if ticket < *weight {
                return format!("{level}{title}");
            }
            ticket -= weight;
        }
        title.to_owned()
    }

    fn place(&mut self, department: Option<usize>) -> usize {
        let countries = department.map_or(&[][..], |at| DEPARTMENTS[at].countries);
        let fits = |at: usize| countries.is_empty() || countries.contains(&PLACES[at].country);
        let total: usize = (0..PLACES.len())
            .filter(|&at| fits(at))
            .map(|at| PLACES[at].weight)
            .sum();
        let mut ticket = self.random.below(total);
        for at in (0..PLACES.len()).filter(|&at| fits(at)) {
            if ticket < PLACES[at].weight {
                return at;
            }
            ticket -= PLACES[at].weight;
        }
        0
    }

    fn person(
        &mut self,
        group: &str,
        manager: Option<Id>,
        title: &str,
        department: Option<usize>,
        standing: Standing,
    ) -> Id {
        let at = self.stamp();
        let (first, last) = names::person(&mut self.random);
        let serial = self.company.employees.rows.len();
        let (status, kind) = self.standing(serial, standing);
        let intern = department
            .filter(|_| kind == "INTERN")
            .map(|at| format!("{} Intern", DEPARTMENTS[at].name));
        let title = intern.as_deref().unwrap_or(title);
        let started = match status {
            "PENDING" => self.today.saturating_add((3 + self.random.days(40)).days()),
            _ => EPOCH.saturating_sub((200 + self.random.days(3_400)).days()),
        };
        let left = (status == "INACTIVE").then(|| EPOCH.saturating_sub((3 + self.random.days(180)).days()));
        let place = self.place(department);
        let mut groups = self.company.memberships(group);
        if PLACES[place].name == "Berlin HQ" {
            groups.push(self.raw_group.clone());
        }
        let email = self.company.fresh_email(first, last);
        let home = self.random.one_in(7).then(|| self.home(place, at));
        let contributor = matches!(standing, Standing::Contributor);
        let cost_center = format!("CC-{}", 1_000 + 10 * department.unwrap_or(99));
        // An occasional null, at places that a larger company keeps.
        let gaps = (
            serial % 40 == 33,
            serial % 30 == 26,
            serial % 25 == 22,
            serial % 30 == 28,
        );

        let row = self.company.add_person(first, last, at);
        let id = row.meta.id.clone();
        row.username = email.split('@').next().filter(|_| !gaps.3).map(str::to_owned);
        row.work_email = Some(email).filter(|_| !(contributor && gaps.0));
        row.employee_number = row.employee_number.take().filter(|_| !(contributor && gaps.1));
        row.work_location = Some(self.places[place].clone()).filter(|_| !(contributor && gaps.2));
        row.home_location = home;
        row.groups = groups;
        row.manager = manager;
        row.preferred_name = (serial % 9 == 4).then(|| first.chars().take(3).collect());
        row.start_date = Some(midnight(started));
        row.hire_date = Some(midnight(started.saturating_sub(20.days())));
        row.remote_created_at = row.hire_date.clone();
        row.employment_status = Some(status.to_owned());
        row.origins
            .insert("employment_status".into(), raw_status(status).into());
        row.termination_date = left.map(midnight);
        row.organization_fields.insert("cost_center".into(), json!(cost_center));
        row.account_fields.insert("desk".into(), json!(serial % 400));
        row.custom_fields = Some(json!({"badge_colour": if serial.is_multiple_of(2) { "blue" } else { "green" }}));

        if status != "PENDING" && kind != "INTERN" && contributor && self.random.one_in(5) {
            let earlier = title
                .trim_start_matches("Senior ")
                .trim_start_matches("Staff ")
                .to_owned();
            let from = Some(midnight(started));
            self.position(&id, &earlier, kind, from, place, at);
            let later = started.saturating_add((90 + self.random.days(100)).days());
            self.position(&id, title, kind, Some(midnight(later)), place, at);
        } else {
            self.position(&id, title, kind, Some(midnight(started)), place, at);
        }
        id
    }

    fn position(&mut self, id: &str, title: &str, kind: &str, from: Option<String>, place: usize, at: Timestamp) {
        let employment = self.company.add_employment(id, Some(title), Some(kind), from, at);
        let row = self
            .company
            .employments
            .get_mut(&employment)
            .expect("the position was just added");
        row.pay_currency = Some(PLACES[place].currency.into());
    }

    /// Employment status and type. Managers are present and full-time.
    fn standing(&mut self, serial: usize, standing: Standing) -> (&'static str, &'static str) {
        let kind = match self.random.below(100) {
            0..10 => "CONTRACTOR",
            10..15 => "INTERN",
            15..19 => "PART_TIME",
            19 => "FREELANCE",
            _ => "FULL_TIME",
        };
        match standing {
            Standing::Manager => ("ACTIVE", "FULL_TIME"),
            Standing::Contributor if serial % 25 == 24 => ("INACTIVE", kind),
            Standing::Contributor if serial % 40 == 37 => ("PENDING", kind),
            Standing::Contributor => ("ACTIVE", kind),
        }
    }

    fn home(&mut self, place: usize, at: Timestamp) -> Id {
        let meta = self.company.meta(at);
        let id = meta.id.clone();
        let place = &PLACES[place];
        self.company.locations.push(LocationRow {
            meta,
            name: Some("Home".into()),
            phone_number: None,
            street_1: Some(format!("{} Canary Street", 1 + self.random.below(400))),
            street_2: None,
            city: place.city.map(str::to_owned),
            state: place.state.map(str::to_owned),
            zip_code: Some("CANARY-ZIP".into()),
            country: Some(place.country.into()),
            location_type: Some("HOME".into()),
        });
        id
    }
}

#[derive(Clone, Copy)]
enum Standing {
    Manager,
    Contributor,
}

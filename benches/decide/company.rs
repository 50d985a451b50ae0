//! A company and its policies, the same for the same sizes.

use rollcall::api::employee::{EmployeeSpec, GroupPath, Location};
use rollcall::api::policy::{Clause, GroupKey, LocationKey, ManagerKey, Selector, TenureKey};
use rollcall::api::{Duration, common::NameRef};

/// How people and policies spread over the departments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Evenly.
    Uniform,
    /// Four of five people are in four of the teams, and as many policies are for those.
    Skewed,
}

const DIVISIONS: u64 = 10;
const DEPARTMENTS: u64 = 8;
const TEAMS: u64 = 5;
const LEVELS: [&str; 6] = ["Junior", "Associate", "Senior", "Staff", "Principal", "Head of"];
const ROLES: [&str; 20] = [
    "Software Engineer",
    "Data Engineer",
    "Product Manager",
    "Designer",
    "Accountant",
    "Recruiter",
    "Sales Manager",
    "Support Agent",
    "Security Analyst",
    "Site Reliability Engineer",
    "Account Executive",
    "Controller",
    "Office Manager",
    "Lawyer",
    "Researcher",
    "Technician",
    "Buyer",
    "Planner",
    "Data Scientist",
    "QA Engineer",
];
const TYPES: [&str; 4] = ["FULL_TIME", "PART_TIME", "CONTRACTOR", "INTERN"];
const COUNTRIES: [&str; 12] = ["DE", "US", "FR", "GB", "JP", "IN", "BR", "PL", "SE", "ES", "IT", "NL"];
const COMPANIES: [&str; 6] = [
    "Acme Inc",
    "Acme GmbH",
    "Acme SARL",
    "Acme Ltd",
    "Acme KK",
    "Acme India Pvt",
];
const UNITS: u64 = 5;
const GROUPS: u64 = 60;

/// Chance that is the same in every run (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let place = self.throw(of.len() as u64);
        of[usize::try_from(place).unwrap()]
    }
}

/// The names from the division to the team.
fn team(dice: &mut Dice, spread: Spread) -> [String; 3] {
    let (division, department, team) = if spread == Spread::Skewed && dice.throw(5) > 0 {
        (0, 0, dice.throw(4))
    } else {
        (dice.throw(DIVISIONS), dice.throw(DEPARTMENTS), dice.throw(TEAMS))
    };
    [
        format!("Division {division}"),
        format!("Department {division}.{department}"),
        format!("Team {division}.{department}.{team}"),
    ]
}

pub fn email(number: usize) -> String {
    format!("p{number}@acme.example")
}

/// The object name of an employee.
pub fn name(number: usize) -> String {
    format!("e-{number:012}")
}

/// Whose manager is `(number - 1) / 8`.
pub fn manager(number: usize) -> Option<usize> {
    number.checked_sub(1).map(|before| before / 8)
}

pub fn person(number: usize, spread: Spread) -> EmployeeSpec {
    let mut dice = Dice(number as u64 + 1);
    let team = team(&mut dice, spread);
    let group = |name: String| GroupPath { path: vec![name] };
    let title = format!("{} {}", dice.pick(&LEVELS), dice.pick(&ROLES));
    let country = dice.pick(&COUNTRIES);
    EmployeeSpec {
        connection_ref: None,
        display_name: Some(format!("Person {number}")),
        given_name: Some("Person".to_owned()),
        family_name: Some(number.to_string()),
        employee_number: Some(format!("E{number}")),
        work_email: Some(email(number)),
        username: Some(format!("p{number}")),
        // Some have none.
        job_title: (dice.throw(50) > 0).then_some(title),
        employment_type: Some(dice.pick(&TYPES).to_owned()),
        employment_status: Some("ACTIVE".to_owned()),
        start_date: Some(format!(
            "{}-{:02}-{:02}",
            2016 + dice.throw(10),
            1 + dice.throw(12),
            1 + dice.throw(28)
        )),
        manager_ref: manager(number).map(|manager| NameRef::new(name(manager))),
        departments: vec![GroupPath { path: team.into() }],
        business_units: vec![group(format!("Unit {}", dice.throw(UNITS)))],
        groups: (0..=dice.throw(3))
            .map(|_| group(format!("Group {}", dice.throw(GROUPS))))
            .collect(),
        work_location: Some(Location {
            country: Some(country.to_owned()),
            city: Some(format!("City {country} {}", dice.throw(4))),
            ..Location::default()
        }),
        company: Some(dice.pick(&COMPANIES).to_owned()),
        ..EmployeeSpec::default()
    }
}

/// The selector of a policy, among `people`.
pub fn selector(number: usize, people: usize, spread: Spread) -> Selector {
    let mut dice = Dice(u64::MAX / 2 + number as u64);
    let dice = &mut dice;
    let groups = |any: Vec<String>| Some(GroupKey { any, exact: false });
    let mut all = Clause::default();
    let mut any_of = Vec::new();
    let mut not = Vec::new();
    // One policy of ten has an expression: beside a key that files it, or alone, so that it is evaluated for everybody.
    let mut expression = None;
    match number % 20 {
        0..=5 => all.department = Some(departments(dice, spread)),
        6..=8 => {
            all.department = Some(departments(dice, spread));
            all.job_title = vec![title(dice)];
        }
        9 => all.group = groups(vec![format!("Group {}", dice.throw(GROUPS))]),
        10 => {
            all.group = groups(vec![format!("Group {}", dice.throw(GROUPS))]);
            expression = Some(format!(
                "has(employee.jobTitle) && employee.jobTitle.startsWith(\"{}\") && employee.employmentType != \"INTERN\"",
                dice.pick(&LEVELS)
            ));
        }
        11 | 12 => {
            let country = vec![dice.pick(&COUNTRIES).to_owned()];
            all.work_location = Some(LocationKey {
                country,
                ..LocationKey::default()
            });
            all.employment_type = vec![dice.pick(&TYPES).to_lowercase()];
        }
        13 => {
            all.company = vec![dice.pick(&COMPANIES).to_owned()];
            all.business_unit = groups(vec![format!("unit {}", dice.throw(UNITS))]);
        }
        14 => {
            let manager = usize::try_from(dice.throw(people.min(600) as u64)).unwrap();
            all.manager = Some(ManagerKey {
                under: vec![email(manager)],
                depth: None,
            });
        }
        15 => {
            all.department = Some(departments(dice, spread));
            all.tenure = Some(TenureKey {
                at_least: Some(Duration::new("365d")),
                less_than: None,
            });
        }
        16 => {
            any_of = vec![
                Clause {
                    department: Some(departments(dice, spread)),
                    ..Clause::default()
                },
                Clause {
                    group: groups(vec![format!("Group {}", dice.throw(GROUPS))]),
                    ..Clause::default()
                },
            ];
            not = vec![Clause {
                employment_type: vec!["CONTRACTOR".to_owned(), "INTERN".to_owned()],
                ..Clause::default()
            }];
        }
        17 => {
            let one = |dice: &mut Dice| email(usize::try_from(dice.throw(people as u64)).unwrap());
            all.employees = (0..8).map(|_| one(dice)).collect();
        }
        // By title alone: for these everybody must be asked.
        18 if number % 40 == 18 => all.job_title = vec![title(dice), format!("{} *", dice.pick(&LEVELS))],
        18 => all.job_title = vec![format!("*{}", dice.pick(&ROLES))],
        _ => {
            let [division, ..] = team(dice, spread);
            expression = Some(format!(
                "employee.departments.exists(d, \"{division}\" in d.path) && has(employee.workLocation.city) && \
                 employee.workLocation.country in [\"{}\", \"{}\"] && has(employee.jobTitle) && \
                 !employee.jobTitle.endsWith(\"Planner\")",
                dice.pick(&COUNTRIES),
                dice.pick(&COUNTRIES)
            ));
        }
    }
    Selector {
        all,
        any_of,
        not,
        expression,
    }
}

fn departments(dice: &mut Dice, spread: Spread) -> GroupKey {
    let any = (0..=dice.throw(2)).map(|_| {
        let team = team(dice, spread);
        // Rather teams than divisions.
        let depth = [0, 1, 1, 2, 2, 2, 2, 2][usize::try_from(dice.throw(8)).unwrap()];
        team[depth].clone()
    });
    GroupKey {
        any: any.collect(),
        exact: false,
    }
}

fn title(dice: &mut Dice) -> String {
    let role = dice.pick(&ROLES);
    match dice.throw(3) {
        0 => format!("*{role}*"),
        1 => format!("Senior {role}"),
        _ => format!("S????r *{}", role.rsplit(' ').next().unwrap()),
    }
}

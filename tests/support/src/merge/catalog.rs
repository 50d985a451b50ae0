//! What a mid-sized software company looks like: its units, departments, teams, titles and places.

pub(super) struct Department {
    pub name: &'static str,
    /// The parent: a business unit or another department, which must stand earlier in the list.
    pub parent: &'static str,
    /// The share of people, relative to the other departments.
    pub weight: usize,
    pub head: &'static str,
    pub manager: &'static str,
    pub titles: &'static [&'static str],
    /// Whether titles come in levels (Junior, Senior, Staff, Principal).
    pub levels: bool,
    pub teams: &'static [&'static str],
    /// Countries in which its people sit; empty for anywhere.
    pub countries: &'static [&'static str],
}

pub(super) const BUSINESS_UNITS: &[&str] = &["Product & Technology", "Go-To-Market", "Corporate"];

/// A grouping whose type Merge cannot map, so that it arrives as the HR system spells it.
pub(super) const RAW_GROUP: (&str, &str) = ("Berlin On-Site", "On-Site Department");

#[allow(clippy::too_many_arguments)]
const fn department(
    name: &'static str,
    parent: &'static str,
    weight: usize,
    head: &'static str,
    manager: &'static str,
    titles: &'static [&'static str],
    levels: bool,
    teams: &'static [&'static str],
    countries: &'static [&'static str],
) -> Department {
    Department {
        name,
        parent,
        weight,
        head,
        manager,
        titles,
        levels,
        teams,
        countries,
    }
}

const TECH: &str = "Product & Technology";
const MARKET: &str = "Go-To-Market";
const CORPORATE: &str = "Corporate";
const EMEA: &[&str] = &["DE", "GB", "PL"];
const AMERICAS: &[&str] = &["US", "CA"];

#[rustfmt::skip]
pub(super) const DEPARTMENTS: &[Department] = &[
    department("Engineering", TECH, 3, "Chief Technology Officer", "Engineering Manager", &["Software Engineer", "Engineering Program Manager"], true, &[], &[]),
    department("Platform", "Engineering", 11, "Director of Platform Engineering", "Engineering Manager, Platform", &["Platform Engineer", "Site Reliability Engineer"], true, &["Platform Runtime", "Platform Networking"], &[]),
    department("Product Engineering", "Engineering", 18, "Director of Product Engineering", "Engineering Manager", &["Software Engineer", "Frontend Engineer", "Mobile Engineer", "QA Engineer"], true, &["Payments", "Growth", "Mobile"], &[]),
    department("Data", "Engineering", 6, "Director of Data", "Data Engineering Manager", &["Data Engineer", "Data Scientist", "Analytics Engineer"], true, &[], &[]),
    department("Security", TECH, 4, "Chief Information Security Officer", "Security Engineering Manager", &["Security Engineer", "Security Analyst"], true, &["Detection and Response"], &[]),
    department("IT", TECH, 4, "Director of IT", "IT Manager", &["IT Support Specialist", "Systems Administrator", "Identity Engineer"], true, &[], &[]),
    department("Product", TECH, 5, "Chief Product Officer", "Group Product Manager", &["Product Manager", "Technical Product Manager"], true, &[], &[]),
    department("Design", TECH, 4, "Head of Design", "Design Manager", &["Product Designer", "UX Researcher"], true, &[], &[]),
    department("Sales", MARKET, 3, "Chief Revenue Officer", "Sales Manager", &["Sales Operations Analyst", "Solutions Engineer"], true, &[], &[]),
    department("EMEA Sales", "Sales", 7, "VP of Sales, EMEA", "Regional Sales Manager", &["Account Executive", "Sales Development Representative"], false, &[], EMEA),
    department("Americas Sales", "Sales", 7, "VP of Sales, Americas", "Regional Sales Manager", &["Account Executive", "Sales Development Representative"], false, &[], AMERICAS),
    department("Marketing", MARKET, 6, "Chief Marketing Officer", "Marketing Manager", &["Content Marketer", "Demand Generation Specialist", "Product Marketing Manager"], false, &[], &[]),
    department("Customer Success", MARKET, 6, "VP of Customer Success", "Customer Success Team Lead", &["Customer Success Manager", "Onboarding Specialist"], false, &[], &[]),
    department("Support", "Customer Success", 5, "Head of Support", "Support Team Lead", &["Support Engineer", "Support Specialist"], true, &["Night Shift"], &[]),
    department("Finance", CORPORATE, 4, "Chief Financial Officer", "Finance Manager", &["Financial Analyst", "Procurement Specialist", "Billing Specialist"], true, &[], &[]),
    department("Accounting", "Finance", 3, "Controller", "Accounting Manager", &["Accountant", "Payroll Specialist"], true, &[], &[]),
    department("People", CORPORATE, 3, "Chief People Officer", "People Operations Manager", &["HR Business Partner", "People Operations Specialist"], false, &[], &[]),
    department("Talent", "People", 2, "Head of Talent", "Recruiting Manager", &["Recruiter", "Sourcer"], true, &[], &[]),
    department("Legal", CORPORATE, 2, "General Counsel", "Legal Operations Manager", &["Counsel", "Paralegal"], true, &[], &[]),
    department("Workplace", CORPORATE, 2, "Head of Workplace", "Office Manager", &["Office Coordinator", "Executive Assistant"], false, &[], &[]),
];

/// The department of the chief executive, who has no manager; nobody else is in it.
pub(super) const EXECUTIVE: &str = "Executive Office";

pub(super) struct Place {
    pub name: &'static str,
    pub city: Option<&'static str>,
    pub state: Option<&'static str>,
    pub country: &'static str,
    pub currency: &'static str,
    pub weight: usize,
}

const fn place(
    name: &'static str,
    city: Option<&'static str>,
    state: Option<&'static str>,
    country: &'static str,
    currency: &'static str,
    weight: usize,
) -> Place {
    Place {
        name,
        city,
        state,
        country,
        currency,
        weight,
    }
}

/// Where people work. The last one is a country with several time zones and no state.
#[rustfmt::skip]
pub(super) const PLACES: &[Place] = &[
    place("Berlin HQ", Some("Berlin"), Some("BE"), "DE", "EUR", 16),
    place("Munich", Some("Munich"), Some("BY"), "DE", "EUR", 6),
    place("London", Some("London"), None, "GB", "GBP", 10),
    place("Warsaw", Some("Warsaw"), None, "PL", "PLN", 6),
    place("New York", Some("New York"), Some("NY"), "US", "USD", 12),
    place("San Francisco", Some("San Francisco"), Some("CA"), "US", "USD", 12),
    place("Austin", Some("Austin"), Some("TX"), "US", "USD", 6),
    place("Toronto", Some("Toronto"), Some("ON"), "CA", "CAD", 6),
    place("Bengaluru", Some("Bengaluru"), Some("KA"), "IN", "INR", 12),
    place("Sydney", Some("Sydney"), Some("NSW"), "AU", "AUD", 4),
    place("Remote, United States", None, None, "US", "USD", 6),
];

/// Levels of a title with how often each occurs.
pub(super) const LEVELS: &[(&str, usize)] = &[
    ("Junior ", 2),
    ("", 6),
    ("Senior ", 6),
    ("Staff ", 2),
    ("Principal ", 1),
];

/// What an HR system says where Merge says ACTIVE, INACTIVE or PENDING.
pub(super) fn raw_status(status: &str) -> &'static str {
    match status {
        "ACTIVE" => "Currently employed",
        "INACTIVE" => "Left the company",
        "PENDING" => "Offer signed",
        _ => "Other",
    }
}

//! How fast policies are matched, against cel-go on the same people and policies, and how much less a change costs than
//! the whole.
//!
//! ```text
//! cargo bench --bench decide                                  # 200 policies, 10,000 people
//! cargo bench --bench decide -- --test                        # small: only whether both find the same people
//! ROLLCALL_BENCH_POLICIES=1000 ROLLCALL_BENCH_PEOPLE=100000 cargo bench --bench decide
//! ```
//!
//! No figure is printed before it is shown that all ways match the same people. Times are those on a processor, of one
//! thread of ours and of cel-go's whole process, with its garbage collector.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench fails by panicking, and prints figures to be read by people"
)]

mod cel;
mod company;
mod incremental;

use std::alloc::System;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use jiff::Timestamp;
use jiff::civil::date;
use rollcall::api::{Employee, ProvisioningPolicy};
use rollcall::decide::index::{Index, Namespace, Person};
use rollcall::decide::phase::Zone;
use rollcall::decide::selector::{Compiled, Tri};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use self::company::Spread;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NAMESPACE: &str = "tenant";

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let size = |name: &str, small: usize, usual: usize| match std::env::var(name) {
        Ok(text) => text.parse().expect("a size is a number"),
        Err(_) if test => small,
        Err(_) => usual,
    };
    let people = size("ROLLCALL_BENCH_PEOPLE", 500, 10_000);
    let policies = size("ROLLCALL_BENCH_POLICIES", 20, 200);
    for spread in [Spread::Uniform, Spread::Skewed] {
        println!("\n{spread:?}: {policies} policies, {people} people");
        matching(people, policies, spread);
    }
    for spread in [Spread::Uniform, Spread::Skewed] {
        incremental::surveys(people, policies, spread);
    }
}

fn now() -> Timestamp {
    "2026-06-15T12:00:00Z".parse().unwrap()
}

fn employee(number: usize, spread: Spread) -> Employee {
    let mut employee = Employee::new(&company::name(number), company::person(number, spread));
    employee.metadata.namespace = Some(NAMESPACE.to_owned());
    employee.metadata.uid = Some(format!("00000000-0000-0000-0000-{number:012}"));
    employee.metadata.resource_version = Some("1".to_owned());
    employee.metadata.generation = Some(1);
    employee
}

fn policy(number: usize, people: usize, spread: Spread) -> ProvisioningPolicy {
    let selector = company::selector(number, people, spread);
    let spec =
        json!({"mode": "Enforce", "selector": selector, "entitlements": [{"name": format!("t{}", number % 50)}]});
    let mut policy = ProvisioningPolicy::new(&format!("p{number:06}"), serde_json::from_value(spec).unwrap());
    policy.metadata.namespace = Some(NAMESPACE.to_owned());
    policy.metadata.resource_version = Some("1".to_owned());
    policy.metadata.generation = Some(1);
    policy
}

/// Bytes that are on the heap now, as asked for.
fn heap() -> usize {
    // What a reallocation adds is among what was allocated.
    let stats = HEAP.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// How long this thread has been on a processor: what others do on the machine is not in it. Where the system does not
/// say (it is Linux that does), the time on the wall.
fn on_processor() -> f64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = text.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanos.map_or_else(|| BEGAN.elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let (began, on_wall) = (on_processor(), Instant::now());
    let result = black_box(work());
    // The system counts in ticks of a few milliseconds, so that what is short is taken from the wall.
    let wall = on_wall.elapsed().as_secs_f64();
    (if wall < 0.05 { wall } else { on_processor() - began }, result)
}

/// Like `cel::Report::matches`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found(u64, u64);

impl Default for Found {
    fn default() -> Self {
        Self(0, 0xcbf2_9ce4_8422_2325)
    }
}

impl Found {
    fn add(&mut self, person: usize) {
        self.0 += 1;
        self.1 = (self.1 ^ person as u64).wrapping_mul(0x0100_0000_01b3);
    }
}

fn row(what: &str, seconds: f64, against: f64, whom: &str) {
    println!(
        "  {what:<58} {:>12.3} ms   {:>10.1} x faster than {whom}",
        seconds * 1e3,
        against / seconds
    );
}

fn matching(people: usize, policies: usize, spread: Spread) {
    let mut index = Index::default();
    let before = heap();
    let (took, ()) = seconds(|| {
        for number in 0..people {
            index.put(employee(number, spread));
        }
    });
    println!(
        "  index: {} bytes for each employee (as allocated; facts, no record), {:.1} us to put one in",
        (heap() - before) / people,
        took / people as f64 * 1e6
    );
    let (compile, ()) = seconds(|| {
        for number in 0..policies {
            index.put(policy(number, people, spread));
        }
    });
    let namespace = index.namespace(NAMESPACE).unwrap();
    let (everybody, compiled) = (everybody(namespace), compiled(namespace));

    let (pairs, by_pair) = seconds(|| every_pair(namespace, &everybody, &compiled));
    let (candidates, by_candidate) = seconds(|| by_candidates(namespace, &everybody, &compiled));
    assert_eq!(by_pair, by_candidate, "candidates must miss nobody");
    let asked: usize = everybody.iter().map(|person| namespace.candidates(person).len()).sum();
    let matched: u64 = by_pair.iter().map(|found| found.0).sum();
    println!(
        "  {:.1} policies match a person, {:.1} are asked",
        matched as f64 / people as f64,
        asked as f64 / people as f64
    );
    let theirs = cel_go(people, policies, spread, &everybody);
    let theirs_found: Vec<Found> = theirs
        .matches
        .iter()
        .map(|(count, digest)| Found(*count, *digest))
        .collect();
    assert_eq!(by_pair, theirs_found, "cel-go must match the same people");
    println!(
        "  equal matches; cel-go {}: {:.0} ms for all, {:.0} ns for each evaluation",
        theirs.version,
        theirs.full * 1e3,
        theirs.full / (people * policies) as f64 * 1e9
    );

    row("compile all policies", compile, theirs.compile, "cel-go");
    row("everybody, every policy asked", pairs, theirs.full, "cel-go");
    row("everybody, by candidates", candidates, theirs.full, "cel-go");

    let one = one_changed_person(&mut index, people, policies, spread);
    row(
        "one changed employee, put in and matched",
        one,
        theirs.one_person,
        "cel-go",
    );
    row("one changed employee", one, candidates, "everybody");
    let edit = one_edited_policy(&mut index, people, policies, spread);
    row(
        "one edited policy, compiled and matched",
        edit,
        theirs.one_policy,
        "cel-go",
    );
    row("one edited policy", edit, candidates, "everybody");
}

/// In order of number.
fn everybody(namespace: &Namespace) -> Vec<&Person> {
    namespace.employees.values().map(AsRef::as_ref).collect()
}

/// In order of number, which is that of names.
fn compiled(namespace: &Namespace) -> BTreeMap<&str, (usize, Compiled)> {
    let policies = namespace.policies.iter().enumerate();
    policies
        .map(|(number, (name, entry))| {
            let selector = namespace.selector(entry.readable().unwrap());
            let selector = selector
                .as_ref()
                .as_ref()
                .expect("the bench's selectors are fine")
                .clone();
            (name.as_str(), (number, selector))
        })
        .collect()
}

fn matches(namespace: &Namespace, selector: &Compiled, person: &Person, zone: &Zone) -> bool {
    selector.matches(namespace, person, now(), zone).tri == Tri::True
}

fn every_pair(
    namespace: &Namespace,
    everybody: &[&Person],
    compiled: &BTreeMap<&str, (usize, Compiled)>,
) -> Vec<Found> {
    let zone = Zone::utc();
    let mut found = vec![Found::default(); compiled.len()];
    for (number, person) in everybody.iter().enumerate() {
        for (found, (_, selector)) in found.iter_mut().zip(compiled.values()) {
            if matches(namespace, selector, person, &zone) {
                found.add(number);
            }
        }
    }
    found
}

fn by_candidates(
    namespace: &Namespace,
    everybody: &[&Person],
    compiled: &BTreeMap<&str, (usize, Compiled)>,
) -> Vec<Found> {
    let zone = Zone::utc();
    let mut found = vec![Found::default(); compiled.len()];
    for (number, person) in everybody.iter().enumerate() {
        for (name, _) in namespace.candidates(person) {
            let (policy, selector) = &compiled[name.as_str()];
            if matches(namespace, selector, person, &zone) {
                found[*policy].add(number);
            }
        }
    }
    found
}

fn cel_go(people: usize, policies: usize, spread: Spread, everybody: &[&Person]) -> cel::Report {
    let epoch = date(1970, 1, 1);
    let today = now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
        .since(epoch)
        .unwrap()
        .get_days();
    let chain = |number: usize| {
        let up = std::iter::successors(company::manager(number), |number| company::manager(*number));
        up.map(company::email).collect::<Vec<_>>()
    };
    let people_values: Vec<_> = everybody
        .iter()
        .enumerate()
        .map(|(number, person)| cel::person(&person.spec, person.facts(), &chain(number), epoch))
        .collect();
    let expressions: Vec<String> = (0..policies)
        .map(|number| cel::expression(&company::selector(number, people, spread), today))
        .collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-cel-go");
    std::fs::create_dir_all(&folder).unwrap();
    cel::run(&folder, &people_values, &expressions)
}

/// What it takes to put one changed person in and ask the policies, on average.
fn one_changed_person(index: &mut Index, people: usize, policies: usize, spread: Spread) -> f64 {
    let times = people.min(100);
    let compiled = {
        let namespace = index.namespace(NAMESPACE).unwrap();
        let compiled = compiled(namespace);
        compiled
            .into_iter()
            .map(|(name, found)| (name.to_owned(), found))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(compiled.len(), policies);
    let changed: Vec<Employee> = (0..times)
        .map(|time| {
            let number = time * people / times;
            let mut employee = employee(number, spread);
            employee.spec = company::person(people + number, spread);
            employee.spec.manager_ref = company::manager(number).map(|m| rollcall::api::NameRef::new(company::name(m)));
            employee.metadata.resource_version = Some("2".to_owned());
            employee
        })
        .collect();
    let zone = Zone::utc();
    let (took, ()) = seconds(|| {
        for employee in changed {
            let name = employee.metadata.name.clone().unwrap();
            index.put(employee);
            let namespace = index.namespace(NAMESPACE).unwrap();
            let person = &namespace.employees[&name];
            for (name, _) in namespace.candidates(person) {
                black_box(matches(namespace, &compiled[name].1, person, &zone));
            }
        }
    });
    took / times as f64
}

/// What it takes to put one edited policy in and ask it about everybody, on average.
fn one_edited_policy(index: &mut Index, people: usize, policies: usize, spread: Spread) -> f64 {
    let times = policies.min(20);
    let zone = Zone::utc();
    let edited: Vec<ProvisioningPolicy> = (0..times)
        .map(|time| {
            let mut edited = policy(time * policies / times, people, spread);
            edited.spec.selector = company::selector(policies + time * policies / times, people, spread);
            edited.metadata.resource_version = Some("2".to_owned());
            edited.metadata.generation = Some(2);
            edited
        })
        .collect();
    let (took, ()) = seconds(|| {
        for policy in edited {
            let name = policy.metadata.name.clone().unwrap();
            index.put(policy);
            let namespace = index.namespace(NAMESPACE).unwrap();
            let selector = namespace.selector(namespace.policies[&name].readable().unwrap());
            let selector = selector.as_ref().as_ref().unwrap();
            let everybody = namespace.employees.values();
            black_box(
                everybody
                    .filter(|person| matches(namespace, selector, person, &zone))
                    .count(),
            );
        }
    });
    took / times as f64
}

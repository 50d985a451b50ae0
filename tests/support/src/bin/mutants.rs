//! Seeds the bugs of `tests/mutants.yaml` one at a time in a copy of the source, runs the tests of decisions on each, and
//! prints which test caught it. Takes a minute or two for each bug on two cores, and 3 GB of disk for each job.
//!
//! ```sh
//! cargo run -p rollcall-support --bin mutants              # all of them
//! cargo run -p rollcall-support --bin mutants -- grace     # those whose description has this (or one of these) in it
//! cargo run -p rollcall-support --bin mutants -- --jobs 2  # two at a time
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut jobs = 1;
    if wanted.first().is_some_and(|first| first == "--jobs") {
        match wanted.get(1).map(|number| number.parse()) {
            Some(Ok(number)) => jobs = number,
            _ => return usage(),
        }
        wanted.drain(..2);
    }
    if wanted.iter().any(|part| part.starts_with('-')) {
        return usage();
    }
    match rollcall_support::mutants::run(&wanted, jobs) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            eprintln!("{missed} not caught");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: mutants [--jobs N] [PART OF A DESCRIPTION...]");
    ExitCode::FAILURE
}

//! Seeds the bugs of `tests/mutants.yaml` one at a time in a copy of the source, runs the tests of decisions on each, and
//! prints which test caught it. Takes a minute or two for each bug on two cores, and 3 GB of disk for each job.
//!
//! ```sh
//! cargo run -p rollcall-support --bin mutants              # all of them
//! cargo run -p rollcall-support --bin mutants -- grace     # those whose description has this in it
//! cargo run -p rollcall-support --bin mutants -- --jobs 2  # two at a time
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (wanted, jobs) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => ("", Ok(1)),
        ["--jobs", jobs] => ("", jobs.parse()),
        ["--jobs", jobs, wanted] => (wanted, jobs.parse()),
        [wanted] if !wanted.starts_with('-') => (wanted, Ok(1)),
        _ => {
            eprintln!("usage: mutants [--jobs N] [PART OF A DESCRIPTION]");
            return ExitCode::FAILURE;
        }
    };
    let Ok(jobs) = jobs else {
        eprintln!("mutants: --jobs takes a number");
        return ExitCode::FAILURE;
    };
    match rollcall_support::mutants::run(wanted, jobs) {
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

//! Rollcall at work, on real parts, on this machine and with no accounts anywhere: a Kubernetes control plane, a SCIM
//! server, a simulated Merge account, and the operator as a process of its own.
//!
//! ```sh
//! cargo run --example quickstart            # the story, and then it stays up for you to try things
//! cargo run --example quickstart -- --once  # the story alone; fails where the targets do not hold what they should
//! ```

mod people;
mod program;
mod prompt;
mod shell;
mod stage;
mod story;
mod style;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rollcall_support::process::tail;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::stage::Stage;
use crate::story::Story;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

/// Rollcall at work: joiners, movers and leavers on a Kubernetes control plane, a SCIM server and a simulated Merge
/// account of its own.
#[derive(Debug, Parser)]
#[command(name = "quickstart")]
struct Options {
    /// End after the story, with a failure where the targets do not hold what they should.
    #[arg(long)]
    once: bool,
    /// How many people the company has.
    #[arg(long, default_value = "80", value_parser = clap::value_parser!(u16).range(40..=5000))]
    people: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match play(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nquickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn play(options: &Options) -> Result<()> {
    let began = Instant::now();
    let mut interrupts = Interrupts::new()?;
    let stage = tokio::select! {
        stage = Stage::raise(options.people.into()) => stage?,
        () = interrupts.next() => return Ok(()),
    };
    let mut story = Story::new(&stage);
    let told = tokio::select! {
        told = story.tell() => told,
        () = interrupts.next() => return story.end().await,
    };
    if let Err(error) = told {
        if let Some(operator) = story.operator() {
            eprintln!("\nthe operator's log:\n{}", tail(operator.log(), 30));
        }
        return Err(error);
    }
    println!("{}", story.times(began));
    if !options.once {
        story.invite();
        tokio::select! {
            ended = prompt::listen(&stage, &story) => ended?,
            () = interrupts.next() => eprintln!(),
        }
    }
    eprintln!("ending");
    story.end().await
}

/// Ctrl-C, or being told to end.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Seconds with one decimal.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
